"""Features that all layers inherit from Layer: checks of inputs and gradients, and zero_grad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.layer import Layer


class Half(Layer):
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._y = y = self.as_input(x) / 2
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return self.as_gradient(dy, getattr(self, "_y", None)) / 2


class Built(Half):
    needs_build = True


def test_a_layer_that_needs_build_says_so() -> None:
    assert Half().forward(np.ones((2, 3))).shape == (2, 3)
    layer: Any = Built()
    with pytest.raises(RuntimeError, match=r"^Built: not built yet: put it into a Model or call build first$"):
        layer.forward(np.ones((2, 3)))
    layer.build((3,), np.random.default_rng(0), "float32")
    assert layer.forward(np.ones((2, 3))).dtype == np.float32


def test_an_input_and_a_gradient_of_another_shape_are_refused() -> None:
    layer = Half()
    layer.name = "half_1"
    with pytest.raises(
        RuntimeError, match=r"^half_1 \(Half\): backward needs a forward pass, got none yet: call forward"
    ):
        layer.backward(np.ones((2, 3)))
    layer.build((3,), np.random.default_rng(0), "float64")
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dy must have the shape of the last output, \(2, 3\), got \(3, 2\)"):
        layer.backward(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 3\), got \(2, 4\)$"):
        layer.forward(np.ones((2, 4)))


def test_parameters_have_a_gradient_each_and_zero_grad_clears_it() -> None:
    layer = Half()
    layer.add_parameter("W", np.ones((2, 2)))
    layer.grads["W"] += 3
    layer.zero_grad()
    assert not layer.grads["W"].any()
    assert layer.params.keys() == layer.grads.keys() == {"W"}
