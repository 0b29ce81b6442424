"""Code that computes in float32: slopes with bounds that hold, right gradients passed, wrong ones found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.gradcheck import float32_layers
from tests.gradcheck.float32_layers import (
    KINDS,
    Activation,
    Attention,
    Base,
    Chain,
    Dense,
    Wrong,
    case,
    checked,
    objective_of,
    summary,
)
from tinydl.gradcheck.objective import part, size_of
from tinydl.gradcheck.options import Options
from tinydl.gradcheck.report import KINKS, VACUOUS, WRONG, ZERO
from tinydl.gradcheck.single_precision import SinglePrecision, on_the_grid, rounds_to_float32

Array = NDArray[Any]
OPTIONS = Options(probes=24)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("number", range(len(KINDS)))  # python -m benchmarks.float32_only has as many as one likes
def test_right_float32_layers_are_not_called_wrong(number: int) -> None:
    _, layer, x, dy = case(number, 0, False)
    rows = checked(layer, x, dy, OPTIONS)
    assert summary(rows) in ("passed", KINKS), [row.detail for row in rows.values()]
    # Without kinks, every array must get a verdict.
    assert summary(rows) == "passed" or KINDS[number % len(KINDS)] in ("conv net", "stack of five", "network and loss")


@pytest.mark.parametrize("number", range(2 * len(KINDS)))
def test_gradients_off_by_one_percent_or_more_are_found_in_the_right_array(number: int) -> None:
    _, layer, x, dy = case(number, 0, True)
    assert isinstance(layer, Wrong)
    rows = checked(layer, x, dy, OPTIONS)
    assert [name for name, row in rows.items() if row.verdict == WRONG] == [layer.name], layer.bug


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_the_uncertainty_is_a_bound(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same layer in float64 gives the true derivative."""
    kind, layer, x, dy = case(number, 1, False)
    oracle = SinglePrecision(objective_of(layer, x, dy), OPTIONS)
    rng = np.random.default_rng(number)
    found = []
    for name, array in oracle.objective.arrays.items():
        for entry in rng.choice(array.size, size=min(array.size, 12), replace=False):
            index = tuple(int(i) for i in np.unravel_index(entry, array.shape))
            found.append((name, index, 1.0, oracle.slope(name, index)))
        v = rng.standard_normal(array.shape)
        found.append((name, ..., v, oracle.slope(name, ..., v)))
    monkeypatch.setattr(float32_layers, "single", lambda array: np.asarray(array, np.float64))
    monkeypatch.setattr(Base, "p", lambda self, name: self.params[name])
    layer.forward(x)
    exact = {"x": layer.backward(dy), **layer.grads}
    for name, where, v, slope in found:
        if slope is not None:
            assert abs(slope.value - np.sum(exact[name][where] * v)) <= slope.uncertainty, (kind, name, where)
    assert sum(slope is None for *_, slope in found) <= 0.2 * len(found)


class Stairs(Base):
    """tanh(x), after x has lost all but three digits: (1e4 + x) - 1e4 moves in steps of 1e-3."""

    offset = 1e4

    def forward(self, x: Array) -> Array:
        self.x = (float32_layers.single(x) + np.float32(self.offset)) - np.float32(self.offset)
        return np.tanh(self.x)


def test_digits_lost_inside_forward_are_in_the_uncertainty() -> None:
    x = np.random.default_rng(0).standard_normal((4, 8))
    oracle = SinglePrecision(objective_of(Stairs(), x, np.ones_like(x)), OPTIONS)
    for index in np.ndindex(x.shape):
        slope = oracle.slope("x", index)
        assert slope is not None
        assert abs(slope.value - (1.0 - np.tanh(x[index]) ** 2)) <= slope.uncertainty
        assert slope.uncertainty > 1e-4


@pytest.mark.parametrize("distance", [0.0, 1e-6, 1e-4])
def test_a_kink_at_the_point_or_beside_it_has_no_slope(distance: float) -> None:
    x = np.array([[distance, 1.0, -1.0, 2.0]])
    oracle = SinglePrecision(objective_of(Activation("relu"), x, np.ones_like(x)), OPTIONS)
    assert oracle.slope("x", (0, 0)) is None
    away = oracle.slope("x", (0, 1))
    assert away is not None
    assert abs(away.value - 1.0) <= away.uncertainty < 1e-3


