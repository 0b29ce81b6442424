"""Dense: parameters, accumulated gradients, and invalid input. (test_values.py compares the values.)"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinydl.layers import Dense


def built(layer: Dense, inputs: int = 5, dtype: Any = np.float64) -> Dense:
    layer.build((inputs,), np.random.default_rng(0), dtype)
    return layer


def test_parameters_have_the_layout_of_keras_and_biases_start_at_zero() -> None:
    layer = Dense(3)
    assert not layer.built
    built(layer)
    assert layer.built
    assert {name: value.shape for name, value in layer.params.items()} == {"W": (5, 3), "b": (3,)}
    assert {name: value.shape for name, value in layer.grads.items()} == {"W": (5, 3), "b": (3,)}
    assert not layer.params["b"].any()
    assert np.abs(layer.params["W"]).max() <= math.sqrt(6 / 8)
    assert list(built(Dense(3, use_bias=False)).params) == ["W"]


@pytest.mark.parametrize(
    ("initializer", "deviation"), [("he_normal", 2 / 400), ("glorot_normal", 2 / 600), ("zeros", 0)]
)
def test_the_kernel_initializer_is_used(initializer: str, deviation: float) -> None:
    layer = built(Dense(200, kernel_initializer=initializer), 400)
    assert layer.params["W"].var() == pytest.approx(deviation, rel=0.03)


@pytest.mark.parametrize("use_bias", [True, False])
def test_gradients_add_up_and_zero_grad_resets_them(use_bias: bool) -> None:
    layer = built(Dense(3, "tanh", use_bias))
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    layer.forward(x)
    layer.backward(dy)
    once = {name: gradient.copy() for name, gradient in layer.grads.items()}
    arrays = dict(layer.grads)
    layer.backward(dy)
    for name, gradient in layer.grads.items():
        assert gradient is arrays[name]
        np.testing.assert_allclose(gradient, 2 * once[name], rtol=1e-15)
    layer.zero_grad()
    assert not any(gradient.any() for gradient in layer.grads.values())


def test_a_batch_of_one_and_one_unit() -> None:
    layer = built(Dense(1, "sigmoid"), 1)
    layer.params["W"][...], layer.params["b"][...] = 2.0, -1.0
    y = 1 / (1 + math.exp(-5))
    assert layer.forward(np.array([[3.0]])).item() == pytest.approx(y, rel=1e-15)
    da = 7 * y * (1 - y)
    assert layer.backward(np.array([[7.0]])).item() == pytest.approx(2 * da, rel=1e-14)
    assert layer.grads["W"].item() == pytest.approx(3 * da, rel=1e-14)
    assert layer.grads["b"].item() == pytest.approx(da, rel=1e-14)


def test_arrays_of_others_are_neither_written_to_nor_handed_out_twice() -> None:
    for activation in [None, "linear", "relu", "sigmoid", "tanh"]:
        layer = built(Dense(3, activation))
        rng = np.random.default_rng(1)
        x, dy = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
        x_before, dy_before = x.copy(), dy.copy()
        y = layer.forward(x)
        dx = layer.backward(dy)
        y_before, dx_before = y.copy(), dx.copy()
        layer.forward(-x)
        layer.backward(-dy)
        for array, before in ((x, x_before), (dy, dy_before), (y, y_before), (dx, dx_before)):
            np.testing.assert_array_equal(array, before)
        assert not np.shares_memory(dx, dy)


def test_inputs_of_any_layout_and_dtype_are_taken() -> None:
    layer = built(Dense(3, "tanh"), dtype=np.float32)
    x = np.random.default_rng(1).integers(-3, 4, (4, 5))
    expected = layer.forward(x.astype(np.float32))
    assert expected.dtype == np.float32
    for variant in (x, x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.tolist()):
        np.testing.assert_array_equal(layer.forward(variant), expected)


def test_no_input_gradient_is_computed_where_none_is_asked_for() -> None:
    layer = built(Dense(3))
    rng = np.random.default_rng(1)
    layer.forward(rng.normal(size=(4, 5)))
    dy = rng.normal(size=(4, 3))
    assert layer.backward(dy).shape == (4, 5)
    once = layer.grads["W"].copy()
    layer.zero_grad()
    layer.input_gradient = False
    assert layer.backward(dy).size == 0
    np.testing.assert_array_equal(layer.grads["W"], once)


def test_softmax_as_activation_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"activation must be one of None, 'linear', 'relu', 'sigmoid', 'tanh', got 'softmax'"
                                         r": softmax is a layer, Softmax\(\)\. .* use SoftmaxCrossEntropy"):  # fmt: skip
        Dense(3, "softmax")


def test_an_unknown_activation_is_refused() -> None:
    for activation in ["ReLU", "swish", "", 3, np.tanh, ["relu"]]:
        with pytest.raises(
            ValueError, match=r"^Dense: activation must be one of None, 'linear', 'relu', 'sigmoid', 'tanh', got"
        ):
            Dense(3, activation)


def test_bad_units_are_refused() -> None:
    for units in [0, -1, 2.0, "3", True, None]:
        with pytest.raises(ValueError, match=r"^Dense: units must be an integer >= 1, got"):
            Dense(units)


def test_an_unknown_initializer_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^Dense: kernel_initializer must be one of 'zeros', 'glorot_uniform'.* got 'xavier'"
    ):
        Dense(3, kernel_initializer="xavier")


def test_numpy_integers_are_numbers_too() -> None:
    assert Dense(np.int64(3)).units == 3
    assert type(Dense(np.int64(3)).units) is int


def test_images_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"Dense: expected rows of numbers, input shape \(width,\), got \(8, 8, 3\): "
                                         r"put a Flatten\(\) before it"):  # fmt: skip
        Dense(3).build((8, 8, 3), np.random.default_rng(0), np.float32)


def test_forward_before_build_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Dense: not built yet: put it into a Model or call build first"):
        Dense(3).forward(np.ones((2, 5)))


def test_the_wrong_width_is_refused() -> None:
    layer = built(Dense(3))
    layer.name = "code"
    for shape in ((4, 6), (5,), (4, 5, 1)):
        with pytest.raises(ValueError, match=r"code \(Dense\): expected an input of shape \(batch, 5\), got"):
            layer.forward(np.ones(shape))


def test_backward_before_forward_and_a_foreign_dy_are_refused() -> None:
    layer = built(Dense(3))
    with pytest.raises(RuntimeError, match="Dense: backward needs a forward pass"):
        layer.backward(np.ones((4, 3)))
    layer.forward(np.ones((4, 5)))
    for shape in ((4, 5), (3, 3), (3,), (4, 3, 1)):
        with pytest.raises(ValueError, match=r"Dense: dy must have the shape of the last output, \(4, 3\), got"):
            layer.backward(np.ones(shape))
    assert not layer.grads["W"].any()  # no gradient was added


def test_the_config_makes_the_same_layer() -> None:
    layer = Dense(4, "tanh", use_bias=False, kernel_initializer="he_normal")
    twin = Dense(**layer.get_config())
    assert repr(twin) == repr(layer)
    assert repr(layer) == (
        "Dense(units=4, activation='tanh', use_bias=False, kernel_initializer='he_normal', kernel_regularizer=None)"
    )
