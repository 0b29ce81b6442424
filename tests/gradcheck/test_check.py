"""Tests of the checker: correct layers pass at many seeds, and planted bugs fail with messages that name them.

The layers here are small and local, so that a fault in tinydl's own layers cannot hide one in the checker.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from scipy.special import expit

from tinydl.gradcheck import (
    GradientCheckError,
    GradientCheckReport,
    check_layer,
    check_loss,
    check_model,
    numerical_gradient,
)
from tinydl.gradcheck.copying import copy_as
from tinydl.gradcheck.numeric import (
    FIFTH_DIFFERENCE,
    OFFSETS,
    SIXTH_DIFFERENCE,
    SLOPE,
    roundoff,
    second_differences,
    slope_along,
    tiny_steps,
)
from tinydl.gradcheck.runner import Runner

Array = NDArray[Any]
SEEDS = range(20)  # python -m benchmarks.false_alarms has thousands


# --- correct layers -------------------------------------------------------------------------------


class Plain:
    """A base for layers as users write them: parameters and gradients in two dicts."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def add(self, name: str, value: Array) -> None:
        self.params[name] = value
        self.grads[name] = np.zeros_like(value)


class Linear(Plain):
    def __init__(self, n_in: int = 5, n_out: int = 4, seed: int = 0) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.add("W", rng.standard_normal((n_in, n_out)))
        self.add("b", rng.standard_normal(n_out))

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.x.T @ dy
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["W"].T


class Relu(Plain):
    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0)


class Tanh(Plain):
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y**2)


class Softmax(Plain):
    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        return self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


class BatchNorm(Plain):
    """Normalization over axis 0; training updates the running statistics in `state`, and evaluation uses them."""

    def __init__(self, units: int = 4, seed: int = 0) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.add("gamma", 1 + 0.3 * rng.standard_normal(units))
        self.add("beta", rng.standard_normal(units))
        self.state = {"mean": rng.standard_normal(units), "var": rng.uniform(0.5, 2, units)}

    def forward(self, x: Array, training: bool = False) -> Array:
        self.training = training
        mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (self.state["mean"], self.state["var"])
        if training:
            self.state["mean"] *= 0.9
            self.state["mean"] += np.asarray(0.1 * mean, dtype=x.dtype)
        self.std = np.sqrt(var + x.dtype.type(1e-3))
        self.xhat = (x - mean) / self.std
        return self.params["gamma"] * self.xhat + self.params["beta"]

    def backward(self, dy: Array) -> Array:
        self.grads["gamma"] += (dy * self.xhat).sum(axis=0)
        self.grads["beta"] += dy.sum(axis=0)
        dxhat = dy * self.params["gamma"]
        if not self.training:
            return dxhat / self.std
        return (dxhat - self.through_mean(dxhat) - self.through_variance(dxhat)) / self.std

    def through_mean(self, dxhat: Array) -> Array:
        return dxhat.mean(axis=0)

    def through_variance(self, dxhat: Array) -> Array:
        return self.xhat * (dxhat * self.xhat).mean(axis=0)


class Dropout(Plain):
    def __init__(self, rate: float = 0.4) -> None:
        super().__init__()
        self.rate = rate
        self.rng = np.random.default_rng(3)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.mask = self.draw(x) if training else np.ones_like(x)
        return x * self.mask

    def draw(self, x: Array) -> Array:
        return (self.rng.random(x.shape) >= self.rate).astype(x.dtype) / (1 - self.rate)

    def backward(self, dy: Array) -> Array:
        return dy * self.mask


class GlobalDropout(Dropout):
    def draw(self, x: Array) -> Array:
        return (np.random.rand(*x.shape) >= self.rate).astype(x.dtype) / (1 - self.rate)  # noqa: NPY002


class Maximum(Plain):
    """The maximum over axis 1; ties are kinks, and the first maximum receives the gradient."""

    def forward(self, x: Array) -> Array:
        self.shape, self.at = x.shape, x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, dy: Array) -> Array:
        dx = np.zeros(self.shape, dtype=dy.dtype)
        dx[np.arange(len(dx)), self.at] = dy
        return dx


class Flatten(Plain):
    """A layer whose y is a view of x."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


class Chain:
    """A container that merges its children's dicts anew at each access, with dotted names and the same arrays."""

    def __init__(self, *children: Any) -> None:
        self.children = list(children)

    def merged(self, attribute: str) -> dict[str, Array]:
        return {
            f"{number}.{name}": value
            for number, child in enumerate(self.children)
            for name, value in getattr(child, attribute, {}).items()
        }

    params = property(lambda self: self.merged("params"))
    grads = property(lambda self: self.merged("grads"))

    def forward(self, x: Array, training: bool = False) -> Array:
        for child in self.children:
            x = child.forward(x, training) if isinstance(child, BatchNorm | Dropout) else child.forward(x)
        return x

    def backward(self, dy: Array) -> Array:
        for child in reversed(self.children):
            dy = child.backward(dy)
        return dy

    def penalty(self) -> float:
        return sum(child.penalty() for child in self.children if hasattr(child, "penalty"))

    def zero_grad(self) -> None:
        for child in self.children:
            for gradient in child.grads.values():
                gradient.fill(0)


class L2Activity(Plain):
    """An identity layer that adds mean_n sum_j x_nj^2 to the loss."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x

    def penalty(self) -> float:
        return float((self.x**2).sum()) / len(self.x)

    def backward(self, dy: Array) -> Array:
        return dy + 2 / len(self.x) * self.x


class Buildable(Plain):
    """A layer built for its first input's shape; its initial values, b = 0 and g = 1, hide errors."""

    built = False

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> tuple[int, ...]:
        self.add("W", rng.standard_normal((*input_shape, 3)).astype(dtype))
        self.add("b", np.zeros(3, dtype))
        self.add("g", np.ones(3, dtype))
        self.state = {"var": np.ones(3, dtype)}
        self.dtype = np.dtype(dtype)
        self.built = True
        return (3,)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.a = x, x @ self.params["W"] + self.params["b"]
        return self.params["g"] * self.a

    def backward(self, dy: Array) -> Array:
        da = dy * self.params["g"]
        self.grads["g"] += (dy * self.a).sum(axis=0)
        self.grads["W"] += self.x.T @ da
        self.grads["b"] += da.sum(axis=0)
        return da @ self.params["W"].T


