"""Cross-entropy for yes-or-no targets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import arguments
from ..layers.activations import sigmoid
from .base import Loss, Shape, weighted


class BinaryCrossEntropy(Loss):
    """Cross-entropy for independent yes-or-no targets, computed from logits.

    Forward    p = sigmoid(z),  L = -1/N sum_k ( y_k log p_k + (1 - y_k) log(1 - p_k) )
               With log p = -log(1 + exp(-z)) and log(1 - p) = log p - z, every term becomes
                   log(1 + exp(-z)) + (1 - y) z  =  max(z, 0) - z y + log(1 + exp(-|z|))
               (for z < 0, log(1 + exp(-z)) = log(1 + exp(z)) - z); the last form cannot overflow
    Backward   d/dz log p = 1 - p and d/dz log(1 - p) = -p, so dL/dz_k = (p_k - y_k) / N
    Smoothing  with label smoothing e, y becomes (1 - e) y + e / 2, as in Keras: 1 - e / 2 for 1, and e / 2 for 0
    Classes    with class_weight {0: u, 1: v}, yes counts v times and no counts u times:
                   L = -1/N sum_k ( v y_k log p_k + u (1 - y_k) log(1 - p_k) )
               With a = v y, b = u (1 - y) and the form above, -log p = max(-z, 0) + log(1 + exp(-|z|)) (y = 1) and
               -log(1 - p) = max(z, 0) + log(1 + exp(-|z|)) (y = 0). The gradient is
                   dL/dz_k = (b p_k - a (1 - p_k)) / N = ((a + b) p_k - a) / N
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred (logits), y_true (n, ...), sample_weight (n,); y_true in [0, 1]; N is the number of entries
    Cache      y_pred, y_true (smoothed), sample_weight
    Raises     ValueError for targets outside [0, 1], unless 0 <= label_smoothing < 1, for class weights that are not
               {0: u, 1: v} with finite u, v >= 0, if the shapes differ, or for invalid weights
    Reference  label smoothing: Szegedy et al. 2016
    Check      check_loss(BinaryCrossEntropy(), rng.normal(size=(5, 3)), rng.uniform(size=(5, 3)))
    """

    def __init__(self, label_smoothing: float = 0.0, class_weight: Mapping[int, float] | None = None) -> None:
        super().__init__()
        self.label_smoothing = arguments.number("BinaryCrossEntropy", "label_smoothing", label_smoothing, 0, 1)
        self.class_weight = None if class_weight is None else _two_weights(class_weight)

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        y = super().check_targets(y, output_shape, dtype)
        if y.size and (y.min() < 0 or y.max() > 1):
            mend = "scale them, or use MeanSquaredError"
            if np.isin(y, (-1, 1)).all():
                mend = "pass (y + 1) / 2, or use Hinge"
            elif np.isin(y, (1, 2)).all():
                mend = "pass y - 1"
            elif y.min() >= 0 and np.array_equal(y, np.floor(y)):
                mend = "for several classes use SoftmaxCrossEntropy, with a unit for each; for pixels pass y / 255"
            raise ValueError(f"BinaryCrossEntropy: targets must lie in [0, 1], got {y.min():g} to {y.max():g}: {mend}")
        return y

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        z, y, w = self._remember(y_pred, y_true, sample_weight)
        if self.label_smoothing:
            y = (1 - self.label_smoothing) * y + self.label_smoothing / 2
            self._cache = z, y, w
        with np.errstate(under="ignore"):  # exp(-1000) is 0, as it should be
            tail = np.log1p(np.exp(np.where(z > 0, -z, z)))  # log(1 + exp(-|z|)), analytic
        if self.class_weight is None:
            terms = np.maximum(z, 0) - z * y + tail
        else:
            a, b = self.class_weight[1] * y, self.class_weight[0] * (1 - y)
            terms = a * (np.maximum(-z, 0) + tail) + b * (np.maximum(z, 0) + tail)
        return np.mean(weighted(terms, w)).item()

    def backward(self) -> NDArray:
        z, y, w = self._recall()
        if self.class_weight is None:
            return weighted((sigmoid(z) - y) / z.size, w)
        a, b = self.class_weight[1] * y, self.class_weight[0] * (1 - y)
        return weighted(((a + b) * sigmoid(z) - a) / z.size, w)


def _two_weights(class_weight: Mapping[int, float]) -> dict[int, float]:
    owner = "BinaryCrossEntropy"
    try:
        given = {float(label): weight for label, weight in class_weight.items()}  # labels are strings in JSON
    except (AttributeError, TypeError, ValueError):
        given = {}
    if set(given) != {0, 1}:
        raise ValueError(f"{owner}: class_weight must be {{0: weight of no, 1: weight of yes}}, got {class_weight!r}")
    return {label: arguments.number(owner, f"class_weight[{label}]", given[label], 0) for label in (0, 1)}
