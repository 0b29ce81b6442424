"""The Dense layer: matrix products, which add the bias and apply relu to the numbers that they still hold.

A layer takes one call from Python, x @ W and x @ W + b need no temporary arrays, the products themselves accumulate
gradients, and large layers are divided among threads: forward by columns of W and backward by rows of W, in multiples
of 16 (a cache line), or by rows of x if x has more rows than W has columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .activations import gradient as activation_gradient
from .machine.codes import LINEAR, RELU
from .machine.compile import kernel
from .machine.exponential import finish
from .machine.loops import add_column_sums, bias_and_relu, times_slope
from .machine.memory import empty
from .machine.product import DEEP, MISMATCH, Rows, affine, matmul, product
from .machine.registers import VECTOR
from .machine.simd import MOST_ROWS, UNITS, fence, stream_row_gradients
from .machine.threads import WORTH_SHARING, parts_for, share
from .machine.transpose import transpose, transposed
from .sums import over_rows
from .twins import or_complex

LINE = 16  # numbers in a cache line
ROWS = 256  # rows of W at a time in backward
IN_CACHE = 0.4  # the cost of a multiply-add whose numbers are in the cache
FEW = 8  # rows of x for which W is read along its rows: reading it from memory then takes most of the time


@or_complex
def forward(x: NDArray, W: NDArray, b: NDArray | None, activation: int) -> NDArray:
    """Twin of layers.dense.dense_forward."""
    if b is None:
        b = W.reshape(-1)[:0]
    work = _work(x, W)
    if work < WORTH_SHARING:  # checked first: small networks spend most of their time on overhead
        y = _affine(x, W, b, activation == RELU)
    else:
        n, units = len(x), W.shape[1]
        y = empty((n, units), x.dtype)
        tall = _is_tall(x, W)
        task, count = (_affine_rows, n) if tall else (_affine_part, max(1, units // LINE))
        share(parts_for(count, work), count, task, x, W, b, activation == RELU, y)
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
    work = 2 * _work(x, W)
    if work < WORTH_SHARING:
        return _backward(dy, x, W, y, activation, dW, db, need_dx, accumulate)
    n, inputs = x.shape
    da = activation_gradient(dy, y, activation)
    if db.size:
        db += over_rows(da)
    dx = empty(x.shape if need_dx else (0, 0), x.dtype)
    lines = max(1, inputs // LINE)
    if n <= FEW:
        share(parts_for(lines, work), lines, _backward_part_of_few, da, x, W, dW, accumulate, dx)
    elif _is_tall(x, W):
        parts = parts_for(n, work)
        share(parts, n, _backward_part_of_tall, parts, da, x, W, dW, accumulate, dx)
    else:
        share(parts_for(lines, work), lines, _backward_part, da, transposed(da), x, W, dW, accumulate, dx)
    return dx


def _work(x: NDArray, W: NDArray) -> float:
    """The cost of a product, in multiply-adds that wait for memory, as they do for few rows of x."""
    return len(x) * W.size * (1 if len(x) <= FEW else IN_CACHE)


def _is_tall(x: NDArray, W: NDArray) -> bool:
    """Whether x is larger than W: each thread then takes rows of x and reads all of W, not the other way round."""
    return len(x) > max(FEW, W.shape[1])


@kernel()
def _affine(x, W, b, relu):
    """relu(x @ W + b)."""
    y = np.empty((x.shape[0], W.shape[1]), x.dtype)
    (n, inputs), units = x.shape, W.shape[1]
    if W.shape[0] != inputs or (b.size and b.size != units):
        raise ValueError(MISMATCH)
    affine(
        (n, units, inputs), x.reshape(-1), Rows(0, inputs), W.reshape(-1), Rows(0, units), b, 0, relu, y.reshape(-1),
        Rows(0, units),
    )  # fmt: skip
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
    if n <= FEW:
        _few_rows(x, W, start, stop, y)
        for i in range(n):
            bias_and_relu(flat_y, i * units + start, 1, stop - start, b, start, relu)
    else:
        in_W = Rows(start, units)  # for both W and y
        affine(
            (n, stop - start, inputs), x.reshape(-1), Rows(0, inputs), W.reshape(-1), in_W, b, start, relu, flat_y, in_W
        )


@kernel()
def _affine_rows(part, x, W, b, relu, y):
    """Write this part's rows of relu(x @ W + b) into y."""
    inputs, units = W.shape
    rows = part.stop - part.start
    affine(
        (rows, units, inputs), x.reshape(-1), Rows(part.start * inputs, inputs), W.reshape(-1), Rows(0, units), b, 0,
        relu, y.reshape(-1), Rows(part.start * units, units),
    )  # fmt: skip


@kernel()
def _few_rows(x, W, start, stop, y):
    """Write columns start .. stop - 1 of x @ W into y, going through W once, along its rows, four of them at a time."""
    n, inputs = x.shape
    units = np.uintp(W.shape[1])
    flat_W, flat_y, first, width = W.reshape(-1), y.reshape(-1), np.uintp(start), np.uintp(stop - start)
    sums = np.empty((n, stop - start), y.dtype)  # of DEEP products each, as in machine/product.py
    for k_from in range(0, inputs, DEEP):
        k_to = min(k_from + DEEP, inputs)
        fours = k_from + (k_to - k_from) // 4 * 4
        sums[:] = 0
        for k in range(k_from, fours, 4):
            row1 = np.uintp(k) * units + first
            row2, row3, row4 = row1 + units, row1 + units + units, row1 + units + units + units
            for r in range(n):
                total, a1, a2, a3, a4 = sums[r], x[r, k], x[r, k + 1], x[r, k + 2], x[r, k + 3]
                for j in range(width):
                    total[j] += (a1 * flat_W[row1 + j] + a2 * flat_W[row2 + j]) + (
                        a3 * flat_W[row3 + j] + a4 * flat_W[row4 + j]
                    )
        for k in range(fours, k_to):
            row = np.uintp(k) * units + first
            for r in range(n):
                total, entry = sums[r], x[r, k]
                for j in range(width):
                    total[j] += entry * flat_W[row + j]
        for r in range(n):
            total, to = sums[r], np.uintp(r) * units + first
            for j in range(width):
                flat_y[to + j] = total[j] if k_from == 0 else flat_y[to + j] + total[j]


