"""The mean squared error, with its compiled twin: small networks notice the time that the loss takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import kernels
from ..kernels import compiled_as
from .base import Loss, weighted


class MeanSquaredError(Loss):
    """The mean squared difference over all entries, the usual loss for regression and autoencoders.

    Forward    L = 1/N sum_k (p_k - y_k)^2          N: the number of entries, rows times columns
    Backward   dL/dp_k = 2 (p_k - y_k) / N
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred, y_true (n, ...), sample_weight (n,)
    Cache      y_pred, y_true, sample_weight
    Raises     ValueError if the shapes differ, or for invalid weights
    Check      check_loss(MeanSquaredError(), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))
    """

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        p, y, w = self._remember(y_pred, y_true, sample_weight)
        return mean_squared_error(p, y) if w is None else np.mean(weighted((p - y) ** 2, w)).item()

    def backward(self) -> NDArray:
        p, y, w = self._recall()
        gradient = mean_squared_error_gradient(p, y)
        return gradient if w is None else weighted(gradient, w)


@compiled_as(kernels.losses.mean_squared_error)
def mean_squared_error(y_pred: NDArray, y_true: NDArray) -> float:
    """1/N sum_k (p_k - y_k)^2."""
    return np.mean((y_pred - y_true) ** 2).item()


@compiled_as(kernels.losses.mean_squared_error_gradient)
def mean_squared_error_gradient(y_pred: NDArray, y_true: NDArray) -> NDArray:
    """2 (p - y) / N."""
    return (y_pred - y_true) * (2.0 / y_pred.size)
