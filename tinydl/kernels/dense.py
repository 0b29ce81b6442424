"""The Dense layer's matrix products with bias and activation in the same pass over the result.

The product itself is BLAS; what is won here is everything around it: one call from Python for the whole layer, no
temporary for x @ W or x @ W + b, the gradient accumulated by the product (beta = 1) instead of by a second pass, and
large layers shared by threads: forward by columns of W, backward by its rows, in ranges of 16 (a line of the cache).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import reference
from .blas import gemm, product
from .compile import kernel
from .elementwise import bias_and_relu, finish
from .reference import RELU, SIGMOID, activation_gradient
from .threads import WORTH_SHARING, parts_for, share


def dense_forward(x: NDArray, W: NDArray, b: NDArray, activation: int) -> NDArray:
    """See reference.dense_forward."""
    if x.dtype.kind == "c":
        return reference.dense_forward(x, W, b, activation)
    if len(x) * W.size < WORTH_SHARING:  # first, as small networks do little else
        y = _affine(x, W, b, activation == RELU)
    else:
        n, units = len(x), W.shape[1]
        y = np.empty((n, units), x.dtype)
        parts = parts_for(max(1, units // 16), W.size * n)

        def work(part: int, start: int, stop: int) -> None:
            _affine_part(x, W, b, activation == RELU, 16 * start, units if part == parts - 1 else 16 * stop, y)

        share(parts, max(1, units // 16), work)
    if activation > RELU:
        finish(y, activation)
    return y


@kernel()
def _affine(x, W, b, relu):  # type: ignore[no-untyped-def]
    """relu(x @ W + b)."""
    y = np.empty((x.shape[0], W.shape[1]), x.dtype)
    gemm(False, False, 1.0, x, W, 0.0, y)
    bias_and_relu(y.reshape(-1), 0, x.shape[0], W.shape[1], b, 0, relu)
    return y


@kernel()
def _affine_part(x, W, b, relu, start, stop, y):  # type: ignore[no-untyped-def]
    """Units start .. stop - 1 of it, into y."""
    n, inputs = x.shape
    units = W.shape[1]
    width = stop - start
    flat_y = y.reshape(-1)
    product(False, n, width, inputs, x.reshape(-1), 0, inputs, W.reshape(-1), start, units, False, flat_y, start, units)
    for i in range(n):
        bias_and_relu(flat_y, i * units + start, 1, width, b, start, relu)


def dense_backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, activation: int, dW: NDArray, db: NDArray, need_dx: bool,
    accumulate: bool = True,
) -> NDArray:  # fmt: skip
    """See reference.dense_backward."""
    if not accumulate:
        db[...] = 0
    if 2 * len(x) * W.size < WORTH_SHARING:
        return _backward(dy, x, W, y, activation, dW, db, need_dx, accumulate)
    n, inputs = x.shape
    parts = parts_for(max(1, inputs // 16), 2 * W.size * n)
    da = activation_gradient(dy, y, activation)
    if db.size:
        db += da.sum(axis=0)
    da_T = np.ascontiguousarray(da.T)
    dx = np.empty(x.shape if need_dx else (0, 0), x.dtype)

    def work(part: int, start: int, stop: int) -> None:
        _backward_part(da, da_T, x, W, 16 * start, inputs if part == parts - 1 else 16 * stop, dW, accumulate, dx)

    share(parts, max(1, inputs // 16), work)
    return dx


@kernel()
def _backward(dy, x, W, y, activation, dW, db, need_dx, accumulate):  # type: ignore[no-untyped-def]
    """All of it at once, for layers too small to share; db holds zeros already unless it is to be added to."""
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
    gemm(True, False, 1.0, x, da, 1.0 if accumulate else 0.0, dW)
    if db.size:
        for i in range(n):
            for j in range(units):
                db[j] += da[i, j]
    if not need_dx:
        return np.empty((0, 0), dy.dtype)
    dx = np.empty_like(x)
    gemm(False, True, 1.0, da, W, 0.0, dx)
    return dx


@kernel()
def _backward_part(da, da_T, x, W, start, stop, dW, accumulate, dx):  # type: ignore[no-untyped-def]
    """Inputs start .. stop - 1: their rows of dW, their columns of dx (by dx.T = W @ da.T: W is not transposed)."""
    n, inputs = x.shape
    units = W.shape[1]
    rows = 60  # at a time: with 128 units and 128 rows of a batch they are a bite, see blas.py
    dx_T = np.empty((rows, n), x.dtype)
    flat_x, flat_W, flat_dW = x.reshape(-1), W.reshape(-1), dW.reshape(-1)
    flat_da, flat_da_T, flat_dx_T = da.reshape(-1), da_T.reshape(-1), dx_T.reshape(-1)
    for i in range(start, stop, rows):
        here = min(rows, stop - i)
        product(True, here, units, n, flat_x, i, inputs, flat_da, 0, units, accumulate, flat_dW, i * units, units)
        if dx.size:
            product(False, here, n, units, flat_W, i * units, units, flat_da_T, 0, n, False, flat_dx_T, 0, n)
            for r in range(n):
                for k in range(here):
                    dx[r, i + k] = dx_T[k, r]
