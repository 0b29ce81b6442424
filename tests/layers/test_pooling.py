"""Pooling layers: values (from PyTorch, from TensorFlow and by hand), and invalid input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import AveragePool2D, Conv2D, Dense, GlobalAveragePool2D, MaxPool2D

HERE = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((HERE / "images.json").read_text())
KERAS = json.loads((HERE / "images_keras.json").read_text())
LAYERS: dict[str, Any] = {
    "MaxPool2D": MaxPool2D, "AveragePool2D": AveragePool2D, "GlobalAveragePool2D": GlobalAveragePool2D,
}  # fmt: skip
windowed = pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D], ids=lambda kind: kind.__name__)


def named(golden: dict[str, Any]) -> Any:
    return pytest.mark.parametrize("name", [name for name in golden if name.split("_")[0] in LAYERS])


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-12, atol=1e-13, strict=True)


def built(layer: Any, shape: tuple[int, ...] = (5, 4, 3), dtype: Any = np.float64) -> Any:
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


@named(GOLDEN)
def test_values_and_gradients_of_pytorch(name: str) -> None:
    case = GOLDEN[name]
    x, y = np.array(case["x"]), np.array(case["y"])
    layer = LAYERS[name.split("_")[0]](**case["arguments"])
    assert layer.build(x.shape[1:], np.random.default_rng(0), np.float64) == y.shape[1:]
    same(layer.forward(x), y)
    same(layer.backward(np.array(case["dy"])), case["dx"])
    assert layer.params == layer.grads == {}


@named(KERAS)
def test_same_padding_is_tensorflows(name: str) -> None:
    case = KERAS[name]
    layer = built(LAYERS[name.split("_")[0]](case["kernel"], case["stride"], "same"), np.array(case["x"]).shape[1:])
    same(layer.forward(np.array(case["x"])), case["y"])
    same(layer.backward(np.array(case["dy"])), case["dx"])


def test_the_books_example_by_hand() -> None:
    """2x2 windows, by default side by side, on a 4x4 image."""
    x = np.array([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])[None, ..., None]
    layer = built(MaxPool2D(), (4, 4, 1))
    assert (layer.pool_size, layer.strides) == ((2, 2), (2, 2))
    assert layer.forward(x)[0, ..., 0].tolist() == [[6, 8], [3, 4]]
    dx = layer.backward(np.array([1.0, 2, 3, 4]).reshape(1, 2, 2, 1))
    assert dx[0, ..., 0].tolist() == [[0, 0, 0, 0], [0, 1, 0, 2], [3, 0, 0, 0], [0, 0, 0, 4]]
    layer = built(AveragePool2D(), (4, 4, 1))
    assert layer.forward(x)[0, ..., 0].tolist() == [[3.25, 5.25], [2, 2]]
    layer = built(GlobalAveragePool2D(), (4, 4, 1))
    assert layer.forward(x).tolist() == [[3.125]]
    assert (layer.backward(np.array([[16.0]])) == 1).all()


def first_gets_all(layer: MaxPool2D) -> None:
    """Check that the first maximum receives all of dy; a gradient check cannot, because it drops ties as kinks."""
    x = np.full((1, 3, 3, 1), 5.0)
    expected = [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    for _ in range(2):
        layer.forward(x)
        assert layer.backward(np.ones((1, 2, 2, 1)))[0, ..., 0].tolist() == expected
        layer.forward(np.arange(9.0).reshape(1, 3, 3, 1))  # the earlier pass has no effect
        layer.backward(np.ones((1, 2, 2, 1)))


def test_of_equal_entries_the_first_gets_all() -> None:
    first_gets_all(built(MaxPool2D(2, 1), (3, 3, 1)))


class TieToAll(MaxPool2D):
    """Passes dy to every entry that equals the maximum."""

    def forward(self, x: Any, training: bool = False) -> Any:
        self._x = x
        return super().forward(x)

    def backward(self, dy: Any) -> Any:
        dx = np.zeros_like(self._x)
        for _, i, j, _ in np.ndindex(dy.shape):
            window = self._x[:, i : i + 2, j : j + 2]
            dx[:, i : i + 2, j : j + 2] += (window == window.max(axis=(1, 2), keepdims=True)) * dy[
                :, i : i + 1, j : j + 1
            ]
        return dx


def test_a_tie_that_goes_to_all_is_found() -> None:
    with pytest.raises(AssertionError):
        first_gets_all(built(TieToAll(2, 1), (3, 3, 1)))


@windowed
def test_output_sizes(kind: Any) -> None:
    for size, arguments, expected in [
        ((32, 30), {}, (16, 15)),
        ((33, 31), {}, (16, 15)),  # the remainder at the edge is dropped
        ((5, 5), {"pool_size": 2, "padding": "same"}, (3, 3)),
        ((7, 9), {"pool_size": (3, 2), "strides": (2, 3)}, (3, 3)),
        ((7, 9), {"pool_size": 3, "strides": 2, "padding": 1}, (4, 5)),
        ((7, 9), {"pool_size": (7, 9)}, (1, 1)),
    ]:
        layer = kind(**arguments)
        assert layer.build((*size, 2), np.random.default_rng(0), np.float32) == (*expected, 2)
        assert layer.forward(np.ones((1, *size, 2), np.float32)).shape == (1, *expected, 2)


@pytest.mark.parametrize("layer", [MaxPool2D(2), AveragePool2D((3, 2), 1, "same"), GlobalAveragePool2D()], ids=repr)
def test_arrays_of_others_are_neither_written_to_nor_handed_out_twice(layer: Any) -> None:
    built(layer)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 5, 4, 3))
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    dx = layer.backward(dy)
    before = [array.copy() for array in (x, dy, y, dx)]
    layer.forward(-x)
    layer.backward(-dy)
    for array, old in zip((x, dy, y, dx), before, strict=True):
        np.testing.assert_array_equal(array, old)
    assert dx.flags.writeable
    assert dx.flags.c_contiguous


@pytest.mark.parametrize("layer", [MaxPool2D(2), AveragePool2D(2), GlobalAveragePool2D()], ids=repr)
def test_float32_stays_and_other_inputs_are_converted(layer: Any) -> None:
    built(layer, dtype=np.float32)
    x = np.random.default_rng(1).integers(0, 200, (2, 5, 4, 3), dtype=np.uint8)
    expected = layer.forward(x.astype(np.float32))
    for variant in (x, x.astype(np.float64), np.asfortranarray(x), x.tolist()):
        y = layer.forward(variant)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, expected)
    assert layer.backward(np.ones(expected.shape)).dtype == np.float32


# --- rejected ---------------------------------------------------------------------------------------------------------


@windowed
def test_bad_window_sizes_and_strides_are_refused(kind: Any) -> None:
    for name in ["pool_size", "strides"]:
        for value in [0, -1, 2.0, "3", True, (2, 0), (2, False), (1.5, 2)]:
            with pytest.raises(ValueError, match=rf"^{kind.__name__}: {name} must be an integer >= 1, got"):
                kind(**{name: value})


@windowed
def test_pairs_of_another_length_and_no_size_are_refused(kind: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^{kind.__name__}: pool_size must be a number or a pair \(height, width\), got"
    ):
        kind((2, 2, 2))
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: pool_size must be an integer >= 1, got None"):
        kind(None)


@windowed
def test_windows_too_large_for_their_places_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"pool_size must cover at most 65536 pixels, got \(256, 257\): for a mean over "
                                         r"the whole image use GlobalAveragePool2D"):  # fmt: skip
        kind((256, 257))
    kind((256, 256))


def test_the_largest_window_finds_its_last_place() -> None:
    layer, x = built(MaxPool2D(256), (256, 256, 1), np.float32), np.zeros((1, 256, 256, 1), np.float32)
    x[0, 255, 255] = 1
    assert layer.forward(x).item() == 1
    np.testing.assert_array_equal(layer.backward(np.ones((1, 1, 1, 1))), x)


@windowed
@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"pool_size": 2, "padding": 2}, (5, 4, 3)),
        ({"pool_size": 3, "padding": 3}, (5, 4, 3)),
        ({"pool_size": (3, 2), "padding": (0, 2)}, (5, 4, 3)),
        ({"pool_size": 2, "padding": ((2, 0), (0, 0))}, (5, 4, 3)),
        ({"pool_size": 2, "padding": ((0, 0), (0, 2))}, (5, 4, 3)),
        ({"pool_size": 2, "padding": ((0, 3), (0, 0))}, (5, 4, 3)),
        ({"pool_size": 1, "strides": 2, "padding": ((0, 1), (0, 0))}, (4, 4, 3)),  # one window misses the image
        ({"pool_size": 1, "padding": 1}, (5, 4, 3)),
    ],
)
def test_windows_of_nothing_but_padding_are_refused(kind: Any, arguments: dict[str, Any], shape: Any) -> None:
    with pytest.raises(
        ValueError, match=r"padding must be smaller than the window, got .* some of which would hold only padding"
    ):
        kind(**arguments).build(shape, np.random.default_rng(0), np.float32)


@windowed
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 2, "padding": 1},
        {"pool_size": 3, "padding": 2},
        {"pool_size": 2, "strides": 2, "padding": ((0, 0), (0, 2))},  # a third window does not fit
        {"pool_size": 1, "strides": 3, "padding": ((0, 2), (0, 0))},
    ],
)
def test_padding_that_every_window_sees_past_is_taken(kind: Any, arguments: dict[str, Any]) -> None:
    layer, x = built(kind(**arguments), (4, 3, 2)), -1 - np.random.default_rng(0).uniform(size=(2, 4, 3, 2))
    y = layer.forward(x)
    assert (y <= -1).all()
    assert np.isfinite(layer.backward(np.ones_like(y))).all()


@windowed
def test_a_window_larger_than_the_padded_image_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"the window must fit into the padded image, got height 4 for 3 pixels \+ 0 of padding, "
                                         r"input shape \(3, 9, 2\): use a smaller window or more padding"):  # fmt: skip
        kind(4).build((3, 9, 2), np.random.default_rng(0), np.float32)
    with pytest.raises(ValueError, match=r"width 6 for 3 pixels \+ 2 of padding"):
        kind((2, 6), padding=(0, 1)).build((3, 3, 2), np.random.default_rng(0), np.float32)


def test_channels_first_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"if the images are channels first, use \(32, 32, 1\) and put channels last"):
        Model([MaxPool2D(2)], (1, 32, 32))


@pytest.mark.parametrize("layer", [MaxPool2D(2), AveragePool2D(2), GlobalAveragePool2D()], ids=repr)
def test_rows_and_grey_images_are_refused(layer: Any) -> None:
    name = type(layer).__name__
    for shape, message in (
        ((16,), r"put it before Flatten\(\) and Dense"),
        ((8, 8), r"give gray images a channel axis"),
    ):
        with pytest.raises(ValueError, match=rf"{name}: expected images, .*, got \({shape[0]},.*: {message}"):
            type(layer)().build(shape, np.random.default_rng(0), np.float32)


@pytest.mark.parametrize("layer", [MaxPool2D(2), AveragePool2D(2)], ids=repr)
def test_forward_before_build_is_refused(layer: Any) -> None:
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}: not built yet"):
        layer.forward(np.ones((2, 5, 4, 3)))


@pytest.mark.parametrize("layer", [MaxPool2D(2), AveragePool2D(2), GlobalAveragePool2D()], ids=repr)
def test_backward_before_forward_and_a_foreign_dy_are_refused(layer: Any) -> None:
    layer = built(type(layer)())
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}: backward needs a forward pass"):
        layer.backward(np.ones((2, 2, 2, 3)))
    y = layer.forward(np.ones((2, 5, 4, 3)))
    with pytest.raises(ValueError, match="dy must have the shape of the last output"):
        layer.backward(np.ones((1, *y.shape[1:])))
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 5, 4, 3\), got \(2, 5, 4, 2\)"):
        layer.forward(np.ones((2, 5, 4, 2)))


def test_configs_make_the_same_layers() -> None:
    for layer in (
        MaxPool2D(),
        MaxPool2D((3, 2), 2, ((1, 0), (0, 1))),
        AveragePool2D(3, (1, 2), "same"),
        GlobalAveragePool2D(),
    ):
        assert repr(type(layer)(**layer.get_config())) == repr(layer)
    assert repr(MaxPool2D(3)) == "MaxPool2D(pool_size=(3, 3), strides=(3, 3), padding='valid')"


def test_a_network_that_ends_in_global_pooling_has_one_row_an_image() -> None:
    model = Model([Conv2D(4, 3, padding="same"), GlobalAveragePool2D(), Dense(2)], (6, 5, 3))
    assert [layer.output_shape for layer in model.layers] == [(6, 5, 4), (4,), (2,)]
    assert model.predict(np.zeros((3, 6, 5, 3))).shape == (3, 2)
