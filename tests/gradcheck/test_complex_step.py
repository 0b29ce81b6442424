"""The complex step is exact if forward is analytic and is always rejected if it is not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl import Model
from tinydl.gradcheck import GradientCheckError, check_layer, check_loss, check_model
from tinydl.gradcheck.report import ZERO
from tinydl.layers import (
    ActivityL1,
    BatchNorm,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    KLSparsity,
    Layer,
    ReLU,
    Sequential,
    Tanh,
)
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError
from tinydl.models import deep_autoencoder

Array = NDArray[Any]


class Square:
    """y = x^2; subclasses compute the square in ways that break for complex numbers."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.square(x)

    def square(self, x: Array) -> Array:
        return x * x

    def backward(self, dy: Array) -> Array:
        return 2 * self.x * dy


def test_it_is_exact_where_central_differences_are_not() -> None:
    for layer in (
        Dense(4, "tanh"),
        Dense(4, "sigmoid"),
        Tanh(),
        Sequential([Dense(6, "relu"), Dropout(0.3), Dense(2)]),
    ):
        exact, near = (check_layer(layer, (5, 3), method=method) for method in ("complex", "central"))
        assert exact.max_relative_error < 1e-14 < near.max_relative_error < 1e-8
        assert {row.method for row in exact.arrays.values()} == {"complex step"}
        assert {row.method for row in near.arrays.values()} == {"central differences"}


def test_auto_takes_it_where_it_can() -> None:
    assert check_layer(Dense(4), (5, 3)).arrays["W"].method == "complex step"
    assert check_loss(MeanSquaredError(), (5, 3), np.ones((5, 3))).arrays["y_pred"].method == "complex step"
    report = check_model(deep_autoencoder(5), (6, 5), np.ones((6, 5)), loss=MeanSquaredError())
    assert report.max_relative_error < 1e-12
    assert report.notes == []


class ByAbs(Square):
    """|x|^2 has no complex derivative, but raises no error."""

    def square(self, x: Array) -> Array:
        return np.asarray(np.abs(x) ** 2, dtype=x.dtype)


class ByReal(Square):
    def square(self, x: Array) -> Array:
        return x * x.real


class ByConjugate(Square):
    def square(self, x: Array) -> Array:
        return (x * np.conj(x)).astype(x.dtype)


class IntoFloats(Square):
    """The result is written into an array of floats, and NumPy only warns."""

    def square(self, x: Array) -> Array:
        y = np.empty(x.shape, np.float32 if x.dtype == np.float32 else np.float64)
        y[...] = x * x
        return y


class RealOut(Square):
    def square(self, x: Array) -> Array:
        return (x * x).real


class Raises(Square):
    def square(self, x: Array) -> Array:
        if np.iscomplexobj(x):
            raise TypeError("floats only, please")
        return x * x


class OtherValues(Square):
    def square(self, x: Array) -> Array:
        return 2 * x * x if np.iscomplexobj(x) else x * x


class InOneEntry(Square):
    """One of the twelve entries is computed with abs."""

    def square(self, x: Array) -> Array:
        y = x * x
        y[1, 2] = np.abs(x[1, 2]) ** 2
        return y


class InThePenalty(Square):
    """The outputs are analytic, but a small penalty is not."""

    def penalty(self) -> Any:
        return 1e-6 * np.sum(np.abs(self.x) ** 4)

    def backward(self, dy: Array) -> Array:
        return 2 * self.x * dy + 4e-6 * self.x**3


WHY = {
    ByAbs: "or penalty drops the imaginary part somewhere",
    ByReal: "or penalty drops the imaginary part somewhere",
    ByConjugate: "or penalty drops the imaginary part somewhere",
    InOneEntry: "or penalty drops the imaginary part somewhere",
    InThePenalty: "or penalty drops the imaginary part somewhere",
    IntoFloats: r"does not accept complex numbers \(ComplexWarning: Casting complex values to real",
    RealOut: "returns real numbers for complex input",
    Raises: r"does not accept complex numbers \(TypeError: floats only, please\)",
    OtherValues: "returns different values for complex input than for real input",
}


