"""LocalResponseNorm: values from PyTorch (which divides alpha by the size) and by hand, and invalid input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl.layers import LocalResponseNorm

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "images.json").read_text())


def built(layer: LocalResponseNorm, shape: tuple[int, ...] = (3, 2, 6), dtype: Any = np.float64) -> LocalResponseNorm:
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("LocalResponseNorm_")])
def test_values_and_gradients_of_pytorch(name: str) -> None:
    case = GOLDEN[name]
    x = np.array(case["x"])
    layer = built(LocalResponseNorm(**case["arguments"]), x.shape[1:])
    np.testing.assert_allclose(layer.forward(x), np.array(case["y"]), rtol=1e-12, strict=True)
    np.testing.assert_allclose(layer.backward(np.array(case["dy"])), np.array(case["dx"]), rtol=1e-11, atol=1e-13)


def test_the_defaults_are_those_of_the_paper() -> None:
    assert LocalResponseNorm().get_config() == {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}
    x = np.full((1, 1, 1, 5), 10.0)
    y = built(LocalResponseNorm(), (1, 1, 5)).forward(x).ravel()
    np.testing.assert_allclose(y, 10 / (2 + 1e-4 * 100 * np.array([3, 4, 5, 4, 3])) ** 0.75, rtol=1e-14)


def test_pixels_do_not_mix_and_the_shape_stays() -> None:
    layer, x = LocalResponseNorm(3, 0.5), np.random.default_rng(0).normal(size=(2, 3, 2, 6))
    assert layer.build((3, 2, 6), np.random.default_rng(0), np.float64) == (3, 2, 6)
    y = layer.forward(x)
    np.testing.assert_allclose(layer.forward(x[:, ::-1, ::-1]), y[:, ::-1, ::-1], rtol=1e-14)
    assert layer.params == layer.grads == {}


def test_arrays_of_others_are_neither_written_to_nor_handed_out_twice() -> None:
    layer, rng = built(LocalResponseNorm(3, 0.5)), np.random.default_rng(1)
    x, dy = rng.normal(size=(2, 3, 2, 6)), rng.normal(size=(2, 3, 2, 6))
    y = layer.forward(x)
    dx = layer.backward(dy)
    before = [array.copy() for array in (x, dy, y, dx)]
    layer.forward(-2 * x)
    layer.backward(-dy)
    for array, old in zip((x, dy, y, dx), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_a_bad_size_is_refused() -> None:
    for size in [0, -1, 2.0, "3", True, None]:
        with pytest.raises(ValueError, match=r"^LocalResponseNorm: size must be an integer >= 1, got"):
            LocalResponseNorm(size)


def test_bad_constants_are_refused() -> None:
    for name in ["alpha", "beta", "k"]:
        for value in [0, -1.0, np.nan, np.inf, "1", True, None]:
            with pytest.raises(ValueError, match=rf"^LocalResponseNorm: {name} must be "):
                LocalResponseNorm(**{name: value})


def test_rows_and_grey_images_are_refused() -> None:
    for shape, message in (
        ((16,), r"put it before Flatten\(\) and Dense"),
        ((8, 8), r"give gray images a channel axis"),
    ):
        with pytest.raises(ValueError, match=rf"LocalResponseNorm: expected images, .*: {message}"):
            LocalResponseNorm().build(shape, np.random.default_rng(0), np.float32)


def test_backward_before_forward_and_foreign_arrays_are_refused() -> None:
    layer = built(LocalResponseNorm())
    with pytest.raises(RuntimeError, match="LocalResponseNorm: backward needs a forward pass"):
        layer.backward(np.ones((2, 3, 2, 6)))
    layer.forward(np.ones((2, 3, 2, 6)))
    with pytest.raises(ValueError, match="dy must have the shape of the last output"):
        layer.backward(np.ones((2, 3, 6, 2)))
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 3, 2, 6\), got \(2, 3, 2, 5\)"):
        layer.forward(np.ones((2, 3, 2, 5)))


def test_the_config_makes_the_same_layer() -> None:
    layer = LocalResponseNorm(3, 0.1, 0.5, 1)
    assert repr(LocalResponseNorm(**layer.get_config())) == repr(layer)
    assert repr(layer) == "LocalResponseNorm(size=3, alpha=0.1, beta=0.5, k=1.0)"
