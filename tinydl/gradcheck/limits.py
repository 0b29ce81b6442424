"""A bound on the time of runs that the user did not ask for: in float32, at special values, on complex numbers.

A forward that iterates until a residual is below 1e-12 ends in float64 near the user's x, but perhaps nowhere else.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LEAST = 5.0  # seconds that any such run may take, because code may be compiled in it
PASSES = 1000.0  # the bound for slow code, in multiples of the time of the first passes


class EndlessError(Exception):
    """A run was stopped because it took far longer than the user's own input does."""


class _OutOfTimeError(BaseException):
    """Raised inside the user's code; no Exception, so that the user's own handlers let it through."""


def bound(seconds: float) -> float:
    """The time allowed for a run of a few passes, if the first passes took `seconds`."""
    return max(LEAST, PASSES * seconds)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise EndlessError if the block takes more CPU time.

    The bound needs a timer signal: without one (on Windows, or outside of the main thread) there is no bound.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _OutOfTimeError

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, min(seconds, 1e6))
        yield
    except _OutOfTimeError:
        raise EndlessError(f"it was stopped after {seconds:.3g} s, because it does not end there") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
