"""LayerNorm: values and gradients recorded from PyTorch, properties of normalized rows, and invalid input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl.layers import LayerNorm

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "layer_norm.json").read_text())


def built(layer: LayerNorm, *shape: int, dtype: Any = np.float64) -> LayerNorm:
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


@pytest.mark.parametrize("name", GOLDEN)
def test_values_and_gradients_of_pytorch(name: str) -> None:
    case = {key: np.array(value) if isinstance(value, list) else value for key, value in GOLDEN[name].items()}
    layer = built(LayerNorm(**case["arguments"]), *case["x"].shape[1:])
    layer.params["gamma"][:], layer.params["beta"][:] = case["gamma"], case["beta"]
    found = {"y": layer.forward(case["x"]), "dx": layer.backward(case["dy"])}
    found.update({f"d{key}": gradient for key, gradient in layer.grads.items()})
    for key, value in found.items():
        np.testing.assert_allclose(value, case[key], rtol=1e-11, atol=1e-12, strict=True)


def test_every_row_has_mean_0_and_standard_deviation_1_at_first() -> None:
    x = 7 + 30 * np.random.default_rng(0).normal(size=(4, 3, 50))
    y = built(LayerNorm(1e-9), 3, 50).forward(x)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=-1), 1, rtol=1e-9)


def test_a_row_is_normalized_by_itself_in_training_and_in_inference() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    layer = built(LayerNorm(), 4)
    together = layer.forward(x, training=True)
    np.testing.assert_array_equal(together, layer.forward(x))
    np.testing.assert_allclose(together[2:3], layer.forward(x[2:3]), rtol=1e-14)


def test_shifting_and_stretching_a_row_changes_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    layer = built(LayerNorm(1e-12), 4)
    np.testing.assert_allclose(layer.forward(x), layer.forward(3 * x + np.arange(5)[:, None]), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-45, 1e-30, 1.0, 1e10, 1e18])
@pytest.mark.parametrize("offset", [0, 1, 1e6, 1e20])
def test_extreme_rows_give_finite_outputs_and_gradients(offset: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, (4, 16)) * scale + offset).astype(np.float32)
    layer = LayerNorm()
    layer.build((16,), rng, np.float32)
    with np.errstate(all="raise", under="ignore"):
        y = layer.forward(x)
        dx = layer.backward(rng.normal(size=x.shape).astype(np.float32))
    assert np.abs(y).max() < 4
    assert all(np.isfinite(array).all() for array in (dx, *layer.grads.values()))


def test_a_variance_that_overflows_is_refused() -> None:
    layer = LayerNorm()
    layer.build((2,), np.random.default_rng(0), np.float32)
    with pytest.raises(FloatingPointError, match=r"^LayerNorm: the variance of the inputs must fit into float32"):
        layer.forward(np.array([[1e20, -1e20]], np.float32))


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="LayerNorm: epsilon must be above 0, got 0"):
        LayerNorm(0)
    with pytest.raises(RuntimeError, match="not built yet"):
        LayerNorm().forward(np.ones((2, 3)))
    layer = built(LayerNorm(), 3)
    with pytest.raises(RuntimeError, match="backward needs a forward pass"):
        layer.backward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 3\), got \(2, 4\)"):
        layer.forward(np.ones((2, 4)))
