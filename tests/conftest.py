"""What all tests share: one thread for NumPy's BLAS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from threadpoolctl import ThreadpoolController

ABOUT_THREADS = {"test_threads.py", "test_interrupts.py", "test_trust.py"}  # they prove that BLAS gets its threads back


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """BLAS's threads wait for one another in a busy loop: with two test processes on two cores, a small product takes
    up to a hundred times as long with two threads as with one."""
    about_threads = request.path.name in ABOUT_THREADS
    with nullcontext() if about_threads else ThreadpoolController().limit(limits=1, user_api="blas"):
        yield
