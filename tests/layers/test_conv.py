"""Conv2D: values (from PyTorch, from TensorFlow and by hand), parameters, and invalid input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import Conv2D, Dense, Flatten, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam

HERE = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((HERE / "images.json").read_text())
KERAS = json.loads((HERE / "images_keras.json").read_text())


def cases(golden: dict[str, Any], kind: str) -> Any:
    return pytest.mark.parametrize("name", [name for name in golden if name.startswith(f"{kind}_")])


def arrays(case: dict[str, Any]) -> dict[str, Any]:
    return {key: np.array(value) if isinstance(value, list) else value for key, value in case.items()}


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-12, atol=1e-13, strict=True)


def built(layer: Conv2D, shape: tuple[int, ...] = (5, 4, 3), dtype: Any = np.float64) -> Conv2D:
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


# --- values -----------------------------------------------------------------------------------------------------------


@cases(GOLDEN, "Conv2D")
def test_values_and_gradients_of_pytorch(name: str) -> None:
    case = arrays(GOLDEN[name])
    layer = Conv2D(**case["arguments"])
    assert layer.build(case["x"].shape[1:], np.random.default_rng(0), np.float64) == case["y"].shape[1:]
    assert sorted(layer.params) == sorted({"W", "b"} & case.keys())
    for key, parameter in layer.params.items():
        assert parameter.shape == case[key].shape
        parameter[...] = case[key]
    same(layer.forward(case["x"]), case["y"])
    same(layer.backward(case["dy"]), case["dx"])
    for key, gradient in layer.grads.items():
        same(gradient, case[f"d{key}"])


@cases(KERAS, "Conv2D")
def test_same_padding_is_tensorflows(name: str) -> None:
    case = arrays(KERAS[name])
    layer = built(Conv2D(1, case["kernel"], case["stride"], "same", use_bias=False), case["x"].shape[1:])
    layer.params["W"][...] = case["W"]
    same(layer.forward(case["x"]), case["y"])
    same(layer.backward(case["dy"]), case["dx"])


def test_a_small_network_trains_as_in_pytorch() -> None:
    """A 2x2 "same" convolution, pooling, a 1x1 convolution and Flatten, which must keep the order height, width, channels."""
    case = GOLDEN["network"]
    layers = [
        Conv2D(3, 2, padding="same", activation="relu", use_bias=False), MaxPool2D(2),
        Conv2D(4, 1, activation="relu", use_bias=False), Flatten(), Dense(3),
    ]  # fmt: skip
    model = Model(layers, (6, 5, 2), dtype="float64")
    model.compile(Adam(0.02), SoftmaxCrossEntropy())
    model.set_weights([np.array(array) for array in case["start"]])
    losses = [model.train_on_batch(np.array(case["x"]), np.array(case["labels"])) for _ in range(5)]
    np.testing.assert_allclose(losses, case["losses"], rtol=1e-10)
    for weight, expected in zip(model.get_weights(), case["end"], strict=True):
        np.testing.assert_allclose(weight, np.array(expected), rtol=1e-8, atol=1e-10)


def test_an_example_by_hand() -> None:
    """A 3x3 image and a 2x2 kernel, as in Conv2D's docstring."""
    layer = built(Conv2D(1, 2), (3, 3, 1))
    layer.params["W"][..., 0, 0] = [[1, 2], [3, 4]]
    layer.params["b"][...] = 100
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    y = layer.forward(x)
    assert y[0, ..., 0].tolist() == [[137, 147], [167, 177]]  # 1 + 4 + 12 + 20 = 37, ...
    dx = layer.backward(np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 2, 2, 1))
    assert dx[0, ..., 0].tolist() == [[1, 12, 20], [103, 1234, 2040], [300, 3400, 4000]]
    assert layer.grads["W"][..., 0, 0].tolist() == [[5421, 6532], [8754, 9865]]
    assert layer.grads["b"].tolist() == [1111]