@pytest.mark.parametrize("layer", WHY, ids=lambda layer: layer.__name__)
def test_where_it_cannot_be_it_says_why(layer: type) -> None:
    with pytest.raises(ValueError, match=rf"method='complex' cannot check {layer.__name__}: forward {WHY[layer]}"):
        check_layer(layer(), (3, 4), method="complex")
    report = check_layer(layer(), (3, 4))  # auto
    assert {row.method for row in report.arrays.values()} == {"central differences"}
    assert len(report.notes) == 1
    assert report.notes[0].startswith("central differences replace the complex step: forward")


@pytest.mark.parametrize("layer", WHY, ids=lambda layer: layer.__name__)
def test_a_bug_is_found_behind_any_of_them(layer: type) -> None:
    wrong = type("Wrong", (layer,), {"backward": lambda self, dy: 1.001 * layer.backward(self, dy)})
    with pytest.raises(GradientCheckError, match=r"every entry is 1\.001 times the right one"):
        check_layer(wrong(), (3, 4))


def test_nothing_is_changed_and_nothing_is_warned_of() -> None:
    layer = Sequential([Dense(4, "relu"), Dropout(0.5), ActivityL1(0.1)])
    layer.build((3,), np.random.default_rng(0), np.float64)
    before = {name: value.copy() for name, value in layer.params.items()}
    state = layer.layers[1].rng.bit_generator.state
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_layer(layer, (5, 3), method="complex")
    assert all(
        value.dtype == np.float64 and np.array_equal(value, before[name]) for name, value in layer.params.items()
    )
    assert layer.layers[1].rng.bit_generator.state == state


# --- kinks ----------------------------------------------------------------------------------------


def test_a_kink_at_the_point_is_dropped_one_beside_it_is_not() -> None:
    x = np.array([[0.0, 1e-7, -1e-7, 1e-5, -3.0, 2.0]])
    assert check_layer(ReLU(), x, method="complex").arrays["x"].dropped_indices == [(0, 0)]
    near = check_layer(ReLU(), x, method="central").arrays["x"]
    assert sorted(near.dropped_indices) == [(0, 0), (0, 1), (0, 2)]  # too close to the kink for any step


@pytest.mark.parametrize("method", ["complex", "central"])
def test_whichever_slope_backward_takes_at_a_kink_passes(method: str) -> None:
    """At a kink there is no derivative to compare with, so any value passes."""

    class Other(ReLU):
        at_zero = 0.0

        def backward(self, dy: Array) -> Array:
            dx = super().backward(dy)
            if self._y[0, 0] == 0:
                dx[0, 0] = self.at_zero * dy[0, 0]
            return dx

    x = np.random.default_rng(0).normal(size=(3, 4))
    x[0, 0] = 0
    for slope in (0.0, 0.5, 1.0, 17.0):
        layer = Other()
        layer.at_zero = slope
        assert check_layer(layer, x, method=method).arrays["x"].dropped_indices == [(0, 0)]


def test_near_kinks_do_no_harm() -> None:
    """In a deep relu network, central differences need small, less accurate steps; the complex step does not."""
    model = deep_autoencoder(5)
    x = np.random.default_rng(0).normal(size=(6, 5))
    exact = check_model(model, x, x, loss=MeanSquaredError(), method="complex")
    assert sum(row.dropped for row in exact.arrays.values()) == 0
    assert exact.max_relative_error < 1e-12


def test_the_report_says_where_probes_were_dropped() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[0, :2] = x[1, :3] = 0
    text = str(check_layer(ReLU(), x))
    assert "dropped, because forward has no usable derivative there: x[" in text
    assert "and 1 more" in text


def test_a_float32_run_in_disguise_is_noted() -> None:
    class Rounded(Layer):
        """Rounds its derivative to float32, but returns it as float64."""

        def forward(self, x: Array, training: bool = False) -> Array:
            self.y = np.tanh(x)
            return self.y

        def backward(self, dy: Array) -> Array:
            return dy * (1 - self.y**2).astype(np.float32).astype(dy.dtype)

    report = check_layer(Rounded(), (5, 3))
    assert "does backward round something to float32?" in report.notes[0]


