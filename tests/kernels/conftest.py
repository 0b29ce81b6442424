"""What all tests of kernels share: whatever number of threads one of them sets, the next finds the usual one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinydl.kernels.machine.threads import num_threads, set_num_threads


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    before = num_threads()
    yield
    set_num_threads(before)
