"""Properties that hold for every layer, tested at configurations, data and dtypes that Hypothesis draws.

Hypothesis draws from the specs (tests/proofs/specs), with the same samples in every run; TINYDL_EXAMPLES=400 in the
environment draws more of them. Other tests compare the numbers themselves (tests/layers/test_values.py, tests/golden).
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.proofs.cases import LayerCase, LossCase
from tests.proofs.drawing import Draw, built, drawer
from tests.proofs.models import RANDOM, ModelCase
from tests.proofs.specs import DIFFERENTIATED, LAYERS, LOSSES
from tinydl import kernels
from tinydl.gradcheck.reach import reach
from tinydl.gradcheck.report import ZERO
from tinydl.kernels.convolution import choose
from tinydl.layers import Dense, Dropout, Layer, ReLU, Tanh, dense

Arrays = dict[str, NDArray[Any]]
# Both absolute and relative to the largest number of an array: data are of order 1, and sums may cancel.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
COMMON: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
EVERYTHING: dict[str, Callable[[Draw], LayerCase | LossCase | ModelCase]] = {
    **{name: spec.drawn for name, spec in DIFFERENTIATED.items()},
    **RANDOM,
}


@st.composite
def drawn(draw: Any, make: Callable[[Draw], Any]) -> Any:
    return make(lambda options: draw(st.sampled_from(options)))


def close(actual: Any, expected: Any, dtype: str) -> None:
    limit = TOLERANCE[dtype] * (1 + np.max(np.abs(expected), initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


@dataclass(frozen=True)
class Sample:
    """A case in one dtype, which makes identical built layers and their inputs."""

    case: LayerCase
    dtype: str

    @property
    def x(self) -> NDArray[Any]:
        return np.asarray(self.case.point, self.dtype)

    @property
    def training(self) -> bool:
        return self.case.training

    def layer(self) -> Any:
        """A built layer with parameters moved off their initial values, because a bias of 0 hides errors."""
        layer = copy.deepcopy(self.case.subject)
        rng = np.random.default_rng(self.case.options["seed"])
        layer.build(self.x.shape[1:], rng, self.dtype)
        for value in layer.params.values():
            value += 0.1 * rng.standard_normal(value.shape)
        return layer

    def dy(self, layer: Any, number: int = 0) -> NDArray[Any]:
        rng = np.random.default_rng([self.case.options["seed"], number])
        return rng.standard_normal((len(self.x), *layer.output_shape)).astype(self.dtype)

    def one_pass(self, layer: Any) -> Arrays:
        return {"y": layer.forward(self.x, self.training), **backward(layer, self.dy(layer))}


def backward(layer: Any, dy: NDArray[Any]) -> Arrays:
    """All gradients for one dy: dx and those of the parameters."""
    layer.zero_grad()
    dx = layer.backward(dy)
    return {"dx": dx, **{name: value.copy() for name, value in layer.grads.items()}}


# --- properties -----------------------------------------------------------------------------------------------------


def shapes_and_dtypes_are_those_promised(sample: Sample) -> None:
    """Every array that the layer returns or keeps, including its caches, has the right dtype."""
    layer = sample.layer()
    y = layer.forward(sample.x, sample.training)
    assert y.shape == (len(sample.x), *layer.output_shape)
    arrays = {"y": y, **backward(layer, sample.dy(layer))}
    assert arrays["dx"].shape == sample.x.shape
    assert {name: value.shape for name, value in layer.grads.items()} == {
        name: value.shape for name, value in layer.params.items()
    }
    held = [*arrays.values(), *(thing for _, thing in reach(layer) if isinstance(thing, np.ndarray))]
    assert {array.dtype.name for array in held if array.dtype.kind == "f"} == {sample.dtype}


def the_same_seed_gives_the_same_bits(sample: Sample) -> None:
    first, second = sample.layer(), sample.layer()
    for _ in range(2):  # noise differs between passes, but not between the two layers
        one, other = sample.one_pass(first), sample.one_pass(second)
        assert [name for name in one if not same_bits(one[name], other[name])] == []
    assert first.penalty() == second.penalty()


def gradients_add_up(sample: Sample) -> None:
    layer = sample.layer()
    once = sample.one_pass(layer)
    dx = layer.backward(sample.dy(layer))
    assert same_bits(dx, once["dx"])
    for name, gradient in layer.grads.items():
        close(gradient, 2 * once[name], sample.dtype)


def arrays_of_others_are_left_alone(sample: Sample) -> None:
    """The layer does not change x, dy, or arrays that it returned earlier."""
    layer = sample.layer()
    x, dy = sample.x, sample.dy(layer)
    y = layer.forward(x, sample.training)
    kept = y.copy()
    dx = layer.backward(dy)
    assert same_bits(x, sample.x)
    assert same_bits(dy, sample.dy(layer))
    assert same_bits(y, kept)
    kept_dx = dx.copy()
    layer.forward(x[::-1], sample.training)
    layer.backward(dy[::-1])
    assert same_bits(y, kept)
    assert same_bits(dx, kept_dx)


def compiled_kernels_are_the_reference(sample: Sample) -> None:
    layer, twin = sample.layer(), sample.layer()
    compiled = sample.one_pass(layer)
    with kernels.using("reference"):
        expected = sample.one_pass(twin)
        penalty = twin.penalty()
    close(compiled["y"], expected["y"], sample.dtype)
    close(layer.penalty(), penalty, sample.dtype)
    # A sum within roundoff of 0 may be positive in one run and negative in the other, and relu's slopes then differ.
    assume(np.array_equal(compiled["y"] == 0, expected["y"] == 0))
    for name, value in expected.items():
        close(compiled[name], value, sample.dtype)


def rows_do_not_see_each_other(sample: Sample) -> None:
    """Outside training, a row's output does not depend on the other rows of its batch."""
    layer = sample.layer()
    together = layer.forward(sample.x)
    alone = [layer.forward(sample.x[row : row + 1]) for row in range(len(sample.x))]
    close(together, np.concatenate(alone), sample.dtype)


