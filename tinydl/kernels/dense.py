"""The Dense layer: matrix products, with bias and relu applied in one pass over the result.

BLAS computes the products. This module saves time elsewhere: a layer takes one call from Python, x @ W and x @ W + b
need no temporary arrays, the products themselves accumulate gradients (beta = 1), and large layers are divided among
threads: forward by columns of W and backward by rows of W, in multiples of 16 (a cache line). Forward multiplies
copies of blocks of x and W, which suit the cache better than the blocks themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .activations import gradient as activation_gradient
from .machine.blas import Rows, gemm, gemm_block, product
from .machine.codes import LINEAR, RELU, SIGMOID
from .machine.compile import kernel
from .machine.loops import add_column_sums, bias_and_relu, copy, finish, mask, transpose
from .machine.threads import WORTH_SHARING, parts_for, share
from .sums import over_rows
from .twins import or_complex

LINE = 16  # numbers in a cache line
FEWEST_ROWS = 8  # of x for which copying blocks of x and W pays
DEPTH, WIDTH, TALL = 80, 192, 64  # a block: 80 inputs x 192 units of W, times 64 rows of x, is less than BITE
ROWS = 60  # rows of W at a time in backward: for 128 units and a batch of 128, one block in blas.py


@or_complex
def forward(x: NDArray, W: NDArray, b: NDArray | None, activation: int) -> NDArray:
    """Twin of layers.dense.dense_forward."""
    if b is None:
        b = W.reshape(-1)[:0]
    if len(x) * W.size < WORTH_SHARING:  # checked first: small networks spend most of their time on overhead
        y = _affine(x, W, b, activation == RELU)
    else:
        n, units = len(x), W.shape[1]
        y = np.empty((n, units), x.dtype)
        lines = max(1, units // LINE)
        share(parts_for(lines, W.size * n), lines, _affine_part, x, W, b, activation == RELU, y)
    if activation > RELU:
        finish(y, activation)
    return y


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, activation: int, dW: NDArray | None, db: NDArray | None,
    need_dx: bool, accumulate: bool = True,
) -> NDArray:  # fmt: skip
    """Twin of layers.dense.dense_backward."""
    if dW is None:
        dW = np.empty((0, 0), W.dtype)
    if db is None:
        db = dW.reshape(-1)[:0]
    elif not accumulate:
        db[...] = 0
    if 2 * len(x) * W.size < WORTH_SHARING:
        return _backward(dy, x, W, y, activation, dW, db, need_dx, accumulate)
    n, inputs = x.shape
    da = activation_gradient(dy, y, activation)
    if db.size:
        db += over_rows(da)
    da_T = np.ascontiguousarray(da.T)
    dx = np.empty(x.shape if need_dx else (0, 0), x.dtype)
    lines = max(1, inputs // LINE)
    share(parts_for(lines, 2 * W.size * n), lines, _backward_part, da, da_T, x, W, dW, accumulate, dx)
    return dx


@kernel()
def _affine(x, W, b, relu):
    """relu(x @ W + b)."""
    y = np.empty((x.shape[0], W.shape[1]), x.dtype)
    gemm(False, False, 1.0, x, W, 0.0, y)
    bias_and_relu(y.reshape(-1), 0, x.shape[0], W.shape[1], b, 0, relu)
    return y


@kernel(inline="always")
def _range_of(part, size):
    """The start and stop indices of a part counted in cache lines; the last part includes an incomplete line."""
    return LINE * part.start, size if LINE * (part.stop + 1) > size else LINE * part.stop


@kernel()
def _affine_part(part, x, W, b, relu, y):
    """Write this part's units of relu(x @ W + b) into y."""
    n, inputs = x.shape
    units = W.shape[1]
    start, stop = _range_of(part, units)
    flat_y = y.reshape(-1)
    if n < FEWEST_ROWS:  # W is read once, so copying it would cost more than it saves
        in_W = Rows(start, units)  # for both W and y
        product(
            False, (n, stop - start, inputs), x.reshape(-1), Rows(0, inputs), W.reshape(-1), in_W, False, flat_y, in_W
        )  # fmt: skip
    else:
        _packed_product(x.reshape(-1), W.reshape(-1), n, inputs, units, start, stop, flat_y)
    for i in range(n):
        bias_and_relu(flat_y, i * units + start, 1, stop - start, b, start, relu)