class MeanSquare:
    def forward(self, y_pred: Array, y_true: Array) -> float:
        self.difference = y_pred - y_true
        return float(np.mean(self.difference**2))

    def backward(self) -> Array:
        return 2 / self.difference.size * self.difference


class CrossEntropy:
    """Softmax and cross-entropy on logits and integer labels."""

    def forward(self, y_pred: Array, y_true: Array) -> float:
        z = y_pred - y_pred.max(axis=1, keepdims=True)
        self.p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        self.rows, self.labels = np.arange(len(z)), y_true
        return -float(np.mean(np.log(self.p[self.rows, y_true])))

    def backward(self) -> Array:
        dz = self.p.copy()
        dz[self.rows, self.labels] -= 1
        return dz / len(dz)


RIGHT = {
    "linear": (Linear, (3, 5), True),
    "relu": (Relu, (6, 7), True),
    "tanh": (Tanh, (4, 5), True),
    "softmax": (Softmax, (4, 6), True),
    "batch norm, training": (BatchNorm, (6, 4), True),
    "batch norm, evaluation": (BatchNorm, (6, 4), False),
    "dropout": (Dropout, (5, 6), True),
    "global dropout": (GlobalDropout, (5, 6), True),
    "maximum": (Maximum, (9, 4), True),
    "flatten": (Flatten, (2, 3, 4), True),
    "penalty": (L2Activity, (3, 4), True),
    "buildable": (Buildable, (4, 5), True),
    "chain": (
        lambda: Chain(Linear(), Tanh(), BatchNorm(), Relu(), Dropout(0.3), L2Activity(), Linear(4, 2)),
        (8, 5),
        True,
    ),
}


@pytest.mark.parametrize("seeds", [SEEDS[:3], pytest.param(SEEDS[3:], marks=pytest.mark.slow)], ids=["few", "many"])
@pytest.mark.parametrize("name", RIGHT)
def test_right_layers_pass_at_every_seed(name: str, seeds: Sequence[int]) -> None:
    make, shape, training = RIGHT[name]
    for seed in seeds:
        constants = () if training else ("mean", "var")
        report = check_layer(make(), x=shape, training=training, seed=seed, probes=8, constants=constants)
        assert report.passed, seed
        # The chain contains relu: its kinks force small steps, at which roundoff is larger.
        assert report.max_relative_error < (1e-7 if name == "chain" else 1e-9), seed


def test_relu_at_its_kink_is_dropped_and_the_rest_checked() -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((6, 7))
        zero = rng.random(x.shape) < 0.2
        x[zero] = 0.0
        row = check_layer(Relu(), x, seed=seed, probes=x.size).arrays["x"]
        assert sorted(row.dropped_indices) == [tuple(index) for index in np.argwhere(zero)]
        assert row.probes == x.size - row.dropped
        assert row.max_relative_error < 1e-9


@pytest.mark.parametrize("distance", [1e-3, 3e-4, 1e-5, 2e-6, 1e-6])
def test_entries_near_a_kink_are_checked_at_a_step_that_fits(distance: float) -> None:
    x = np.array([[distance, -distance, 2 * distance, 1.0]])
    row = check_layer(Relu(), x).arrays["x"]
    assert row.dropped == 0
    assert row.max_relative_error < 1e-6


def test_ties_of_a_maximum_are_dropped() -> None:
    x = np.array([[1.0, 1.0, 0.0, -1.0], [3.0, 0.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.0]])
    row = check_layer(Maximum(), x).arrays["x"]
    assert sorted(row.dropped_indices) == [(0, 0), (0, 1)]


def test_a_kink_in_one_entry_does_not_blur_the_others() -> None:
    x = np.random.default_rng(0).standard_normal((4, 5))
    x[:, 0] = 0.0
    report = check_layer(Chain(Relu(), Linear()), x)
    assert sorted(report.arrays["x"].dropped_indices) == [(row, 0) for row in range(4)]
    assert report.max_relative_error < 1e-9


def test_dropped_probes_are_replaced() -> None:
    x = np.random.default_rng(0).standard_normal((10, 10))
    x.flat[::5] = 0.0
    row = check_layer(Relu(), x, probes=30).arrays["x"]
    assert row.probes == 30
    assert row.dropped > 0


def test_too_many_kinks_are_an_error() -> None:
    x = np.zeros((4, 4))
    x[0] = 1.0
    with pytest.raises(
        GradientCheckError, match=r"12 of 16 tried entries of x have no usable derivative.*12 at a kink"
    ):
        check_layer(Relu(), x)


def test_kinks_are_judged_by_the_forward_alone() -> None:
    class AsIfSmooth(Relu):
        def backward(self, dy: Array) -> Array:
            return dy * 0.5 * (1 + np.sign(self.x))  # at 0, exactly the value of a central difference

    x = np.array([[0.0, 1.0, -1.0, 2.0]])
    assert check_layer(AsIfSmooth(), x).arrays["x"].dropped_indices == [(0, 0)]


# --- planted bugs ---------------------------------------------------------------------------------


class MissingTerm(Tanh):
    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y)


class SignFlip(Linear):
    def backward(self, dy: Array) -> Array:
        return -super().backward(dy)


class FactorTwo(Linear):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.x.T @ dy
        return super().backward(dy)


class OneOverN(Linear):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.x.T @ dy / len(dy)
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["W"].T


class TransposedWeights(Linear):
    def __init__(self) -> None:
        super().__init__(5, 5)

    def backward(self, dy: Array) -> Array:
        self.grads["W"] += dy.T @ self.x
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["W"].T


class Assigns(Linear):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] = self.x.T @ dy
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["W"].T


class AssignsInPlace(Linear):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.x.T @ dy
        self.grads["b"][...] = dy.sum(axis=0)
        return dy @ self.params["W"].T


