"""What happens to numbers one by one while they are in the cache: copies, bias, activation, mask.

All take flat arrays and the places in them where to begin. Those are made unsigned here: an index that might be
negative counts from the end in Python, so the compiler would test each one, and use no vector instructions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .codes import SIGMOID, TANH
from .compile import kernel


def finish(y: NDArray, activation: int) -> None:
    """The two activations with an exp in them, in place. They are left to NumPy, whose loops over it are vectorised
    where the compiler's are not: several times faster."""
    if activation == TANH:
        np.tanh(y, out=y)
    elif activation == SIGMOID:  # 1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2, which cannot overflow
        y *= 0.5
        np.tanh(y, out=y)
        y += 1
        y *= 0.5


@kernel()
def bias_and_relu(y, at, rows, columns, b, b_at, relu):
    """rows x columns numbers of y + b (nothing is added if b is empty), then max(., 0) of them, in place."""
    zero, width, first = y.dtype.type(0), np.uintp(columns), np.uintp(b_at)
    if not b.size:
        start = np.uintp(at)
        for k in range(np.uintp(rows * columns if relu else 0)):
            y[start + k] = zero if y[start + k] < zero else y[start + k]  # so written, NaN passes through
        return
    for i in range(rows):
        row = np.uintp(at + i * columns)
        if relu:
            for j in range(width):
                a = y[row + j] + b[first + j]
                y[row + j] = zero if a < zero else a
        else:
            for j in range(width):
                y[row + j] += b[first + j]


@kernel(inline="always")
def mask(dy, y, at, da, to, size):
    """da = dy 1[y > 0], `size` numbers from `to` and `at` on: the gradient that a relu lets through."""
    p, q, zero = np.uintp(at), np.uintp(to), dy.dtype.type(0)
    for k in range(np.uintp(size)):
        da[q + k] = dy[p + k] if y[p + k] > zero else zero


@kernel(inline="always")
def add_column_sums(da, at, rows, columns, db):
    """db gains the sums over rows of rows x columns numbers; it may be empty, for no bias."""
    for i in range(rows if db.size else 0):
        row = np.uintp(at + i * columns)
        for j in range(np.uintp(columns)):
            db[j] += da[row + j]


@kernel()
def masked_gradient(dy, y, at, relu, rows, columns, da, to, db):
    """da = dy 1[y > 0] with relu, else dy, for rows x columns numbers; db (may be empty) gains the columns' sums.

    (The loops of `mask` and `copy` stand here again: called, they take a fifth longer on the few numbers of a tile.)
    """
    zero, source, target, size = dy.dtype.type(0), np.uintp(at), np.uintp(to), np.uintp(rows * columns)
    if relu:
        for k in range(size):
            da[target + k] = dy[source + k] if y[source + k] > zero else zero
    else:
        for k in range(size):
            da[target + k] = dy[source + k]
    add_column_sums(da, to, rows, columns, db)


@kernel(inline="always")
def add(source, at, target, to, size):
    """target += source, `size` numbers from `to` and `at` on."""
    p, q = np.uintp(at), np.uintp(to)
    for k in range(np.uintp(size)):
        target[q + k] += source[p + k]


@kernel(inline="always")
def copy(source, at, target, to, size):
    """target = source, likewise."""
    p, q = np.uintp(at), np.uintp(to)
    for k in range(np.uintp(size)):
        target[q + k] = source[p + k]


@kernel(inline="always")
def clear(target, to, size):
    """target = 0, likewise."""
    q, zero = np.uintp(to), target.dtype.type(0)
    for k in range(np.uintp(size)):
        target[q + k] = zero
