"""Elementwise inner loops on numbers that are in the cache: copying, bias, activation, masking.

The kernels take flat arrays and the offsets at which to begin. Offsets are converted to unsigned integers: a negative
index counts from the end in Python, so with signed offsets the compiler would test each index and could not vectorize.
"""

from __future__ import annotations

import numpy as np

from .codes import RELU, SIGMOID
from .compile import kernel
from .simd import add_bias


@kernel()
def bias_and_relu(y, at, rows, columns, b, b_at, relu):
    """Add b (unless it is empty) to each row of y and, with relu, replace negative numbers by 0, in place."""
    if b.size:
        for i in range(rows):
            add_bias(y, at + i * columns, b, b_at, columns, relu)
        return
    start, zero = np.uintp(at), y.dtype.type(0)
    for k in range(np.uintp(rows * columns if relu else 0)):
        y[start + k] = zero if y[start + k] < zero else y[start + k]  # written this way so that NaN passes through


@kernel(inline="always")
def mask(dy, y, at, da, to, size):
    """The gradient through a relu: da[to:] = dy[at:] 1[y[at:] > 0], for `size` numbers."""
    p, q, zero = np.uintp(at), np.uintp(to), dy.dtype.type(0)
    for k in range(np.uintp(size)):
        da[q + k] = dy[p + k] if y[p + k] > zero else zero


@kernel(inline="always")
def times_slope(dy, y, activation, at, da, to, size):
    """da[to:] = (dy f'(a))[at:] for relu, sigmoid or tanh, computed from y = f(a), for `size` numbers."""
    p, q, one = np.uintp(at), np.uintp(to), y.dtype.type(1)
    if activation == RELU:
        mask(dy, y, at, da, to, size)
    elif activation == SIGMOID:
        for k in range(np.uintp(size)):
            da[q + k] = dy[p + k] * (y[p + k] * (one - y[p + k]))
    else:
        for k in range(np.uintp(size)):
            da[q + k] = dy[p + k] * (one - y[p + k] * y[p + k])


@kernel(inline="always")
def add_column_sums(da, at, rows, columns, db):
    """Add the column sums of a rows x columns matrix to db, unless db is empty (no bias).

    db is float64: in float32, a million equal rows would add up to 1 % too little. The rows are added in their order,
    four at a time, so that a sum is read and written once for four rows.
    """
    fours = (rows - rows % 4) if db.size else 0
    for i in range(0, fours, 4):
        row1 = np.uintp(at + i * columns)
        row2, row3, row4 = row1 + np.uintp(columns), row1 + np.uintp(2 * columns), row1 + np.uintp(3 * columns)
        for j in range(np.uintp(columns)):
            db[j] = db[j] + da[row1 + j] + da[row2 + j] + da[row3 + j] + da[row4 + j]
    for i in range(fours, rows if db.size else 0):
        row = np.uintp(at + i * columns)
        for j in range(np.uintp(columns)):
            db[j] += da[row + j]


@kernel()
def masked_gradient(dy, at, y, y_at, relu, rows, columns, da, to, db):
    """da = dy 1[y > 0] with relu, else dy, for a rows x columns matrix; adds its column sums to db (see above).

    (This kernel repeats the loops of `mask` and `copy`: on the few numbers of a tile, calls take a fifth longer.)
    """
    zero, source, target, size = dy.dtype.type(0), np.uintp(at), np.uintp(to), np.uintp(rows * columns)
    if relu:
        result = np.uintp(y_at)
        for k in range(size):
            da[target + k] = dy[source + k] if y[result + k] > zero else zero
    else:
        for k in range(size):
            da[target + k] = dy[source + k]
    add_column_sums(da, to, rows, columns, db)


@kernel(inline="always")
def add(source, at, target, to, size):
    """target[to:] += source[at:], for `size` numbers."""
    p, q = np.uintp(at), np.uintp(to)
    for k in range(np.uintp(size)):
        target[q + k] += source[p + k]


@kernel(inline="always")
def copy(source, at, target, to, size):
    """target[to:] = source[at:], for `size` numbers.

    Kernels call this because Numba takes seconds to compile target[:] = source, with its messages about shapes.
    """
    p, q = np.uintp(at), np.uintp(to)
    for k in range(np.uintp(size)):
        target[q + k] = source[p + k]


@kernel(inline="always")
def clear(target, to, size):
    """target[to:] = 0, for `size` numbers."""
    q, zero = np.uintp(to), target.dtype.type(0)
    for k in range(np.uintp(size)):
        target[q + k] = zero
