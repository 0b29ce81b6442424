"""Metrics, reported beside the loss by `compile(metrics=...)`: functions metric(y_true, y_pred) -> float, row means.

Any function of this form works; those defined here can also be given by name. For curves, areas and confusion matrices,
use scikit-learn's metrics on the output of `predict`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Metric = Callable[[NDArray, NDArray], float]


def accuracy(y_true: NDArray, y_pred: NDArray) -> float:
    """Fraction of rows whose largest logit is at the label; with a single logit, of rows where its sign is right."""
    if y_pred.shape[-1] == 1:
        return float(np.mean((y_pred > 0) == (y_true.reshape(y_pred.shape) > 0.5)))
    labels = y_true if y_true.ndim == 1 else y_true.argmax(axis=-1)
    return float(np.mean(y_pred.argmax(axis=-1) == labels))


def mean_absolute_error(y_true: NDArray, y_pred: NDArray) -> float:
    """mean |y_pred - y_true| over all entries."""
    return float(np.mean(np.abs(y_pred - y_true)))


METRICS: dict[str, Metric] = {"accuracy": accuracy, "mean_absolute_error": mean_absolute_error}
