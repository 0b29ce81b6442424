"""The mean absolute error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Loss, weighted


class MeanAbsoluteError(Loss):
    """The mean absolute difference over all entries: a far outlier pulls no harder than a near one.

    Forward    L = 1/N sum_k |p_k - y_k|            N: the number of entries, rows times columns
    Backward   |e| has slope 1 for e > 0 and -1 for e < 0, so dL/dp_k = sign(p_k - y_k) / N
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred, y_true (n, ...), sample_weight (n,)
    Cache      y_pred, y_true, sample_weight
    Edge       where p = y, the slopes from the two sides are -1 and 1; the slope used is 0
    Raises     ValueError if the shapes differ, or for invalid weights
    Check      check_loss(MeanAbsoluteError(), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))
    """

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        p, y, w = self._remember(y_pred, y_true, sample_weight)
        e = p - y
        return np.mean(weighted(np.where(e > 0, e, -e), w)).item()  # |e|, analytic

    def backward(self) -> NDArray:
        p, y, w = self._recall()
        return weighted(np.sign(p - y) / p.size, w)
