"""Optimizer steps, each in one pass over the flat vectors. Long vectors are divided among threads.

Hyper-parameters are first cast to the dtype of the vectors: a float64 scalar would turn the whole loop into float64.

If the gradient of a parameter stays 0 (behind a dead relu), its moments shrink by a constant factor per step until they
are subnormal: below 1e-38 in float32. An operation on a subnormal number takes about a hundred cycles, and rounding
keeps the moments from reaching 0. Subnormal moments are therefore set to 0 (benchmarks/subnormals.py measures the
gain).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.threads import WORTH_SHARING, Part, parts_for, share

COST = 4  # cost per entry, in multiply-adds, when entries come from memory rather than from a cache
SMALL = WORTH_SHARING // COST  # entries


@kernel(inline="always")
def _flush(value, smallest_normal):
    return value if abs(value) >= smallest_normal else value * 0  # value * 0 rather than 0, so that NaN stays NaN


@kernel(fastmath={"reassoc", "contract"})  # allows the sum to be split into vector lanes
def sum_of_squares(v):
    """Twin of optimizers.sum_of_squares."""
    total = 0.0
    for k in range(v.size):
        value = np.float64(v[k])
        total += value * value
    return total


@kernel()
def _sgd(p, g, v, learning_rate, momentum, nesterov, weight_decay):
    lr, mu, wd = p.dtype.type(learning_rate), p.dtype.type(momentum), p.dtype.type(weight_decay)
    if v.size == 0:
        for k in range(p.size):
            p[k] -= lr * (g[k] + wd * p[k])
        return
    tiny = np.finfo(p.dtype).tiny
    if nesterov:
        for k in range(p.size):
            step = g[k] + wd * p[k]
            v[k] = _flush(mu * v[k] + step, tiny)
            p[k] -= lr * (step + mu * v[k])
    else:
        for k in range(p.size):
            v[k] = _flush(mu * v[k] + (g[k] + wd * p[k]), tiny)
            p[k] -= lr * v[k]


@kernel(error_model="numpy")
def _rmsprop(p, g, v, learning_rate, rho, epsilon, inside):
    lr, eps, within = p.dtype.type(learning_rate), p.dtype.type(epsilon), p.dtype.type(inside)
    decay, gain = p.dtype.type(rho), p.dtype.type(1 - rho)
    tiny = np.finfo(p.dtype).tiny
    for k in range(p.size):
        v[k] = _flush(decay * v[k] + gain * g[k] * g[k], tiny)
        p[k] -= lr * g[k] / (math.sqrt(v[k] + within) + eps)


@kernel(error_model="numpy")  # omits the test for division by 0, which epsilon > 0 rules out
def _adam(p, g, m, v, t, learning_rate, beta1, beta2, epsilon, weight_decay):
    b1, c1 = p.dtype.type(beta1), p.dtype.type(1 - beta1)
    b2, c2 = p.dtype.type(beta2), p.dtype.type(1 - beta2)
    step = p.dtype.type(learning_rate / (1 - beta1**t))
    v_scale = p.dtype.type(1 / math.sqrt(1 - beta2**t))
    keep, eps = p.dtype.type(1 - learning_rate * weight_decay), p.dtype.type(epsilon)
    tiny = np.finfo(p.dtype).tiny
    for k in range(p.size):
        m[k] = _flush(b1 * m[k] + c1 * g[k], tiny)
        v[k] = _flush(b2 * v[k] + c2 * g[k] * g[k], tiny)
        p[k] = keep * p[k] - step * m[k] / (v_scale * math.sqrt(v[k]) + eps)


def sgd(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    """Twin of optimizers.sgd."""
    if p.size < SMALL:
        _sgd(p, g, v, learning_rate, momentum, nesterov, weight_decay)
    else:
        _share(_sgd, (p, g, v), learning_rate, momentum, nesterov, weight_decay)


def rmsprop(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, rho: float, epsilon: float, inside: float = 0.0
) -> None:
    """Twin of optimizers.rmsprop."""
    if p.size < SMALL:
        _rmsprop(p, g, v, learning_rate, rho, epsilon, inside)
    else:
        _share(_rmsprop, (p, g, v), learning_rate, rho, epsilon, inside)


def adam(
    p: NDArray, g: NDArray, m: NDArray, v: NDArray, t: int,
    learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Twin of optimizers.adam."""
    if p.size < SMALL:
        _adam(p, g, m, v, t, learning_rate, beta1, beta2, epsilon, weight_decay)
    else:
        _share(_adam, (p, g, m, v), t, learning_rate, beta1, beta2, epsilon, weight_decay)


def _share(step: Any, vectors: Sequence[NDArray], *arguments: Any) -> None:
    """Run a step with each thread on its own range of the vectors."""
    size = vectors[0].size
    share(parts_for(size, COST * size), size, _step_on_range, step, vectors, *arguments)


def _step_on_range(part: Part, step: Any, vectors: Sequence[NDArray], *arguments: Any) -> None:
    step(*(vector[part.start : part.stop] for vector in vectors), *arguments)  # empty vectors stay empty
