"""Setup for all kernel tests: each test starts with the default number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinydl.kernels.machine.threads import num_threads, one_blas_thread, set_num_threads


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    """Give BLAS one thread, as kernels do: busy BLAS workers make small NumPy products ten times slower."""
    before = num_threads()
    with one_blas_thread():
        yield
    set_num_threads(before)
