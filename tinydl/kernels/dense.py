"""The Dense layer's matrix products with bias and activation in the same pass over the result.

The product itself is BLAS; what is won here is everything around it: one call from Python for the whole layer, no
temporary for x @ W or x @ W + b, and the gradient accumulated by the product (beta = 1) instead of by a second pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .blas import gemm
from .compile import kernel
from .reference import RELU, SIGMOID, TANH


def dense_forward(x: NDArray, W: NDArray, b: NDArray, activation: int) -> NDArray:
    """See reference.dense_forward. The two activations with an exp in them are left to NumPy, whose loops over it are
    vectorised where the compiler's are not: several times faster."""
    y = _affine(x, W, b, activation == RELU)
    if activation == TANH:
        np.tanh(y, out=y)
    elif activation == SIGMOID:  # 1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2, which cannot overflow
        y *= 0.5
        np.tanh(y, out=y)
        y += 1
        y *= 0.5
    return y


@kernel()
def _affine(x, W, b, relu):  # type: ignore[no-untyped-def]
    """x @ W + b, and max(., 0) of it, while it is in the cache."""
    n, units = x.shape[0], W.shape[1]
    y = np.empty((n, units), x.dtype)
    gemm(False, False, 1.0, x, W, 0.0, y)
    if b.size:
        for i in range(n):
            for j in range(units):
                y[i, j] += b[j]
    if relu:
        flat, zero = y.reshape(-1), y.dtype.type(0)
        for k in range(flat.size):
            flat[k] = zero if flat[k] < zero else flat[k]  # so written, NaN passes through
    return y


@kernel()
def dense_backward(dy, x, W, y, activation, dW, db, need_dx):  # type: ignore[no-untyped-def]
    """See reference.dense_backward."""
    n, units = dy.shape
    da = dy
    if activation != 0:
        da = np.empty_like(dy)
        dy_flat, y_flat, da_flat = dy.reshape(-1), y.reshape(-1), da.reshape(-1)
        zero, one = dy.dtype.type(0), dy.dtype.type(1)
        if activation == RELU:
            for k in range(da_flat.size):
                da_flat[k] = dy_flat[k] if y_flat[k] > zero else zero
        elif activation == SIGMOID:
            for k in range(da_flat.size):
                da_flat[k] = dy_flat[k] * (y_flat[k] * (one - y_flat[k]))
        else:
            for k in range(da_flat.size):
                da_flat[k] = dy_flat[k] * (one - y_flat[k] * y_flat[k])
    gemm(True, False, 1.0, x, da, 1.0, dW)
    if db.size:
        for i in range(n):
            for j in range(units):
                db[j] += da[i, j]
    if not need_dx:
        return np.empty((0, 0), dy.dtype)
    dx = np.empty_like(x)
    gemm(False, True, 1.0, da, W, 0.0, dx)
    return dx
