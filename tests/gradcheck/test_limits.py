"""Runs that the user did not ask for end; values far from 1 are checked, or the message says why they are not."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_layer, limits

Array = NDArray[Any]

needs_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer signal on this system")


class NewtonRoot:
    """sqrt(x) by iteration to 1e-12, which float32 never reaches; nor does any dtype at 0 or 1000."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def forward(self, x: Array) -> Array:
        y = np.ones_like(x)
        while not np.abs(y * y - x).max() <= 1e-12:
            try:
                y = 0.5 * (y + x / y)
            except Exception:
                continue
        self.y = y
        return y

    def backward(self, dy: Array) -> Array:
        return self.factor * dy / (2 * self.y)


class Endless:
    """Ends on float64 only."""

    def forward(self, x: Array) -> Array:
        while x.dtype != np.float64:
            pass
        return x * 2

    def backward(self, dy: Array) -> Array:
        return dy * 2


@needs_timer
@pytest.mark.parametrize("layer", [NewtonRoot(), Endless()])
def test_a_forward_that_ends_only_in_float64_is_judged(layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEAST", 0.02)
    monkeypatch.setattr(limits, "PASSES", 100.0)
    before = signal.getsignal(signal.SIGVTALRM)
    report = check_layer(layer, np.random.default_rng(0).random((4, 3)) + 0.5)
    assert report.gradients == {"x": "ok"}
    assert any("a float32 run was not checked: it was stopped after" in rule.message for rule in report.rules)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@needs_timer
def test_a_wrong_gradient_of_such_a_forward_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEAST", 0.02)
    with pytest.raises(GradientCheckError, match="every entry is 2 times the right one"):
        check_layer(NewtonRoot(2.0), np.random.default_rng(0).random((4, 3)) + 0.5)


class Dense:
    def __init__(self, weights: float, biases: float, factor: float = 1.0) -> None:
        rng = np.random.default_rng(1)
        self.W, self.b, self.factor = weights * rng.normal(size=(3, 4)), biases * rng.normal(size=4), factor

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: Array) -> Array:
        self.dW, self.db = self.factor * self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


def test_large_inputs_and_biases_are_checked() -> None:
    x = 1e9 * np.random.default_rng(0).normal(size=(5, 3))
    assert check_layer(Dense(1.0, 1e9), x).gradients == {"x": "ok", "W": "ok", "b": "ok"}
    with pytest.raises(GradientCheckError, match="dW is wrong"):
        check_layer(Dense(1.0, 1e9, factor=1.01), x)


def test_slopes_lost_in_the_rounding_of_large_results_are_explained() -> None:
    message = r"forward's results reach 7e\+08, and float64 rounds them to 1e-07, which hides their slopes: check at"
    with pytest.raises(GradientCheckError, match=message):
        check_layer(Dense(1.0, 1e9), (5, 3))
