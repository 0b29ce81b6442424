"""Local response normalisation: every channel divided by what goes on in the channels around it.

Both kernels go through a pixel's channels in short loops without a branch, that the compiler turns into vector code:
the sum over a window is `size` sums of shifted arrays, with zeros at both ends. A power takes some 30 times as long as
a product; for the paper's beta it is two square roots.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from . import reference
from .compile import kernel
from .memory import empty
from .threads import parts_for, share

WORK = 6  # multiply-adds that a number costs, in time
THREE_QUARTERS = 0.75  # the paper's beta


def local_response_norm_forward(x: NDArray, size: int, alpha: float, beta: float, k: float) -> tuple[NDArray, NDArray]:
    """See reference.local_response_norm_forward."""
    if x.dtype.kind == "c":
        return reference.local_response_norm_forward(x, size, alpha, beta, k)
    x = np.ascontiguousarray(x)
    y, s = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    c = x.shape[-1]
    rows = x.size // c

    def work(part: int, start: int, stop: int) -> None:
        _forward(x.reshape(rows, c), size, alpha, beta, k, start, stop, y.reshape(rows, c), s.reshape(rows, c))

    share(parts_for(rows, x.size * WORK), rows, work)
    return y, s


def local_response_norm_backward(dy: NDArray, x: NDArray, s: NDArray, size: int, alpha: float, beta: float) -> NDArray:
    """See reference.local_response_norm_backward."""
    dy, x, s = np.ascontiguousarray(dy), np.ascontiguousarray(x), np.ascontiguousarray(s)
    dx = empty(x.shape, x.dtype)
    c = x.shape[-1]
    rows = x.size // c
    flat = (rows, c)

    def work(part: int, start: int, stop: int) -> None:
        _backward(dy.reshape(flat), x.reshape(flat), s.reshape(flat), size, alpha, beta, start, stop, dx.reshape(flat))

    share(parts_for(rows, x.size * WORK), rows, work)
    return dx


@kernel(error_model="numpy")
def _forward(x, size, alpha, beta, k, start, stop, y, s):  # type: ignore[no-untyped-def]
    """Pixels start .. stop - 1."""
    c, before = x.shape[1], size // 2
    a, offset = x.dtype.type(alpha), x.dtype.type(k)
    squares, total, power = np.zeros(c + size - 1, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    for row in range(start, stop):
        for j in range(c):
            squares[before + j] = x[row, j] * x[row, j]
        _window_sums(squares, size, total)
        for j in range(c):
            s[row, j] = offset + a * total[j]
        _power(s[row], beta, power)
        for j in range(c):
            y[row, j] = x[row, j] * power[j]


@kernel(error_model="numpy")
def _backward(dy, x, s, size, alpha, beta, start, stop, dx):  # type: ignore[no-untyped-def]
    """Pixels start .. stop - 1."""
    c, before = x.shape[1], size - 1 - size // 2
    factor = x.dtype.type(-2 * alpha * beta)
    through_s, total, power = np.zeros(c + size - 1, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    for row in range(start, stop):
        _power(s[row], beta, power)
        for j in range(c):
            through_s[before + j] = dy[row, j] * x[row, j] * power[j] / s[row, j]
        _window_sums(through_s, size, total)
        for j in range(c):
            dx[row, j] = dy[row, j] * power[j] + factor * x[row, j] * total[j]


@kernel()
def _window_sums(padded, size, total):  # type: ignore[no-untyped-def]
    """total[j] = padded[j] + .. + padded[j + size - 1]."""
    for j in range(total.size):
        total[j] = padded[j]
    for i in range(1, size):
        shift = np.uintp(i)
        for j in range(np.uintp(total.size)):
            total[j] += padded[shift + j]


@kernel(error_model="numpy")
def _power(s, beta, power):  # type: ignore[no-untyped-def]
    """s^-beta."""
    if beta == THREE_QUARTERS:
        one = s.dtype.type(1)
        for j in range(s.size):
            root = math.sqrt(s[j])
            power[j] = one / (root * math.sqrt(root))
    else:
        minus_beta = s.dtype.type(-beta)
        for j in range(s.size):
            power[j] = s[j] ** minus_beta