def backward_is_linear(sample: Sample) -> None:
    """Backward is linear in dy, apart from a constant term from penalties; without penalties, dy = 0 gives 0."""
    layer = sample.layer()
    layer.forward(sample.x, sample.training)
    dy, other = sample.dy(layer), sample.dy(layer, 1)
    nothing = backward(layer, np.zeros_like(dy))
    one, two = backward(layer, dy), backward(layer, other)
    if layer.penalty() == 0:
        assert [name for name, value in nothing.items() if np.any(value)] == []
    for name, value in backward(layer, 2 * dy - 3 * other).items():
        close(value, 2 * one[name] - 3 * two[name] + 2 * nothing[name], sample.dtype)


def misuse_is_refused(sample: Sample) -> None:
    """A backward without a forward, or a dy whose shape is not y's, raises."""
    layer = sample.layer()
    dy = sample.dy(layer)
    with pytest.raises(RuntimeError, match="backward needs a forward pass"):
        layer.backward(dy)
    layer.forward(sample.x, sample.training)
    with pytest.raises(ValueError, match="dy must have the shape of the last output"):
        layer.backward(np.concatenate([dy, dy[:1]]))


PROPERTIES: dict[str, Callable[[Sample], None]] = {
    function.__name__: function
    for function in (
        shapes_and_dtypes_are_those_promised,
        the_same_seed_gives_the_same_bits,
        gradients_add_up,
        arrays_of_others_are_left_alone,
        compiled_kernels_are_the_reference,
        rows_do_not_see_each_other,
        backward_is_linear,
        misuse_is_refused,
    )
}


def search(examples: int, check: Callable[[st.DataObject], None]) -> None:
    """Run `check` on this many examples."""

    @settings(max_examples=examples, **COMMON)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        check(data)

    run()


MANY = int(os.environ.get("TINYDL_EXAMPLES", "15"))
few_or_many = pytest.mark.parametrize("examples", [5, pytest.param(MANY, marks=pytest.mark.slow)])
DTYPES = st.sampled_from(("float32", "float64"))


@pytest.mark.parametrize("holds", PROPERTIES)
@pytest.mark.parametrize("name", LAYERS)
@few_or_many
def test_layer(name: str, holds: str, examples: int) -> None:
    search(examples, lambda data: PROPERTIES[holds](Sample(data.draw(drawn(LAYERS[name].drawn)), data.draw(DTYPES))))


