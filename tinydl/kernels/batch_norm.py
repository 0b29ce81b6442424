"""Batch normalisation: every channel by the mean and variance that it has in the batch.

All of it is limited by memory: a few operations a number, on maps that fit into no cache. So each kernel goes through
its arrays as few times as it can.

The statistics take one pass, without the cancellation of E[x^2] - E[x]^2: a chunk that fits into the cache is gone
through twice, for its mean and for its squared distances from that, and chunks are joined by (Chan et al. 1979)

    mean = mean_a + d n_b / (n_a + n_b)        squares = squares_a + squares_b + d^2 n_a n_b / (n_a + n_b)

for d = mean_b - mean_a. Channels lie side by side, and a loop over 16 of them is short: what belongs to a channel is
repeated until it fills PERIOD numbers, and the loops run over these.

Sizes: c channels, `rows` all else (images, height and width), p = k c the period.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import reference
from .compile import kernel
from .elementwise import finish
from .memory import empty
from .reference import LINEAR, RELU, activation_gradient
from .threads import parts_for, share

PERIOD = 512  # numbers that the inner loops run over, if the channels are no more
CHUNK = 1 << 15  # numbers of a chunk: 128 kB of float32
WORK = 4  # multiply-adds that a number costs, in time


def batch_norm_statistics(x: NDArray) -> tuple[NDArray, NDArray]:
    """See reference.batch_norm_statistics."""
    if x.dtype.kind == "c":
        return reference.batch_norm_statistics(x)
    x = np.ascontiguousarray(x)
    c = x.shape[-1]
    rows = x.size // c
    parts = parts_for(rows, x.size * WORK)
    means, squares = np.empty((parts, c), x.dtype), np.empty((parts, c), x.dtype)
    counts = [0] * parts

    def work(part: int, start: int, stop: int) -> None:
        _statistics(x.reshape(-1), c, _repeats(c), start, stop, means[part], squares[part])
        counts[part] = stop - start

    share(parts, rows, work)
    n, mean, total = counts[0], means[0], squares[0]
    for m, other, more in zip(counts[1:], means[1:], squares[1:], strict=True):
        distance = other - mean
        mean = mean + distance * x.dtype.type(m / (n + m))
        total = total + more + distance * distance * x.dtype.type(n * m / (n + m))
        n += m
    return mean, total / x.dtype.type(n)


def batch_norm_forward(
    x: NDArray, mean: NDArray, var: NDArray, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """See reference.batch_norm_forward."""
    if x.dtype.kind == "c":
        return reference.batch_norm_forward(x, mean, var, gamma, beta, epsilon, activation)
    x = np.ascontiguousarray(x)
    y, c = empty(x.shape, x.dtype), x.shape[-1]
    k, rows = _repeats(c), x.size // c
    scale = np.tile(gamma / np.sqrt(var + x.dtype.type(epsilon)), k)
    mean, beta, relu = np.tile(mean, k), np.tile(beta, k), activation == RELU

    def work(part: int, start: int, stop: int) -> None:
        _forward(x.reshape(-1), start * c, stop * c, mean, scale, beta, relu, y.reshape(-1))

    share(parts_for(rows, x.size * WORK), rows, work)
    finish(y, activation)
    return y


def batch_norm_backward(
    dy: NDArray, x: NDArray, y: NDArray, mean: NDArray, var: NDArray, gamma: NDArray, beta: NDArray, epsilon: float,
    activation: int, training: bool, dgamma: NDArray, dbeta: NDArray,
) -> NDArray:  # fmt: skip
    """See reference.batch_norm_backward. (y is not read for relu: whether it is above 0, x tells.)"""
    if activation not in (LINEAR, RELU):
        dy = activation_gradient(dy, y, activation)
    dy, x = np.ascontiguousarray(dy), np.ascontiguousarray(x)
    dx, c = empty(x.shape, x.dtype), x.shape[-1]
    k, rows, relu = _repeats(c), x.size // c, activation == RELU
    inverse = 1 / np.sqrt(var + x.dtype.type(epsilon))
    scale = gamma * inverse
    means, scales, betas = np.tile(mean, k), np.tile(scale, k), np.tile(beta, k)
    flat_dy, flat_x, flat_dx = dy.reshape(-1), x.reshape(-1), dx.reshape(-1)
    parts = parts_for(rows, x.size * WORK)
    sums = np.zeros((parts, 2, c), x.dtype)

    def sum_up(part: int, start: int, stop: int) -> None:
        _sums(flat_dy, flat_x, c, start, stop, means, scales, betas, relu, sums[part])

    share(parts, rows, sum_up)
    da_sum, da_xhat_sum = sums.sum(axis=0)
    da_xhat_sum *= inverse
    dgamma += da_xhat_sum
    dbeta += da_sum
    n = x.dtype.type(rows if training else np.inf)  # running statistics are constants: two roads less
    straight, through_var = np.tile(scale * da_sum / n, k), np.tile(scale * inverse * da_xhat_sum / n, k)

    def work(part: int, start: int, stop: int) -> None:
        _backward(flat_dy, flat_x, start * c, stop * c, means, scales, betas, relu, straight, through_var, flat_dx)

    share(parts, rows, work)
    return dx


def _repeats(c: int) -> int:
    """How often c channels are repeated in a period."""
    return max(1, PERIOD // c)


@kernel(error_model="numpy")
def _statistics(x, c, k, start, stop, mean, squares):  # type: ignore[no-untyped-def]
    """Of rows start .. stop - 1: the mean, and the sum of squared distances from it."""
    p = k * c
    chunk = max(1, CHUNK // p) * k  # rows
    sums, centre, ours = np.empty(p, x.dtype), np.empty(p, x.dtype), np.empty(c, x.dtype)
    mean[:] = 0
    squares[:] = 0
    for first in range(start, stop, chunk):
        last = min(first + chunk, stop)
        n_b, n_a = x.dtype.type(last - first), x.dtype.type(first - start)
        sums[:] = 0
        for at in range(first * c, last * c, p):
            source = np.uintp(at)
            for j in range(np.uintp(min(p, last * c - at))):
                sums[j] += x[source + j]
        _fold(sums, c, ours)
        for j in range(p):
            centre[j] = ours[j % c] / n_b
        sums[:] = 0
        for at in range(first * c, last * c, p):
            source = np.uintp(at)
            for j in range(np.uintp(min(p, last * c - at))):
                distance = x[source + j] - centre[j]
                sums[j] += distance * distance
        _fold(sums, c, ours)
        for j in range(c):
            d = centre[j] - mean[j]
            mean[j] += d * (n_b / (n_a + n_b))
            squares[j] += ours[j] + d * d * (n_a * n_b / (n_a + n_b))


@kernel()
def _fold(sums, c, ours):  # type: ignore[no-untyped-def]
    """The sums of a period, channel by channel."""
    ours[:] = 0
    for at in range(0, sums.size, c):
        for j in range(c):
            ours[j] += sums[at + j]


@kernel()
def _forward(x, start, stop, mean, scale, beta, relu, y):  # type: ignore[no-untyped-def]
    """Numbers start .. stop - 1, of which the first belongs to channel 0."""
    zero = x.dtype.type(0)
    for at in range(start, stop, mean.size):
        source = np.uintp(at)
        width = np.uintp(min(mean.size, stop - at))
        if relu:
            for j in range(width):
                a = (x[source + j] - mean[j]) * scale[j] + beta[j]
                y[source + j] = zero if a < zero else a  # so written, NaN passes through
        else:
            for j in range(width):
                y[source + j] = (x[source + j] - mean[j]) * scale[j] + beta[j]


@kernel()
def _sums(dy, x, c, start, stop, mean, scale, beta, relu, total):  # type: ignore[no-untyped-def]
    """Of rows start .. stop - 1: total[0] += sum of da, total[1] += sum of da (x - mean), a chunk at a time."""
    p = mean.size
    chunk = max(1, CHUNK // p) * (p // c)
    zero, ours = x.dtype.type(0), np.empty(c, x.dtype)
    straight, weighted = np.empty(p, x.dtype), np.empty(p, x.dtype)
    for first in range(start, stop, chunk):
        last = min(first + chunk, stop)
        straight[:] = 0
        weighted[:] = 0
        for at in range(first * c, last * c, p):
            source = np.uintp(at)
            width = np.uintp(min(p, last * c - at))
            if relu:
                for j in range(width):
                    distance = x[source + j] - mean[j]
                    da = dy[source + j] if distance * scale[j] + beta[j] > zero else zero
                    straight[j] += da
                    weighted[j] += da * distance
            else:
                for j in range(width):
                    straight[j] += dy[source + j]
                    weighted[j] += dy[source + j] * (x[source + j] - mean[j])
        _fold(straight, c, ours)
        for j in range(c):
            total[0, j] += ours[j]
        _fold(weighted, c, ours)
        for j in range(c):
            total[1, j] += ours[j]


@kernel()
def _backward(dy, x, start, stop, mean, scale, beta, relu, straight, through_var, dx):  # type: ignore[no-untyped-def]
    """dx = scale da - straight - (x - mean) through_var for numbers start .. stop - 1."""
    zero = x.dtype.type(0)
    for at in range(start, stop, mean.size):
        source = np.uintp(at)
        width = np.uintp(min(mean.size, stop - at))
        if relu:
            for j in range(width):
                distance = x[source + j] - mean[j]
                da = dy[source + j] if distance * scale[j] + beta[j] > zero else zero
                dx[source + j] = scale[j] * da - straight[j] - distance * through_var[j]
        else:
            for j in range(width):
                distance = x[source + j] - mean[j]
                dx[source + j] = scale[j] * dy[source + j] - straight[j] - distance * through_var[j]
