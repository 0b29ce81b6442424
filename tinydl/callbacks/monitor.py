"""Monitor: what EarlyStopping, ModelCheckpoint and ReduceLROnPlateau share, the best value of one figure."""

from __future__ import annotations

import math
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .. import arguments, metrics
from .base import Callback


class Monitor(Callback):
    """Watch one figure and keep its best value so far; the base class of the callbacks that act on improvements.

    mode       "min" or "max" is the direction of better values; "auto" knows it for the loss and for the metrics that
               have a name in tinydl, Keras or scikit-learn, and refuses other figures when the run begins
    min_delta  the change that counts as an improvement: value > best + min_delta ("max") or value < best - min_delta

    NaN is never an improvement. An epoch without the figure (fit's validation_freq) is skipped, as in Keras.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float, verbose: int) -> None:
        owner = type(self).__name__
        if not isinstance(monitor, str):
            raise TypeError(f"{owner}: monitor must be the name of a figure, got {monitor!r}")
        self.monitor = monitor
        self.mode = arguments.one_of(owner, "mode", mode, ("auto", "min", "max"))
        self.min_delta = arguments.number(owner, "min_delta", min_delta, 0)
        self.verbose = verbose
        self._direction = metrics.direction(monitor) if mode == "auto" else mode
        self._sign = 1.0 if self._direction == "max" else -1.0
        self.best = -self._sign * math.inf
        self._best_weights: list[NDArray] | None = None

    def check_run(self) -> None:
        owner, figures = type(self).__name__, self.params["metrics"]
        if self.monitor not in figures:
            validated = any(figure.startswith("val_") for figure in figures)
            near = get_close_matches(self.monitor, figures, n=1)
            near += [figure for figure in figures if self.monitor and figure.startswith(self.monitor)]
            if self.monitor.startswith("val_") and not validated:
                mend = "pass validation_data to fit"
            else:
                mend = f"did you mean {near[0]!r}?" if near else "give it to compile, metrics=[...]"
            expected = f"one of this run's figures, {', '.join(figures)}"
            raise ValueError(f"{owner}: monitor must be {expected}, got {self.monitor!r}: {mend}")
        if self._direction is None:
            unknown = f"whether a higher or a lower {self.monitor!r} is better is unknown"
            raise ValueError(
                f"{owner}: mode must be 'max' or 'min', got 'auto', but {unknown}: pass mode='max' or 'min'"
            )

    def on_train_begin(self) -> None:
        if self.params["initial_epoch"] == 0:  # a continued run keeps the best value so far
            self.best, self._best_weights = -self._sign * math.inf, None

    def improved(self, value: float, reference: float | None = None) -> bool:
        """Whether `value` is better than `reference`, by default the best value so far, by more than min_delta."""
        reference = self.best if reference is None else reference
        return self._sign * value - self.min_delta > self._sign * reference

    def on_train_end(self) -> None:
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def get_state(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "best": self.best, "best_weights": self._best_weights}

    def check_state(self, state: dict[str, Any]) -> None:
        owner, weights = type(self).__name__, state["best_weights"]
        if state["monitor"] != self.monitor:
            mend = "list the callbacks in the same order"
            raise ValueError(
                f"{owner}: monitor must be {state['monitor']!r}, as in the file, got {self.monitor!r}: {mend}"
            )
        if not isinstance(state["best"], float):
            raise ValueError(f"{owner}: best must be a float, got {arguments.brief(state['best'])}")
        shapes = [array.shape for array in self.model.get_weights()]
        if weights is not None and [np.shape(array) for array in weights] != shapes:
            raise ValueError(f"{owner}: best_weights must have this model's shapes")

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self._best_weights = state["best"], state["best_weights"]

    def say(self, epoch: int, text: str) -> None:
        if self.verbose:
            with suppress(OSError):  # of a full disk or a closed pipe
                tqdm.write(f"Epoch {epoch + 1:05d}: {text}")  # above the progress bar, if any
