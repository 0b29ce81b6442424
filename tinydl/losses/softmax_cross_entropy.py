"""Cross-entropy for one class out of several."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import arguments, kernels
from ..kernels import compiled_as
from .base import Loss, Shape, as_finite, as_floats, check_sample_weight, finite, real_numbers, shown, weighted

MOST_CLASSES = 1_000_000  # that a message suggests


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy for one class out of several, including the softmax.

    Forward    p = softmax(z),  L = -1/n sum_m sum_j q_mj log p_mj          m = 1 .. n: the rows
               log p_j = z_j - log sum_k exp(z_k), with the row's maximum subtracted from z first
               q: the target's distribution, one-hot or soft; with label smoothing e over c classes
                   q = (1 - e) y + e / c
    Backward   d log p_j / dz_i = 1[i = j] - p_i. Hence
                   dL/dz_mi = 1/n ( p_mi sum_j q_mj - q_mi ), which is (p_mi - q_mi) / n if sum_j q_mj = 1
               (the code keeps sum_j q_mj, since it accepts rows of y_true whose sum differs from 1 by up to 1e-3)
    Weights    multiply the terms and the gradient of their rows (derived in losses/base.py)
    Shapes     y_pred (logits) (n, classes); y_true integer labels (n,), or (n, classes) with rows that sum to 1;
               sample_weight (n,)
    Cache      p sum_j q_j, q and sample_weight
    Raises     ValueError for labels outside 0 .. classes - 1, for rows that are not distributions, unless
               0 <= label_smoothing < 1, or for invalid weights
    Reference  label smoothing: Szegedy et al. 2016
    Check      check_loss(SoftmaxCrossEntropy(), rng.normal(size=(5, 3)), [0, 2, 1, 1, 0])
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = arguments.number("SoftmaxCrossEntropy", "label_smoothing", label_smoothing, 0, 1)

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        owner = "SoftmaxCrossEntropy"
        y = real_numbers(owner, "targets", y)
        if len(output_shape) != 1:
            given = shown(output_shape)
            mend = "end it in Flatten(), or GlobalAveragePool2D(), and Dense(classes)"
            raise ValueError(f"{owner}: the model must output rows of logits (n, classes), got {given}: {mend}")
        classes = output_shape[0]
        if y.ndim == 2 and y.shape[1] == 1 and classes > 1:
            y = y[:, 0]
        if y.ndim == 1:
            labels = y
            if y.dtype != np.int64:
                with np.errstate(invalid="ignore"):  # a number too large for int64 becomes another number
                    labels = finite(owner, "targets", y).astype(np.int64)
            if labels is not y and not np.array_equal(labels, y):
                bad = y[labels != y][0]
                expected, mend = "integers", "for numbers to predict, use MeanSquaredError"
                if bad == np.floor(bad):
                    expected, mend = "integers below 2**63", "number the classes 0, 1, ..."
                raise ValueError(f"{owner}: labels must be {expected}, got {bad}: {mend}")
            if labels.size and labels.view(np.uint64).max() >= classes:  # a negative label is a very large one there
                expected, got = f"0 .. {classes - 1} for {classes} classes", f"{labels.min()} .. {labels.max()}"
                raise ValueError(f"{owner}: labels must lie in {expected}, got {got}: {_renumber(labels, classes)}")
            return labels
        if y.shape[1:] != output_shape:
            mend = "pass one label, or one row of probabilities, for each row of x"
            if y.ndim == 2:
                mend = "transpose them, y.T" if y.shape[0] == classes else f"give the last layer {y.shape[1]} units"
            raise ValueError(f"{owner}: targets must be labels (n,) or rows (n, {classes}), got {y.shape}: {mend}")
        rows = as_finite(owner, "targets", y, dtype)
        if rows.size and (rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-3):
            sums = rows.sum(axis=1)
            got = f"entries from {rows.min():g} to {rows.max():g}, sums from {sums.min():g} to {sums.max():g}"
            mend = "pass labels, or use MeanSquaredError for numbers and BinaryCrossEntropy for several yes or no"
            expected = "every row of targets must be a distribution (entries >= 0, sum 1)"
            raise ValueError(f"{owner}: {expected}, got {got}: {mend}")
        return rows

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        owner = "SoftmaxCrossEntropy"
        z = as_floats(owner, y_pred)
        if z.ndim != 2 or z.size == 0:
            mend = "the order is forward(y_pred, y_true)"
            raise ValueError(f"{owner}: logits must have shape (n, classes), not empty, got {z.shape}: {mend}")
        y = y_true
        if type(y) is not np.ndarray or y.ndim != 2 or y.dtype != z.dtype or y.shape != z.shape:
            y = self.check_targets(y, z.shape[1:], z.dtype)  # rows with the shape and dtype of z are valid
        if len(y) != len(z):
            raise ValueError(f"{owner}: expected {len(z)} targets, one per row of logits, got {len(y)}")
        w = None if sample_weight is None else check_sample_weight(owner, sample_weight, len(z), z.dtype)
        value, p_sum_q, q = softmax_cross_entropy(z, y, self.label_smoothing, w)
        self._cache = p_sum_q, q, w
        return value

    def backward(self) -> NDArray:
        p_sum_q, q, w = self._recall()
        return weighted((p_sum_q - q) / len(q), w)


@compiled_as(kernels.losses.softmax_cross_entropy)
def softmax_cross_entropy(
    z: NDArray, y: NDArray, label_smoothing: float, w: NDArray | None
) -> tuple[float, NDArray, NDArray]:
    """Return L, p sum_j q_j and q: z (n, classes), y labels (n,) or rows (n, classes), w (n,) or None."""
    shifted = z - z.max(axis=1, keepdims=True)
    with np.errstate(under="ignore"):  # exp(-1000) is 0, as it should be
        e = np.exp(shifted)
        total = e.sum(axis=1, keepdims=True)
        p = e / total
    log_p = shifted - np.log(total)
    q = (y[:, None] == np.arange(z.shape[1])).astype(z.dtype) if y.ndim == 1 else y.copy()
    if label_smoothing:
        q = (1 - label_smoothing) * q + label_smoothing / z.shape[1]
    # 0 log 0 counts as 0: where q is 0 the term is skipped, even if p is 0 and its logarithm is infinite
    losses = weighted(-q * np.where(q > 0, log_p, 0), w)
    return np.sum(losses).item() / len(z), p * q.sum(axis=1, keepdims=True), q


def _renumber(labels: NDArray, classes: int) -> str:
    """What to do about labels outside 0 .. classes - 1."""
    if classes == 1:
        return "for yes or no, use BinaryCrossEntropy, or give the last layer 2 units"
    if labels.min() == 1 and labels.max() == classes:
        return "labels count from 0, so pass y - 1"
    number = "number the classes, names, y = np.unique(y, return_inverse=True)"
    if labels.min() < 0 or labels.max() > MOST_CLASSES:
        return number
    return f"give the last layer {labels.max() + 1} units, or {number}"
