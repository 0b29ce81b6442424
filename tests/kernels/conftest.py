"""What all tests of kernels share: whatever number of threads one of them sets, the next finds the usual one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinydl.kernels.machine.threads import num_threads, one_blas_thread, set_num_threads


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    """BLAS has one, as within kernels: on a busy machine its own workers make small products of NumPy's ten times slower."""
    before = num_threads()
    with one_blas_thread():
        yield
    set_num_threads(before)
