"""The Kullback-Leibler divergence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .base import Loss, Shape, weighted

SLACK = 1e-3  # how far the sum of a row may be from 1
RULE = "must be distributions (entries >= 0, rows with sum 1)"


class KLDivergence(Loss):
    """How far the predicted distributions p are from the targets q. It takes probabilities, not logits.

    Forward    L = 1/n sum_m sum_j q_mj log(q_mj / p_mj)        n: the rows (for more axes, all axes but the last)
               As in Keras, entries of p and q below 1e-7 count as 1e-7, so that no logarithm is infinite
    Backward   Only -q_mj log p_mj depends on p_mj, with slope -q_mj / p_mj:
                   dL/dp_mj = -1/n q_mj / p_mj                  0 where p_mj < 1e-7
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred, y_true (n, ..., classes), sample_weight (n,)
    Cache      y_pred, y_true, sample_weight
    Edge       where p < 1e-7 the gradient is 0, so a model cannot learn again a class that it has ruled out. L differs
               from the cross-entropy only by a term of the targets: a model without its Softmax layer, trained with
               SoftmaxCrossEntropy, has the same minimum without this flaw
    Raises     ValueError if rows of y_true or y_pred are not distributions (entries >= 0, with a sum that differs from
               1 by at most 1e-3), if the shapes differ or have one axis, or for invalid weights
    Reference  Kullback & Leibler 1951
    Check      check_loss(KLDivergence(), rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 5))
    """

    margin = 1e-7

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        q = super().check_targets(y, output_shape, dtype)
        if (q < 0).any() or (np.abs(q.sum(axis=-1) - 1) > SLACK).any():
            raise ValueError(f"KLDivergence: targets {RULE}, got entries from {q.min():g} to {q.max():g}")
        return q

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        p, q, w = self._remember(y_pred, y_true, sample_weight)
        if p.ndim < 2:
            raise ValueError(f"KLDivergence: predictions must be rows (n, ..., classes), got {p.shape}")
        if (p.real < 0).any() or (np.abs(p.real.sum(axis=-1) - 1) > SLACK).any():  # NaN passes: fit says where it began
            got = f"entries from {p.min():g} to {p.max():g}"
            mend = "end the model with Softmax(), or use SoftmaxCrossEntropy on logits"
            raise ValueError(f"KLDivergence: predictions {RULE}, got {got}: {mend}")
        if (q.real < 0).any() or (np.abs(q.real.sum(axis=-1) - 1) > SLACK).any():
            raise ValueError(f"KLDivergence: targets {RULE}, got entries from {q.min():g} to {q.max():g}")
        p, q = self._clipped(p), self._clipped(q)
        terms = weighted(q * np.log(q / p), w)
        return np.sum(terms).item() / (p.size // p.shape[-1])

    def backward(self) -> NDArray:
        p, q, w = self._recall()
        slope = np.where(p < self.margin, 0, -self._clipped(q) / self._clipped(p))
        return weighted(slope / (p.size // p.shape[-1]), w)

    def _clipped(self, p: NDArray) -> NDArray:
        least = p.dtype.type(self.margin)
        return np.where(p < least, least, p)  # NaN passes through
