"""The mean squared error. Networks that use it are often so small that the loss takes a noticeable part of a step."""

from __future__ import annotations

import numpy as np

from .machine.compile import kernel
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