def test_kinks_that_cancel_in_one_step_do_not_hide() -> None:
    """At H = 1/2 the bends of these three kinks are zero, and the extrapolated slope is 3.6."""

    class Kinks(Base):
        def forward(self, x: Array) -> Array:
            x = float32_layers.single(x)
            return 3 * x + 2 * np.maximum(x - 1.1, 0) + np.maximum(x - 1.3, 0) / 2 + 1.5 * np.maximum(0.7 - x, 0)

    oracle = SinglePrecision(objective_of(Kinks(), np.ones((1, 1)), np.ones((1, 1))), OPTIONS)
    slope = oracle.slope("x", (0, 0))
    assert slope is not None
    assert abs(slope.value - 3.0) <= slope.uncertainty < 1e-3


def test_the_bound_holds_among_many_kinks() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 6))
    hidden = Chain(Dense(6, 200, rng), Activation("relu"), Dense(200, 1, rng))
    oracle = SinglePrecision(objective_of(hidden, x, np.ones((1, 1))), OPTIONS)
    hidden.forward(x)
    dx = hidden.backward(np.ones((1, 1)))
    slopes = {index: oracle.slope("x", index) for index in np.ndindex(x.shape)}
    assert sum(slope is not None for slope in slopes.values()) >= 3
    for index, slope in slopes.items():
        assert slope is None or abs(slope.value - dx[index]) <= slope.uncertainty


def test_moves_are_exact_float32_numbers_and_are_undone() -> None:
    rng = np.random.default_rng(0)
    array = rng.standard_normal((5, 7)) * 10.0 ** rng.integers(-6, 3, (5, 7))
    before = array.copy()
    unit = 2.0 ** np.floor(np.log2(size_of(array)))
    for index in np.ndindex(array.shape):
        entry = part(array, index)
        with on_the_grid(entry, np.ones(1), unit) as move:
            places = []
            for distance in unit * 2.0 ** -np.arange(16):
                for side in (1.0, -1.0):
                    move(side * distance)
                    assert np.array_equal(entry, entry.astype(np.float32))
                    places.append(float(entry[0]) * side)
                assert places[-2] + places[-1] == 2.0 * distance
    assert np.array_equal(array, before)


def test_steps_that_leave_the_domain_are_narrowed() -> None:
    class Log(Base):
        def forward(self, x: Array) -> Array:
            return np.log(float32_layers.single(x))

    x = np.array([[1e-3, 1.0, 2.0]])
    oracle = SinglePrecision(objective_of(Log(), x, np.ones_like(x)), OPTIONS)
    slope = oracle.slope("x", (0, 0))
    assert slope is not None
    assert abs(slope.value - 1e3) <= slope.uncertainty < 10.0


@pytest.mark.parametrize("factor", [0.99, 1.01, -1.0, 2.0])
def test_a_factor_is_named(factor: float) -> None:
    rng = np.random.default_rng(0)
    layer = Wrong(Attention(6, 4, rng), "K", lambda g: g * np.float32(factor), "a factor")
    row = checked(layer, rng.standard_normal((3, 5, 6)), rng.standard_normal((3, 5, 4)), OPTIONS)["K"]
    assert row.verdict == WRONG
    assert row.cause == f"a factor: backward gives {factor:.3g} times the gradient, as far as float32 can tell"
    assert "likely cause: " + row.cause in row.detail


def test_a_gradient_of_zeros_is_found_and_a_dead_array_is_vacuous() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((3, 5)), rng.standard_normal((3, 4))
    zeros = Wrong(Dense(5, 4, rng), "W", np.zeros_like, "zeros")
    assert checked(zeros, x, dy, OPTIONS)["W"].verdict == WRONG
    dead = Chain(Dense(5, 4, rng), Activation("relu"))
    dead.layers[0].params["b"][...] = -100.0
    assert checked(dead, x, dy, OPTIONS)["0.W"].verdict == VACUOUS
    assert checked(dead, x, dy, Options(probes=24, zero_ok=("0.W",)))["0.W"].verdict == ZERO


def test_a_backward_that_returns_noise_does_not_pass() -> None:
    """Its own scatter may excuse single entries, but not the whole gradient."""
    rng = np.random.default_rng(0)
    noise = np.random.default_rng(1)
    layer = Wrong(Dense(5, 4, rng), "W", lambda g: np.float32(noise.standard_normal(g.shape)), "noise")
    row = checked(layer, rng.standard_normal((3, 5)), rng.standard_normal((3, 4)), OPTIONS)["W"]
    assert not row.passed