def test_output_sizes() -> None:
    for size, arguments, expected in [
        ((32, 32), {"kernel_size": 3, "strides": 2, "padding": 1}, (16, 16)),  # the book's (32-3+2)/2+1 is 16.5
        ((32, 32), {"kernel_size": 3, "strides": 1, "padding": 1}, (32, 32)),
        ((32, 32), {"kernel_size": 2, "padding": "same"}, (32, 32)),
        ((7, 10), {"kernel_size": (3, 4), "strides": (2, 3)}, (3, 3)),
        ((7, 10), {"kernel_size": (3, 4), "strides": (2, 3), "padding": "same"}, (4, 4)),
        ((7, 10), {"kernel_size": 1, "strides": (4, 3), "padding": "same"}, (2, 4)),
        ((4, 4), {"kernel_size": 4}, (1, 1)),
        ((1, 2), {"kernel_size": (3, 2), "padding": ((2, 0), (0, 1))}, (1, 2)),
    ]:
        layer = Conv2D(5, **arguments)
        assert layer.build((*size, 2), np.random.default_rng(0), np.float32) == (*expected, 5)
        assert layer.output_shape == (*expected, 5)
        assert layer.forward(np.zeros((3, *size, 2), np.float32)).shape == (3, *expected, 5)


# --- parameters and gradients -----------------------------------------------------------------------------------------


def test_parameters_have_the_layout_of_keras_and_biases_start_at_zero() -> None:
    layer = Conv2D(7, (2, 3))
    assert not layer.built
    built(layer)
    assert layer.built
    assert {name: value.shape for name, value in layer.params.items()} == {"W": (2, 3, 3, 7), "b": (7,)}
    assert {name: value.shape for name, value in layer.grads.items()} == {"W": (2, 3, 3, 7), "b": (7,)}
    assert not layer.params["b"].any()
    assert list(built(Conv2D(7, 2, use_bias=False)).params) == ["W"]


@pytest.mark.parametrize(
    ("initializer", "deviation"), [("he_normal", 2 / 800), ("glorot_normal", 2 / (800 + 400)), ("zeros", 0)]
)
def test_the_kernel_initializer_counts_the_whole_window_as_fan(initializer: str, deviation: float) -> None:
    layer = built(Conv2D(100, (4, 1), kernel_initializer=initializer), (4, 1, 200))
    assert layer.params["W"].var() == pytest.approx(deviation, rel=0.03)


def test_the_default_is_glorot_uniform() -> None:
    W = built(Conv2D(8, 3)).params["W"]
    limit = math.sqrt(6 / (9 * 3 + 9 * 8))
    assert 0.95 * limit < np.abs(W).max() <= limit


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("channels", [3, 32])  # 32 channels: Winograd's method
def test_gradients_add_up_and_zero_grad_resets_them(channels: int, use_bias: bool) -> None:
    layer = built(Conv2D(32, 3, activation="tanh", use_bias=use_bias), (5, 4, channels))
    rng = np.random.default_rng(1)
    layer.forward(rng.normal(size=(2, 5, 4, channels)))
    dy = rng.normal(size=(2, 3, 2, 32))
    layer.backward(dy)
    once = {name: gradient.copy() for name, gradient in layer.grads.items()}
    held = dict(layer.grads)
    layer.backward(dy)
    for name, gradient in layer.grads.items():
        assert gradient is held[name]
        np.testing.assert_allclose(gradient, 2 * once[name], rtol=1e-12, atol=1e-14)
    layer.zero_grad()
    assert not any(gradient.any() for gradient in layer.grads.values())


def test_arrays_of_others_are_neither_written_to_nor_handed_out_twice() -> None:
    for activation in [None, "linear", "relu", "sigmoid", "tanh"]:
        layer = built(Conv2D(4, 2, activation=activation))
        rng = np.random.default_rng(1)
        x, dy = rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(2, 4, 3, 4))
        y = layer.forward(x)
        dx = layer.backward(dy)
        before = [array.copy() for array in (x, dy, y, dx)]
        layer.forward(-x)
        layer.backward(-dy)
        for array, old in zip((x, dy, y, dx), before, strict=True):
            np.testing.assert_array_equal(array, old)
        assert not np.shares_memory(dx, dy)


def test_inputs_of_any_layout_and_dtype_are_taken() -> None:
    layer = built(Conv2D(4, 2, activation="tanh"), dtype=np.float32)
    x = np.random.default_rng(1).integers(0, 5, (2, 5, 4, 3))
    expected = layer.forward(x.astype(np.float32))
    assert expected.dtype == np.float32
    spread = np.repeat(x, 2, axis=1)[:, ::2]
    for variant in (x, x.astype(np.uint8), x.astype(np.float64), np.asfortranarray(x), spread, x.tolist()):
        np.testing.assert_array_equal(layer.forward(variant), expected)