@pytest.mark.parametrize("seed", [127, 299, 801, 850, 907])
def test_roundoff_is_not_taken_for_kinks(seed: int) -> None:
    """With few outputs, roundoff is hard to estimate; these layers are smooth, so no probe may be dropped."""
    rates = np.random.default_rng(seed).uniform(0.1, 0.9, (5, 1))
    assert check_layer(KLSparsity(0.5, 2.0), rates, seed=seed, method="complex").dropped == 0


@pytest.mark.parametrize("seed", range(10))
def test_nor_that_of_many_channels(seed: int) -> None:
    assert check_layer(Conv2D(33, 2, padding=(2, 3)), (4, 3, 1, 33), seed=seed, method="complex").dropped == 0


class Unscaled:
    """A layer with a small penalty that uses abs; large inputs make its outputs much larger than the penalty."""

    def __init__(self, forgets: bool) -> None:
        self.W = 0.3 * np.random.default_rng(2).standard_normal((6, 3))
        self.forgets = forgets

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W

    def penalty(self) -> Any:
        return 1e-3 * np.sum(np.abs(self.W) ** 2)

    def backward(self, dy: Array) -> Array:
        self.dW = self.x.T @ dy + (0 if self.forgets else 2e-3 * self.W)
        return dy @ self.W.T


def test_what_is_small_beside_other_outputs_is_confirmed_by_itself() -> None:
    x = np.random.default_rng(1).standard_normal((8, 6))
    x[:, 0] = np.arange(8) * 1e4 + 3e4
    report = check_layer(Unscaled(False), x)
    assert report.method == "central differences"
    with pytest.raises(GradientCheckError, match="this is the gradient without the penalty"):
        check_layer(Unscaled(True), x)


def test_a_small_part_of_an_output_is_too() -> None:
    def small(x: Array) -> Array:
        return x + 1e-6 * np.abs(x) ** 2

    assert check_layer((small, lambda dy, x: dy * (1 + 2e-6 * x)), (4, 5)).method == "central differences"
    with pytest.raises(GradientCheckError, match="forward adds a small constant, 1e-06"):
        check_layer((small, lambda dy, x: dy * 1), (4, 5), rules="fail")


def test_an_overflow_does_not_pass() -> None:
    with pytest.raises(GradientCheckError, match="20 lost in roundoff"):
        check_layer((lambda x: x * 1e200, lambda dy, x: dy), (4, 5))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("below", "x"), [(Conv2D(3, 2), (2, 5, 4, 3)), (Dense(4), (6, 5)), (Dense(4), 100 * np.random.default_rng(0).normal(size=(6, 5)))]
)  # fmt: skip
def test_it_is_not_put_off_by_slopes_that_are_truly_zero(below: Layer, x: Any, seed: int) -> None:
    """Batch normalization cancels the bias, so both methods give roundoff; the complex step must not be rejected."""
    bias = "conv2d_1.b" if isinstance(below, Conv2D) else "dense_1.b"
    report = check_layer(Sequential([below, BatchNorm()]), x, zero_ok=[bias], seed=seed)
    assert report.notes == []
    assert {row.method for row in report.arrays.values()} == {"complex step"}
    assert report.arrays[bias].verdict == ZERO
    assert report.max_relative_error < 1e-12
    with pytest.raises(GradientCheckError, match=f"the check of {bias} is vacuous"):
        check_layer(Sequential([below, BatchNorm()]), x, seed=seed)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_what_drops_the_imaginary_part_is_found_at_any_size(scale: float) -> None:
    x = scale * np.random.default_rng(0).normal(size=(3, 4))
    for layer in (ByAbs(), ByReal(), InOneEntry()):
        with pytest.raises(ValueError, match="drops the imaginary part"):
            check_layer(layer, x, method="complex")


def test_a_slope_that_only_wide_steps_can_see_is_no_reason_to_refuse() -> None:
    """At narrow steps, a large penalty's roundoff hides the change of a small penalty, whose slope is still not 0."""
    encoder = Dense(1, "sigmoid", kernel_initializer="zeros")
    model = Model([ActivityL1(0.5), ContractivePenalty(encoder, 1e-5), Dense(1)], 1)
    model.parameters += 0.1 * np.random.default_rng(0).standard_normal(model.parameters.shape)
    x, y = np.array([[0.12573022]]), np.array([[0.26978671]])
    assert check_model(model, x, y, loss=BinaryCrossEntropy(), method="complex").passed
