"""Losses: a loss compares predictions with targets, and its gradient is the first dy of the backward pass.

    loss.forward(y_pred, y_true) -> float        the mean over the batch
    loss.backward()              -> dL/dy_pred   for the last forward, including the factor 1/N of the mean

The classification losses expect logits (the raw outputs of the last layer, without Softmax or Sigmoid). They compute
the softmax and its logarithm in one step, which is accurate where two steps would overflow or give log(0).

A Model calls `check_targets(y, output_shape, dtype)` once per `fit`, before it changes anything. The method raises for
invalid targets and returns valid ones as the array that `forward` expects.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import arguments, kernels
from .kernels import compiled_as
from .layers.activations import sigmoid

Shape = tuple[int, ...]


class Loss(arguments.Configured):
    """Base class of all losses; subclasses define `forward` and `backward`."""

    gradcheck_rules = "fail"  # as in Layer
    _cache: tuple[NDArray, NDArray] | None = None  # the arrays of the last forward pass, for backward

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        """Check that the targets have the output's shape, and return them as an array; (n,) is read as (n, 1)."""
        owner = type(self).__name__
        y = _numbers(owner, y)
        if y.ndim == 1 and output_shape == (1,):
            y = y[:, None]
        if y.shape[1:] != output_shape:
            hint = ": use SoftmaxCrossEntropy for integer class labels" if y.ndim == 1 and y.dtype.kind in "iu" else ""
            expected = f"targets must have the shape of the output, {_shown(output_shape)}"
            raise ValueError(f"{owner}: {expected}, got {y.shape}{hint}")
        return _finite(owner, np.ascontiguousarray(y, dtype=dtype))

    def _remember(self, y_pred: NDArray, y_true: NDArray) -> tuple[NDArray, NDArray]:
        y_pred = np.ascontiguousarray(y_pred)
        y_true = np.ascontiguousarray(y_true, dtype=y_pred.dtype)
        if y_pred.shape != y_true.shape or y_pred.size == 0:
            expected = "predictions and targets must have the same shape and not be empty"
            raise ValueError(f"{type(self).__name__}: {expected}, got {y_pred.shape} and {y_true.shape}")
        self._cache = y_pred, y_true
        return y_pred, y_true

    def _recall(self) -> tuple[NDArray, NDArray]:
        if self._cache is None:
            raise RuntimeError(f"{type(self).__name__}: backward was called before forward")
        return self._cache


class MeanSquaredError(Loss):
    """The mean squared difference over all entries, the usual loss for regression and autoencoders.

    Forward    L = 1/N sum_k (p_k - y_k)^2          N: the number of entries, rows times columns
    Backward   dL/dp_k = 2 (p_k - y_k) / N
    Shapes     y_pred, y_true (n, ...)
    Check      check_loss(MeanSquaredError(), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))
    """

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:
        return mean_squared_error(*self._remember(y_pred, y_true))

    def backward(self) -> NDArray:
        return mean_squared_error_gradient(*self._recall())


@compiled_as(kernels.losses.mean_squared_error)
def mean_squared_error(y_pred: NDArray, y_true: NDArray) -> float:
    """1/N sum_k (p_k - y_k)^2."""
    return np.mean((y_pred - y_true) ** 2).item()


@compiled_as(kernels.losses.mean_squared_error_gradient)
def mean_squared_error_gradient(y_pred: NDArray, y_true: NDArray) -> NDArray:
    """2 (p - y) / N."""
    return (y_pred - y_true) * (2.0 / y_pred.size)


