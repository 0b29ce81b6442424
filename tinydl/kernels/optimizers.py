"""Optimizer steps, each in one pass over the flat vectors. Long vectors are divided among threads.

Hyper-parameters are first cast to the dtype of the vectors: a float64 scalar would turn the whole loop into float64.

If the gradient of a parameter stays 0 (behind a dead relu), its moments shrink by a constant factor per step until they
are subnormal: below 1e-38 in float32. An operation on a subnormal number takes about a hundred cycles, and rounding
keeps the moments from reaching 0. Subnormal moments are therefore set to 0 (benchmarks/subnormals.py measures the
gain).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.threads import parts_for, share

COST = 4  # cost per entry, in multiply-adds, when entries come from memory rather than from a cache


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


@kernel()
def _sgd_part(part, p, g, v, learning_rate, momentum, nesterov, weight_decay):
    start, stop = part.start, part.stop
    _sgd(p[start:stop], g[start:stop], v[start:stop], learning_rate, momentum, nesterov, weight_decay)


@kernel()
def _rmsprop_part(part, p, g, v, learning_rate, rho, epsilon, inside):
    start, stop = part.start, part.stop
    _rmsprop(p[start:stop], g[start:stop], v[start:stop], learning_rate, rho, epsilon, inside)


@kernel()
def _adam_part(part, p, g, m, v, t, learning_rate, beta1, beta2, epsilon, weight_decay):
    start, stop = part.start, part.stop
    _adam(
        p[start:stop], g[start:stop], m[start:stop], v[start:stop], t, learning_rate, beta1, beta2, epsilon,
        weight_decay,
    )  # fmt: skip


def sgd(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    """Twin of optimizers.sgd."""
    _share(_sgd_part, p, g, v, learning_rate, momentum, nesterov, weight_decay)


def rmsprop(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, rho: float, epsilon: float, inside: float = 0.0
) -> None:
    """Twin of optimizers.rmsprop."""
    _share(_rmsprop_part, p, g, v, learning_rate, rho, epsilon, inside)


def adam(
    p: NDArray, g: NDArray, m: NDArray, v: NDArray, t: int,
    learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Twin of optimizers.adam."""
    _share(_adam_part, p, g, m, v, t, learning_rate, beta1, beta2, epsilon, weight_decay)


def _share(task: Any, p: NDArray, *arguments: Any) -> None:
    """Run a step with each thread on its own range of the vectors."""
    share(parts_for(p.size, COST * p.size), p.size, task, p, *arguments)
