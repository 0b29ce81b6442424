"""The directional mode checks a whole network in two forward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl import Model
from tinydl.gradcheck import GradientCheckError, check_layer, check_model
from tinydl.layers import Branches, Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential, Tanh
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.models import digits_cnn

Array = NDArray[Any]


class Counting(Model):
    """A model that counts the forward passes of all its copies together."""

    passes = 0

    def forward(self, x: Array, training: bool = False) -> Array:
        Counting.passes += 1
        return super().forward(x, training)


def network() -> Counting:
    return Counting(
        [Conv2D(6, 3, padding="same", activation="relu"), MaxPool2D(2), Flatten(), Dense(40, "tanh"), Dense(5)],
        (8, 8, 3),
    )


IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 3))
LABELS = np.array([0, 1, 2, 3])


@pytest.mark.parametrize("method", ["auto", "central", "complex"])
def test_a_right_network_passes(method: str) -> None:
    for seed in range(20):
        report = check_model(
            network(), IMAGES, LABELS, loss=SoftmaxCrossEntropy(), mode="directional", method=method, seed=seed
        )
        row = report.arrays["all arrays"]
        assert (row.probes, row.dropped) == (1, 0)
        assert row.shape == (IMAGES.size + network().parameters.size,)
        assert row.max_relative_error < (1e-12 if method == "complex" else 1e-6), seed


def test_it_takes_two_forward_passes_a_direction() -> None:
    def passes(directions: int) -> int:
        Counting.passes = 0
        check_model(network(), IMAGES, LABELS, loss=SoftmaxCrossEntropy(), mode="directional", directions=directions)
        return Counting.passes

    assert passes(4) - passes(1) == 3 * 2


class WrongInOneEntry(Dense):
    def backward(self, dy: Array) -> Any:
        dx = super().backward(dy)
        self.grads["W"][3, 2] += 0.1
        return dx


@pytest.mark.parametrize("seed", range(5))
def test_one_wrong_entry_of_many_is_found_and_its_array_named(seed: int) -> None:
    model = Model([Flatten(), Dense(30, "tanh"), WrongInOneEntry(20), Dense(5)], (8, 8, 3))
    with pytest.raises(GradientCheckError) as caught:
        check_model(model, IMAGES, LABELS, loss=SoftmaxCrossEntropy(), mode="directional", seed=seed)
    report = caught.value.report
    assert report is not None
    assert [name for name, row in report.arrays.items() if not row.passed] == ["all arrays", "wrong_in_one_entry_1.W"]


def test_all_layers_can_be_checked_so() -> None:
    for layer in (Dense(4, "relu"), Conv2D(2, 3), Tanh()):
        shape = (2, 5, 4, 3) if isinstance(layer, Conv2D) else (6, 5)
        assert check_layer(layer, shape, mode="directional", directions=3).arrays["all arrays"].probes == 3


def test_at_a_kink_it_says_so() -> None:
    with pytest.raises(GradientCheckError, match="2 of 2 random directions through all arrays have no usable"):
        check_layer(ReLU(), np.zeros((3, 4)), mode="directional")


def test_a_gradient_of_nothing_is_vacuous() -> None:
    class Constant(Tanh):
        def forward(self, x: Array, training: bool = False) -> Array:
            super().forward(x)
            return np.ones_like(x)

        def backward(self, dy: Array) -> Array:
            return 0 * dy

    with pytest.raises(GradientCheckError, match="the check of all arrays is vacuous"):
        check_layer(Constant(), (3, 4), mode="directional")
    assert check_layer(Constant(), (3, 4), mode="directional", zero_ok=("x",)).verdict == "ok"


def test_what_backward_says_has_no_part_in_what_is_dropped() -> None:
    """Even gradients scaled by 0 or by 1e6 are compared along all five directions."""
    for factor in (0.0, 1e6):
        wrong = type("Wrong", (Tanh,), {"backward": lambda self, dy, f=factor: f * Tanh.backward(self, dy)})
        with pytest.raises(GradientCheckError) as caught:
            check_layer(wrong(), (6, 5), mode="directional", directions=5)
        assert caught.value.report is not None
        assert (caught.value.report.arrays["all arrays"].probes, caught.value.report.arrays["all arrays"].dropped) == (
            5,
            0,
        )


def test_a_large_network() -> None:
    model = digits_cnn()
    report = check_model(
        model, (8, *model.input_shape), np.arange(8), loss=SoftmaxCrossEntropy(), mode="directional", directions=2
    )
    assert report.max_relative_error < 1e-6
    assert report.arrays["all arrays"].probes == 2


def test_the_loss_may_be_the_models_own() -> None:
    model = Model([Dense(3)], 4)
    x = np.ones((2, 4))
    check_model(model, x, np.zeros((2, 3)), loss=MeanSquaredError(), mode="directional")


@pytest.mark.parametrize("method", ["central", "complex"])
def test_an_array_under_two_names_is_moved_once(method: str) -> None:
    """The parameters of a layer used in two places are moved once, and their gradient counts once."""
    shared = Dense(5, "tanh")
    for layer in (Sequential([shared, Dense(5), shared]), Branches([shared, [Tanh(), shared]])):
        report = check_layer(layer, (6, 5), mode="directional", directions=3, method=method)
        assert report.arrays["all arrays"].max_relative_error < (1e-12 if method == "complex" else 1e-6)
    assert report.arrays["all arrays"].shape == (6 * 5 + 5 * 5 + 5,)
    model = Model([shared, Dense(5), shared, Dense(4)], 5)
    x = np.random.default_rng(0).normal(size=(4, 5))
    report = check_model(model, x, LABELS, loss=SoftmaxCrossEntropy(), mode="directional", method=method)
    assert report.arrays["all arrays"].shape == (x.size + model.parameters.size,)


class TwiceTheBias(Dense):
    def backward(self, dy: Array) -> Array:
        self.grads["b"] += self.original is not None
        return super().backward(dy)


def test_a_wrong_array_under_two_names_is_found() -> None:
    shared = TwiceTheBias(5)
    with pytest.raises(GradientCheckError, match=r"the gradient of twice_the_bias_1\.b is wrong"):
        check_layer(Branches([shared, [Tanh(), shared]]), (6, 5), mode="directional")
