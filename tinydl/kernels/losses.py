"""The mean squared error, and cross-entropy with softmax: small networks notice the time that the loss takes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.exponential import exponentials
from .twins import or_complex


@kernel(fastmath={"reassoc", "contract"})  # allows the sum to be split into vector lanes
def _mean_squared_error(y_pred, y_true):
    p, t = y_pred.reshape(-1), y_true.reshape(-1)
    total = 0.0
    for k in range(p.size):
        d = p[k] - t[k]
        total += d * d
    return total / p.size


mean_squared_error = or_complex(_mean_squared_error)


@kernel()
def mean_squared_error_gradient(y_pred, y_true):
    """Twin of losses.mean_squared_error_gradient."""
    dy = np.empty_like(y_pred)
    p, t, d = y_pred.reshape(-1), y_true.reshape(-1), dy.reshape(-1)
    factor = y_pred.dtype.type(2.0 / p.size)
    for k in range(d.size):
        d[k] = (p[k] - t[k]) * factor
    return dy


@or_complex
def softmax_cross_entropy(
    z: NDArray, y: NDArray, label_smoothing: float, w: NDArray | None
) -> tuple[float, NDArray, NDArray]:
    """Twin of losses.softmax_cross_entropy."""
    if y.shape not in (z.shape, z.shape[:1]):  # the kernel would read past the end of the smaller array
        raise ValueError(f"softmax_cross_entropy: z and y must have the same rows, got {z.shape} and {y.shape}")
    z, y = np.ascontiguousarray(z), np.ascontiguousarray(y)
    w = z.reshape(-1)[:0] if w is None else np.ascontiguousarray(w)
    p_sum_q, q = np.empty_like(z), np.empty_like(z)
    return _softmax_cross_entropy(z, y, float(label_smoothing), w, p_sum_q, q), p_sum_q, q


@kernel(error_model="numpy")  # omits the test for division by 0: e[j] is 1 for the largest z, so no sum is less than 1
def _softmax_cross_entropy(z, y, label_smoothing, w, p_sum_q, q):
    """Row by row, with sums in float64; what is too large for the dtype becomes infinite, as in the definition."""
    rows, classes = z.shape
    keep, spread = z.dtype.type(1 - label_smoothing), z.dtype.type(label_smoothing / classes)
    e, losses = np.empty(classes, z.dtype), 0.0
    for i in range(rows):
        for j in range(classes):
            if y.ndim == 1:
                q[i, j] = z.dtype.type(1 if y[i] == j else 0)
            else:
                q[i, j] = y[i, j]
            if label_smoothing:
                q[i, j] = keep * q[i, j] + spread
        largest = z[i, 0]
        for j in range(classes):
            largest = z[i, j] if z[i, j] > largest else largest  # (NaN anywhere makes the sum below NaN)
        for j in range(classes):
            e[j] = z[i, j] - largest
        exponentials(e)
        total, sum_q = _sum(e), _sum(q[i])
        log_total, loss, factor = math.log(total), 0.0, z.dtype.type(sum_q / total)
        for j in range(classes):
            term = q[i, j] * (log_total - (z[i, j] - largest))
            loss += term if q[i, j] > 0 else 0.0
            p_sum_q[i, j] = e[j] * factor
        losses += z.dtype.type(loss) * w[i] if w.size else loss
    return float(z.dtype.type(losses)) / rows


@kernel(fastmath={"reassoc"})  # as in _mean_squared_error
def _sum(row):
    total = 0.0
    for k in range(row.size):
        total += row[k]
    return total