class WritesIntoDy(Relu):
    def backward(self, dy: Array) -> Array:
        dy[self.x <= 0] = 0
        return dy


class WritesIntoX(Relu):
    def forward(self, x: Array) -> Array:
        self.x = np.maximum(x, 0, out=x)
        return self.x


class BackwardWritesIntoX(Tanh):
    def forward(self, x: Array) -> Array:
        self.x = x
        return super().forward(x)

    def backward(self, dy: Array) -> Array:
        self.x *= 0.5
        return super().backward(dy)


class LeaksFloat64(Linear):
    def backward(self, dy: Array) -> Array:
        dx = np.zeros(self.x.shape)
        dx += super().backward(dy)
        return dx


class LeaksFloat64Forward(Tanh):
    def forward(self, x: Array) -> Array:
        return super().forward(x) * np.sqrt(1 / 3)

    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * np.sqrt(1 / 3)


class LeaksState(BatchNorm):
    gradcheck_rules = "fail"  # only layers that keep tinydl's contract have a `state`

    def forward(self, x: Array, training: bool = False) -> Array:
        y = super().forward(x, training)
        self.state["mean"] = 0.9 * self.state["mean"] + 0.1 * x.mean(axis=0, dtype=np.float64)
        return y


class HardwiredFloat32(Tanh):
    def forward(self, x: Array) -> Array:
        return super().forward(x.astype(np.float32))


class SoftmaxWithoutSum(Softmax):
    def backward(self, dy: Array) -> Array:
        return dy * self.y


class ZeroBackward(Tanh):
    def backward(self, dy: Array) -> Array:
        return np.zeros_like(dy)


class InputGradientWrong(Linear):
    def backward(self, dy: Array) -> Array:
        super().backward(dy)
        return dy @ np.abs(self.params["W"].T)


class BiasSummedOverWrongAxis(Linear):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.x.T @ dy
        self.grads["b"] = self.grads["b"] + dy.sum(axis=1) if self.grads["b"].shape == (3,) else dy.sum(axis=1)
        return dy @ self.params["W"].T


class InputGradientOfWrongShape(Linear):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy).T


class NormWithoutMeanPath(BatchNorm):
    def through_mean(self, dxhat: Array) -> Array:
        return np.zeros_like(dxhat)


class NormWithoutVariancePath(BatchNorm):
    def through_variance(self, dxhat: Array) -> Array:
        return np.zeros_like(dxhat)


class MaskForgotten(Relu):
    def backward(self, dy: Array) -> Array:
        return dy * 1


class MaskTooWide(Relu):
    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0.5)


class OffByHalfAPerMille(Linear):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * dy.dtype.type(1.0005)


class OneEntryOff(Linear):
    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.grads["W"][2, 1] += dy.dtype.type(1e-4) * dx[0, 0]
        return dx


class RedrawnMask(Dropout):
    def backward(self, dy: Array) -> Array:
        return dy * self.draw(dy)


class ReusedOutput(Tanh):
    buffer: Array | None = None

    def forward(self, x: Array) -> Array:
        if self.buffer is None or self.buffer.dtype != x.dtype or self.buffer.shape != x.shape:
            self.buffer = np.empty_like(x)
        self.y = np.tanh(x, out=self.buffer)
        return self.y


class ReusedGradient(Tanh):
    def backward(self, dy: Array) -> Array:
        if not hasattr(self, "dx") or self.dx.shape != dy.shape:
            self.dx = np.empty_like(dy)
        return np.multiply(dy, 1 - self.y**2, out=self.dx)


class PenaltyForgotten(L2Activity):
    def backward(self, dy: Array) -> Array:
        return dy


class PenaltyWithoutN(L2Activity):
    def backward(self, dy: Array) -> Array:
        return dy + 2 * self.x


class UpdatesItself(Linear):
    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.params["b"] -= 0.01 * self.grads["b"]
        return dx


class ReadsAnotherCopy(Linear):
    def forward(self, x: Array) -> Array:
        if not hasattr(self, "W"):
            self.W = self.params["W"].copy()
        self.x = x
        return x @ self.W + self.params["b"]


class OneGradientMissing(Linear):
    def __init__(self) -> None:
        super().__init__()
        del self.grads["b"]

    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.x.T @ dy
        return dy @ self.params["W"].T


class ReturnsNothing(Linear):
    def backward(self, dy: Array) -> None:  # type: ignore[override]
        super().backward(dy)


class WrongOnSlices(Tanh):
    def forward(self, x: Array) -> Array:
        memory = x if x.base is None or x.flags.c_contiguous else x.base
        return super().forward(memory.ravel()[: x.size].reshape(x.shape))


class WrongOnFortranOrder(Tanh):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy.ravel(order="K").reshape(dy.shape))


class ZeroGradForgets(Linear):
    def zero_grad(self) -> None:
        self.grads["W"].fill(0)


class KeepsCount(Tanh):
    calls = 0

    def forward(self, x: Array) -> Array:
        self.calls += 1
        return super().forward(x) * self.calls


class GivesNan(Tanh):
    def backward(self, dy: Array) -> Array:
        return super().backward(dy) * np.nan


