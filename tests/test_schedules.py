"""Learning-rate schedules: PyTorch's rates where the definitions agree, else the formulas' corner points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model, schedules
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD
from tinydl.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    LinearWarmup,
    OneCycle,
    PiecewiseConstant,
    Schedule,
    StepDecay,
    as_schedule,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "schedules.json").read_text())
EVERY = [
    Constant(0.1),
    StepDecay(0.1, 7, 0.5),
    PiecewiseConstant([3, 4, 20], [0.1, 0.5, 0.01, 0.0]),
    ExponentialDecay(0.1, 3, 0.9),
    CosineDecay(0.1, 20, minimum=0.004),
    LinearWarmup(CosineDecay(0.1, 20), 5),
    OneCycle(0.1, 20),
]


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("StepLR", StepDecay(0.1, step_size=7, decay_rate=0.5)),
        ("ExponentialLR", ExponentialDecay(0.1, decay_steps=1, decay_rate=0.9)),
        ("CosineAnnealingLR", CosineDecay(0.1, decay_steps=20, minimum=0.004)),
    ],
)
def test_the_rates_are_those_of_pytorch(name: str, schedule: Schedule) -> None:
    rates = GOLDEN[name]["rates"]
    np.testing.assert_allclose([schedule(step) for step in range(len(rates))], rates, rtol=1e-13)


def test_piecewise_constant_changes_at_its_boundaries() -> None:
    """A boundary is the first step at the next value, as in He et al. 2015: 0.1, then 0.01 from step 32,000 on."""
    schedule = PiecewiseConstant([2, 5], [0.1, 0.01, 0.001])
    assert [schedule(step) for step in range(7)] == [0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]
    assert schedule(10**9) == 0.001
    assert PiecewiseConstant([], [0.3])(7) == 0.3
    assert LinearWarmup(schedule, 3)(3 + 2) == 0.01
    assert repr(schedule) == "PiecewiseConstant(boundaries=[2, 5], values=[0.1, 0.01, 0.001])"


def test_piecewise_constant_takes_tuples_and_arrays_and_keeps_no_hold_of_them() -> None:
    boundaries, values = np.array([2, 5]), np.array([0.1, 0.01, 0.001])
    schedule = PiecewiseConstant(boundaries, values)  # type: ignore[arg-type]
    boundaries[:], values[:] = 1, 9
    twin = PiecewiseConstant((2, 5), (0.1, 0.01, 0.001))
    assert repr(schedule) == repr(twin)
    assert {type(schedule(step)) for step in range(9)} == {float}


def test_piecewise_constant_resumes(tmp_path: Path) -> None:
    def compiled(boundaries: Any = (4, 9)) -> Model:
        model = Model([Dense(2)], 3)
        model.compile(SGD(PiecewiseConstant(boundaries, [0.1, 0.01, 0.001])), MeanSquaredError())
        return model

    x = np.random.default_rng(0).normal(size=(12, 3))
    straight, first, resumed = compiled(), compiled(), compiled([4, 9])
    straight.fit(x, x[:, :2], epochs=4, batch_size=4, verbose=0)
    first.fit(x, x[:, :2], epochs=2, batch_size=4, verbose=0)
    first.save_checkpoint(tmp_path / "c")
    resumed.load_checkpoint(tmp_path / "c")
    assert resumed.optimizer is not None
    assert resumed.optimizer.current_learning_rate == 0.01
    resumed.fit(x, x[:, :2], epochs=4, batch_size=4, verbose=0, initial_epoch=2)
    np.testing.assert_array_equal(resumed.parameters, straight.parameters)
    with pytest.raises(ValueError, match="compile with the saved one"):
        compiled((4, 8)).load_checkpoint(tmp_path / "c")


def test_exponential_decay_is_smooth_between_the_decay_steps() -> None:
    schedule = ExponentialDecay(1.0, decay_steps=4, decay_rate=0.5)
    assert [schedule(step) for step in (0, 2, 4, 8)] == pytest.approx([1, 0.5**0.5, 0.5, 0.25], rel=1e-15)


def test_cosine_decay_stays_at_its_minimum() -> None:
    schedule = CosineDecay(0.1, 10, minimum=0.01)
    assert schedule(5) == pytest.approx(0.055, rel=1e-15)
    assert [schedule(step) for step in (10, 11, 1000)] == [0.01] * 3


def test_warm_up_rises_to_the_first_rate_and_then_hands_over_at_step_0() -> None:
    after = StepDecay(0.4, 3)
    schedule = LinearWarmup(after, warmup_steps=4)
    assert [schedule(step) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4], rel=1e-15)
    assert [schedule(step) for step in range(4, 12)] == [after(step) for step in range(8)]
    assert LinearWarmup(0.5, 2)(99) == 0.5


def test_one_cycle_starts_low_peaks_once_and_ends_lowest() -> None:
    schedule = OneCycle(1.0, total_steps=101, warmup_fraction=0.3, div_factor=25, final_div_factor=100)
    rates = [schedule(step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25, rel=1e-15)
    assert 0.97 < max(rates) <= 1.0
    top = rates.index(max(rates))
    assert top in (30, 31)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[100] == pytest.approx(1 / 2500, rel=1e-12)
    assert schedule(5000) == rates[100]


def test_one_cycle_reaches_its_peak_where_the_warm_up_ends_on_a_step() -> None:
    assert OneCycle(0.3, total_steps=100, warmup_fraction=0.25)(25) == 0.3
    assert OneCycle(0.3, total_steps=100, warmup_fraction=0.0)(0) == 0.3


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.95, 0.999])
def test_one_cycle_ends_at_the_bottom_however_long_the_warm_up(fraction: float) -> None:
    assert OneCycle(1.0, 10, fraction)(9) == pytest.approx(1 / 25 / 1e4, rel=1e-12)


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_a_schedule_is_a_pure_function_that_gives_floats(schedule: Schedule) -> None:
    """A pure function lets a resumed run continue exactly, and a Python float keeps float32 parameters float32."""
    backwards = [schedule(step) for step in reversed(range(40))]
    assert backwards[::-1] == [schedule(step) for step in range(40)]
    assert {type(rate) for rate in backwards} == {float}


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_the_config_makes_the_same_schedule(schedule: Schedule) -> None:
    again = type(schedule)(**schedule.get_config())
    assert [again(step) for step in range(30)] == [schedule(step) for step in range(30)]
    assert repr(again) == repr(schedule)


def test_every_schedule_is_tried_here() -> None:
    assert {type(schedule) for schedule in EVERY} == {
        kind for kind in vars(schedules).values() if isinstance(kind, type) and issubclass(kind, Schedule)
    } - {Schedule}


def test_a_number_is_a_constant_schedule() -> None:
    schedule = CosineDecay(0.1, 5)
    assert as_schedule(schedule) is schedule
    assert as_schedule(0.2)(7) == 0.2


def test_an_optimizer_counts_the_steps() -> None:
    schedule = ExponentialDecay(0.5, 1, 0.5)
    optimizer, p = SGD(schedule), np.zeros(1)
    rates = []
    for _ in range(3):
        rates.append(optimizer.current_learning_rate)
        optimizer.step(p, np.ones(1))
    assert rates == [0.5, 0.25, 0.125]
    assert p.tolist() == [-0.875]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1), "Constant: learning_rate must be a finite number with 0 <= learning_rate, got -1"),
        (lambda: StepDecay(0.1, 0), "StepDecay: step_size must be an integer >= 1, got 0"),
        (lambda: StepDecay(0.1, 2.5), "StepDecay: step_size must be an integer >= 1, got 2.5"),
        (lambda: PiecewiseConstant([2], [0.1]), r"PiecewiseConstant: expected rising boundaries, and one more value than boundaries, got \[2\] and \[0.1\]"),
        (lambda: PiecewiseConstant([], []), r"PiecewiseConstant: expected rising boundaries, and one more value"),
        (lambda: PiecewiseConstant([5, 2], [1, 2, 3]), r"expected rising boundaries, .*got \[5, 2\] and \[1.0, 2.0, 3.0\]"),
        (lambda: PiecewiseConstant([2, 2], [1, 2, 3]), "PiecewiseConstant: expected rising boundaries"),
        (lambda: PiecewiseConstant([0], [1, 2]), "PiecewiseConstant: boundaries must be an integer >= 1, got 0"),
        (lambda: PiecewiseConstant([1.5], [1, 2]), "PiecewiseConstant: boundaries must be an integer"),
        (lambda: PiecewiseConstant([1], [1, -2]), "PiecewiseConstant: values must be a finite number with 0 <= values, got -2"),
        (lambda: PiecewiseConstant([1], [1, "2"]), "PiecewiseConstant: values must be a finite number"),
        (lambda: PiecewiseConstant(3, [1, 2]), "PiecewiseConstant: boundaries must be a list, got 3"),
        (lambda: PiecewiseConstant([3], 0.1), "PiecewiseConstant: values must be a list, got 0.1"),
        (lambda: PiecewiseConstant("12", [1, 2, 3]), "PiecewiseConstant: boundaries must be a list, got '12'"),
        (lambda: ExponentialDecay(0.1, 2, float("nan")), "ExponentialDecay: decay_rate must be a finite number"),
        (lambda: CosineDecay(0.1, -3), "CosineDecay: decay_steps must be an integer"),
        (lambda: CosineDecay(0.1, 3, minimum=-0.1), "CosineDecay: minimum must be a finite number"),
        (lambda: LinearWarmup("0.1", 3), "LinearWarmup: after must be a finite number"),
        (lambda: LinearWarmup(0.1, True), "LinearWarmup: warmup_steps must be an integer"),
        (lambda: OneCycle(0.1, 10, 1.5), "OneCycle: warmup_fraction must be a finite number with 0 <= warmup_fraction < 1"),
        (lambda: OneCycle(0.1, 10, 0.3, 0.5), "OneCycle: div_factor must be a finite number with 1 <= div_factor"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
