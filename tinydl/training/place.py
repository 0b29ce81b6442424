"""The place of a run: the epoch, how far it has come, its running loss, and what its metrics have seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..callbacks import Logs
from ..metrics import Metric
from ..network import NetworkInTraining
from .sources import Drawn


class Seen:
    """The targets and the predictions of one pass. A metric such as average precision needs them all: its mean over
    batches is another number."""

    def __init__(self) -> None:
        self.targets: list[NDArray] = []
        self.predictions: list[NDArray] = []

    def add(self, y_true: NDArray, y_pred: NDArray) -> None:
        self.targets.append(np.array(y_true))  # a source may reuse its arrays
        self.predictions.append(y_pred.copy())  # a view would keep the batch's large block of memory in use

    def figures(self, method: str, model: NetworkInTraining) -> Logs:
        """The metrics by name. One that raises or is not a number is named in a warning, and its value is NaN; with
        compile(strict_metrics=True), it is named in an error."""
        if not model.metrics:
            return {}
        y_true, y_pred = np.concatenate(self.targets), np.concatenate(self.predictions)
        y_true.flags.writeable = y_pred.flags.writeable = False  # for the metrics that come after one that writes
        found = {}
        for name, metric in model.metrics.items():
            found[name], trouble = _value(metric, y_true, y_pred)
            if trouble:
                trouble += self._non_finite()
            if trouble and model.strict_metrics:
                raise ValueError(f"{method}: the metric {name!r} {trouble}")
            if trouble:
                warnings.warn(f"{method}: the metric {name!r} {trouble}; training is not affected", stacklevel=2)
        return found

    def _non_finite(self) -> str:
        """The end of a message: which batch has predictions that are not finite; "" if none has."""
        bad = next((k for k, y in enumerate(self.predictions, 1) if not np.isfinite(y).all()), None)
        return "" if bad is None else f" (the model's outputs are not finite, first in batch {bad})"


def _value(metric: Metric, y_true: NDArray, y_pred: NDArray) -> tuple[float, str]:
    """A metric's value, and what is wrong with it."""
    try:
        value = float(metric(y_true, y_pred))
    except Exception as error:
        return math.nan, f"failed: {type(error).__name__}: {error}"
    return value, "" if math.isfinite(value) else f"is {value}"


@dataclass
class Place:
    """Where a run is. `begun` and `feed` say how the epoch's batches can be drawn once more."""

    epoch: int  # that is running or comes next, counted from 0
    batches: int = 0  # steps taken in this epoch
    total: float = 0.0  # the sum over rows of their batches' losses
    rows: int = 0
    seen: Seen = field(default_factory=Seen)
    begun: Mapping[str, Any] | None = None  # the model's generator when the epoch began
    feed: dict[str, Any] | None = None  # the place of the training feed when the epoch began
    last: Drawn | None = None  # the epoch's latest batch

    def next_epoch(self, feed: dict[str, Any] | None) -> None:
        self.epoch, self.batches, self.total, self.rows = self.epoch + 1, 0, 0.0, 0
        self.seen, self.begun, self.feed, self.last = Seen(), None, feed, None
