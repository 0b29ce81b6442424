"""Forward values and gradients of Dense and of activation layers, compared with PyTorch's (tests/golden/layers.json)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.layers import BatchNorm, Conv2D, Dense, LeakyReLU, ReLU, Residual, Sigmoid, Softmax, Tanh

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "layers.json").read_text())
DENSE = [name for name in GOLDEN if name.startswith("dense")]
ACTIVATIONS = {"ReLU": ReLU(), "LeakyReLU": LeakyReLU(0.2), "Sigmoid": Sigmoid(), "Tanh": Tanh(), "Softmax": Softmax()}


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-12, atol=1e-14, strict=True)


@pytest.mark.parametrize("name", DENSE)
def test_dense(name: str) -> None:
    case = {key: np.array(value) if isinstance(value, list) else value for key, value in GOLDEN[name].items()}
    layer = Dense(3, case["activation"], use_bias="b" in case)
    assert layer.build((5,), np.random.default_rng(0), np.float64) == (3,)
    assert sorted(layer.params) == sorted({"W", "b"} & case.keys())
    for key, parameter in layer.params.items():
        parameter[...] = case[key]
    same(layer.forward(case["x"]), case["y"])
    same(layer.backward(case["dy"]), case["dx"])
    for key, gradient in layer.grads.items():
        same(gradient, case[f"d{key}"])


@pytest.mark.parametrize("name", [name for name in GOLDEN if name not in DENSE])
def test_activation_layers(name: str) -> None:
    case, layer = GOLDEN[name], ACTIVATIONS[name.split("_")[0]]
    same(layer.forward(np.array(case["x"])), case["y"])
    same(layer.backward(np.array(case["dy"])), case["dx"])


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_a_fused_activation_is_the_layer_of_that_name(activation: str) -> None:
    """The activation layer gives the golden values of Dense with that activation."""
    case = GOLDEN[f"dense_{activation}_bias"]
    layer = {"relu": ReLU(), "sigmoid": Sigmoid(), "tanh": Tanh()}[activation]
    a = np.array(case["x"]) @ np.array(case["W"]) + np.array(case["b"])
    same(layer.forward(a), case["y"])
    same(layer.backward(np.array(case["dy"])) @ np.array(case["W"]).T, case["dx"])


def test_large_float32_inputs_do_not_overflow() -> None:
    """An overflow would fail the test, because filterwarnings = error."""
    x = np.array([[-1e30, -200.0, 0.0, 200.0, 1e30]], np.float32)
    for layer in ACTIVATIONS.values():
        y = layer.forward(x)
        dx = layer.backward(np.ones_like(y))
        assert np.isfinite(y).all()
        assert np.isfinite(dx).all()


def test_underflow_is_harmless_by_hand_too() -> None:
    x = np.array([[-1000.0, -95.0, 0.0, 95.0, 1000.0]], np.float32)
    for name in ("Sigmoid", "Softmax"):
        with np.errstate(all="raise"):
            y = ACTIVATIONS[name].forward(x)
        assert y[0, 0] == 0


TAIL = np.array([-15, -17, -20, -30, -80, -87, 0], np.float32)


@pytest.mark.parametrize("mode", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["Sigmoid", "Dense", "Conv2D", "BatchNorm", "Residual"])
def test_small_probabilities_keep_their_digits(name: str, dtype: Any, mode: str) -> None:
    """A sigmoid by way of tanh gives 0 at -20 in float32, and at -38 in float64."""
    layer: Any = {
        "Sigmoid": Sigmoid(), "Dense": Dense(1, "sigmoid"), "Conv2D": Conv2D(1, 1, activation="sigmoid"),
        "BatchNorm": BatchNorm(epsilon=1e-16, activation="sigmoid"),
        "Residual": Residual(ReLU(), activation="sigmoid"),  # relu(x) + x is x, as no number is above 0
    }[name]  # fmt: skip
    layer.build((1, 1, 1) if name == "Conv2D" else (1,), np.random.default_rng(0), dtype)
    for weights in {"W", "gamma"} & layer.params.keys():
        layer.params[weights][...] = 1
    x = TAIL.astype(dtype).reshape((-1, 1, 1, 1) if name == "Conv2D" else (-1, 1))
    with kernels.using(mode):
        y = layer.forward(x)
    expected = [1 / (1 + math.exp(-a)) for a in TAIL.tolist()]
    np.testing.assert_allclose(y.ravel(), expected, rtol=5e-7 if dtype == np.float32 else 1e-13)


def test_an_activation_called_by_hand_takes_integers_as_float32() -> None:
    y = ReLU().forward(np.array([[-1, 2]]))
    assert y.dtype == np.float32
    assert y.tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(), Sigmoid(), Tanh(), Softmax()], ids=repr)
def test_backward_before_forward_and_a_foreign_dy_are_refused(layer: Any) -> None:
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}: backward needs a forward pass"):
        layer.backward(np.ones((2, 3)))
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dy must have the shape of the last output, \(2, 3\), got \(3, 2\)"):
        layer.backward(np.ones((3, 2)))


def test_a_bad_negative_slope_is_refused() -> None:
    for slope in [-0.1, np.inf, np.nan, "0.1", True]:
        with pytest.raises(
            ValueError, match="LeakyReLU: negative_slope must be a finite number with 0 <= negative_slope"
        ):
            LeakyReLU(slope)
