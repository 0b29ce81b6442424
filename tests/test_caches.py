"""Copies and pickles hold parameters, state and settings, but none of the user's rows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    KLSparsity,
    Layer,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaskingNoise,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinydl.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import Adam

ROWS = 1000
X = np.random.default_rng(0).standard_normal((ROWS, 4, 4, 2)).astype(np.float32)
Y = np.arange(ROWS) % 2
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
}


def everything() -> Model:
    """Every layer of the library, on rows that are much larger than the parameters."""
    images = [
        Conv2D(2, 2, padding="same", activation="tanh"), BatchNorm(activation="relu"), LeakyReLU(0.1), ReLU(), Tanh(),
        LocalResponseNorm(), AuxiliaryHead([Flatten(), Dense(2)]), MaxPool2D(2), AveragePool2D(1),
        Residual([Conv2D(2, 1)], activation="sigmoid"), Branches([[Conv2D(1, 1)], [Conv2D(1, 1)]]), PadChannels(3),
    ]  # fmt: skip
    ends = [
        Branches([[GlobalAveragePool2D()], [Flatten()]]), ActivityL1(0.1), GaussianNoise(0.1), MaskingNoise(0.1),
        LayerNorm(), ContractivePenalty(Dense(3, "sigmoid"), 0.1), KLSparsity(0.1, 0.1), Dropout(0.1), Sigmoid(),
        Sequential([Dense(3), Softmax()]), Dense(2),
    ]  # fmt: skip
    return Model([*images, *ends], (4, 4, 2))


def test_everything_is_every_layer_of_the_library() -> None:
    from tinydl import layers

    used = {type(layer).__name__ for layer in everything().root.walk()}
    assert set(layers.__all__) - used == {"Container", "Layer"}


def arrays_in(value: Any, seen: set[int]) -> int:
    """The number of entries in all arrays that can be reached, read without tinydl's code."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return value.size
    inside: list[Any] = list(value.values()) if isinstance(value, dict) else []
    inside += list(value) if isinstance(value, list | tuple | set) else []
    inside += list(vars(value).values()) if hasattr(value, "__dict__") and not isinstance(value, type) else []
    return sum(arrays_in(each, seen) for each in inside)


@pytest.mark.parametrize("how", COPIES)
def test_a_used_model_is_as_small_as_a_new_one(how: str) -> None:
    model = everything()
    model.compile(Adam(), SoftmaxCrossEntropy())
    size, entries = len(pickle.dumps(model)), arrays_in(COPIES[how](model), set())
    model.train_on_batch(X, Y)
    model.forward(X, training=True)
    y = model.predict(X)
    assert len(pickle.dumps(model)) < size + 2000
    assert X[:1].tobytes() not in pickle.dumps(model)
    again = COPIES[how](model)
    assert arrays_in(again, set()) == entries
    np.testing.assert_array_equal(again.predict(X), y)
    assert again.train_on_batch(X, Y) == model.train_on_batch(X, Y)
    np.testing.assert_array_equal(again.parameters, model.parameters)
    assert arrays_in(model.astype("float64"), set()) < entries


@pytest.mark.parametrize("how", COPIES)
def test_a_layer_by_itself_too(how: str) -> None:
    for layer in everything().root.walk():
        if not layer.sublayers():
            new = type(layer)(**layer.get_config())
            shape = (layer.input_shape or ())[-3:]
            new.build(shape, np.random.default_rng(0), np.float32)
            size = len(pickle.dumps(new))
            x = np.random.default_rng(1).random((ROWS, *shape), np.float32)
            y = new.forward(x)
            assert len(pickle.dumps(new)) < size + 500, layer.label
            again = COPIES[how](new)
            with pytest.raises(RuntimeError, match="backward needs a forward pass"):
                again.backward(y)
            np.testing.assert_array_equal(again.forward(x), y)


class Habits(Layer):
    """Caches under the names, and in the places, where people keep them; constants and settings beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, Any] = {}
        self.last = None
        self.things = SimpleNamespace(rows=None)
        self.order = np.array([1, 0, 2])
        self._scale = 2.0
        self.calls = 0

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: object) -> tuple[int, ...]:
        self._steps = np.arange(3)
        return super().build(input_shape, rng, dtype)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.calls += 1
        self.cache["x"] = self.last = self.x = self._mine = x
        self.things.rows = [x]
        self.pair = (x, {"deep": [x]})
        return self._scale * x[:, self.order] + self._steps.astype(x.dtype)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self._scale * dy[:, np.argsort(self.order)]


@pytest.mark.parametrize("how", COPIES)
def test_an_own_layers_caches_are_left_out_whatever_their_names(how: str) -> None:
    model = Model([Habits(), Dense(3)], 3)
    x = np.ones((ROWS, 3), np.float32)
    size = len(pickle.dumps(model))
    y = model.predict(x)
    layer = model.layers[0]
    layer._scale = 3.0
    assert len(pickle.dumps(model)) < size + 200
    again: Any = COPIES[how](model).layers[0]
    assert (again.cache, again.last, again.things.rows, again.calls, again._scale) == ({}, None, None, 1, 3.0)
    assert not {"x", "_mine", "pair"} & set(vars(again))
    assert (again.order.tolist(), again._steps.tolist()) == ([1, 0, 2], [0, 1, 2])
    assert layer.x is layer.cache["x"] is layer.things.rows[0]  # the original keeps its caches
    layer._scale = 2.0
    np.testing.assert_array_equal(COPIES[how](model).predict(x), y)


def test_an_own_layer_may_hold_a_module() -> None:
    class Backend(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.xp, self.tools = np, [np]

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return self.xp.abs(x)

    assert Model([Backend()], 3).predict(-np.ones((2, 3))).tolist() == np.ones((2, 3)).tolist()


class Weighted(Loss):
    """Half the squared error, with weights for the columns and caches under other names."""

    def __init__(self, weights: Any) -> None:
        self.weights = np.asarray(weights)

    def check_targets(self, targets: Any, output_shape: tuple[int, ...], dtype: Any) -> Any:
        return np.asarray(targets, dtype)

    def forward(self, y_pred: np.ndarray, y_true: np.ndarray) -> float:
        self.difference = y_pred - y_true
        return float((self.weights * self.difference**2).mean() / 2)

    def backward(self) -> np.ndarray:
        return self.weights.astype(self.difference.dtype) * self.difference / self.difference.size


@pytest.mark.parametrize("loss", [Weighted([1.0, 2.0]), MeanSquaredError()], ids=["own", "ours"])
def test_losses_leave_their_rows_out(loss: Loss) -> None:
    model = Model([Dense(2)], 3)
    model.compile(Adam(), loss)
    x = np.ones((ROWS, 3), np.float32)
    size = len(pickle.dumps(model))
    value = model.evaluate(x, x[:, :2])
    assert len(pickle.dumps(model)) < size + 200
    assert pickle.loads(pickle.dumps(model)).evaluate(x, x[:, :2]) == value
