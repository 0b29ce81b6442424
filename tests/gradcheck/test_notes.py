"""Arrays that forward reads and params does not list: never passed over in silence."""

from __future__ import annotations

import numpy as np
import pytest

from tinydl.gradcheck import GradientCheckError, check_layer
from tinydl.layers import ContractivePenalty, Dense, Dropout, Sequential


class Attributes:
    """A dense layer as students write it, with a wrong dW."""

    def __init__(self) -> None:
        self.W = np.random.default_rng(0).normal(size=(3, 2))
        self.b = np.zeros(2)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dW = 17 * self.x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


class Frozen(Attributes):
    """The same arrays as constants: no gradient is kept."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy @ self.W.T


class Half(Frozen):
    """W is listed, b is not."""

    def __init__(self) -> None:
        super().__init__()
        self.params, self.grads = {"W": self.W}, {"W": np.zeros_like(self.W)}

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["W"] += self.x.T @ dy
        return dy @ self.W.T


def test_parameters_and_gradients_as_attributes_are_checked() -> None:
    with pytest.raises(GradientCheckError, match=r"Attributes FAILED\n  dW is wrong in(.|\n)*every entry is 17 times"):
        check_layer(Attributes(), (4, 3))

    class Right(Attributes):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            dx = super().backward(dy)
            self.dW = self.x.T @ dy
            return dx

    class Adding(Attributes):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dW = getattr(self, "dW", np.zeros_like(self.W))
            self.db = getattr(self, "db", np.zeros_like(self.b))
            self.dW += self.x.T @ dy
            self.db += dy.sum(axis=0)
            return dy @ self.W.T

    class AlsoReads(Right):
        def __init__(self) -> None:
            super().__init__()
            self.scale = np.ones(3)

        def forward(self, x: np.ndarray) -> np.ndarray:
            return super().forward(x * self.scale.astype(x.dtype))

    assert check_layer(AlsoReads(), (4, 3)).notes == [
        "forward also reads scale, not listed in params: gradients by them were not checked"
    ]
    for layer in (Right(), Adding()):
        report = check_layer(layer, (4, 3))
        assert list(report.arrays) == ["x", "W", "b"]
        assert report.notes == []
        assert not hasattr(layer, "dW")


def test_a_parameter_with_its_gradient_beside_it_must_be_listed_if_others_are() -> None:
    class Mixed(Half):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.db = dy.sum(axis=0)
            return super().backward(dy)

    with pytest.raises(
        GradientCheckError, match=r"self.b looks like a parameter, with its gradient in self.db, but params"
    ):
        check_layer(Mixed(), (4, 3))


def test_arrays_that_were_not_checked_are_named() -> None:
    layer = Frozen()
    before = layer.W.copy()
    report = check_layer(layer, (4, 3))
    assert report.notes == ["forward also reads W, b, not listed in params: gradients by them were not checked"]
    assert report.notes[0] in str(report)
    np.testing.assert_array_equal(layer.W, before)
    assert check_layer(Half(), (4, 3)).notes[0].startswith("forward also reads b,")


def test_caches_and_listed_arrays_are_no_note() -> None:
    layer = Sequential([Dense(4, "tanh"), Dropout(0.3), ContractivePenalty(Dense(3, "sigmoid"), 0.1)])
    assert check_layer(layer, (5, 3)).notes == []
