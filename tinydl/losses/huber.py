"""The Huber loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from .base import Loss, weighted


class Huber(Loss):
    """Squared for small errors, absolute for large ones: smooth at 0, and outliers pull no harder than delta.

    Forward    With e_k = p_k - y_k and N entries, L = 1/N sum_k h(e_k), where
                   h(e) = e^2 / 2                        if |e| <= delta
                   h(e) = delta |e| - delta^2 / 2        if |e| > delta; the two forms and their slopes meet at delta
               The code uses one form. With c = clip(e, -delta, delta),
                   h(e) = c e - c^2 / 2                  c = e gives the first form, c = delta sign(e) the second
    Backward   h'(e) is e in the first form and delta sign(e) in the second, so dL/dp_k = clip(e_k, -delta, delta) / N
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred, y_true (n, ...), sample_weight (n,)
    Cache      y_pred, y_true, sample_weight
    Raises     ValueError unless delta > 0, if the shapes differ, or for invalid weights
    Reference  Huber 1964
    Check      check_loss(Huber(0.5), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))
    """

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = arguments.positive("Huber", "delta", delta)

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        p, y, w = self._remember(y_pred, y_true, sample_weight)
        e = p - y
        c = self._clipped(e)
        return np.mean(weighted(c * (e - c / 2), w)).item()

    def backward(self) -> NDArray:
        p, y, w = self._recall()
        return weighted(self._clipped(p - y) / p.size, w)

    def _clipped(self, e: NDArray) -> NDArray:
        delta = e.dtype.type(self.delta)
        return np.where(e > delta, delta, np.where(e < -delta, -delta, e))  # analytic; NaN passes through