@kernel()
def _backward(dy, x, W, y, activation, dW, db, need_dx, accumulate):
    """The whole backward pass of a layer too small for several threads. Without `accumulate`, db must hold zeros."""
    n, units = dy.shape
    da = dy
    if activation != LINEAR:
        da = np.empty_like(dy)
        times_slope(dy.reshape(-1), y.reshape(-1), activation, 0, da.reshape(-1), 0, dy.size)
    if dW.size:
        matmul(True, False, x, da, accumulate, dW)
    sums = np.zeros(db.size)  # float64
    add_column_sums(da.reshape(-1), 0, n, units, sums)
    for j in range(db.size):
        db[j] += sums[j]
    if not need_dx:
        return np.empty((0, 0), dy.dtype)
    dx = np.empty_like(x)
    matmul(False, True, da, W, False, dx)
    return dx


@kernel()
def _backward_part(part, da, da_T, x, W, dW, accumulate, dx):
    """Compute this part's rows of dW (unless it is empty) and columns of dx.

    dx is computed as dx.T = W @ da.T, so that W need not be transposed.
    """
    n, inputs = x.shape
    units = W.shape[1]
    start, stop = _range_of(part, inputs)
    flat_x, flat_W, flat_dW, flat_dx = x.reshape(-1), W.reshape(-1), dW.reshape(-1), dx.reshape(-1)
    flat_da, flat_da_T, flat_dx_T, in_T = da.reshape(-1), da_T.reshape(-1), np.empty(ROWS * n, x.dtype), Rows(0, n)
    for i in range(start, stop, ROWS):
        here = min(ROWS, stop - i)
        in_W = Rows(i * units, units)  # for both W and dW
        if dW.size:
            product(
                True, False, (here, units, n), flat_x, Rows(i, inputs), flat_da, Rows(0, units), accumulate, flat_dW,
                in_W,
            )  # fmt: skip
        if dx.size:
            product(False, False, (here, n, units), flat_W, in_W, flat_da_T, in_T, False, flat_dx_T, in_T)
            transpose(flat_dx_T, 0, n, here, n, flat_dx, i, inputs)


@kernel()
def _backward_part_of_tall(part, parts, da, x, W, dW, accumulate, dx):
    """Compute this part's rows of dW = x.T @ da, and its rows of dx = da @ W.T (each unless it is empty).

    `part` is a range of rows of x. Doing both in one call hands work over once.
    """
    n, inputs = x.shape
    units = W.shape[1]
    flat_da = da.reshape(-1)
    if dW.size:
        start, stop = inputs * part.number // parts, inputs * (part.number + 1) // parts
        product(
            True, False, (stop - start, units, n), x.reshape(-1), Rows(start, inputs), flat_da, Rows(0, units),
            accumulate, dW.reshape(-1), Rows(start * units, units),
        )  # fmt: skip
    if dx.size:
        product(
            False, True, (part.stop - part.start, inputs, units), flat_da, Rows(part.start * units, units),
            W.reshape(-1), Rows(0, units), False, dx.reshape(-1), Rows(part.start * inputs, inputs),
        )  # fmt: skip


@kernel(fastmath={"reassoc", "contract"})  # allows the sums of dx to be split into vector lanes
def _backward_part_of_few(part, da, x, W, dW, accumulate, dx):
    """`_backward_part` for few rows of x: dW[i] = sum_r x[r, i] da[r] and dx[r, i] = W[i] . da[r], one i at a time.

    Moving W and dW takes most of the time. A training step of VGG16 writes dW without reading it first.
    """
    n, inputs = x.shape
    units = np.uintp(W.shape[1])
    flat_da, flat_W, flat_dW = da.reshape(-1), W.reshape(-1), dW.reshape(-1)
    start, stop = _range_of(part, inputs)
    lines = flat_dW.ctypes.data % VECTOR == 0 and W.shape[1] % UNITS == 0  # whether rows of dW are whole cache lines
    if dW.size and dx.size and lines and not accumulate and n <= MOST_ROWS:
        for i in range(start, stop):
            stream_row_gradients(
                n, x.reshape(-1), i, inputs, flat_da, W.shape[1], flat_W, flat_dW, i * W.shape[1], dx.reshape(-1)
            )
        fence()
        return
    for i in range(start, stop):
        row = np.uintp(i) * units
        if dW.size and not accumulate:
            for j in range(units):
                flat_dW[row + j] = 0
        for r in range(n):
            first, entry = np.uintp(r) * units, x[r, i]
            if dW.size:
                for j in range(units):
                    flat_dW[row + j] += entry * flat_da[first + j]
            if dx.size:
                total = dx.dtype.type(0)
                for j in range(units):
                    total += flat_W[row + j] * flat_da[first + j]
                dx[r, i] = total