# class, shape of x, the expected message
BUGS: list[tuple[type, tuple[int, ...], str]] = [
    (
        MissingTerm,
        (3, 4),
        r"dx is wrong in 12 of 12 probes; worst at x\[\d, \d\]: analytic \S+, numeric \S+, relative",
    ),
    (SignFlip, (3, 5), r"dx is wrong(.|\n)*likely cause: the sign is flipped"),
    (FactorTwo, (3, 5), r"dW is wrong(.|\n)*likely cause: every entry is 2 times"),
    (OneOverN, (3, 5), r"dW is wrong(.|\n)*0.333333 times the right one: 1/N with the batch size N = 3"),
    (TransposedWeights, (3, 5), r"dW is wrong(.|\n)*likely cause: the gradient is transposed"),
    (Assigns, (3, 5), r"assigns \(=\) where it must add \(\+=\): dW"),
    (AssignsInPlace, (3, 5), r"assigns \(=\) where it must add \(\+=\): db"),
    (WritesIntoDy, (3, 5), "backward modifies dy in place"),
    (WritesIntoX, (3, 5), "forward modifies its input x in place"),
    (BackwardWritesIntoX, (3, 5), "backward modifies the input x in place"),
    (LeaksFloat64, (3, 5), "dtype leak: dx is float64 in a float32 run"),
    (LeaksFloat64Forward, (3, 5), "dtype leak: y is float64 in a float32 run"),
    (LeaksState, (3, 4), r"dtype leak: state\['mean'\] is float64 in a float32 run"),
    (HardwiredFloat32, (3, 5), "dtype leak: y is float32 in a float64 run"),
    (SoftmaxWithoutSum, (3, 5), "dx is wrong in 15 of 15 probes"),
    (ZeroBackward, (3, 5), "dx is wrong(.|\n)*backward gives all zeros"),
    (InputGradientWrong, (3, 5), "FAILED\n  dx is wrong"),
    (BiasSummedOverWrongAxis, (3, 5), r"db has shape \(3,\), but b has \(4,\)"),
    (InputGradientOfWrongShape, (3, 5), r"dx has shape \(5, 3\), but x has \(3, 5\)"),
    (NormWithoutMeanPath, (6, 4), "dx is wrong in 24 of 24 probes"),
    (NormWithoutVariancePath, (6, 4), "dx is wrong in 24 of 24 probes"),
    (MaskForgotten, (5, 5), "dx is wrong(.|\n)*wrong only where forward is flat"),
    (MaskTooWide, (5, 5), "dx is wrong(.|\n)*wrong only where it is 0"),
    (OffByHalfAPerMille, (3, 5), "dx is wrong in 15 of 15 probes(.|\n)*every entry is 1.0005 times"),
    (OneEntryOff, (3, 5), r"dW is wrong in 1 of 20 probes; worst at W\[2, 1\]"),
    (RedrawnMask, (5, 6), "dx is wrong"),
    (ReusedOutput, (3, 5), "a later forward overwrites the y returned before"),
    (ReusedGradient, (3, 5), "a later backward overwrites the dx returned before"),
    (PenaltyForgotten, (3, 5), "dx is wrong(.|\n)*the gradient without the penalty"),
    (PenaltyWithoutN, (3, 5), "dx is wrong in 15 of 15 probes"),
    (UpdatesItself, (3, 5), "changes the parameter b"),
    (
        ReadsAnotherCopy,
        (3, 5),
        "forward does not depend on W at all: it may read another copy",
    ),
    (OneGradientMissing, (3, 5), "b was not checked: backward leaves no gradient of it"),
    (ReturnsNothing, (3, 5), "x was not checked: .*: return dL/dx"),
    (WrongOnSlices, (3, 5), "y is different when x and dy are sliced"),
    (WrongOnFortranOrder, (3, 5), "dx is different when x and dy are Fortran-ordered"),
    (ZeroGradForgets, (3, 5), "zero_grad does not reset db"),
    (KeepsCount, (3, 5), "keeps state between calls"),
    (GivesNan, (3, 5), "NaN or infinity in dx"),
]


@pytest.mark.parametrize(("bug", "shape", "message"), BUGS, ids=[bug.__name__ for bug, _, _ in BUGS])
def test_planted_bug_is_found_and_named(bug: type, shape: tuple[int, ...], message: str) -> None:
    for seed in range(3):
        with pytest.raises(GradientCheckError, match=message) as caught:
            check_layer(bug(), x=shape, seed=seed, rules="fail")
        assert f"gradient check of {bug.__name__} FAILED" in str(caught.value)


@pytest.mark.parametrize("bug", [SignFlip, InputGradientWrong])
def test_wrong_dx_does_not_blame_the_right_parameters(bug: type) -> None:
    with pytest.raises(GradientCheckError) as caught:
        check_layer(bug(), x=(3, 5))
    report = caught.value.report
    assert report is not None
    assert {name: row.passed for name, row in report.arrays.items()} == {"x": False, "W": True, "b": True}


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_bug_inside_a_container_is_named_by_its_dotted_name(position: int) -> None:
    layers = [Linear(5, 5, seed) for seed in range(3)]
    layers[position] = FactorTwo(5, 5)
    with pytest.raises(GradientCheckError, match=rf"the gradient of {position}\.W is wrong(.|\n)*2 times"):
        check_layer(Chain(*layers), x=(3, 5))


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_a_relative_error_counts_when_all_gradients_are_small(size: float) -> None:
    class Small(Linear):
        factor = 1.0

        def forward(self, x: Array) -> Array:
            return super().forward(x) * size

        def backward(self, dy: Array) -> Array:
            return super().backward(dy * size) * self.factor

    assert check_layer(Small(), x=(3, 5)).passed
    wrong = Small()
    wrong.factor = 1.0005
    with pytest.raises(GradientCheckError, match=r"dx is wrong in 15 of 15(.|\n)*every entry is 1.0005 times"):
        check_layer(wrong, x=(3, 5))


def test_a_sparse_gradient_is_not_taken_for_a_vacuous_one() -> None:
    for seed in range(20):
        assert check_layer(Maximum(), x=(4, 30), seed=seed, probes=2).passed


@pytest.mark.parametrize("seed", range(10))
def test_an_entry_that_is_not_probed_does_not_escape(seed: int) -> None:
    class LastEntryOff(Linear):
        def backward(self, dy: Array) -> Array:
            self.grads["W"][-1, -1] += dy.dtype.type(0.01)
            return super().backward(dy)

    assert check_layer(Linear(60, 50), x=(3, 60), seed=seed, probes=4).passed
    with pytest.raises(GradientCheckError, match=r"dW is right in all 4 probes but wrong elsewhere \(along a random"):
        check_layer(LastEntryOff(60, 50), x=(3, 60), seed=seed, probes=4)