@pytest.mark.parametrize("name", EVERYTHING)
@few_or_many
def test_the_gradient_check_passes(name: str, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        case, method = data.draw(drawn(EVERYTHING[name])), data.draw(st.sampled_from(("complex", "central")))
        assert case.check(method=method).passed

    search(examples, check)


@pytest.mark.parametrize("name", LOSSES)
@few_or_many
def test_loss(name: str, examples: int) -> None:
    search(examples, lambda data: a_loss_is_a_mean_over_rows(data.draw(drawn(LOSSES[name].drawn)), data.draw(DTYPES)))


def a_loss_is_a_mean_over_rows(case: LossCase, dtype: str) -> None:
    """The loss keeps the dtype, does not change its arguments, and is the same for a batch repeated twice."""
    y_pred = np.asarray(case.point, dtype)
    y_true = case.y_true if case.y_true.dtype.kind == "i" else case.y_true.astype(dtype)
    before = y_pred.copy(), y_true.copy()
    value = case.subject.forward(y_pred, y_true)
    gradient = case.subject.backward()
    assert type(value) is float
    assert value >= 0
    assert gradient.shape == y_pred.shape
    assert gradient.dtype == dtype
    assert same_bits(y_pred, before[0])
    assert same_bits(y_true, before[1])
    twice = np.concatenate([y_pred, y_pred]), np.concatenate([y_true, y_true])
    close(case.subject.forward(*twice), value, dtype)
    close(case.subject.backward(), np.concatenate([gradient, gradient]) / 2, dtype)


# --- the draws ------------------------------------------------------------------------------------------------------


def draws(make: Callable[[Draw], Any], count: int) -> list[Any]:
    return [make(drawer(np.random.default_rng(seed))) for seed in range(count)]


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_what_is_drawn_is_what_the_spec_is_of(name: str) -> None:
    spec = DIFFERENTIATED[name]
    assert {type(case.subject) for case in draws(spec.drawn, 20)} == {spec.subject}


def form(padding: Any) -> Any:
    """The form of a padding: the string itself, int, or (tuple, type of its entries)."""
    if isinstance(padding, tuple):
        return tuple, type(padding[0])
    return padding if isinstance(padding, str) else int


FORMS = {"valid", "same", int, (tuple, int), (tuple, tuple)}


@pytest.mark.parametrize("name", ["Conv2D", "MaxPool2D", "AveragePool2D"])
def test_windows_of_every_form_are_drawn(name: str) -> None:
    cases = draws(LAYERS[name].drawn, 400)
    windows = [getattr(case.subject, "kernel_size", None) or case.subject.pool_size for case in cases]
    pairs = [(case.subject, *sizes) for case, sizes in zip(cases, windows, strict=True)]
    assert {form(case.subject.padding) for case in cases} == FORMS
    assert {len(case.point) == 1 for case in cases} == {True, False}
    assert {case.point.shape[1] == case.point.shape[2] for case in cases} == {True, False}
    assert {kh == kw for _, kh, kw in pairs} == {True, False}
    assert {sh == sw for sh, sw in (case.subject.strides for case in cases)} == {True, False}
    # Windows overlap, lie side by side, or leave gaps.
    assert {int(np.sign(layer.strides[0] - kh)) for layer, kh, _ in pairs} == {-1, 0, 1}


def test_convolutions_take_several_ways() -> None:
    ways = set()
    for case in draws(LAYERS["Conv2D"].drawn, 400):
        layer = built(case.subject, case.point.shape[1:])
        n, _, _, c = case.point.shape
        conv = choose.Convolution(layer._window, c, layer.filters, (n, *layer.output_shape), True)
        ways.add(choose.way_for(conv).module.__name__.split(".")[-1])
    assert {"winograd", "direct", "patches"} <= ways


def test_chains_hold_every_layer() -> None:
    seen = {type(part).__name__ for case in draws(LAYERS["Sequential"].drawn, 400) for part in case.subject.walk()}
    assert seen == set(LAYERS)


def test_blocks_of_every_form_are_drawn() -> None:
    """The draws include all kinds of shortcuts, layers in two places, and both idle and active heads."""
    blocks = [case.subject for case in draws(LAYERS["Residual"].drawn, 200)]
    assert {type(block.shortcut).__name__ for block in blocks} == {
        "NoneType", "Conv2D", "Dense", "PadChannels", "Sequential",
    }  # fmt: skip
    assert {block.activation for block in blocks} == set(kernels.ACTIVATIONS)
    counts = [len(case.subject.branches) for case in draws(LAYERS["Branches"].drawn, 200)]
    assert {1, 2, 3, 4} == set(counts)
    assert 20 < sum(map(shared, draws(LAYERS["Branches"].drawn, 200))) < 180
    heads = draws(LAYERS["AuxiliaryHead"].drawn, 40)
    assert {after_forward(case).penalty() > 0 for case in heads} == {True, False}
    assert all((after_forward(case).penalty() > 0) == case.training for case in heads)
    assert all(len(case.point) > 1 for case in draws(LAYERS["BatchNorm"].drawn, 200))


def shared(case: LayerCase) -> bool:
    parts = list(case.subject.walk())
    return len({id(part) for part in parts}) < len(parts)


def after_forward(case: LayerCase) -> Layer:
    sample = Sample(case, "float64")
    layer: Layer = sample.layer()
    layer.forward(sample.x, sample.training)
    return layer


def may_be_silent(name: str) -> bool:
    return any(case.options["zero_ok"] for case in draws(EVERYTHING[name], 40) if "zero_ok" in case.options)


# Layers with a relu, a mask or batch normalization; the idle auxiliary head has its own tests.
MAY_BE_SILENT = [name for name in EVERYTHING if may_be_silent(name) and name != "AuxiliaryHead"]


def test_what_may_be_silent() -> None:
    assert {"Dense", "Conv2D", "BatchNorm", "ReLU", "Dropout", "Sequential", *RANDOM} <= set(MAY_BE_SILENT)
    assert not {"Sigmoid", "Tanh", "Softmax", "KLSparsity", "AveragePool2D", *LOSSES} & set(MAY_BE_SILENT)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAY_BE_SILENT)
