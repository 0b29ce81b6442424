"""Setup for all tests of kernels: after a test sets the number of threads, the next finds the default again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinydl.kernels.machine.threads import num_threads, one_blas_thread, set_num_threads


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    """BLAS has one thread, as within kernels: its workers make small NumPy products ten times slower if busy."""
    before = num_threads()
    with one_blas_thread():
        yield
    set_num_threads(before)