def test_an_entry_that_is_not_probed_does_not_escape_when_all_gradients_are_small() -> None:
    class Tiny(Linear):
        off = 0.0

        def forward(self, x: Array) -> Array:
            return super().forward(x) * 1e-9

        def backward(self, dy: Array) -> Array:
            dx = super().backward(dy * 1e-9)
            self.grads["W"][-1, -1] += self.off  # far below atol, but as large as the gradients
            return dx

    assert check_layer(Tiny(60, 50), x=(3, 60), probes=4).passed
    wrong = Tiny(60, 50)
    wrong.off = 1e-9
    with pytest.raises(GradientCheckError, match="dW is right in all 4 probes but wrong elsewhere"):
        check_layer(wrong, x=(3, 60), probes=4)


# --- checks that cannot fail ----------------------------------------------------------------------


def test_an_upstream_of_ones_makes_softmax_vacuous() -> None:
    class SumOfSoftmax(Softmax):
        """Returns sum_j softmax_j = 1 for each row: a check with a dy of ones would test only this sum."""

        def forward(self, x: Array) -> Array:
            return super().forward(x).sum(axis=1)

        def backward(self, dy: Array) -> Array:
            return np.zeros((len(dy), 5), dtype=dy.dtype)

    with pytest.raises(GradientCheckError, match=r"check of x is vacuous: all 15 numeric gradients are zero"):
        check_layer(SumOfSoftmax(), x=(3, 5))
    row = check_layer(SumOfSoftmax(), x=(3, 5), zero_ok=("x",)).arrays["x"]
    assert row.verdict == "zero, as allowed"
    # numerical_gradient, too, finds only roundoff
    x = np.random.default_rng(0).standard_normal((3, 5))
    assert np.max(np.abs(numerical_gradient(Softmax().forward, x, np.ones((3, 5))))) < 1e-9


def test_batch_norm_of_one_row_is_vacuous() -> None:
    with pytest.raises(GradientCheckError, match=r"check of x is vacuous(.|\n)*check of gamma is vacuous"):
        check_layer(BatchNorm(), x=(1, 4))


@pytest.mark.parametrize("seed", range(5))
def test_a_bias_below_batch_norm_is_vacuous_and_breaks_no_rule(seed: int) -> None:
    """The bias's gradient is roundoff, which does not double in two passes."""
    layer = Chain(Linear(), BatchNorm())
    assert check_layer(layer, x=(6, 5), zero_ok=("0.b",), seed=seed).arrays["0.b"].verdict == "zero, as allowed"
    with pytest.raises(GradientCheckError, match=r"FAILED\n  the check of 0\.b is vacuous"):
        check_layer(layer, x=(6, 5), seed=seed)


def test_a_parameter_that_never_matters_is_vacuous_unless_allowed() -> None:
    layer = Linear()
    layer.add("unused", np.ones(3))
    with pytest.raises(GradientCheckError, match=r"check of unused is vacuous.*zero_ok=\('unused',\)"):
        check_layer(layer, x=(3, 5))
    assert check_layer(layer, x=(3, 5), zero_ok=("unused",)).passed


def test_zero_ok_excuses_no_wrong_gradient() -> None:
    class BiasWrong(Linear):
        def backward(self, dy: Array) -> Array:
            self.grads["b"] += 1
            return super().backward(dy)

    with pytest.raises(GradientCheckError, match="db is wrong"):
        check_layer(BiasWrong(), x=(3, 5), zero_ok=("b", "x", "W"))


# --- the given object is not modified -------------------------------------------------------------


def test_nothing_given_is_changed() -> None:
    layer = Chain(Linear(), BatchNorm(), Dropout())
    x = np.random.default_rng(0).standard_normal((6, 5))
    layer.forward(x, training=True)
    layer.backward(np.ones((6, 4)))
    before = copy.deepcopy(layer)
    x_before = x.copy()
    global_before = np.random.get_state()  # noqa: NPY002
    check_layer(layer, x, zero_ok=("0.b",))
    check_layer(GlobalDropout(), x)
    global_after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(global_before[1], global_after[1])
    assert global_before[2] == global_after[2]
    for old, new in zip(before.children, layer.children, strict=True):
        for attribute in ("params", "grads", "state"):
            for key, value in getattr(old, attribute, {}).items():
                np.testing.assert_array_equal(getattr(new, attribute)[key], value)
    assert layer.children[2].rng.bit_generator.state == before.children[2].rng.bit_generator.state


def test_an_unbuilt_layer_stays_unbuilt_and_is_checked_off_its_initial_values() -> None:
    noted: SimpleQueue[Array] = SimpleQueue()  # a list would be put back as it was

    class Spy(Buildable):
        def forward(self, x: Array, training: bool = False) -> Array:
            for array in (self.params["b"], self.params["g"], self.state["var"]):
                noted.put(array.copy())
            return super().forward(x, training)

    layer = Spy()
    check_layer(layer, x=(4, 5))
    assert not layer.built
    assert layer.params == {}
    seen = [noted.get_nowait() for _ in range(3)]
    assert np.ptp(seen[0]) > 0
    assert np.ptp(seen[1]) > 0
    assert np.ptp(seen[2]) > 0
    assert np.all(seen[2] >= 1)  # a variance stays positive


def test_a_built_float32_layer_is_checked_in_float64_at_its_own_values() -> None:
    layer = Buildable()
    layer.build((5,), np.random.default_rng(0), np.float32)
    layer.params["b"] += np.float32(0.5)
    assert check_layer(layer, x=(4, 5)).max_relative_error < 1e-9
    assert layer.params["W"].dtype == np.float32
    assert layer.dtype == np.float32


def test_copies_keep_aliases_and_views() -> None:
    class Flat(Plain):
        """Holds all parameters in one vector; W is a view of the vector, both in params and as an attribute."""

        def __init__(self) -> None:
            super().__init__()
            self.vector = np.arange(12, dtype=np.float32)
            self.W = self.params["W"] = self.vector[2:].reshape(5, 2)[:, ::-1]
            self.dtype = "float32"

    clone = copy_as(Flat(), np.float64)
    assert clone.dtype == np.float64
    assert clone.vector.dtype == clone.W.dtype == np.float64
    assert clone.W is clone.params["W"]
    np.testing.assert_array_equal(clone.W, Flat().W)
    clone.vector[3] = -1.0
    assert clone.W[0, 0] == -1.0


