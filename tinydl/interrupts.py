"""Ctrl-C at moments that leave everything whole.

Python raises KeyboardInterrupt between any two instructions: between a running statistic and the weights of its step,
or inside the line that restores a setting. In a `held` function, Ctrl-C waits instead for the next safe moment:

    held                  decorates a function: Ctrl-C waits for `check`, or for the end of the outermost held function
    check()               a safe moment, such as the one between two batches: raise here if Ctrl-C was pressed
    openly(function)      calls a user's code, which may wait for something: Ctrl-C acts at once inside
    sealed                decorates a short function that changes or restores settings

A second Ctrl-C acts at once, so that code that hangs can be stopped; in a sealed function, only the third does.

No variable records which of these functions runs, since Ctrl-C could leave it wrong: the signal's handler looks at the
stack. It is installed by the outermost held function, and only in place of another Python function (by default the one
that raises KeyboardInterrupt), which it calls at the safe moment. Python handles signals in the main thread alone, so
other threads are never interrupted.
"""

from __future__ import annotations

import _signal  # signal.signal converts to enums in Python: with it, a predict of one row takes half as long again
import functools
import signal
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Handler = Callable[[int, FrameType | None], Any]

PATIENCE = {"held": 1, "sealed": 2}  # how often Ctrl-C may be pressed before it acts at once
SIGINT = int(signal.SIGINT)

_kinds: dict[CodeType, str] = {}  # of the functions that the handler looks for on the stack
_pressed = 0  # how often Ctrl-C was pressed since it last acted
_outer: Handler = signal.default_int_handler  # the handler that ours took the place of


def held(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function so that a Ctrl-C that comes while it runs waits for a safe moment."""

    def holding(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        outer = _signal.getsignal(SIGINT)
        if outer is _handle or not callable(outer) or threading.get_ident() != threading.main_thread().ident:
            result = function(*args, **keywords)
            if _pressed:
                _check_outside(sys._getframe(1))
            return result
        try:
            _install(outer)
            result = function(*args, **keywords)
            _remove(outer)
        except BaseException:
            _remove(outer)  # again, as the exception may have come in the line above
            check()
            raise
        check()
        return result

    _kinds[holding.__code__] = "held"
    return functools.wraps(function)(holding)


def sealed(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Mark a short function that even a second Ctrl-C must not cut."""
    _kinds[function.__code__] = "sealed"
    return function


def openly(function: Callable[Arguments, Result], *args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
    """Call a function inside of which Ctrl-C acts at once, even within a held function."""
    return function(*args, **keywords)


_kinds[openly.__code__] = "open"


def check() -> None:
    """Let a Ctrl-C act that came in a held function."""
    if _pressed and threading.get_ident() == threading.main_thread().ident:
        _act(SIGINT, sys._getframe(1))


def _check_outside(frame: FrameType | None) -> None:
    """Call `check`, unless the function that `frame` belongs to is held itself."""
    if _kind(frame) not in PATIENCE:
        check()


def _install(outer: Handler) -> None:
    global _outer, _pressed
    _outer, _pressed = outer, 0
    if _signal.getsignal(SIGINT) is outer:
        _signal.signal(SIGINT, _handle)


def _remove(outer: Handler) -> None:
    if _signal.getsignal(SIGINT) is _handle:  # a callback may have set a handler of its own
        _signal.signal(SIGINT, outer)


def _handle(number: int, frame: FrameType | None) -> None:
    """The handler of SIGINT while a held function runs."""
    global _pressed
    _pressed += 1
    if _pressed > PATIENCE.get(_kind(frame), 0):
        _act(number, frame)


def _kind(frame: FrameType | None) -> str:
    """Whether the code at `frame` is "held", "sealed" or "open": the innermost of these functions decides."""
    while frame is not None:
        kind = _kinds.get(frame.f_code)
        if kind is not None:
            return kind
        frame = frame.f_back
    return "open"


def _act(number: int, frame: FrameType | None) -> None:
    global _pressed
    _pressed = 0
    _outer(number, frame)
