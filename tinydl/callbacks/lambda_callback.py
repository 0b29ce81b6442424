"""LambdaCallback: a callback made of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .. import interrupts
from .base import Callback

Function = Callable[..., Any]
ARGUMENTS = {  # as in Keras, whose events all have logs
    "on_epoch_begin": ("epoch", "logs"), "on_epoch_end": ("epoch", "logs"), "on_train_begin": ("logs",),
    "on_train_end": ("logs",), "on_train_batch_begin": ("batch", "logs"), "on_train_batch_end": ("batch", "logs"),
}  # fmt: skip


class LambdaCallback(Callback):
    """Call a function at each event, with Keras's arguments:

        LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))

    on_epoch_begin, on_epoch_end               function(epoch, logs)
    on_train_batch_begin, on_train_batch_end   function(batch, logs)
    on_train_begin, on_train_end               function(logs)

    Only the two events that end an epoch or a batch have figures; the others pass an empty `logs`.
    Raises TypeError if a function cannot be called with these arguments.
    """

    def __init__(
        self, on_epoch_begin: Function | None = None, on_epoch_end: Function | None = None,
        on_train_begin: Function | None = None, on_train_end: Function | None = None,
        on_train_batch_begin: Function | None = None, on_train_batch_end: Function | None = None,
    ) -> None:  # fmt: skip
        given = (
            on_epoch_begin, on_epoch_end, on_train_begin, on_train_end, on_train_batch_begin, on_train_batch_end
        )  # fmt: skip
        for event, function in zip(ARGUMENTS, given, strict=True):
            if function is not None:
                _check(event, function)
                setattr(self, event, _with_logs(event, function))


def _check(event: str, function: Function) -> None:
    names = ", ".join(ARGUMENTS[event])
    if not callable(function):
        raise TypeError(f"LambdaCallback: {event} must be a function of ({names}), got {function!r}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have no signature
        return
    try:
        signature.bind(*ARGUMENTS[event])
    except TypeError:
        raise TypeError(f"LambdaCallback: {event} must take ({names}), got {signature}: lambda {names}: ...") from None


def _with_logs(event: str, function: Function) -> Function:
    """The function that a run calls for the event: it adds the `logs` that only Keras passes."""
    if event in ("on_train_begin", "on_train_end"):
        return lambda: interrupts.openly(function, {})
    if event in ("on_epoch_begin", "on_train_batch_begin"):
        return lambda number: interrupts.openly(function, number, {})
    return function
