"""Setup for all kernel tests: BLAS has one thread, as while kernels run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinydl.kernels.machine.threads import one_blas_thread


@pytest.fixture(autouse=True)
def blas_with_one_thread() -> Iterator[None]:
    """Give BLAS one thread, as kernels do: busy BLAS workers make small NumPy products ten times slower."""
    with one_blas_thread():
        yield
