"""The hinge loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .base import Loss, Shape, weighted


class Hinge(Loss):
    """The loss of a linear support vector machine: scores should be on the target's side, by a margin of 1.

    Forward    L = 1/N sum_k max(0, 1 - y_k s_k)    s: scores of any size, y_k = -1 or 1, N: the number of entries
    Backward   Where y_k s_k < 1, the term is 1 - y_k s_k, with slope -y_k; elsewhere it is 0. Hence
                   dL/ds_k = -y_k 1[y_k s_k < 1] / N
    Targets    -1 and 1; targets that are all 0 and 1 are converted to 2 y - 1, as in Keras
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred (scores), y_true (n, ...), sample_weight (n,)
    Cache      y_pred, y_true (-1 and 1), sample_weight
    Edge       on the margin, y s = 1, the slope used is 0
    Raises     ValueError for other targets (Keras computes with them), if the shapes differ, or for invalid weights
    Reference  Cortes & Vapnik 1995
    Check      check_loss(Hinge(), rng.normal(size=(5, 3)), rng.choice([-1.0, 1.0], (5, 3)))
    """

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        return self._signs(super().check_targets(y, output_shape, dtype))

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        s, y, w = self._remember(y_pred, y_true, sample_weight)
        y = self._signs(y)
        self._cache = s, y, w
        return np.mean(weighted(np.maximum(1 - y * s, 0), w)).item()

    def backward(self) -> NDArray:
        s, y, w = self._recall()
        return weighted(np.where(y * s < 1, -y, 0) / s.size, w)

    def _signs(self, y: NDArray) -> NDArray:
        if ((y == 1) | (y == -1)).all():
            return y
        if ((y == 0) | (y == 1)).all():
            return 2 * y - 1
        other = y[(y != 1) & (y != -1)]
        got = f"{other[other != 0][0]:g}" if (other != 0).any() else "-1, 0 and 1"
        raise ValueError(f"Hinge: targets must be -1 and 1, or all 0 and 1, got {got}: convert them to -1 and 1")
