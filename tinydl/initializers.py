"""Initial weights.

A unit sums fan_in inputs, so with zero-mean weights its variance is fan_in Var(W) times the mean square of its inputs.
Weights that are too small or too large make activations (and, through fan_out, gradients) shrink or grow from layer to
layer. Hidden units with equal weights get equal gradients, to the bit, as products add up all their columns in the same
order: only dropout separates them.

    glorot  Var(W) = 2 / (fan_in + fan_out)     keeps activations and gradients steady in linear, tanh and sigmoid units
    he      Var(W) = 2 / fan_in                 relu halves the mean square of its input, and the factor 2 compensates

A uniform distribution on [-a, a] has variance a^2 / 3, so a = sqrt(3 Var(W)).
The normal distributions are not truncated (Keras truncates at two standard deviations).

References: Glorot & Bengio 2010; He et al. 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike, NDArray

Shape = tuple[int, ...]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out), a unit's numbers of inputs and outputs, for weights (in, out) or (kh, kw, in, out)."""
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


def zeros(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray:
    """All zeros: right for biases, but hidden units whose weights start at zero stay equal, as explained above."""
    return np.zeros(shape, dtype)


def glorot_uniform(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out))."""
    limit = math.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-limit, limit, shape).astype(dtype)


def glorot_normal(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray:
    """N(0, 2 / (fan_in + fan_out))."""
    return rng.normal(0, math.sqrt(2 / sum(fans(shape))), shape).astype(dtype)


def he_uniform(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray:
    """U(-a, a), a = sqrt(6 / fan_in)."""
    limit = math.sqrt(6 / fans(shape)[0])
    return rng.uniform(-limit, limit, shape).astype(dtype)


def he_normal(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> NDArray:
    """N(0, 2 / fan_in)."""
    return rng.normal(0, math.sqrt(2 / fans(shape)[0]), shape).astype(dtype)


INITIALIZERS: dict[str, Callable[..., NDArray]] = {
    function.__name__: function for function in (zeros, glorot_uniform, glorot_normal, he_uniform, he_normal)
}
