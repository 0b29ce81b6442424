"""Padding, strides and window sizes: every accepted form, its meaning in pixels, and the round trip through a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import AveragePool2D, Conv2D, Flatten, GlobalAveragePool2D, Layer, LocalResponseNorm, MaxPool2D
from tinydl.layers.sliding_window import check_padding, pair, pixels, window_over

WINDOWED: dict[str, Any] = {
    "Conv2D": lambda **arguments: Conv2D(2, 3, **arguments),
    "MaxPool2D": lambda **arguments: MaxPool2D(3, **arguments),
    "AveragePool2D": lambda **arguments: AveragePool2D(3, **arguments),
}
each = pytest.mark.parametrize("kind", WINDOWED)


def test_pairs() -> None:
    assert pair("Conv2D", "strides", 2) == (2, 2)
    assert pair("Conv2D", "strides", [1, np.int64(3)]) == (1, 3)
    assert all(type(size) is int for size in pair("Conv2D", "strides", (np.int64(1), np.uint8(3))))


FORMS: list[tuple[Any, Any]] = [  # padding as given, and as stored
    ("valid", "valid"),
    ("same", "same"),
    (0, 0),
    (1, 1),
    (np.int64(2), 2),
    ((1, 2), (1, 2)),
    ([1, 2], (1, 2)),
    (((1, 0), (0, 2)), ((1, 0), (0, 2))),
    ([[1, 0], [0, 2]], ((1, 0), (0, 2))),
    ([(0, 0), [0, 0]], ((0, 0), (0, 0))),
]


def test_forms_of_padding() -> None:
    for given, kept in FORMS:
        padding = check_padding("Conv2D", given)
        assert padding == kept
        assert type(padding) is type(kept)
        assert repr(padding) == repr(kept)  # no NumPy numbers or lists inside, so JSON and == work


def test_padding_in_pixels() -> None:
    for padding, expected in [
        ("valid", ((0, 0), (0, 0))),
        (1, ((1, 1), (1, 1))),
        ((2, 0), ((2, 2), (0, 0))),
        (((1, 0), (0, 2)), ((1, 0), (0, 2))),
    ]:
        assert pixels(padding, (9, 7, 3), (3, 2), (1, 1)) == expected


def test_same_in_pixels() -> None:
    for size, window, stride, expected in [
        (7, 3, 1, (1, 1)),
        (7, 2, 1, (0, 1)),  # the odd pixel is at the bottom or right
        (7, 5, 1, (2, 2)),
        (7, 4, 1, (1, 2)),
        (7, 3, 2, (1, 1)),
        (8, 3, 2, (0, 1)),
        (8, 2, 2, (0, 0)),
        (7, 2, 2, (0, 1)),
        (7, 3, 3, (1, 1)),
        (7, 1, 3, (0, 0)),
        (6, 1, 4, (0, 0)),  # ceil(6 / 4) = 2 windows, which do not reach the end, so no padding
        (1, 5, 1, (2, 2)),
        (2, 5, 3, (1, 2)),
        (32, 2, 1, (0, 1)),
    ]:
        height = pixels("same", (size, 4, 3), (window, 1), (stride, 1))
        assert height == (expected, (0, 0))
        assert pixels("same", (4, size, 3), (1, window), (1, stride)) == ((0, 0), expected)
        over = window_over("it", (size, 4, 3), (window, 1), (stride, 1), "same")
        assert over.padding == height
        assert over.places(size, 4) == (-(-size // stride), 4)


@each
def test_same_gives_ceil_of_size_over_stride_always(kind: str) -> None:
    for size in range(1, 12):
        for stride in range(1, 6):
            layer = WINDOWED[kind](strides=(stride, 1), padding="same")
            shape = layer.build((size, 13, 2), np.random.default_rng(0), np.float32)
            assert shape == (-(-size // stride), 13, 2)
            assert layer.forward(np.ones((1, size, 13, 2), np.float32)).shape[1:] == shape


BAD: list[tuple[Any, str]] = [
    ("Same", r"padding must be one of 'valid', 'same', got 'Same'"),
    ("full", r"padding must be one of 'valid', 'same', got 'full'"),
    (-1, r"padding must be an integer >= 0, got -1"),
    (1.0, r"padding must be an integer >= 0, got 1.0"),
    (True, r"padding must be an integer >= 0, got True"),
    (None, r"padding must be an integer >= 0, got None"),
    ((1, -1), r"padding must be an integer >= 0, got -1"),
    ((1, False), r"padding must be an integer >= 0, got False"),
    (("same", "same"), r"padding must be an integer >= 0, got 'same'"),
    (((1, 0), (0, -2)), r"padding must be an integer >= 0, got -2"),
    (((1, 0), (0, 2.5)), r"padding must be an integer >= 0, got 2.5"),
    (((1, 0), (0, True)), r"padding must be an integer >= 0, got True"),
    (
        (),
        r'padding must be "valid", "same", a number, \(height, width\) or \(\(top, bottom\), \(left, right\)\), got \(\)',
    ),
    ((1,), r'padding must be "valid", "same", a number'),
    ((1, 2, 3), r'padding must be "valid", "same", a number'),
    ((1, (1, 1)), r'padding must be "valid", "same", a number'),
    (((1, 1), 1), r'padding must be "valid", "same", a number'),
    (((1, 1), (1,)), r'padding must be "valid", "same", a number'),
    (((1, 1), (1, 1), (1, 1)), r'padding must be "valid", "same", a number'),
    ([1, 2, 3, 4], r'padding must be "valid", "same", a number'),
    ({1, 2}, r"padding must be "),
    (np.array([1, 1]), r"padding must be "),
]


@each
def test_bad_padding_is_refused(kind: str) -> None:
    for padding, message in BAD:
        with pytest.raises(ValueError, match=rf"^{kind}: {message}"):
            WINDOWED[kind](padding=padding)


@each
def test_every_form_of_padding_comes_back_from_a_file(kind: str, tmp_path: Path) -> None:
    """JSON turns tuples into lists."""
    for padding in [kept for _, kept in FORMS]:
        layer = WINDOWED[kind](padding=padding, strides=(2, 1))
        model = Model([layer], (7, 9, 2))
        model.save(tmp_path / "model.safetensors")
        loaded = Model.load(tmp_path / "model.safetensors")
        assert loaded.layers[0].get_config() == layer.get_config()
        assert repr(loaded.layers) == repr(model.layers)
        x = np.random.default_rng(0).normal(size=(2, 7, 9, 2))
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_all_layers_for_images_come_back_from_a_file(tmp_path: Path) -> None:
    layers: list[Layer] = [
        Conv2D(4, (3, 2), (1, 2), "same", "relu", False, "he_normal"), LocalResponseNorm(3, 0.1, 0.5, 1.0),
        MaxPool2D((2, 3), padding=1), AveragePool2D(2, 1, "same"), Conv2D(3, 2), GlobalAveragePool2D(),
    ]  # fmt: skip
    model = Model(layers, (8, 9, 2), seed=3)
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert repr(loaded.layers) == repr(model.layers)
    x = np.random.default_rng(0).normal(size=(2, 8, 9, 2))
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


@each
def test_a_built_layer_can_be_built_again_for_another_image(kind: str) -> None:
    layer = WINDOWED[kind](padding="same", strides=2)
    assert layer.build((8, 8, 2), np.random.default_rng(0), np.float32)[:2] == (4, 4)
    assert layer.build((7, 5, 2), np.random.default_rng(0), np.float32)[:2] == (4, 3)
    assert layer.forward(np.ones((1, 7, 5, 2), np.float32)).shape == (1, 4, 3, 2)


def test_flatten_after_images_reads_height_width_channels() -> None:
    x = np.arange(12.0).reshape(1, 2, 3, 2)
    assert Flatten().forward(x).tolist() == [list(range(12))]
