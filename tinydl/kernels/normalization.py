"""Local response normalisation: every channel divided by what goes on in the channels around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import reference
from .compile import kernel
from .memory import empty
from .threads import parts_for, share

WORK = 50  # multiply-adds that a power costs


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
    c = x.shape[1]
    a, minus_beta, offset = x.dtype.type(alpha), x.dtype.type(-beta), x.dtype.type(k)
    for row in range(start, stop):
        for j in range(c):
            total = x.dtype.type(0)
            for i in range(max(0, j - size // 2), min(c, j - size // 2 + size)):
                total += x[row, i] * x[row, i]
            s[row, j] = offset + a * total
            y[row, j] = x[row, j] * s[row, j] ** minus_beta


@kernel(error_model="numpy")
def _backward(dy, x, s, size, alpha, beta, start, stop, dx):  # type: ignore[no-untyped-def]
    """Pixels start .. stop - 1."""
    c = x.shape[1]
    minus_beta, factor = x.dtype.type(-beta), x.dtype.type(-2 * alpha * beta)
    power, through_s = np.empty(c, x.dtype), np.empty(c, x.dtype)
    for row in range(start, stop):
        for j in range(c):
            power[j] = s[row, j] ** minus_beta
            through_s[j] = dy[row, j] * x[row, j] * power[j] / s[row, j]
        for i in range(c):
            total = x.dtype.type(0)
            for j in range(max(0, i + size // 2 - size + 1), min(c, i + size // 2 + 1)):
                total += through_s[j]
            dx[row, i] = dy[row, i] * power[i] + factor * x[row, i] * total
