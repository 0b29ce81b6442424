"""The mean squared error over the entries that have a target."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .base import Loss, Shape, as_finite, weighted

OWNER = "MaskedMeanSquaredError"


class MaskedMeanSquaredError(Loss):
    """The mean squared error for targets with gaps, such as a table of ratings: entries that are NaN do not count.

    Forward    L = 1/N sum_k r_k (p_k - y_k)^2       r_k: 1 if y_k is a number, 0 if it is NaN
               N: the number of all entries, rows times columns, with or without a target
    Backward   Each p_k enters only its own term, so dL/dp_k = 2 r_k (p_k - y_k) / N, which is 0 in the gaps: backprop
               pulls no output there, whatever the network predicts
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred, y_true (n, ...), sample_weight (n,)
    Cache      y_pred, y_true, sample_weight
    Edge       N is the same for every batch of a size, so the gradients of the batches add up to that of the whole
               table. With the number of targets for N, a rating would pull harder in a batch that has few of them.
               Without gaps the loss is MeanSquaredError; without any target it is 0
    Why NaN    a number that marks gaps, such as 0, could be a target, too (those of AutoRec are centered). NaN cannot,
               tables from pandas mark gaps so, and code that forgets the gaps gets NaN, not a wrong figure
    Raises     ValueError if the shapes differ, for infinite targets, if no entry of the targets of `fit` is a number,
               or for invalid weights
    Reference  Sedhain et al. 2015, equation 1 ("AutoRec: Autoencoders Meet Collaborative Filtering")
    Check      check_loss(MaskedMeanSquaredError(), rng.normal(size=(2, 2)), [[1.0, float("nan")], [0.5, 3.0]])
    """

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        """As in all losses, but NaN is allowed."""
        self._refuse_mask(y)
        y = self._of_output_shape(y, output_shape)
        self._refuse_infinity(y)
        if y.size and np.isnan(y).all():
            raise ValueError(f"{OWNER}: targets must hold numbers, got only NaN, which marks gaps: check their origin")
        as_finite(OWNER, "targets", np.where(np.isnan(y), 0, y), dtype)
        return np.ascontiguousarray(y, dtype=dtype)

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        p, y, w = self._remember(y_pred, y_true, sample_weight)
        return np.mean(weighted(self._error(p, y) ** 2, w)).item()

    def backward(self) -> NDArray:
        p, y, w = self._recall()
        return weighted(self._error(p, y) * (2.0 / p.size), w)

    def _error(self, p: NDArray, y: NDArray) -> NDArray:
        """r (p - y)."""
        return np.where(np.isnan(y), 0, p - y)  # NaN in p passes through

    def _remember(
        self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        self._refuse_mask(y_true)
        p, y, w = super()._remember(y_pred, y_true, sample_weight)
        self._refuse_infinity(y)
        return p, y, w

    def _refuse_mask(self, y: ArrayLike) -> None:
        if isinstance(y, np.ma.MaskedArray):
            got = "got a masked array, whose mask would be lost"
            mend = "write targets.astype(float).filled(numpy.nan), in which NaN marks the gaps"
            raise ValueError(f"{OWNER}: targets must be plain numbers, {got}: {mend}")

    def _refuse_infinity(self, y: NDArray) -> None:
        infinite = np.isinf(y)
        if infinite.any():
            row = int(np.argwhere(infinite)[0][0])
            raise ValueError(f"{OWNER}: targets must be finite, or NaN for gaps, got infinity in row {row}: remove it")
