"""Arrays and gradients wherever code keeps them: closures, bound methods, classes, globals, slots, sub-objects."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_function, check_layer
from tinydl.gradcheck.copying import Snapshot, copy_as
from tinydl.gradcheck.reach import at, put, reach, text

Array = NDArray[Any]


class Tanh:
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy: Array) -> list[Array]:
        return [dy * (1 - self.y**2)]


def bound_and_bound() -> tuple[Any, Any]:
    layer = Tanh()
    return layer.forward, layer.backward


def bound_and_closure() -> tuple[Any, Any]:
    layer = Tanh()
    layer.forward(np.ones((5, 4)))
    return layer.forward, lambda dy, x: layer.backward(dy)[0]


def closure_and_bound() -> tuple[Any, Any]:
    layer = Tanh()
    return lambda x: layer.forward(x), layer.backward


def closure_and_closure() -> tuple[Any, Any]:
    layer = Tanh()
    return lambda x: layer.forward(x), lambda dy, x: layer.backward(dy)[0]


def partials() -> tuple[Any, Any]:
    layer = Tanh()
    return partial(layer.forward), partial(lambda held, dy: held.backward(dy)[0], layer)


def defaults() -> tuple[Any, Any]:
    layer = Tanh()
    return lambda x, layer=layer: layer.forward(x), lambda dy, layer=layer: layer.backward(dy)[0]


def static_methods() -> tuple[Any, Any]:
    class Both:
        kept: dict[str, Array] = {}  # noqa: RUF012

        @staticmethod
        def forward(x: Array) -> Array:
            Both.kept["y"] = np.tanh(x)
            return Both.kept["y"]

        @staticmethod
        def backward(dy: Array) -> Array:
            return dy * (1 - Both.kept["y"] ** 2)

    return Both.forward, Both.backward


PAIRS = [
    bound_and_bound, bound_and_closure, closure_and_bound, closure_and_closure, partials, defaults, static_methods,
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_callables_and_the_objects_behind_them_are_copied_together(pair: Callable[[], tuple[Any, Any]]) -> None:
    f, backward = pair()
    assert check_function(f, backward, (5, 4)).passed
    assert check_layer((f, backward), (5, 4)).passed


def test_a_wrong_gradient_behind_a_bound_method_is_found() -> None:
    class Layer:
        def __init__(self) -> None:
            self.W = np.random.default_rng(0).normal(size=(3, 2))

        def forward(self, x: Array) -> Array:
            self.x = x
            return x @ self.W

        def backward(self, dy: Array) -> Array:
            self.dW = 2 * self.x.T @ dy
            return dy @ self.W.T

    layer = Layer()
    for backward in (layer.backward, lambda dy: layer.backward(dy)):
        with pytest.raises(GradientCheckError, match="every entry is 2 times the right one") as caught:
            check_function(layer.forward, backward, (4, 3))
        assert caught.value.report.gradients == {"x": "ok", "W": "WRONG"}
    assert not hasattr(layer, "dW")


def closure_with_weights(factor: float) -> tuple[Any, Any]:
    W = np.random.default_rng(0).normal(size=(3, 2))
    grads: dict[str, Array] = {}
    kept: list[Array] = []

    def forward(x: Array) -> Array:
        kept[:] = [x]
        return x @ W

    def backward(dy: Array) -> Array:
        grads["W"] = factor * kept[0].T @ dy
        return dy @ W.T

    return forward, backward


def test_weights_in_a_closure_are_checked() -> None:
    assert check_function(*closure_with_weights(1.0), (4, 3)).gradients == {"x": "ok", "W": "ok"}
    with pytest.raises(GradientCheckError, match="dW is wrong"):
        check_function(*closure_with_weights(2.0), (4, 3))


SCALE = np.array([1.5, -0.5, 2.0])
KEPT: dict[str, Array] = {}
D_SCALE = np.zeros(3)


def scaled(x: Array) -> Array:
    KEPT["x"] = x
    return x * SCALE


def scaled_back(dy: Array) -> Array:
    global D_SCALE
    D_SCALE = (dy * KEPT["x"]).sum(axis=0)
    return dy * SCALE


def scaled_back_wrong(dy: Array) -> Array:
    global D_SCALE
    D_SCALE = (dy * KEPT["x"]).mean(axis=0)
    return dy * SCALE


def test_globals_of_a_notebook_are_checked_and_put_back() -> None:
    before = D_SCALE
    assert check_function(scaled, scaled_back, (4, 3)).gradients == {"x": "ok", "SCALE": "ok"}
    with pytest.raises(GradientCheckError, match="1/N with the batch size N = 4") as caught:
        check_function(scaled, scaled_back_wrong, (4, 3))
    assert caught.value.report.gradients == {"x": "ok", "SCALE": "WRONG"}
    assert D_SCALE is before
    assert KEPT == {}


class OfTheClass:
    """A layer whose array belongs to the class, not to the object."""

    weights = np.array([0.5, 2.0, -1.0])

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.weights

    def backward(self, dy: Array) -> Array:
        self.dweights = (dy * self.x).sum(axis=0)
        return dy * self.weights


class Slots:
    __slots__ = ("W", "dW", "x")

    def __init__(self) -> None:
        self.W = np.array([0.5, 2.0, -1.0])

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.W

    def backward(self, dy: Array) -> Array:
        self.dW = (dy * self.x).sum(axis=0)
        return dy * self.W


@pytest.mark.parametrize("layer", [OfTheClass(), Slots()])
def test_arrays_of_a_class_and_in_slots_are_checked_and_left(layer: Any) -> None:
    name = "weights" if isinstance(layer, OfTheClass) else "W"
    before = getattr(layer, name).copy()
    assert check_layer(layer, (4, 3)).gradients == {"x": "ok", name: "ok"}
    np.testing.assert_array_equal(getattr(layer, name), before)


def test_pythons_own_generator_is_rewound() -> None:
    class Dropout:
        def forward(self, x: Array) -> Array:
            self.mask = np.array([random.random() < 0.6 for _ in range(x.size)]).reshape(x.shape)
            return x * self.mask

        def backward(self, dy: Array) -> Array:
            return dy * self.mask

    random.seed(3)
    before = random.getstate()
    assert check_layer(Dropout(), (4, 3)).passed
    assert random.getstate() == before


def test_paths_lead_to_the_same_places_in_a_copy() -> None:
    W = np.ones(3)

    class Inner:
        def __init__(self) -> None:
            self.cells = [{"W": W}]
            self.f = lambda: W

    root = Inner()
    clone = copy_as(root, np.float32)
    paths = {text(path): path for path, thing in reach(root) if thing is W}
    assert paths == {"cells[0]['W']": (("attribute", "cells"), ("item", 0), ("item", "W"))}
    path = paths["cells[0]['W']"]
    assert at(clone, path).dtype == np.float32
    assert at(clone, path) is clone.f() is not W  # shared in the copy as in the original
    put(clone, path, np.zeros(3))
    assert not np.any(clone.cells[0]["W"])
    assert np.all(W == 1)


def test_a_snapshot_restores_names_and_numbers() -> None:
    class Holder:
        def __init__(self) -> None:
            self.a, self.history, self.kept = np.zeros(2), [1], {"b": np.ones(2)}

    holder = Holder()
    before = copy.deepcopy(vars(holder))
    snapshot = Snapshot(holder)
    holder.a += 5
    holder.history.append(2)
    holder.kept["b"] = np.zeros(1)
    holder.new = 3  # type: ignore[attr-defined]
    snapshot.restore()
    assert vars(holder).keys() == before.keys()
    np.testing.assert_array_equal(holder.a, before["a"])
    assert holder.history == [1]
    np.testing.assert_array_equal(holder.kept["b"], before["kept"]["b"])


def layer_of_a_function(factor: float) -> Any:
    """A layer whose class closes over its weights."""
    W = np.random.default_rng(0).normal(size=(3, 2))

    class Layer:
        def forward(self, x: Array) -> Array:
            self.x = x
            return x @ W

        def backward(self, dy: Array) -> Array:
            self.dW = factor * self.x.T @ dy
            return dy @ W.T

    return Layer()


def locked(array: Array) -> Array:
    array.flags.writeable = False
    return array


class Trained:
    """Its weights belong to the class, are locked, and backward counts its calls there."""

    W = locked(np.random.default_rng(0).normal(size=(3, 2)))
    calls = 0

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.xp = np  # a module among the attributes, which cannot be copied

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.xp.matmul(x, self.W)

    def backward(self, dy: Array) -> Array:
        Trained.calls += 1
        self.dW = self.factor * self.x.T @ dy
        return dy @ self.W.T


class Nested:
    """Layers in an object array."""

    def __init__(self, factor: float) -> None:
        self.layers = np.array([layer_of_a_function(1.0), Trained(factor)], dtype=object)
        self.layers[1].W = np.ones((2, 2))

    def forward(self, x: Array) -> Array:
        return self.layers[1].forward(self.layers[0].forward(x))

    def backward(self, dy: Array) -> Array:
        return self.layers[0].backward(self.layers[1].backward(dy))


class Lists:
    """W as a list of lists, which forward turns into an array."""

    def __init__(self, factor: float) -> None:
        self.W, self.factor = [[0.5, -1.0], [1.5, 0.3], [-0.2, 0.7]], factor

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ np.array(self.W)

    def backward(self, dy: Array) -> Array:
        self.dW = self.factor * self.x.T @ dy
        return dy @ np.array(self.W).T


@pytest.mark.parametrize("kind", [layer_of_a_function, Trained, Nested, Lists])
def test_weights_in_unusual_places_are_not_overlooked(kind: Callable[[float], Any]) -> None:
    report = check_layer(kind(1.0), (4, 3))
    assert any(name.endswith("W") for name in report.gradients)
    assert set(report.gradients.values()) == {"ok"}
    with pytest.raises(GradientCheckError, match="every entry is 2 times the right one"):
        check_layer(kind(2.0), (4, 3))
    assert Trained.calls == 0
    assert not Trained.W.flags.writeable


def test_complex_weights_are_not_checked() -> None:
    class Complex(Lists):
        def forward(self, x: Array) -> Array:
            self.x = x
            return np.real(x @ self.W)

        def backward(self, dy: Array) -> Array:
            self.dW = self.x.T @ dy
            return dy @ np.real(self.W).T

    layer = Complex(1.0)
    layer.W = np.array(layer.W) + 1j  # type: ignore[assignment]
    with pytest.raises(GradientCheckError, match="W was not checked: it is complex"):
        check_layer(layer, (4, 3))
