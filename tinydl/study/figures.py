"""Figures of one layer in one step: sizes of arrays, dead units, saturation, and operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layer import Layer
from ..layers import (
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaskingNoise,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
    Tanh,
)

SATURATED = 0.05  # a sigmoid or tanh is saturated where its slope is below this share of its steepest slope


def norm(array: NDArray) -> float:
    """The Euclidean norm, sqrt(sum_i a_i^2), summed in float64."""
    flat = np.asarray(array).reshape(-1)
    with np.errstate(all="ignore"):
        largest = float(np.abs(flat).max(initial=0.0))
        if not math.isfinite(largest) or largest == 0:
            return largest
        return float(largest * math.sqrt(np.square(flat / largest, dtype=np.float64).sum()))


def spread(array: NDArray) -> dict[str, float]:
    """Norm, root mean square, mean, standard deviation, smallest and largest entry."""
    values = np.asarray(array)
    if values.size == 0:
        return dict.fromkeys(("norm", "rms", "mean", "std", "min", "max"), 0.0)
    with np.errstate(all="ignore"):
        size = norm(values)
        return {
            "norm": size,
            "rms": size / math.sqrt(values.size),
            "mean": float(values.mean(dtype=np.float64)),
            "std": float(values.std(dtype=np.float64)),
            "min": float(values.min()),
            "max": float(values.max()),
        }


def of_tinydl(thing: object) -> bool:
    """Whether the object's class is one of tinydl's."""
    return type(thing).__module__.split(".")[0] == __name__.split(".")[0]


def activation_of(layer: Layer) -> str:
    """The name of the activation function at the layer's end: "linear" if it has none."""
    kinds = ((ReLU, "relu"), (Sigmoid, "sigmoid"), (Tanh, "tanh"), (Softmax, "softmax"), (LeakyReLU, "leaky_relu"))
    named = next((name for kind, name in kinds if isinstance(layer, kind)), None)
    return named or getattr(layer, "activation", None) or "linear"


def dead_units(layer: Layer, y: NDArray) -> int | None:
    """The number of units or channels of a relu that are 0 for every row of the batch; None for other activations.

    Their gradient is 0 for every row too, so no row of this batch can revive them.
    """
    if activation_of(layer) != "relu" or y.size == 0:
        return None
    return int((y.reshape(-1, y.shape[-1]) <= 0).all(axis=0).sum())


def saturated_share(layer: Layer, y: NDArray) -> float | None:
    """The share of a sigmoid's or tanh's outputs where its slope is below 5 % of its steepest; None for others.

    The slopes in terms of y are y (1 - y), at most 1/4, and 1 - y^2, at most 1.
    """
    activation = activation_of(layer)
    if activation not in ("sigmoid", "tanh") or y.size == 0:
        return None
    slope = 4 * y * (1 - y) if activation == "sigmoid" else 1 - y * y
    return float((slope < SATURATED).mean())


def operations(layer: Layer, x: NDArray, y: NDArray) -> int | None:
    """How many additions, multiplications, comparisons and functions such as exp the layer's forward formula has.

    Multiplying and adding count as two operations. Composites count only what they do themselves. None for classes that
    are not tinydl's.
    """
    if isinstance(layer, Dense | Conv2D):
        terms = layer.params["W"].size // y.shape[-1]  # products in the sum of one output
        ends = ("b" in layer.params) + (activation_of(layer) != "linear")
        return y.size * (2 * terms + ends)
    if isinstance(layer, MaxPool2D | AveragePool2D):
        return y.size * math.prod(layer.pool_size)
    if isinstance(layer, GlobalAveragePool2D):
        return int(x.size + y.size)
    if isinstance(layer, Branches | Flatten | PadChannels):
        return 0
    if not of_tinydl(layer):
        return None
    each = next((cost(layer) for kind, cost in PER_ENTRY if isinstance(layer, kind)), 0)
    return int(x.size) * each


PER_ENTRY: tuple[
    tuple[type[Layer] | tuple[type[Layer], ...], Callable[[Any], int]], ...
] = (  # operations for each entry of x
    (BatchNorm, lambda layer: 8),  # mean 1, variance 3, x - mean, times s, times gamma, plus beta
    (LayerNorm, lambda layer: 8),
    (LocalResponseNorm, lambda layer: 2 * layer.size + 4),  # squares and sums, times alpha, plus k, power, times x
    (Softmax, lambda layer: 5),  # largest, difference, exp, sum, quotient
    (Dropout, lambda layer: 2),  # compare, multiply
    (MaskingNoise, lambda layer: 2),
    (GaussianNoise, lambda layer: 2),
    (Residual, lambda layer: 1 + (layer.activation not in (None, "linear"))),
    ((ReLU, LeakyReLU, Sigmoid, Tanh), lambda layer: 1),
)
