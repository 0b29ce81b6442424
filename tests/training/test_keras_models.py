"""Weights in Keras's order load directly: the predictions of whole networks equal Keras's.

tests/golden/keras_models.json holds Keras's models and predictions; both sides draw weights and inputs alike.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model, layers, models
from tinydl.initializers import INITIALIZERS, zeros
from tinydl.layers import AuxiliaryHead, Branches, Layer, Residual
from tinydl.training.keras_order import keras_order

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "keras_models.json").read_text())
BUILT_HERE = [name for name, case in GOLDEN.items() if case["layers"]]


def weights_for(shapes: list[Any], seed: int, gain: float) -> list[np.ndarray]:
    """Arrays of `shapes` from one generator: kernels from N(0, gain / inputs per unit), vectors from U(0.5, 1.5)."""
    rng = np.random.default_rng(seed)
    arrays = []
    for shape in shapes:
        if len(shape) > 1:
            arrays.append(rng.standard_normal(shape, np.float32))
            arrays[-1] *= np.float32(math.sqrt(gain / math.prod(shape[:-1])))
        else:
            arrays.append(rng.random(shape, np.float32) + np.float32(0.5))
    return arrays


def inputs_for(case: dict[str, Any]) -> np.ndarray:
    shape = (len(case["predictions"]), *case["input_shape"])
    return np.random.default_rng(case["seed"] + 1).standard_normal(shape, np.float32)


def chain(spec: list[list[Any]], made: dict[str, Layer]) -> list[Layer]:
    """The layers of a golden network; a repeated name gives the same object again."""
    found: list[Layer] = []
    for kind, *rest in spec:
        if kind == "Residual":
            body, shortcut, activation = rest
            found.append(Residual(chain(body, made), None if shortcut is None else chain(shortcut, made), activation))
        elif kind == "Branches":
            found.append(Branches([chain(branch, made) for branch in rest[0]]))
        elif kind == "AuxiliaryHead":
            found.append(AuxiliaryHead(chain(rest[0], made)))
        else:
            name, arguments = rest
            if name not in made:
                made[name] = getattr(layers, kind)(**arguments)
                made[name].name = name
            found.append(made[name])
    return found


def build(case: dict[str, Any]) -> Model:
    return Model(chain(case["layers"], {}), tuple(case["input_shape"]))


def check_predictions(model: Model, case: dict[str, Any]) -> None:
    expected = np.array(case["predictions"])
    y = model.predict(inputs_for(case))
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


@pytest.fixture(autouse=True)
def no_first_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start all weights at 0: drawing a hundred million, only to overwrite them, would take most of the time."""
    for name in INITIALIZERS:
        monkeypatch.setitem(INITIALIZERS, name, zeros)


@pytest.mark.parametrize("name", BUILT_HERE)
def test_the_layers_are_listed_as_keras_lists_them(name: str) -> None:
    case = GOLDEN[name]
    model = build(case)
    assert [list(weight.shape) for weight in model.get_weights()] == case["shapes"]
    if name != "ResNet50":  # Keras names ResNet50's layers differently
        assert [layer.name for layer in keras_order(model.root) if layer.params] == case["names"]


@pytest.mark.parametrize("name", BUILT_HERE)
def test_predictions_are_those_of_keras(name: str) -> None:
    case = GOLDEN[name]
    model = build(case)
    model.set_weights(weights_for(case["shapes"], case["seed"], case["gain"]))
    check_predictions(model, case)


@pytest.mark.slow
def test_vgg16_is_that_of_keras() -> None:
    """All 138,357,544 weights are loaded, and images have 224x224 pixels."""
    case = GOLDEN["VGG16"]
    model = models.vgg(16)
    shapes = [array.shape for layer in keras_order(model.root) for array in layer.params.values()]
    assert [list(shape) for shape in shapes] == case["shapes"]
    model.set_weights(weights_for(case["shapes"], case["seed"], case["gain"]))
    check_predictions(model, case)


def test_a_residuals_two_ways_may_change_places() -> None:
    """Only the user knows which branch Add() got first; Keras lists that one first. The sum is the same either way."""
    case = GOLDEN["resnet"]
    swapped = [
        ["Residual", entry[2], entry[1], entry[3]] if entry[0] == "Residual" and entry[2] else entry
        for entry in case["layers"]
    ]
    model, other = build(case), build({**case, "layers": swapped})
    for each in (model, other):
        shapes = [weight.shape for weight in each.get_weights()]
        each.set_weights(weights_for(shapes, 0, 1.0))
    names = [[layer.name for layer in keras_order(each.root) if layer.params] for each in (model, other)]
    assert names[0] != names[1]
    assert sorted(names[0]) == sorted(names[1])
    by_name = {layer.name: layer for layer in model.root.walk() if layer.params and not layer.sublayers()}
    for layer in other.root.walk():
        if not layer.sublayers():
            for kind in ("params", "state"):
                for key, array in getattr(layer, kind).items():
                    array[...] = getattr(by_name[layer.name], kind)[key]
    np.testing.assert_array_equal(other.predict(inputs_for(case)), model.predict(inputs_for(case)))


@pytest.mark.parametrize("name", ["resnet", "googlenet", "shared by blocks"])
def test_get_weights_gives_back_what_set_weights_took(name: str) -> None:
    case = GOLDEN[name]
    model, weights = build(case), weights_for(case["shapes"], 5, 1.0)
    model.set_weights(weights)
    for got, wanted in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert sum(weight.size for weight in weights) == model.parameters.size + sum(
        array.size for layer in keras_order(model.root) for array in layer.state.values()
    )
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=rf"set_weights: expected {len(weights)} arrays of shapes .*got {len(weights) - 1}"
    ):
        model.set_weights(weights[1:])
    for got, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)
