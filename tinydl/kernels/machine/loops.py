"""Elementwise inner loops on numbers that are in the cache: copies, bias, activation, mask.

All take flat arrays and the offsets at which to begin. The offsets are made unsigned: a negative index counts from the
end in Python, so with signed ones the compiler would test each index and could not use vector instructions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .codes import SIGMOID, TANH
from .compile import kernel


def finish(y: NDArray, activation: int) -> None:
    """Apply the two activations that contain an exp, in place. NumPy does it: its loops over exp are vectorized, and
    thus several times faster than the compiler's."""
    if activation == TANH:
        np.tanh(y, out=y)
    elif activation == SIGMOID:  # 1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2, which cannot overflow
        y *= 0.5
        np.tanh(y, out=y)
        y += 1
        y *= 0.5


@kernel()
def bias_and_relu(y, at, rows, columns, b, b_at, relu):
    """Add b to rows x columns numbers of y (unless b is empty) and, with relu, take max(., 0), in place."""
    zero, width, first = y.dtype.type(0), np.uintp(columns), np.uintp(b_at)
    if not b.size:
        start = np.uintp(at)
        for k in range(np.uintp(rows * columns if relu else 0)):
            y[start + k] = zero if y[start + k] < zero else y[start + k]  # so that NaN passes through
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
    """da = dy 1[y > 0], for `size` numbers from `to` and `at` on: the gradient through a relu."""
    p, q, zero = np.uintp(at), np.uintp(to), dy.dtype.type(0)
    for k in range(np.uintp(size)):
        da[q + k] = dy[p + k] if y[p + k] > zero else zero


@kernel(inline="always")
def add_column_sums(da, at, rows, columns, db):
    """Add the sums over rows of rows x columns numbers to db, which is empty if there is no bias."""
    for i in range(rows if db.size else 0):
        row = np.uintp(at + i * columns)
        for j in range(np.uintp(columns)):
            db[j] += da[row + j]


@kernel()
def masked_gradient(dy, y, at, relu, rows, columns, da, to, db):
    """da = dy 1[y > 0] with relu, else dy, for rows x columns numbers; adds the columns' sums to db (may be empty).

    (It repeats the loops of `mask` and `copy`: calling them takes a fifth longer on the few numbers of a tile.)
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
    """target += source, for `size` numbers from `to` and `at` on."""
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