def test_gradients_that_may_be_zero_seldom_are(name: str) -> None:
    """A check at a point where all gradients are zero proves little."""
    reports = [case.check() for case in [case for case in draws(EVERYTHING[name], 100) if case.options["zero_ok"]][:10]]
    silent = [report for report in reports if any(row.verdict == ZERO for row in report.arrays.values())]
    assert len(reports) == 10
    assert len(silent) <= 4


# --- each property can fail -----------------------------------------------------------------------------------------


class GivesFloat64(Tanh):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * np.sqrt(np.ones(1))


class KeepsFloat64(Tanh):
    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        self.scratch = np.zeros(x.shape)
        return super().forward(x)


class PromisesTooMuch(Dense):
    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self.output_shape = (self.units, 1)
        return self.output_shape


class DrawsFromNowhere(Dropout):
    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        shape = super().build(input_shape, rng, dtype)
        self.rng = np.random.default_rng()
        return shape


class Assigns(Dense):
    def backward(self, dy: NDArray[Any]) -> Any:
        self.zero_grad()
        return super().backward(dy)


class WritesIntoDy(ReLU):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        dy[self._y <= 0] = 0
        return dy.copy()


class WritesIntoX(ReLU):
    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        return super().forward(np.maximum(x, 0, out=x))


class ReusesItsBuffer(Tanh):
    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        y = super().forward(x)
        self.buffer = getattr(self, "buffer", y)
        self.buffer[...] = y
        return self.buffer


class HasAnotherReference(Dense):
    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        y = super().forward(x)
        return y + y.dtype.type(1e-3) if dense.dense_forward is not kernels.dense.forward else y


class CentresTheBatch(Tanh):
    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        return super().forward(x - x.mean(axis=0))


class SquaresDy(Tanh):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * dy


class AddsToDy(Tanh):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) + dy.dtype.type(0.1)


class TakesAnything(Tanh):
    _y = np.ones(1, np.float32)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy


CULPRITS: list[tuple[Callable[[Sample], None], Layer]] = [
    (shapes_and_dtypes_are_those_promised, GivesFloat64()),
    (shapes_and_dtypes_are_those_promised, KeepsFloat64()),
    (shapes_and_dtypes_are_those_promised, PromisesTooMuch(3)),
    (the_same_seed_gives_the_same_bits, DrawsFromNowhere(0.5)),
    (gradients_add_up, Assigns(3)),
    (arrays_of_others_are_left_alone, WritesIntoDy()),
    (arrays_of_others_are_left_alone, WritesIntoX()),
    (arrays_of_others_are_left_alone, ReusesItsBuffer()),
    (compiled_kernels_are_the_reference, HasAnotherReference(3)),
    (rows_do_not_see_each_other, CentresTheBatch()),
    (backward_is_linear, SquaresDy()),
    (backward_is_linear, AddsToDy()),
    (misuse_is_refused, TakesAnything()),
]


@pytest.mark.parametrize(("holds", "layer"), CULPRITS, ids=lambda value: getattr(value, "__name__", repr(value)))
def test_a_layer_that_breaks_it_is_found(holds: Callable[[Sample], None], layer: Layer) -> None:
    x = np.random.default_rng(0).normal(size=(4, 5))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        holds(Sample(LayerCase(layer, x, {"training": True, "seed": 0}), "float32"))
