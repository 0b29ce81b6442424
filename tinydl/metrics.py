"""Metrics for `compile(metrics=...)`: functions metric(y_true, y_pred) -> float that return a mean over the rows.

Any function of this form works; the functions below can also be given by name. For ROC curves, areas under them and
confusion matrices, use scikit-learn's metrics on the output of `predict`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Metric = Callable[[NDArray, NDArray], float]


def accuracy(y_true: NDArray, y_pred: NDArray) -> float:
    """The fraction of rows whose largest logit is the label's, or whose single logit has the right sign."""
    if y_pred.shape[-1] == 1:
        return float(np.mean((y_pred > 0) == (y_true.reshape(y_pred.shape) > 0.5)))
    labels = y_true if y_true.ndim == 1 else y_true.argmax(axis=-1)
    return float(np.mean(y_pred.argmax(axis=-1) == labels))


def mean_absolute_error(y_true: NDArray, y_pred: NDArray) -> float:
    """The mean of |y_pred - y_true| over all entries."""
    return float(np.mean(np.abs(y_pred - y_true)))


METRICS: dict[str, Metric] = {"accuracy": accuracy, "mean_absolute_error": mean_absolute_error}
