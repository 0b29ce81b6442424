"""Batch normalization: every channel is normalized by its mean and variance over the batch.

Memory bandwidth is the limit: each entry takes only a few operations, and the arrays do not fit into a cache. Each
kernel therefore passes over its arrays as few times as possible.

The statistics take one pass over memory (machine/moments.py), also after a convolution, which can take them itself.
Loops run over some rows at a time (machine/periods.py).

Sizes: c channels; `rows` is the product of all other axes (images, height, width); p = k c is the period.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .activations import gradient as activation_gradient
from .machine.codes import LINEAR, RELU
from .machine.compile import kernel
from .machine.exponential import finish
from .machine.loops import mask
from .machine.memory import empty
from .machine.moments import CHUNK, measure, merged, to_be_measured
from .machine.periods import fold, repeated
from .machine.threads import parts_for, share
from .twins import definition_of, or_complex

WORK = 4  # cost per entry, in multiply-adds

Statistics = tuple[NDArray, NDArray]  # mean and variance of each channel


@or_complex
def statistics(x: NDArray) -> Statistics:
    """Twin of layers.normalization.batch_norm_statistics."""
    if not x.size:
        return definition_of(statistics)(x)
    x = np.ascontiguousarray(x)
    measured = to_be_measured(x.shape)
    chunks = len(measured.moments)
    share(parts_for(chunks, x.size * WORK), chunks, measure, x.reshape(-1), measured)
    found = merged(measured, x.dtype)
    return definition_of(statistics)(x) if found is None else found


@or_complex
def forward(
    x: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """Twin of layers.normalization.batch_norm_forward."""
    return _forward(x, x.reshape(-1)[:0], statistics, gamma, beta, epsilon, activation)


def add_normalized(
    x: NDArray, around: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """Twin of layers.residual.add_normalized."""
    if "c" in (x.dtype.kind, around.dtype.kind):  # either array may be complex
        return definition_of(add_normalized)(x, around, statistics, gamma, beta, epsilon, activation)
    if x.shape != around.shape:  # the kernel would read past the end of the shorter array
        raise ValueError(f"add_normalized: both arrays must have the same shape, got {x.shape} and {around.shape}")
    return _forward(x, np.ascontiguousarray(around).reshape(-1), statistics, gamma, beta, epsilon, activation)


def _forward(
    x: NDArray, around: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """f(gamma xhat + beta), with `around` added before f unless it is empty."""
    x = np.ascontiguousarray(x)
    y, rows = empty(x.shape, x.dtype), x.size // x.shape[-1]
    given = x.reshape(-1), around, *statistics, gamma, beta, epsilon, activation == RELU
    share(parts_for(rows, x.size * WORK), rows, _y, *given, y.reshape(-1))
    finish(y, activation)
    return y


def backward(
    dy: NDArray, x: NDArray, y: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float,
    activation: int, training: bool, dgamma: NDArray | None, dbeta: NDArray | None,
) -> NDArray:  # fmt: skip
    """Twin of layers.normalization.batch_norm_backward. (For relu, y > 0 is computed from x, and y is not read.)"""
    if activation not in (LINEAR, RELU):
        dy = activation_gradient(dy, y, activation)
    dy, relu = np.ascontiguousarray(dy), activation == RELU
    return _backward(dy, y.reshape(-1)[:0], dy, x, statistics, gamma, beta, epsilon, relu, training, dgamma, dbeta)


def add_normalized_backward(
    dy: NDArray, x: NDArray, y: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float,
    activation: int, training: bool, dgamma: NDArray | None, dbeta: NDArray | None,
) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Twin of layers.residual.add_normalized_backward."""
    if activation == RELU and (training or dgamma is not None):  # the pass that adds up da also computes it
        dy, y = np.ascontiguousarray(dy), np.ascontiguousarray(y)
        da, positive = empty(y.shape, y.dtype), y.reshape(-1)
    else:
        da = dy = np.ascontiguousarray(activation_gradient(dy, y, activation))
        positive = y.reshape(-1)[:0]
    return _backward(dy, positive, da, x, statistics, gamma, beta, epsilon, False, training, dgamma, dbeta), da


def _backward(
    dy: NDArray, positive: NDArray, da: NDArray, x: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray,
    epsilon: float, relu: bool, training: bool, dgamma: NDArray | None, dbeta: NDArray | None,
) -> NDArray:  # fmt: skip
    """Add to dgamma and dbeta, and return dx. Unless `positive` is empty, first compute da = dy 1[positive > 0]; with
    `relu`, instead multiply da by the slope of relu(gamma xhat + beta) wherever it is read."""
    x, none = np.ascontiguousarray(x), gamma[:0]
    dx, c = empty(x.shape, x.dtype), x.shape[-1]
    rows = x.size // c
    mean, var = statistics
    given = da.reshape(-1), x.reshape(-1), mean, var, gamma, beta, epsilon, relu
    parts = parts_for(rows, x.size * WORK)
    sums, roads = np.zeros((parts, 2, c)), np.empty((2, c), x.dtype)
    if training or dgamma is not None:
        share(parts, rows, _sums, dy.reshape(-1), positive, *given, sums)
    n = float(rows) if training else np.inf  # running statistics are constants: their two terms vanish
    dgamma, dbeta = none if dgamma is None else dgamma, none if dbeta is None else dbeta
    _roads(sums, n, var, gamma, epsilon, dgamma, dbeta, roads)
    share(parts, rows, _dx, *given, roads, dx.reshape(-1))
    return dx


