"""Sums of a million float32 numbers: rounded once, not a million times.

Added up one after the other in float32, a million times 1.1 is 1 % too little. The bound is 1e-6, a few roundings of a
single number, for every sum that the layers, losses and optimizers take over a batch or over an image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import (
    ActivityL1,
    AveragePool2D,
    BatchNorm,
    ContractivePenalty,
    Conv2D,
    Dense,
    GlobalAveragePool2D,
    KLSparsity,
    Layer,
    LayerNorm,
)  # fmt: skip
from tinydl.layers.sums import over_rows
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import sum_of_squares

ROWS = 1 << 20
UP = np.float32(1.1)  # the float32 nearest to 1.1, which is 1.10000002384


def equal(*shape: int) -> np.ndarray:
    return np.full(shape, UP)


def built(layer: Any, *shape: int) -> Any:
    layer.build(shape, np.random.default_rng(0), np.float32)
    return layer


def gradients(layer: Layer, x: np.ndarray, dy: np.ndarray) -> dict[str, np.ndarray]:
    built(layer, *x.shape[1:])
    layer.forward(x, training=True)
    layer.backward(dy)
    return layer.grads


def normalized_rows() -> np.ndarray:
    """Rows whose mean is 0 and whose variance is 1 in every channel, so that xhat is -1 or 1."""
    return np.tile(np.array([[-1, 1], [1, -1]], np.float32), (ROWS // 2, 1))


def bias_of(filters: int, channels: int, images: int, size: int, kernel: int = 3) -> float:
    x, dy = np.zeros((images, size, size, channels), np.float32), equal(images, size, size, filters)
    db = gradients(Conv2D(filters, kernel, padding="same"), x, dy)["b"]
    assert np.ptp(db) <= 1e-6 * db[0]
    return float(db[0]) / (images * size * size)


def statistics() -> tuple[float, float]:
    x = normalized_rows() * UP + np.float32(1000)
    layer = built(BatchNorm(momentum=0.0), 2)
    layer.forward(x, training=True)
    return float(layer.state["var"][0]), float(x[:, 0].astype(np.float64).var())


def scaled(name: str, layer: Layer) -> float:
    x = normalized_rows()
    return float(np.abs(gradients(layer, x, x * UP)[name][0])) / ROWS


def penalty(layer: Layer, x: np.ndarray) -> float:
    built(layer, *x.shape[1:])
    layer.forward(x)
    return float(layer.penalty())


def contraction() -> tuple[float, float]:
    """A sigmoid has the slope 1/4 at 0, so the mean squared norm of the Jacobian is W^2 / 16."""
    layer = built(ContractivePenalty(Dense(1, "sigmoid"), 1.0), 1)
    layer.forward(np.zeros((ROWS, 1), np.float32))
    return float(layer.penalty()), float(layer.encoder.params["W"][0, 0]) ** 2 / 16


def divergence(r: float) -> float:
    """KLSparsity's term for one unit, at its default rho."""
    rho = 0.05
    return rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r))


SUMS: dict[str, Callable[[], tuple[float, float]]] = {
    "over_rows": lambda: (float(over_rows(equal(ROWS, 2))[0]) / ROWS, float(UP)),
    "GlobalAveragePool2D": lambda: (GlobalAveragePool2D().forward(equal(1, 512, 512, 1)).item(), float(UP)),
    "AveragePool2D": lambda: (built(AveragePool2D(256), 256, 256, 1).forward(equal(1, 256, 256, 1)).item(), float(UP)),
    "Dense, db": lambda: (
        float(gradients(Dense(1), np.zeros((ROWS, 1), np.float32), equal(ROWS, 1))["b"][0]) / ROWS, float(UP)
    ),
    "Dense, db, two threads": lambda: (
        float(gradients(Dense(4), np.zeros((ROWS, 1), np.float32), equal(ROWS, 4))["b"][0]) / ROWS, float(UP)
    ),
    "Conv2D, db, 1x1": lambda: (bias_of(1, 1, 1, 1024, kernel=1), float(UP)),
    "Conv2D, db, few filters": lambda: (bias_of(2, 1, 1, 1024), float(UP)),
    "Conv2D, db, many filters": lambda: (bias_of(16, 16, 1, 256), float(UP)),
    "BatchNorm, variance": statistics,
    "BatchNorm, dgamma": lambda: (scaled("gamma", BatchNorm(epsilon=1e-10)), float(UP)),
    "BatchNorm, dbeta": lambda: (
        float(gradients(BatchNorm(), normalized_rows(), equal(ROWS, 2))["beta"][0]) / ROWS, float(UP)
    ),
    "LayerNorm, dgamma": lambda: (scaled("gamma", LayerNorm(epsilon=1e-10)), float(UP)),
    "LayerNorm, dbeta": lambda: (
        float(gradients(LayerNorm(), normalized_rows(), equal(ROWS, 2))["beta"][0]) / ROWS, float(UP)
    ),
    "ActivityL1": lambda: (penalty(ActivityL1(1.0), equal(ROWS, 1)), float(UP)),
    "KLSparsity": lambda: (
        penalty(KLSparsity(), np.full((ROWS, 1), np.float32(0.55))), divergence(float(np.float32(0.55)))
    ),
    "ContractivePenalty": contraction,
    "MeanSquaredError": lambda: (
        MeanSquaredError().forward(equal(ROWS, 1), np.zeros((ROWS, 1), np.float32)), float(UP) ** 2
    ),
    "BinaryCrossEntropy": lambda: (
        BinaryCrossEntropy().forward(equal(ROWS, 1), np.zeros((ROWS, 1), np.float32)), float(np.log1p(np.exp(UP)))
    ),
    "SoftmaxCrossEntropy": lambda: (
        SoftmaxCrossEntropy().forward(equal(ROWS, 2), np.zeros(ROWS, np.int64)), float(np.log(2))
    ),
    "global norm of the gradients": lambda: (sum_of_squares(equal(ROWS)) / ROWS, float(UP) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["compiled", "reference"])
@pytest.mark.parametrize("name", SUMS)
def test_a_million_equal_numbers_keep_their_mean(name: str, mode: str) -> None:
    set_num_threads(2)
    with kernels.using(mode):
        actual, expected = SUMS[name]()
    assert actual == pytest.approx(expected, rel=1e-6)