def test_no_input_gradient_is_computed_where_none_is_asked_for() -> None:
    layer = built(Conv2D(4, 2))
    rng = np.random.default_rng(1)
    layer.forward(rng.normal(size=(2, 5, 4, 3)))
    dy = rng.normal(size=(2, 4, 3, 4))
    assert layer.backward(dy).shape == (2, 5, 4, 3)
    once = layer.grads["W"].copy()
    layer.zero_grad()
    layer.input_gradient = False
    assert layer.backward(dy).size == 0
    np.testing.assert_array_equal(layer.grads["W"], once)


def test_training_leaves_the_lowest_convolutions_input_gradient_out_and_learns_the_same() -> None:
    x, labels = np.random.default_rng(0).normal(size=(6, 5, 4, 2)), np.array([0, 1, 2, 2, 1, 0])
    model = Model([Conv2D(3, 2, activation="tanh"), Flatten(), Dense(3)], (5, 4, 2), dtype="float64")
    model.compile(Adam(0.01), SoftmaxCrossEntropy())
    seen: list[Any] = []
    backward, loss = model.layers[0].backward, SoftmaxCrossEntropy()
    model.layers[0].backward = lambda dy: seen.append(backward(dy)) or seen[-1]  # type: ignore[method-assign,func-returns-value]
    loss.forward(model.forward(x), labels)
    assert model.backward(loss.backward()).shape == x.shape
    full = model.gradients.copy()
    model.train_on_batch(x, labels)
    assert seen[-1].size == 0
    np.testing.assert_allclose(model.gradients, full, rtol=1e-12, atol=1e-15)


# --- rejected ---------------------------------------------------------------------------------------------------------


def test_bad_filters_are_refused() -> None:
    for filters in [0, -1, 2.0, "3", True, None, (2,)]:
        with pytest.raises(ValueError, match=r"^Conv2D: filters must be an integer >= 1, got"):
            Conv2D(filters, 3)


def test_bad_kernel_sizes_and_strides_are_refused() -> None:
    for name in ["kernel_size", "strides"]:
        for value in [0, -1, 2.0, "3", True, None, (2, 0), (2, True), (1.5, 2), ("2", 2), ((2, 2), 2)]:
            with pytest.raises(ValueError, match=rf"^Conv2D: {name} must be an integer >= 1, got"):
                Conv2D(4, **{"kernel_size": 3, name: value})


def test_pairs_of_another_length_are_refused() -> None:
    for name in ["kernel_size", "strides"]:
        for value in [(), (3,), (3, 3, 3), [2, 2, 2]]:
            with pytest.raises(ValueError, match=rf"^Conv2D: {name} must be a number or a pair \(height, width\), got"):
                Conv2D(4, **{"kernel_size": 3, name: value})


def test_an_unknown_activation_is_refused() -> None:
    for activation in ["ReLU", "swish", "", 3, np.tanh, ["relu"]]:
        with pytest.raises(
            ValueError, match=r"^Conv2D: activation must be one of None, 'linear', 'relu', 'sigmoid', 'tanh', got"
        ):
            Conv2D(4, 3, activation=activation)


def test_softmax_as_activation_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        ValueError, match=r"Conv2D: activation must be one of .* got 'softmax'.*use SoftmaxCrossEntropy"
    ):
        Conv2D(4, 3, activation="softmax")


def test_other_bad_arguments_are_refused() -> None:
    for name, value in [("use_bias", 1), ("use_bias", None), ("kernel_initializer", "xavier")]:
        with pytest.raises(ValueError, match=rf"^Conv2D: {name} must be "):
            Conv2D(4, 3, **{name: value})


def test_a_kernel_larger_than_the_padded_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Conv2D: the window must fit into the padded image, got height 4 for 3 pixels \+ 0 of "
                                         r"padding, input shape \(3, 9, 2\): use a smaller window or more padding"):  # fmt: skip
        Conv2D(4, (4, 3)).build((3, 9, 2), np.random.default_rng(0), np.float32)
    with pytest.raises(ValueError, match=r"width 7 for 3 pixels \+ 3 of padding"):
        Conv2D(4, (2, 7), padding=((0, 0), (1, 2))).build((3, 3, 2), np.random.default_rng(0), np.float32)
    Conv2D(4, (2, 6), padding=((0, 0), (1, 2))).build((3, 3, 2), np.random.default_rng(0), np.float32)