def test_every_generator_is_found_and_replayed() -> None:
    class Nested:
        def __init__(self) -> None:
            self.me = self  # a cycle
            self.deep = [{"a": (np.random.default_rng(1), [np.random.default_rng(2)])}]
            self.old = np.random.RandomState(3)

        def forward(self, x: Array) -> Array:
            first, (second,) = self.deep[0]["a"]
            noise = first.standard_normal(x.shape) + second.standard_normal(x.shape) + self.old.randn(*x.shape)
            return x + noise.astype(x.dtype)

        def backward(self, dy: Array) -> Array:
            return dy + 0

    assert check_layer(Nested(), x=(3, 4)).passed


def test_a_hidden_generator_is_reported() -> None:
    class Hidden(Plain):
        def forward(self, x: Array) -> Array:
            return x + np.random.default_rng().standard_normal(x.shape)

        def backward(self, dy: Array) -> Array:
            return dy + 0

    with pytest.raises(GradientCheckError, match="not an attribute of the layer and cannot be replayed"):
        check_layer(Hidden(), x=(3, 4))


def test_state_is_restored_before_each_forward() -> None:
    layer = BatchNorm()
    runner = Runner(layer, True, np.ones((6, 4)))
    mean = layer.state["mean"].copy()
    for _ in range(3):
        runner.forward(np.full((6, 4), 7.0))
    runner.rewind()
    np.testing.assert_array_equal(layer.state["mean"], mean)


def test_parameters_made_on_first_use_are_checked() -> None:
    class Lazy(Linear):
        def __init__(self) -> None:
            Plain.__init__(self)

        def forward(self, x: Array) -> Array:
            if not self.params:
                self.add("W", np.random.default_rng(0).standard_normal((x.shape[1], 4)).astype(x.dtype))
                self.add("b", np.zeros(4, dtype=x.dtype))
            return super().forward(x)

    assert set(check_layer(Lazy(), x=(3, 5)).arrays) == {"x", "W", "b"}


# --- losses and models ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_right_losses_pass(seed: int) -> None:
    rng = np.random.default_rng(seed)
    report = check_loss(MeanSquare(), rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), seed=seed)
    assert list(report.arrays) == ["y_pred"]
    assert report.max_relative_error < 1e-8
    labels = rng.integers(0, 3, 6)
    assert check_loss(CrossEntropy(), (6, 3), labels, seed=seed).max_relative_error < 1e-9


def test_wrong_losses_fail() -> None:
    class NoMean(MeanSquare):
        def backward(self) -> Array:
            return 2 * self.difference

    class ForgetsLabel(CrossEntropy):
        def backward(self) -> Array:
            return self.p / len(self.p)

    class ChangesLabels(CrossEntropy):
        def forward(self, y_pred: Array, y_true: Array) -> float:
            y_true += 0 * y_true + (y_true == 0)
            return super().forward(y_pred, y_true)

    class ReusesGradient(MeanSquare):
        def backward(self) -> Array:
            if not hasattr(self, "dz"):
                self.dz = np.empty_like(self.difference)
            return np.multiply(2 / self.difference.size, self.difference, out=self.dz)

    class WordInsteadOfNumber(MeanSquare):
        def forward(self, y_pred: Array, y_true: Array) -> Any:
            return str(super().forward(y_pred, y_true))

    labels = np.array([0, 1, 2, 0])
    with pytest.raises(GradientCheckError, match=r"dy_pred is wrong(.|\n)*12 times the right one"):
        check_loss(NoMean(), (4, 3), np.zeros((4, 3)))
    with pytest.raises(GradientCheckError, match=r"dy_pred is wrong in 4 of 12 probes"):
        check_loss(ForgetsLabel(), (4, 3), labels)
    with pytest.raises(GradientCheckError, match="forward modifies its input y_true in place"):
        check_loss(ChangesLabels(), (4, 3), labels, rules="fail")
    with pytest.raises(GradientCheckError, match="later backward overwrites the dx"):
        check_loss(ReusesGradient(), (4, 3), np.zeros((4, 3)), rules="fail")
    with pytest.raises(TypeError, match="forward must return one number"):
        check_loss(WordInsteadOfNumber(), (4, 3), np.zeros((4, 3)))
    np.testing.assert_array_equal(labels, [0, 1, 2, 0])


class TinyModel(Chain):
    """A chain with a loss and penalties, and with all parameters in one float32 vector."""

    def __init__(self, *children: Any) -> None:
        super().__init__(*children)
        self.loss: Any = None
        self.vector = np.concatenate([value.ravel() for value in self.params.values()]).astype(np.float32)
        start = 0
        for child in self.children:
            for name, value in child.params.items():
                child.params[name] = self.vector[start : start + value.size].reshape(value.shape)
                child.grads[name] = np.zeros(value.shape, np.float32)
                start += value.size


@pytest.mark.parametrize("seed", range(10))
def test_right_models_pass(seed: int) -> None:
    model = TinyModel(Linear(), Tanh(), L2Activity(), Dropout(), Linear(4, 3))
    labels = np.random.default_rng(seed).integers(0, 3, 6)
    before = model.vector.copy()
    report = check_model(model, (6, 5), labels, loss=CrossEntropy(), seed=seed)
    assert list(report.arrays) == ["x", "0.W", "0.b", "4.W", "4.b"]
    assert report.max_relative_error < 1e-8
    np.testing.assert_array_equal(model.vector, before)
    model.loss = CrossEntropy()
    assert check_model(model, (6, 5), labels, seed=seed).max_relative_error == report.max_relative_error


def test_wrong_models_fail() -> None:
    labels = np.array([0, 1, 2, 0])
    with pytest.raises(GradientCheckError, match=r"of 2\.W is wrong(.|\n)*2 times the right one"):
        check_model(TinyModel(Linear(), Tanh(), FactorTwo(4, 3)), (4, 5), labels, loss=CrossEntropy())
    with pytest.raises(GradientCheckError, match=r"without the penalty(.|\n)*of 0\.W is wrong.*\n.*the same as above"):
        check_model(TinyModel(Linear(5, 3), PenaltyForgotten()), (4, 5), labels, loss=CrossEntropy())
    with pytest.raises(ValueError, match="expected a loss, got none: compile the model first"):
        check_model(TinyModel(Linear()), (4, 5), labels)