def test_one_wrong_entry_is_named() -> None:
    def spoil(g: Array) -> Array:
        g = g.copy()
        g[2, 1] *= np.float32(1.03)
        return g

    rng = np.random.default_rng(0)
    layer = Wrong(Dense(5, 4, rng), "W", spoil, "an entry")
    row = checked(layer, rng.standard_normal((6, 5)), rng.standard_normal((6, 4)), OPTIONS)["W"]
    assert row.detail.startswith("dW is wrong in 1 of 20 probes; worst at W[2, 1]: analytic ")
    assert row.cause is None


def test_lines_find_what_the_probed_entries_miss() -> None:
    def spoil(g: Array) -> Array:
        g = g.copy()
        g[7] *= np.float32(1.5)
        return g

    rng = np.random.default_rng(0)
    layer = Wrong(Dense(40, 20, rng), "W", spoil, "a row")
    x, dy = rng.standard_normal((6, 40)), rng.standard_normal((6, 20))
    row = checked(layer, x, dy, Options(probes=2))["W"]
    assert row.detail.startswith("dW is wrong along a direction through all its entries: analytic ")


def test_where_slopes_are_known_to_less_than_one_percent_nothing_passes() -> None:
    class Right(Stairs):
        offset = 1e6

        def backward(self, dy: Array) -> Array:
            return float32_layers.single(dy) * (1 - np.tanh(self.x) ** 2)

    x = np.random.default_rng(0).standard_normal((4, 8))
    row = checked(Right(), x, np.ones_like(x), OPTIONS)["x"]
    assert row.verdict == KINKS
    assert "not known to 1 % because of float32's roundoff" in row.detail


def test_a_gradient_that_float32_spoils_in_backward_is_not_called_wrong() -> None:
    """Attention far from the origin: in backward's dQ larger terms cancel, and mostly roundoff is left."""
    rng = np.random.default_rng([77, 22])
    layer, x = float32_layers.drawn("attention", rng)
    dy = rng.standard_normal(layer.forward(x).shape)
    rows = checked(layer, x + 100.0, dy, Options(seed=22))
    assert rows["Q"].verdict == KINKS


class InFloat64(Base):
    def forward(self, x: Array) -> Array:
        return np.tanh(x) + 1e4


class InFloat64WithDigitsLost(Base):
    def forward(self, x: Array) -> Array:
        return (x + 1e8) - 1e8


class WholeNumbers(Base):
    def forward(self, x: Array) -> Array:
        return np.round(x)


def test_code_that_rounds_to_float32_is_told_from_code_that_does_not() -> None:
    x = np.random.default_rng(0).standard_normal((4, 8))
    for number in range(len(KINDS)):
        _, layer, point, dy = case(number, 0, False)
        assert rounds_to_float32(objective_of(layer, point, dy)), KINDS[number]
    assert not rounds_to_float32(objective_of(InFloat64(), x, x))
    assert not rounds_to_float32(objective_of(InFloat64WithDigitsLost(), x, x))
    assert not rounds_to_float32(objective_of(WholeNumbers(), x, x))


def test_float64_code_is_run_once_for_each_array() -> None:
    class Counted(Base):
        passes = 0

        def forward(self, x: Array) -> Array:
            self.passes += 1
            return np.tanh(x @ self.params["W"]) @ self.params["V"]

    rng = np.random.default_rng(0)
    layer = Counted(W=rng.standard_normal((8, 5)), V=rng.standard_normal((5, 3)))
    assert not rounds_to_float32(objective_of(layer, rng.standard_normal((4, 8)), np.ones((4, 3))))
    assert layer.passes == 1 + 3  # x, W and V


def test_only_the_input_rounded_is_float32_code_as_well() -> None:
    class Mixed(Base):
        def forward(self, x: Array) -> Array:
            return float32_layers.single(x) @ self.params["W"]

    rng = np.random.default_rng(0)
    assert rounds_to_float32(
        objective_of(Mixed(W=rng.standard_normal((8, 3))), rng.standard_normal((4, 8)), np.ones((4, 3)))
    )