def test_channels_first_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"if the images are channels first, use \(32, 32, 3\) and put channels last"):
        Model([Conv2D(4, 5)], (3, 32, 32))
    model = Model([Conv2D(4, 3, padding="same")], (32, 30, 3))
    with pytest.raises(ValueError, match=r"x must be of shape \(n, 32, 30, 3\), got \(2, 3, 32, 30\): the images are channels "
                                         r"first; put channels last, x.transpose\(0, 2, 3, 1\)"):  # fmt: skip
        model.predict(np.zeros((2, 3, 32, 30)))
    with pytest.raises(ValueError, match=r"conv2d_1 \(Conv2D\): expected an input of shape \(batch, 32, 30, 3\), got "
                                         r"\(2, 3, 32, 30\): the images are channels first; put channels last"):  # fmt: skip
        model.forward(np.zeros((2, 3, 32, 30)))


def test_grey_images_without_a_channel_axis_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"Conv2D\): expected images, input shape \(height, width, channels\), got \(8, 8\)"
                                         r": give gray images a channel axis, x\[\.\.\., None\]"):  # fmt: skip
        Model([Conv2D(4, 3)], (8, 8))
    with pytest.raises(ValueError, match=r"got \(2, 8, 8\): give gray images a channel axis, x\[\.\.\., None\]"):
        Model([Conv2D(4, 3)], (8, 8, 1)).predict(np.zeros((2, 8, 8)))


def test_rows_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"conv2d_1 \(Conv2D\): expected images, .* got \(16,\): put it before "
                                         r"Flatten\(\) and Dense layers \(it follows flatten_1 \(Flatten\)"):  # fmt: skip
        Model([Flatten(), Conv2D(4, 3)], (4, 4, 1))
    with pytest.raises(ValueError, match=r"Conv2D: expected images, .* got \(2, 4, 4, 1\)"):
        Conv2D(4, 3).build((2, 4, 4, 1), np.random.default_rng(0), np.float32)


def test_images_of_another_shape_are_refused() -> None:
    for shape in [(2, 5, 4, 2), (2, 5, 4, 4), (2, 4, 5, 3), (5, 4, 3), (2, 60), (2, 5, 4)]:
        layer = built(Conv2D(4, 2))
        layer.name = "first"
        with pytest.raises(ValueError, match=r"first \(Conv2D\): expected an input of shape \(batch, 5, 4, 3\), got"):
            layer.forward(np.ones(shape))


def test_forward_before_build_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Conv2D: not built yet: put it into a Model or call build first"):
        Conv2D(4, 2).forward(np.ones((2, 5, 4, 3)))


def test_backward_before_forward_and_a_foreign_dy_are_refused() -> None:
    layer = built(Conv2D(4, 2))
    with pytest.raises(RuntimeError, match="Conv2D: backward needs a forward pass"):
        layer.backward(np.ones((2, 4, 3, 4)))
    layer.forward(np.ones((2, 5, 4, 3)))
    for shape in ((2, 5, 4, 3), (1, 4, 3, 4), (2, 3, 4, 4), (24, 4)):
        with pytest.raises(ValueError, match=r"Conv2D: dy must have the shape of the last output, \(2, 4, 3, 4\), got"):
            layer.backward(np.ones(shape))
    assert not layer.grads["W"].any()  # no gradient was added


# --- config -----------------------------------------------------------------------------------------------------------


def test_the_config_makes_the_same_layer() -> None:
    layer = Conv2D(4, (3, 2), 2, ((1, 0), (0, 2)), "tanh", False, "he_normal")
    assert repr(Conv2D(**layer.get_config())) == repr(layer)
    assert repr(layer) == (
        "Conv2D(filters=4, kernel_size=(3, 2), strides=(2, 2), padding=((1, 0), (0, 2)), activation='tanh', "
        "use_bias=False, kernel_initializer='he_normal', kernel_regularizer=None)"
    )
    assert Conv2D(np.int64(4), np.int32(3)).get_config()["kernel_size"] == (3, 3)


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    Model(
        [Conv2D(4, 3, padding="same"), MaxPool2D(2), Conv2D(6, 2, use_bias=False), Flatten(), Dense(10)], (8, 6, 3)
    ).summary()
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed[4:14:2] == [
        "conv2d_1 (Conv2D)            (None, 8, 6, 4)           112",
        "max_pool2d_1 (MaxPool2D)     (None, 4, 3, 4)           0",
        "conv2d_2 (Conv2D)            (None, 3, 2, 6)           96",
        "flatten_1 (Flatten)          (None, 36)                0",
        "dense_1 (Dense)              (None, 10)                370",
    ]
    assert "Total params: 578" in printed