# --- report and bad input -------------------------------------------------------------------------


def test_report_prints_a_table_and_gives_rows() -> None:
    report = check_layer(Linear(), x=(3, 5), probes=7)
    assert isinstance(report, GradientCheckReport)
    assert report.arrays["W"].probes == 7
    assert report.arrays["W"].shape == (5, 4)
    assert report.arrays["b"].probes == 4
    assert report.max_relative_error == max(row.max_relative_error for row in report.arrays.values())
    lines = str(report).splitlines()
    assert lines[0] == "gradient check of Linear passed"
    assert lines[1].split() == [
        "array",
        "shape",
        "probes",
        "dropped",
        *["max", "abs", "error", "max", "rel", "error", "method", "verdict"],
    ]
    assert [line.split()[0] for line in lines[2:]] == ["x", "W", "b"]
    assert all(line.endswith("ok") for line in lines[2:])


def test_failure_is_an_assertion_and_carries_step_seed_and_table() -> None:
    with pytest.raises(AssertionError, match=r"step=1e-05, seed=7") as caught:
        check_layer(FactorTwo(), x=(3, 5), seed=7)
    assert "max rel error" in str(caught.value)
    assert "WRONG" in str(caught.value)


def test_the_layers_name_is_in_the_message() -> None:
    layer = FactorTwo()
    layer.name = "dense_7"  # type: ignore[attr-defined]
    with pytest.raises(GradientCheckError, match="FactorTwo 'dense_7' FAILED"):
        check_layer(layer, x=(3, 5))


def test_x_drawn_is_not_what_the_user_draws_from_the_same_seed() -> None:
    y = np.random.default_rng(0).standard_normal((4, 3))
    assert check_loss(MeanSquare(), (4, 3), y, seed=0).passed  # if x were equal to y, all gradients would be zero


def test_the_same_seed_gives_the_same_report() -> None:
    first, second = (check_layer(Linear(), x=(3, 5), probes=5, seed=3) for _ in range(2))
    assert first == second
    assert first != check_layer(Linear(), x=(3, 5), probes=5, seed=4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"x": 3}, TypeError, "x must be an array of numbers or a shape such as"),
        ({"x": [[1.0, 2.0]]}, TypeError, r"got list"),
        ({"x": np.array(["a"])}, TypeError, "got an array of <U1"),
        ({"x": np.ones((2, 5), complex)}, TypeError, "got an array of complex128"),
        ({"x": (3, 0)}, ValueError, "tuple of integers >= 1"),
        ({"x": (3, 5.0)}, ValueError, "tuple of integers >= 1"),
        ({"x": ()}, ValueError, "tuple of integers"),
        ({"x": np.ones((0, 5))}, ValueError, "at least one entry"),
        ({"x": np.array(1.0)}, ValueError, "batch axis"),
        ({"x": np.array([[1.0, np.nan]])}, ValueError, r"1 NaN or infinite entries, the first at \[0, 1\]"),
        ({"probes": 0}, ValueError, "probes must be an integer >= 1, got 0"),
        ({"probes": 2.5}, ValueError, "probes must be"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"step": 0}, ValueError, "step must be a positive number"),
        ({"rtol": -1}, ValueError, "rtol must be a number >= 0"),
        ({"atol": np.nan}, ValueError, "atol must be"),
        (
            {"zero_ok": ("w",)},
            ValueError,
            r"zero_ok names \['w'\], but the arrays of Linear are \['x', 'W', 'b'\]",
        ),
        ({"zero_ok": "b"}, TypeError, "zero_ok must be a tuple of names"),
        ({"prob": 5}, TypeError, "check_layer: there is no option 'prob': did you mean probes?"),
        ({"epsilon": 1e-3}, TypeError, "no option 'epsilon': the options are rtol, atol, step, probes"),
        ({"layer": Linear}, TypeError, r"layer must be an instance, got the class Linear"),
        ({"layer": np.tanh}, TypeError, "no forward and backward found"),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"layer": Linear(), "x": (3, 5), **options}
    with pytest.raises(error, match=message):
        check_layer(**arguments)


def test_what_cannot_be_copied_is_shared() -> None:
    layer = Linear()
    layer.lock = threading.Lock()  # type: ignore[attr-defined]
    assert check_layer(layer, x=(3, 5)).passed


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
def test_other_dtypes_of_x_are_taken_to_float64(dtype: Any) -> None:
    x = np.arange(15).reshape(3, 5).astype(dtype)
    assert check_layer(Linear(), x).max_relative_error < 1e-9
    assert x.dtype == dtype


# --- the numbers ----------------------------------------------------------------------------------

CLOSED_FORMS = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (expit, lambda x: expit(x) * (1 - expit(x))),
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "sin": (np.sin, np.cos),
    "view": (lambda x: x[:], np.ones_like),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_numerical_gradient_against_closed_forms(name: str) -> None:
    f, derivative = CLOSED_FORMS[name]
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 4, 3))
    np.testing.assert_allclose(numerical_gradient(f, x, dy), dy * derivative(x), rtol=1e-8, atol=1e-9)


def test_numerical_gradient_against_scipy() -> None:
    rng = np.random.default_rng(2)
    x, A = rng.standard_normal(6), rng.standard_normal((6, 6))

    def f(x: Array) -> float:
        return float(np.log(np.sum(np.exp(A @ x))))

    # approx_fprime uses forward differences, whose error is about 1e-8 times the second derivative.
    np.testing.assert_allclose(numerical_gradient(f, x), approx_fprime(x, f, 1e-8), rtol=1e-5, atol=1e-6)
    p = np.exp(A @ x) / np.sum(np.exp(A @ x))
    np.testing.assert_allclose(numerical_gradient(f, x), A.T @ p, rtol=1e-8, atol=1e-9)


