"""A user's own layers and lists of layers: each usual mistake is refused with its mend, before it trains wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import Conv2D, Dense, Flatten, Layer, ReLU, Sequential
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD

X = np.random.default_rng(0).normal(size=(8, 3))


def fit(*layers: Layer, y: np.ndarray = X) -> Model:
    model = Model(list(layers), 3)
    model.compile(SGD(0.1), MeanSquaredError())
    model.fit(X, y, verbose=0)
    return model


class Scale(Layer):
    """y = s x, as it should be written; the other layers of this file are mistakes."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self.add_parameter("s", np.ones(input_shape, dtype))
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._x = x
        return x * self.params["s"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["s"] += (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


class InAttributes(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.dgamma = np.ones(3), np.zeros(3)


class InAList(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.weights = [np.ones(3)]


class InADict(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.tables = {"W": np.ones(3)}


class Held:
    def __init__(self) -> None:
        self.value, self.grad = np.ones(3), np.zeros(3)


class InAnObject(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.weights = [(Held(), "name")]


class InNumbers(Scale):
    """A slope that is one number, and its gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.slope, self.dslope = 0.25, 0.0


class InPrivateArrays(Scale):
    """Underscores mark caches, but a cache has no gradient of zeros before the first pass."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self._w, self._dw = np.ones(input_shape, dtype), np.zeros(input_shape, dtype)
        return input_shape


class LayersInADict(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.parts = {"gate": [Dense(3)]}


class AModelInside(Scale):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Model([Dense(3)], 3)


class WithoutGrads(Scale):
    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        Layer.build(self, input_shape, rng, dtype)
        self.params["s"] = np.ones(input_shape, dtype)
        return input_shape


class WithoutParams(Scale):
    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.grads["t"] = np.zeros(3, dtype)
        return super().build(input_shape, rng, dtype)


class OfOtherShapes(Scale):
    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self.grads["s"] = np.zeros((2, 3), dtype)
        return input_shape


class OfAnotherDtype(Scale):
    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        return super().build(input_shape, rng, np.float64)


class ReplacesGrads(Scale):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["s"] = (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


class ReplacesParams(Scale):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.params["s"] = self.params["s"] - dy.mean(axis=0)
        return dy


class LateGrads(Scale):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["t"] = dy.sum(axis=0)
        return super().backward(dy)


class InTheFirstRun(Layer):
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        if not self.params:
            self.add_parameter("s", np.ones(x.shape[1], x.dtype))
        self._x = x
        return x * self.params["s"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["s"] += (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


class AttributesInTheFirstRun(Layer):
    g: Any = None

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.g = np.ones(3, x.dtype) if self.g is None else self.g
        self._x = x
        return x * self.g

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dg = (dy * self._x).sum(axis=0)
        return dy * self.g


class WithoutBuild(Layer):
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return np.concatenate([x, x], axis=1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy[:, :3] + dy[:, 3:]


class WithoutSuperInit(Scale):
    def __init__(self) -> None:
        self.k = 2


class WithoutSuperBuild(Scale):
    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.add_parameter("s", np.ones(input_shape, dtype))
        return input_shape


class KerasBuild(Scale):
    def build(self, input_shape: Any) -> None:  # type: ignore[override]
        self.add_parameter("s", np.ones(input_shape))


class KerasCall(Layer):
    def call(self, x: np.ndarray) -> np.ndarray:
        return x


class WithoutTraining(Scale):
    def forward(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return x


MISTAKES: dict[Any, str] = {
    InAttributes: "Model: in_attributes_1 (InAttributes) holds a float array in self.gamma, which would be neither "
    "trained nor saved: in build, call self.add_parameter('gamma', array), or add_state if it is not trained",
    InAList: "Model: in_a_list_1 (InAList) holds a float array in self.weights[0], which",
    InADict: "Model: in_a_dict_1 (InADict) holds a float array in self.tables['W'], which would be neither trained nor "
    "saved: in build, call self.add_parameter('W', array)",
    InAnObject: "Model: in_an_object_1 (InAnObject) holds a float array in self.weights[0][0].value, which would be",
    InNumbers: "Model: in_numbers_1 (InNumbers) holds self.slope and its gradient self.dslope, which the optimizer "
    "does not see: in build, call self.add_parameter('slope', array), and use self.params and self.grads",
    InPrivateArrays: "Model: in_private_arrays_1 (InPrivateArrays) holds self._w and its gradient self._dw, which the",
    LayersInADict: "Model: LayersInADict holds the layer self.parts, but its sublayers() does not return it, so it",
    AModelInside: "Model: AModelInside holds the model self.encoder, which would not be trained: use its layers in a",
    WithoutGrads: "Model: without_grads_1 (WithoutGrads) has params['s'] but no grads['s']: in build, call self.add_par",
    WithoutParams: "Model: without_params_1 (WithoutParams) has grads['t'] but no params['t']: in build, call self.add",
    OfOtherShapes: "Model: of_other_shapes_1 (OfOtherShapes): params['s'] and grads['s'] must have equal shapes, got "
    "(3,) and (2, 3)",
    OfAnotherDtype: "Model: of_another_dtype_1 (OfAnotherDtype): params['s'] must have the model's dtype float32, got "
    "float64: create it in build, with build's dtype",
    ReplacesGrads: "fit: a pass through replaces_grads_1 (ReplacesGrads) created or replaced grads['s'], so the "
    "optimizer does not see it: create it in build, with add_parameter, and write self.grads['s'] += array",
    ReplacesParams: "fit: a pass through replaces_params_1 (ReplacesParams) created or replaced params['s'], so the",
    LateGrads: "fit: late_grads_1 (LateGrads) has grads['t'] but no params['t']",
    InTheFirstRun: "fit: a pass through in_the_first_run_1 (InTheFirstRun) created or replaced params['s'], so",
    AttributesInTheFirstRun: "fit: attributes_in_the_first_run_1 (AttributesInTheFirstRun) holds self.g and its "
    "gradient self.dg, which the optimizer does not see: in build, call self.add_parameter('g', array)",
    WithoutBuild: "without_build_1 (WithoutBuild) must output the shape that its build returned, ('n', 3), got ('n', "
    "6): define build, and return the shape of one row of forward's output",
    WithoutSuperInit: "Model: WithoutSuperInit: its __init__ must call Layer's, got no such call",
    WithoutSuperBuild: "Model: without_super_build_1 (WithoutSuperBuild): its build must call Layer's, got no such call",
    KerasBuild: "Model: KerasBuild must define build(self, input_shape, rng, dtype), got build(self, input_shape",
    KerasCall: "Model: KerasCall must define forward(self, x, training=False), got call: rename it to forward",
    WithoutTraining: "Model: WithoutTraining must define forward(self, x, training=False), got forward(self, x",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_own_layers_are_refused_before_a_weight_moves(mistake: Callable[[], Layer]) -> None:
    below = Dense(3)
    with pytest.raises((TypeError, ValueError)) as caught:
        fit(below, mistake(), Dense(3))
    assert str(caught.value).startswith(MISTAKES[mistake])
    if below.params:
        assert not below.params["b"].any()  # biases begin at 0


def test_a_sound_own_layer_trains() -> None:
    layer = Scale()
    model = fit(Dense(3), layer, Scale(), Dense(3))
    assert (layer.params["s"] != 1).all()
    assert model.count_params() == 12 + 3 + 3 + 12


def test_caches_of_an_earlier_run_and_arrays_of_integers_are_no_mistakes() -> None:
    class Caches(Scale):
        def __init__(self) -> None:
            super().__init__()
            self.order = np.arange(3)
            self.t, self.dt = 0.0, 0.01
            self.notes = [{"width": 3.5}, len, np, np.random.default_rng(0)]
            self._fixed = Model([Dense(2)], 3)

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.x, self.mean, self._var = x, x.mean(axis=0), x.var(axis=0)
            return super().forward(x, training)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dx, self._dvar = super().backward(dy), np.zeros(3)
            return self.dx

    used = Caches()
    used.build((3,), np.random.default_rng(0), np.float32)
    model = fit(Dense(3), used, Dense(3))
    model.fit(X, X, verbose=0)
    model.predict(X)
    model.compile(SGD(0.1), MeanSquaredError())
    model.fit(X, X, verbose=0)


# --- the list of layers and the shape ---------------------------------------------------------------------------------

LISTS: dict[str, tuple[Callable[[], Any], str]] = {
    "a string": (lambda: Model([Dense(3), "relu"], 3), "got 'relu': write ReLU(), or Dense(10, 'relu')"),
    "softmax": (lambda: Model([Dense(3), "softmax"], 3), "got 'softmax': write Softmax(), or leave it out, since Soft"),
    "another string": (lambda: Model([Dense(3), "swish"], 3), "got 'swish': write a layer, such as ReLU()"),
    "a class": (lambda: Model([Dense(3), ReLU], 3), "layers.activations.ReLU'>: write ReLU(...)"),
    "a function": (lambda: Model([Dense(3), np.tanh], 3), "got <ufunc 'tanh'>: write a layer, such as Tanh()"),
    "a list": (lambda: Model([[ReLU()], Dense(3)], 3), "got [ReLU()]: write Sequential([...]) for a chain within"),
    "a model": (lambda: Model([Model([ReLU()], 3)], 3), "got Model: a model cannot be part of a model, so write one"),
    "no list": (lambda: Model("dense", 3), "Model: expected a list of layers, got 'dense': write a list"),
    "no layer": (lambda: Model([], 3), "Model: expected at least one layer, got none"),
    "layers side by side": (
        lambda: Model(Dense(3), Dense(3)),
        "Model: input_shape must be a number or a tuple, got a Dense layer: put the layers into a list: Model([layer,",
    ),
    "all rows": (lambda: Model([Dense(3)], X), "got an array of shape (8, 3): write input_shape=(3,)"),
    "the shape of all rows": (
        lambda: Model([Dense(3)], X.shape),
        "if (8, 3) is the shape of all rows, X.shape, write input_shape=X.shape[1:]",
    ),
    "the shape of all images": (
        lambda: Model([Conv2D(3, 3)], (100, 28, 28, 1)),
        "if (100, 28, 28, 1) is the shape of all rows, X.shape, write input_shape=X.shape[1:]",
    ),
    "a batch axis": (lambda: Model([Dense(3)], (None, 3)), "must leave out the batch axis, got (None, 3): write (3,)"),
    "a dot in a name": (lambda: Model([named("a.b")], 3), "Model: a layer's name must not contain a dot, got 'a.b'"),
}


def named(name: str) -> Layer:
    layer = Dense(3)
    layer.name = name
    return layer


@pytest.mark.parametrize("name", LISTS)
def test_mistakes_in_the_list_of_layers_are_explained(name: str) -> None:
    make, expected = LISTS[name]
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert expected in str(caught.value)
    if "Sequential" not in expected:
        assert "Sequential" not in str(caught.value)


def test_a_sequential_speaks_for_itself() -> None:
    with pytest.raises(TypeError, match=r"Sequential: expected Layer objects, got 'relu': write ReLU\(\)"):
        Sequential([Dense(3), "relu"])  # type: ignore[list-item]


def test_data_for_a_model_made_with_the_shape_of_all_rows() -> None:
    model = Model([Flatten(), Dense(3)], X.shape)
    with pytest.raises(ValueError, match=r"use x\[None\]; for many, make the model with input_shape=x.shape\[1:\]"):
        model.predict(X)