@kernel()
def _packed_product(x, W, n, inputs, units, start, stop, y):
    """y[:, start:stop] = x @ W[:, start:stop], block by block, each block of x and W copied before it is multiplied.

    Rows that lie a multiple of 4 kB apart, as those of a layer of 1,024 units, compete for the same places of the
    cache. In a copy they are neighbors.
    """
    block_x, block_W = np.empty(n * DEPTH, x.dtype), np.empty(DEPTH * WIDTH, x.dtype)
    block_y = np.empty(n * WIDTH, x.dtype)
    for at in range(start, stop, WIDTH):
        wide = min(WIDTH, stop - at)
        for k in range(0, inputs, DEPTH):
            deep = min(DEPTH, inputs - k)
            for i in range(n):
                copy(x, i * inputs + k, block_x, i * deep, deep)
            for i in range(deep):
                copy(W, (k + i) * units + at, block_W, i * wide, wide)
            for i in range(0, n, TALL):
                tall = min(TALL, n - i)
                gemm_block(
                    False, False, (tall, wide, deep), 1.0, block_x, Rows(i * deep, deep), block_W, Rows(0, wide),
                    1.0 if k else 0.0, block_y, Rows(i * wide, wide),
                )  # fmt: skip
        for i in range(n):
            copy(block_y, i * wide, y, i * units + at, wide)


@kernel()
def _backward(dy, x, W, y, activation, dW, db, need_dx, accumulate):
    """The whole backward pass of a layer too small for several threads. Without `accumulate`, db must hold zeros."""
    n, units = dy.shape
    da = dy
    if activation != LINEAR:
        da = np.empty_like(dy)
        dy_flat, y_flat, da_flat = dy.reshape(-1), y.reshape(-1), da.reshape(-1)
        one = dy.dtype.type(1)
        if activation == RELU:
            mask(dy_flat, y_flat, 0, da_flat, 0, da_flat.size)
        elif activation == SIGMOID:
            for k in range(da_flat.size):
                da_flat[k] = dy_flat[k] * (y_flat[k] * (one - y_flat[k]))
        else:
            for k in range(da_flat.size):
                da_flat[k] = dy_flat[k] * (one - y_flat[k] * y_flat[k])
    if dW.size:
        gemm(True, False, 1.0, x, da, 1.0 if accumulate else 0.0, dW)
    sums = np.zeros(db.size)  # float64
    add_column_sums(da.reshape(-1), 0, n, units, sums)
    for j in range(db.size):
        db[j] += sums[j]
    if not need_dx:
        return np.empty((0, 0), dy.dtype)
    dx = np.empty_like(x)
    gemm(False, False, 1.0, da, _transposed(W), 0.0, dx)  # OpenBLAS has no fast small product with a transposed b
    return dx


@kernel()
def _transposed(W):
    """A copy of W.T. (W.T.copy() would be a strided loop over its rows.)"""
    W_T = np.empty((W.shape[1], W.shape[0]), W.dtype)
    transpose(W.reshape(-1), 0, W.shape[0], W.shape[1], W_T.reshape(-1))
    return W_T


@kernel()
def _backward_part(part, da, da_T, x, W, dW, accumulate, dx):
    """Compute this part's rows of dW (unless it is empty) and columns of dx.

    dx is computed as dx.T = W @ da.T, so that W need not be transposed.
    """
    n, inputs = x.shape
    units = W.shape[1]
    start, stop = _range_of(part, inputs)
    dx_T = np.empty((ROWS, n), x.dtype)
    flat_x, flat_W, flat_dW = x.reshape(-1), W.reshape(-1), dW.reshape(-1)
    flat_da, flat_da_T, flat_dx_T, in_T = da.reshape(-1), da_T.reshape(-1), dx_T.reshape(-1), Rows(0, n)
    for i in range(start, stop, ROWS):
        here = min(ROWS, stop - i)
        in_W = Rows(i * units, units)  # for both W and dW
        if dW.size:
            product(
                True, (here, units, n), flat_x, Rows(i, inputs), flat_da, Rows(0, units), accumulate, flat_dW, in_W
            )  # fmt: skip
        if dx.size:
            product(False, (here, n, units), flat_W, in_W, flat_da_T, in_T, False, flat_dx_T, in_T)
            for r in range(n):
                for k in range(here):
                    dx[r, i + k] = dx_T[k, r]