def test_numerical_gradient_restores_x_bit_for_bit() -> None:
    x = np.random.default_rng(0).standard_normal((3, 4)) * np.logspace(-300, 300, 12).reshape(3, 4)
    before = x.tobytes()
    numerical_gradient(lambda x: x * 1e-310, x, np.ones((3, 4)))
    assert x.tobytes() == before

    def breaks(x: Array) -> float:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        numerical_gradient(breaks, x)
    assert x.tobytes() == before


def test_numerical_gradient_refuses_bad_input() -> None:
    with pytest.raises(TypeError, match=r"x must be a float64 array .* got a float32 array"):
        numerical_gradient(np.sum, np.ones(3, np.float32))
    with pytest.raises(TypeError, match="got a list"):
        numerical_gradient(np.sum, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x must not be empty"):
        numerical_gradient(np.sum, np.ones((0, 3)))
    with pytest.raises(ValueError, match="step must be a positive number"):
        numerical_gradient(np.sum, np.ones(3), step=0.0)
    with pytest.raises(ValueError, match="but dy is not given"):
        numerical_gradient(np.tanh, np.ones(3))
    with pytest.raises(ValueError, match=r"f\(x\) has shape \(3,\), but dy has shape \(2,\)"):
        numerical_gradient(np.tanh, np.ones(3), np.ones(2))


def test_stencil_is_exact_on_polynomials() -> None:
    for power in range(7):
        f = OFFSETS**power
        assert SLOPE @ f == pytest.approx(float(power == 1), abs=1e-12)
        assert FIFTH_DIFFERENCE @ f == pytest.approx(240.0 if power == 5 else 0.0, abs=1e-12)
        assert SIXTH_DIFFERENCE @ f == pytest.approx(720.0 if power == 6 else 0.0, abs=1e-12)


def test_no_kink_within_reach_hides_from_both_differences() -> None:
    for t in np.linspace(-2.999, 2.999, 4001):
        f = np.maximum(0.0, OFFSETS - t)
        true = 0.5 if t == 0 else float(t < 0)
        shown = max(abs(FIFTH_DIFFERENCE @ f), abs(SIXTH_DIFFERENCE @ f))
        assert abs(SLOPE @ f - true) < 0.2 * shown


def _slope(f: Any, x: float) -> Any:
    array = np.array([x])

    def evaluate() -> Array:
        return np.append(f(array), 0.0)

    def move(distance: float) -> None:
        array[0] = x + distance

    with np.errstate(all="ignore"):
        base = evaluate()
        rng = np.random.default_rng(0)
        noise = roundoff(
            [second_differences(evaluate, [array], base, tiny_steps([array], rng)) for _ in range(4)], base
        )
        assert array[0] == x
        return slope_along(evaluate, move, np.ones(2), base, noise, 1e-5 * max(1.0, abs(x)))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.abs, 0.0),
        (lambda x: np.maximum(x, 0.0), 0.0),
        (lambda x: np.maximum(x, 0.0), 3e-8),
        (lambda x: np.maximum(x, 0.1 * x), -3e-8),
        (np.sign, 0.0),
        (lambda x: x * (x > 0) + 3 * np.sin(x), 0.0),
        (lambda x: 1e-6 * np.abs(x) + x, 0.0),
        (lambda x: np.where(x < 0, np.nan, x), 0.0),
    ],
    ids=[
        "abs",
        "relu",
        "near relu",
        "near leaky relu",
        "jump",
        "bent sine",
        "small kink",
        "edge of the domain",
    ],
)
def test_a_kink_gives_no_slope(f: Any, x: float) -> None:
    assert _slope(f, x) is None


@pytest.mark.parametrize(
    ("f", "derivative", "x"),
    [
        (lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x), 0.3),
        (lambda x: expit(200 * x), lambda x: 200 * expit(200 * x) * (1 - expit(200 * x)), 0.001),
        (lambda x: np.sin(x), np.cos, 500.0),
        (lambda x: np.log(x), lambda x: 1 / x, 1e-4),
        (lambda x: np.exp(-(x**2)), lambda x: -2 * x * np.exp(-(x**2)), 3.0),
        (lambda x: x**2, lambda x: 2 * x, 1e4),
        (lambda x: (x + 1e4) - 1e4, lambda x: 1.0, 0.5),
        (lambda x: np.maximum(x, 0.0), lambda x: 1.0, 1e-4),
    ],
)
def test_steep_and_ill_conditioned_smooth_functions_keep_their_slope(f: Any, derivative: Any, x: float) -> None:
    slope = _slope(f, x)
    assert slope is not None
    assert abs(slope.value - derivative(x)) <= max(1e-8 * abs(derivative(x)), slope.uncertainty)
    assert slope.uncertainty < 1e-6 * abs(derivative(x))


@pytest.mark.parametrize("x", [0.1, 0.3, 0.7, 1.1, 2.3])
def test_roundoff_hidden_inside_a_layer_is_measured_and_not_taken_for_a_kink(x: float) -> None:
    slope = _slope(lambda x: (x + 1e7) - 1e7, x)  # the result hides the intermediate 1e7
    assert slope is not None
    assert abs(slope.value - 1.0) <= slope.uncertainty < 1e-4


def test_an_entry_at_the_edge_of_the_domain_does_not_spoil_the_others() -> None:
    class Root(Plain):
        def forward(self, x: Array) -> Array:
            self.y = np.sqrt(x)
            return self.y

        def backward(self, dy: Array) -> Array:
            return dy / (2 * self.y)

    x = np.array([[1e-9, 1.0, 2.0, 3.0]])  # roundoff is measured at steps of 1e-8, where the first root is NaN
    row = check_layer(Root(), x).arrays["x"]
    assert row.dropped_indices == [(0, 0)]
    assert row.max_relative_error < 1e-9


def test_a_gradient_that_drowns_in_roundoff_is_dropped_and_reported() -> None:
    class Drowned(Plain):
        def forward(self, x: Array) -> Array:
            return (x + x.dtype.type(1e8)) - x.dtype.type(1e8)

        def backward(self, dy: Array) -> Array:
            return dy * 1

    with pytest.raises(GradientCheckError, match=r"8 of 8 tried entries of x .*, 8 lost in roundoff"):
        check_layer(Drowned(), x=(3, 4), probes=7, method="central")
