"""Local response normalization: each x is divided by (k + alpha * sum of x^2 over nearby channels)^beta.

Both kernels process a pixel's channels in short loops without branches, which the compiler turns into vector code: the
window sums add up `size` shifted copies of an array with zeros at both ends. Raising a number to a power takes about 30
times as long as multiplying; for the paper's beta, two square roots replace the power.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.memory import empty
from .machine.threads import parts_for, share
from .twins import or_complex

WORK = 6  # cost per entry, in multiply-adds
THREE_QUARTERS = 0.75  # the paper's beta


@or_complex
def forward(x: NDArray, size: int, alpha: float, beta: float, k: float) -> tuple[NDArray, NDArray]:
    """Twin of layers.normalization.local_response_norm_forward."""
    x = np.ascontiguousarray(x)
    y, s = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    rows = x.size // x.shape[-1]
    by_pixel = [array.reshape(rows, x.shape[-1]) for array in (x, y, s)]
    share(parts_for(rows, x.size * WORK), rows, _forward, *by_pixel, size, alpha, beta, k)
    return y, s


def backward(dy: NDArray, x: NDArray, s: NDArray, size: int, alpha: float, beta: float) -> NDArray:
    """Twin of layers.normalization.local_response_norm_backward."""
    dy, x, s = np.ascontiguousarray(dy), np.ascontiguousarray(x), np.ascontiguousarray(s)
    dx = empty(x.shape, x.dtype)
    rows = x.size // x.shape[-1]
    by_pixel = [array.reshape(rows, x.shape[-1]) for array in (dy, x, s, dx)]
    share(parts_for(rows, x.size * WORK), rows, _backward, *by_pixel, size, alpha, beta)
    return dx


@kernel(error_model="numpy")
def _forward(part, x, y, s, size, alpha, beta, k):
    c, before = x.shape[1], size // 2
    a, offset = x.dtype.type(alpha), x.dtype.type(k)
    squares, total, power = np.zeros(c + size - 1, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    for row in range(part.start, part.stop):
        for j in range(c):
            squares[before + j] = x[row, j] * x[row, j]
        _window_sums(squares, size, total)
        for j in range(c):
            s[row, j] = offset + a * total[j]
        _power(s[row], beta, power)
        for j in range(c):
            y[row, j] = x[row, j] * power[j]


@kernel(error_model="numpy")
def _backward(part, dy, x, s, dx, size, alpha, beta):
    c, before = x.shape[1], size - 1 - size // 2
    factor = x.dtype.type(-2 * alpha * beta)
    through_s, total, power = np.zeros(c + size - 1, x.dtype), np.empty(c, x.dtype), np.empty(c, x.dtype)
    for row in range(part.start, part.stop):
        _power(s[row], beta, power)
        for j in range(c):
            through_s[before + j] = dy[row, j] * x[row, j] * power[j] / s[row, j]
        _window_sums(through_s, size, total)
        for j in range(c):
            dx[row, j] = dy[row, j] * power[j] + factor * x[row, j] * total[j]


@kernel()
def _window_sums(padded, size, total):
    """total[j] = padded[j] + .. + padded[j + size - 1]."""
    for j in range(total.size):
        total[j] = padded[j]
    for i in range(1, size):
        shift = np.uintp(i)
        for j in range(np.uintp(total.size)):
            total[j] += padded[shift + j]


@kernel(error_model="numpy")
def _power(s, beta, power):
    """power = s^-beta."""
    if beta == THREE_QUARTERS:
        one = s.dtype.type(1)
        for j in range(s.size):
            root = math.sqrt(s[j])
            power[j] = one / (root * math.sqrt(root))
    else:
        minus_beta = s.dtype.type(-beta)
        for j in range(s.size):
            power[j] = s[j] ** minus_beta
