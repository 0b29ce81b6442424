"""A seeded sample of every kind of attack; `python -m benchmarks.trust` makes all of them."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time

import pytest

from .kinds import KINDS
from .trial import in_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the attacks are made in forked processes")


@pytest.fixture(autouse=True)
def files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are written and synced: in memory if possible, so that a slow disk does not slow the tests."""
    if os.access("/dev/shm", os.W_OK):
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")


@pytest.mark.parametrize("kind", [kind for kind, attacks in KINDS.items() if attacks.sample])
def test_a_sample_of_the_attacks_does_no_harm(kind: str) -> None:
    tally = KINDS[kind].make(KINDS[kind].sample, 0)
    if tally.skipped:
        pytest.skip(tally.skipped)
    assert tally.attacks > 0
    assert tally.failures == []


# --- attacks that succeed are noticed ---------------------------------------------------------------------------------


def test_a_crash_an_error_and_a_hang_are_told_apart() -> None:
    assert in_child(lambda: 3).answer == 3
    assert in_child(lambda: signal.raise_signal(signal.SIGTERM)).trouble == "killed by SIGTERM"
    assert in_child(lambda: sys.exit("bad")).trouble.startswith("SystemExit: bad")
    assert in_child(lambda: time.sleep(30), 0.2).trouble == "hangs"


def test_memory_is_limited_and_measured() -> None:
    assert in_child(lambda: len(bytes(10**9)), memory=0.5).trouble.startswith("MemoryError")
    assert in_child(lambda: len(b"x" * 300_000_000)).gigabytes > 0.3