class BinaryCrossEntropy(Loss):
    """Cross-entropy for independent yes-or-no targets, computed from logits.

    Forward    p = sigmoid(z),  L = -1/N sum_k ( y_k log p_k + (1 - y_k) log(1 - p_k) )
               With log p = -log(1 + exp(-z)) and log(1 - p) = log p - z, every term becomes
                   log(1 + exp(-z)) + (1 - y) z  =  max(z, 0) - z y + log(1 + exp(-|z|))
               (for z < 0, log(1 + exp(-z)) = log(1 + exp(z)) - z); the last form cannot overflow
    Backward   d/dz log p = 1 - p and d/dz log(1 - p) = -p, so dL/dz_k = (p_k - y_k) / N
    Shapes     y_pred (logits), y_true (n, ...); y_true in [0, 1]; N is the number of entries
    Raises     ValueError for targets outside [0, 1]
    Check      check_loss(BinaryCrossEntropy(), rng.normal(size=(5, 3)), rng.uniform(size=(5, 3)))
    """

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        y = super().check_targets(y, output_shape, dtype)
        if y.size and (y.min() < 0 or y.max() > 1):
            raise ValueError(f"BinaryCrossEntropy: targets must lie in [0, 1], got {y.min():g} to {y.max():g}")
        return y

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:
        z, y = self._remember(y_pred, y_true)
        return np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(np.where(z > 0, -z, z)))).item()  # -|z|, analytic

    def backward(self) -> NDArray:
        z, y = self._recall()
        return (sigmoid(z) - y) / z.size


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy for one class out of several, including the softmax.

    Forward    p = softmax(z),  L = -1/n sum_m sum_j q_mj log p_mj          m = 1 .. n: the rows
               log p_j = z_j - log sum_k exp(z_k), with the row's maximum subtracted from z first
               q: the target's distribution, one-hot or soft; with label smoothing e over c classes
                   q = (1 - e) y + e / c
    Backward   d log p_j / dz_i = 1[i = j] - p_i. Hence
                   dL/dz_mi = 1/n ( p_mi sum_j q_mj - q_mi ), which is (p_mi - q_mi) / n if sum_j q_mj = 1
               (the code keeps sum_j q_mj, since it accepts rows of y_true whose sum differs from 1 by up to 1e-3)
    Shapes     y_pred (logits) (n, classes); y_true integer labels (n,), or (n, classes) with rows that sum to 1
    Cache      p sum_j q_j and q
    Raises     ValueError for labels outside 0 .. classes - 1, for rows that are not distributions, and unless
               0 <= label_smoothing < 1
    Reference  label smoothing: Szegedy et al. 2016
    Check      check_loss(SoftmaxCrossEntropy(), rng.normal(size=(5, 3)), [0, 2, 1, 1, 0])
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = arguments.number("SoftmaxCrossEntropy", "label_smoothing", label_smoothing, 0, 1)

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        owner = "SoftmaxCrossEntropy"
        y = _numbers(owner, y)
        if len(output_shape) != 1:
            given = _shown(output_shape)
            raise ValueError(f"{owner}: the model must output rows of logits (n, classes), got {given}")
        classes = output_shape[0]
        if y.ndim == 2 and y.shape[1] == 1 and classes > 1:
            y = y[:, 0]
        if y.ndim == 1:
            labels = y if y.dtype == np.int64 else _finite(owner, y).astype(np.int64)
            if labels is not y and not np.array_equal(labels, y):
                raise ValueError(f"{owner}: labels must be integers, got {y[labels != y][0]}")
            if labels.size and (labels.min() < 0 or labels.max() >= classes):
                expected, got = f"0 .. {classes - 1} for {classes} classes", f"{labels.min()} .. {labels.max()}"
                raise ValueError(f"{owner}: labels must lie in {expected}, got {got}")
            return labels
        if y.shape[1:] != output_shape:
            raise ValueError(f"{owner}: targets must be labels (n,) or rows (n, {classes}), got {y.shape}")
        rows = _finite(owner, np.ascontiguousarray(y, dtype=dtype))
        if rows.size and (rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-3):
            raise ValueError(f"{owner}: every row of targets must be a distribution (entries >= 0, sum 1)")
        return rows

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:
        z = np.ascontiguousarray(y_pred)
        if z.ndim != 2 or z.size == 0:
            raise ValueError(f"SoftmaxCrossEntropy: logits must have shape (n, classes), not empty, got {z.shape}")
        y = np.asarray(y_true)
        if y.ndim != 2 or y.dtype != z.dtype or y.shape != z.shape:  # rows with the shape and dtype of z are valid
            y = self.check_targets(y, z.shape[1:], z.dtype)
        if len(y) != len(z):
            raise ValueError(f"SoftmaxCrossEntropy: expected {len(z)} targets, one per row of logits, got {len(y)}")
        shifted = z - z.max(axis=1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(axis=1, keepdims=True)
        log_p = shifted - np.log(total)
        q = (y[:, None] == np.arange(z.shape[1])).astype(z.dtype) if y.ndim == 1 else y
        if self.label_smoothing:
            q = (1 - self.label_smoothing) * q + self.label_smoothing / z.shape[1]
        self._cache = e / total * q.sum(axis=1, keepdims=True), q
        # 0 log 0 counts as 0: where q is 0 the term is skipped, even if p is 0 and its logarithm is infinite
        return -np.sum(q * np.where(q > 0, log_p, 0)).item() / len(z)

    def backward(self) -> NDArray:
        p_sum_q, q = self._recall()
        return (p_sum_q - q) / len(q)


def _numbers(owner: str, targets: ArrayLike) -> NDArray:
    y = np.asarray(targets)
    try:
        if y.dtype.kind == "c":
            raise TypeError("they are complex")
        return y if y.dtype.kind in "fiub" else y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: targets must be real numbers, got dtype {y.dtype}: {error}") from None


def _finite(owner: str, y: NDArray) -> NDArray:
    if not np.isfinite(y).all():
        row = int(np.argwhere(~np.isfinite(y))[0][0])
        raise ValueError(f"{owner}: targets must be finite, got NaN or infinity in row {row}")
    return y


def _shown(shape: Shape) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"
