"""A training step omits only dL/dx below the lowest layer with parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import (
    ActivityL1,
    BatchNorm,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    Tanh,
)
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError
from tinydl.optimizers import SGD, Adam


class DxTimesX(Dense):
    """A subclass of Dense whose backward uses the dx of Dense, and so needs all of dx."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._squared = x * x
        return super().forward(self._squared, training)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return super().backward(dy) * 2 * np.sqrt(self._squared)


NETWORKS: dict[str, tuple[Callable[[], list[Layer]], tuple[int, ...], set[str]]] = {  # make, shape, left_out
    "lowest of all": (lambda: [Dense(4, "tanh"), Dense(3)], (6,), set()),
    "above noise": (lambda: [Dropout(0.0), ActivityL1(0.1), Dense(4), Dense(3)], (6,), {"Dropout", "ActivityL1"}),
    "in nested chains": (
        lambda: [Dropout(0.0), Sequential([Tanh(), Sequential([ReLU(), Dense(4)])]), Dense(3)],
        (6,),
        {"Dropout", "Tanh", "ReLU"},
    ),
    "contractive": (
        lambda: [Tanh(), Sequential([ContractivePenalty(Dense(4, "tanh"), 0.1), Tanh()]), Dense(3)],
        (6,),
        {"Tanh"},
    ),
    "convolution": (lambda: [ReLU(), Conv2D(2, 2), Flatten(), Dense(3)], (4, 5, 2), {"ReLU"}),
    "batch norm": (lambda: [Tanh(), BatchNorm(), Dense(3)], (6,), {"Tanh"}),
    "residual": (lambda: [Tanh(), Residual([ReLU(), Dense(6)]), Dense(3)], (6,), {"Tanh"}),
    "a backward of its own": (lambda: [Tanh(), DxTimesX(4), Dense(3)], (6,), {"Tanh"}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_left_out_changes_nothing_that_is_learnt(name: str) -> None:
    make, shape, left_out = NETWORKS[name]
    model = Model(make(), shape, dtype="float64")
    model.compile(SGD(0.0), MeanSquaredError())
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, *shape)), rng.normal(size=(5, 3))
    gone_back: list[Any] = []
    for layer in model.root.walk():
        layer.backward = lambda dy, layer=layer, backward=layer.backward: gone_back.append(layer) or backward(dy)  # type: ignore[method-assign, func-returns-value]
    model.loss.forward(model.forward(x, True), y)
    assert model.backward(model.loss.backward()).shape == x.shape
    expected = model.gradients.copy()
    assert gone_back
    gone_back.clear()
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.gradients, expected)
    missed = [layer for layer in model.root.walk() if not any(layer is one for one in gone_back)]
    assert {type(layer).__name__ for layer in missed} == left_out
    assert not any(layer.params for layer in missed)
    assert all(layer.input_gradient for layer in model.root.walk())
    model.forward(x)
    assert model.backward(np.ones((5, 3))).shape == x.shape  # outside training, dL/dx is complete again


def test_underflow_stops_no_run_even_where_numpy_raises() -> None:
    """exp(-1000) is 0, as it should be, in float32 and in float64."""
    rng = np.random.default_rng(0)
    x, y = rng.choice([-1000.0, 1000.0], (8, 4)), rng.integers(0, 2, (8, 2))
    for dtype in ("float32", "float64"):
        model = Model([Dense(3, "sigmoid"), LayerNorm(), Softmax(), Dense(2)], 4, dtype=dtype)
        model.layers[0].params["W"][...] = 1
        model.compile(Adam(), BinaryCrossEntropy())
        with np.errstate(all="raise"):
            model.fit(x, y, verbose=0)
            model.train_on_batch(x, y)
            model.evaluate(x, y)
            model.predict(x)
            model.predict_proba(x)
            model.backward(model.forward(x) + model(x))
            assert np.geterr()["under"] == "raise"  # the setting comes back
