"""LearningRateScheduler: a learning rate for each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import arguments
from .base import Callback


class LearningRateScheduler(Callback):
    """Set each epoch's learning rate to `schedule(epoch)`, or to `schedule(epoch, rate)` if it asks for the rate.

    A schedule asks for the current rate if its second parameter has no default or is called lr or learning_rate.
    For a rate that changes with every step, pass the optimizer a schedule from tinydl.schedules instead.

    Raises ValueError, before training, if the optimizer's learning rate is such a schedule.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function of the epoch, got {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose
        self.takes_rate = _takes_rate(schedule)

    def check_run(self) -> None:
        self._refuse_schedule()

    def on_epoch_begin(self, epoch: int) -> None:
        given = (epoch, self._optimizer.current_learning_rate) if self.takes_rate else (epoch,)
        largest = float(np.finfo(self.model.dtype).max)
        rate = arguments.number("LearningRateScheduler", f"schedule({epoch})", self.schedule(*given), 0, largest)
        self._optimizer.learning_rate = rate
        if self.verbose:
            tqdm.write(f"Epoch {epoch + 1:05d}: learning rate is {rate:g}")

    def get_state(self) -> dict[str, Any]:
        """Nothing that it needs: a run that continues with this callback added, or left out, then says so."""
        return {"takes_rate": self.takes_rate}

    def set_state(self, state: dict[str, Any]) -> None: ...


def _takes_rate(schedule: Callable[..., float]) -> bool:
    """Whether the schedule's second parameter asks for the current rate; raise unless it can be called."""
    try:
        signature = inspect.signature(schedule)
    except (TypeError, ValueError):  # some built-in functions have no signature
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    second = [each for each in signature.parameters.values() if each.kind in positional][1:2]
    takes_rate = any(each.default is each.empty or each.name in ("lr", "learning_rate") for each in second)
    try:
        signature.bind(*(0, 0.1)[: 1 + takes_rate])
    except TypeError:
        expected = "take the arguments (epoch) or (epoch, learning_rate)"
        raise TypeError(f"LearningRateScheduler: schedule must {expected}, got {signature}") from None
    return takes_rate