@kernel(error_model="numpy")
def _periods(mean, var, gamma, beta, epsilon):
    """What y = (x - mean) scale + beta takes, each repeated: mean, scale = gamma / sqrt(var + epsilon), and beta."""
    scale = np.empty_like(gamma)
    for j in range(gamma.size):
        scale[j] = gamma[j] / np.sqrt(var[j] + gamma.dtype.type(epsilon))
    return repeated(mean), repeated(scale), repeated(beta)


@kernel()
def _y(part, x, around, mean, var, gamma, beta, epsilon, relu, y):
    """Compute y for this part's rows."""
    c = mean.size
    mean, scale, beta = _periods(mean, var, gamma, beta, epsilon)
    zero, start, stop = x.dtype.type(0), part.start * c, part.stop * c
    for at in range(start, stop, mean.size):
        source = np.uintp(at)
        width = np.uintp(min(mean.size, stop - at))
        if around.size and relu:
            for j in range(width):
                a = (x[source + j] - mean[j]) * scale[j] + beta[j] + around[source + j]
                y[source + j] = zero if a < zero else a  # written this way so that NaN passes through
        elif around.size:
            for j in range(width):
                y[source + j] = (x[source + j] - mean[j]) * scale[j] + beta[j] + around[source + j]
        elif relu:
            for j in range(width):
                a = (x[source + j] - mean[j]) * scale[j] + beta[j]
                y[source + j] = zero if a < zero else a
        else:
            for j in range(width):
                y[source + j] = (x[source + j] - mean[j]) * scale[j] + beta[j]


@kernel()
def _sums(part, dy, positive, da, x, mean, var, gamma, beta, epsilon, relu, totals):
    """total[0] += sum of da, total[1] += sum of da (x - mean), over this part's rows, one chunk at a time.

    See `_backward`: unless `positive` is empty, da is first computed from dy; with `relu`, it is masked here.
    """
    c = mean.size
    mean, scale, beta = _periods(mean, var, gamma, beta, epsilon)
    p, total, start, stop = mean.size, totals[part.number], part.start, part.stop
    chunk = max(1, CHUNK // p) * (p // c)
    zero, ours = x.dtype.type(0), np.empty(c)
    straight, weighted = np.empty(p, x.dtype), np.empty(p, x.dtype)
    for first in range(start, stop, chunk):
        last = min(first + chunk, stop)
        if positive.size:
            mask(dy, positive, first * c, da, first * c, (last - first) * c)
        straight[:] = 0
        weighted[:] = 0
        for at in range(first * c, last * c, p):
            source = np.uintp(at)
            width = np.uintp(min(p, last * c - at))
            if relu:
                for j in range(width):
                    distance = x[source + j] - mean[j]
                    masked = da[source + j] if distance * scale[j] + beta[j] > zero else zero
                    straight[j] += masked
                    weighted[j] += masked * distance
            else:
                for j in range(width):
                    straight[j] += da[source + j]
                    weighted[j] += da[source + j] * (x[source + j] - mean[j])
        fold(straight, c, ours)
        for j in range(c):
            total[0, j] += ours[j]
        fold(weighted, c, ours)
        for j in range(c):
            total[1, j] += ours[j]


@kernel(error_model="numpy")
def _roads(sums, n, var, gamma, epsilon, dgamma, dbeta, roads):
    """Add to dgamma and dbeta (unless empty), and compute what each entry of dx loses through the mean, roads[0], and
    through the variance, roads[1] for each unit of x - mean."""
    one = gamma.dtype.type(1)
    n = gamma.dtype.type(n)
    for j in range(gamma.size):
        da, da_distance = 0.0, 0.0
        for part in range(len(sums)):
            da += sums[part, 0, j]
            da_distance += sums[part, 1, j]
        inverse = one / np.sqrt(var[j] + gamma.dtype.type(epsilon))
        da_sum, da_xhat_sum = gamma.dtype.type(da), gamma.dtype.type(da_distance) * inverse
        if dgamma.size:
            dgamma[j] += da_xhat_sum
            dbeta[j] += da_sum
        scale = gamma[j] * inverse
        roads[0, j] = scale * da_sum / n
        roads[1, j] = scale * inverse * da_xhat_sum / n


@kernel()
def _dx(part, da, x, mean, var, gamma, beta, epsilon, relu, roads, dx):
    """Compute dx = scale da - roads[0] - (x - mean) roads[1] for this part's rows."""
    c, straight, through_var = mean.size, repeated(roads[0]), repeated(roads[1])
    mean, scale, beta = _periods(mean, var, gamma, beta, epsilon)
    zero, start, stop = x.dtype.type(0), part.start * c, part.stop * c
    for at in range(start, stop, mean.size):
        source = np.uintp(at)
        width = np.uintp(min(mean.size, stop - at))
        if relu:
            for j in range(width):
                distance = x[source + j] - mean[j]
                masked = da[source + j] if distance * scale[j] + beta[j] > zero else zero
                dx[source + j] = scale[j] * masked - straight[j] - distance * through_var[j]
        else:
            for j in range(width):
                distance = x[source + j] - mean[j]
                dx[source + j] = scale[j] * da[source + j] - straight[j] - distance * through_var[j]
