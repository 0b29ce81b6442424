"""The steps of a check: test the rules of the contract, choose an oracle for the slopes, probe, and report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .complex_step import ComplexStep, NotAnalyticError
from .diagnosis import Scene
from .diagnosis.constants import IN_FORWARD
from .directional import check_directions
from .limits import EndlessError, at_most
from .numeric import CentralDifferences
from .objective import Objective
from .options import Options
from .probing import FLOAT32, Oracle, probe_all
from .reach import parameters_of
from .report import NOT_CHECKED, OK, WRONG, ArrayReport, GradientCheckError, GradientCheckReport, grad_name
from .rules import Rules, check_float32, check_memory_layout, check_rules, first_output, upstream
from .runner import Arrays, Runner
from .single_precision import NOTE, SinglePrecision, probe_single, rounds_to_float32
from .special import check_special_values
from .subject import Subject

NOTHING = (
    "no gradient to check: forward depends on no array of floats. Arrays of integers are taken for indices: pass "
    "floats if they are numbers. A table or weights must be an array of floats that the code holds, or an input"
)
SMALL_CONSTANT = 1e-4  # largest relative error that a small constant in forward may cause and be excused


@dataclass(frozen=True)
class Opened:
    """A subject whose check has begun: a source of fresh runners at any input, and the input's name and values."""

    fresh: Callable[[NDArray[Any]], Runner]
    x_name: str
    x: NDArray[Any]


_watchers: list[list[Opened]] = []


@contextmanager
def watched() -> Iterator[list[Opened]]:
    """Collect the subjects that checks in this block open, so that they can be run again."""
    opened: list[Opened] = []
    _watchers.append(opened)
    try:
        yield opened
    finally:
        _watchers.pop()


def run_check(
    subject: Subject, x: NDArray[Any], training: bool, options: Options, float32: bool, rules_count: bool
) -> GradientCheckReport:
    """Check the subject at x; raise GradientCheckError if the report did not pass.

    The caller restores the global random generators.

    float32: check a float32 run as well. rules_count: whether a broken rule fails the check.
    """
    name, x_name = subject.name, subject.x_name
    for opened in _watchers:
        opened.append(Opened(partial(_fresh, subject, training), x_name, x))
    rng, rules = options.rng(4), Rules(subject.broken)
    other = rng.permuted(x.ravel()).reshape(x.shape)
    runner = _used(subject, training, x, other, rules) if subject.alone else _fresh(subject, training, x, other=other)
    names = [x_name, *runner.params]
    unknown = [array for array in options.zero_ok if array not in names]
    if unknown:
        raise ValueError(f"zero_ok names {unknown}, but the arrays of {name} are {names}")
    y = first_output(runner, x, name, x_name, rules)
    dy = upstream(runner, y, rng)
    found = check_rules(runner, x, y, dy, name, x_name, rules, rng)
    gradients = {"dy": dy, **found}
    objective = Objective(runner, x, x_name, dy)
    for known in subject.rows.keys() & objective.arrays.keys():
        del objective.arrays[known]
    report = GradientCheckReport(name, options.step, options.seed, rules_count=rules_count)
    faults = _misshapen(gradients, objective)
    for each in faults:
        del objective.arrays[each]
    judged = _judged(subject, objective, gradients, options, report.notes, rules, rng)
    report.arrays = {**judged, **faults, **subject.rows}
    _excuse_small_constants(judged, rules)
    _blame_sums(report.arrays, getattr(runner.layer, "never_reset", ()))
    if all(row.passed or row.verdict == NOT_CHECKED for row in report.arrays.values()):
        check_memory_layout(runner, x, y, dy, found, x_name, rules)
        if float32:
            _check_float32_run(subject, x, dy, training, runner.bound, rules)
        if x_name in objective.arrays and options.mode == "sampled":
            check_special_values(runner, x, dy, x_name, rules)
    report.rules = list(rules.broken.values())
    report.notes = [*subject.notes, *report.notes, *runner.notes]
    if subject.alone and x.ndim == 4 and x.shape[1] == x.shape[2]:
        report.notes.append("x is square, so swapped height and width may go unnoticed: also try H != W")
    if not report.passed:
        raise GradientCheckError(_message(report, options), report)
    return report


def _judged(
    subject: Subject, objective: Objective, gradients: Arrays, options: Options, notes: list[str], rules: Rules,
    rng: np.random.Generator,
) -> dict[str, ArrayReport]:  # fmt: skip
    """The verdict on each array that has a gradient."""
    if not objective.arrays:
        return {}
    central = CentralDifferences(objective, options)
    oracle = _choose(central, options, subject.name, notes)
    if oracle is central and rounds_to_float32(objective):
        notes.append(NOTE)
        rules.broke("float32", "forward computes in float32 although its inputs are float64")
        single = SinglePrecision(objective, options)
        scene = Scene(objective, gradients, subject.make, single.slope, single.base)
        return {name: probe_single(single, name, scene, options, rng) for name in objective.arrays}
    scene = Scene(objective, gradients, subject.make, oracle.slope, central.base)
    check = check_directions if options.mode == "directional" else probe_all
    rows = check(oracle, scene, options, rng)
    for row in rows.values():
        if row.method == ComplexStep.method and row.verdict == OK and row.max_relative_error > FLOAT32:
            exact = "but the complex step is exact to about 1e-15: does backward round something to float32?"
            notes.append(f"d{row.name} is right only to {row.max_relative_error:.0e}, {exact}")
    return rows


def _excuse_small_constants(rows: dict[str, ArrayReport], rules: Rules) -> None:
    """Count a gradient that only ignores a small constant, as in log(p + 1e-7), as a broken rule, not as WRONG."""
    for row in rows.values():
        known = row.cause is not None and row.cause.startswith(IN_FORWARD)
        if row.verdict == WRONG and known and row.max_relative_error < SMALL_CONSTANT:
            rules.broke("small constant", f"{grad_name(row.name)}: {row.cause}")
            row.verdict, row.detail = OK, ""


def _blame_sums(rows: dict[str, ArrayReport], never_reset: Iterable[str]) -> None:
    """Call a gradient WRONG that adds up over calls, while the layer overwrites those beside it."""
    for name in never_reset:
        if rows[name].passed:
            rows[name].verdict = WRONG
            rows[name].detail = (
                f"d{name} adds up over calls, while the layer overwrites its other gradients: from the second call "
                f"on, d{name} is a sum over all calls: use = for d{name} (or += for all, with a zero_grad)"
            )


def _misshapen(gradients: Arrays, objective: Objective) -> dict[str, ArrayReport]:
    """The arrays whose gradient is missing, has another shape, or is not finite: nothing to compare."""
    rows = {}
    for name, array in objective.arrays.items():
        row = ArrayReport(name, array.shape, "-")
        gradient = gradients.get(name)
        if gradient is None:
            row.verdict, row.detail = NOT_CHECKED, f"{name} was not checked: backward leaves no gradient of it"
            if name == objective.x_name:
                row.detail += ": return dL/dx"
        elif gradient.shape != array.shape:
            shapes = f"d{name} has shape {gradient.shape}, but {name} has {array.shape}"
            row.verdict, row.detail = WRONG, f"{shapes}: a gradient has the shape of its array"
        elif gradient.dtype.kind not in "fc":
            row.verdict, row.detail = WRONG, f"d{name} is an array of {gradient.dtype}, not of floating-point numbers"
        elif not np.all(np.isfinite(gradient)):
            bad = np.argwhere(~np.isfinite(gradient))
            first = f"{len(bad)} of {gradient.size} entries, the first at {bad[0].tolist()}"
            row.verdict, row.detail = WRONG, f"backward gives NaN or infinity in d{name}: {first}"
        if row.detail:
            rows[name] = row
    return rows


def _check_float32_run(
    subject: Subject, x: NDArray[Any], dy: NDArray[Any], training: bool, bound: float, rules: Rules
) -> None:
    x32 = x.astype(np.float32) if x.dtype.kind == "f" else x
    try:
        with at_most(bound):
            runner32 = _fresh(subject, training, x32, np.float32)
            check_float32(runner32, x32, dy.astype(np.float32), subject.x_name, rules)
    except EndlessError as error:
        rules.broke("float32 run", f"a float32 run was not checked: {error} (float32=False skips this run)")
    except Exception as error:
        text = f"a float32 run raises {type(error).__name__}: {error} (float32=False skips this run)"
        rules.broke("float32 run", text)


def _message(report: GradientCheckReport, options: Options) -> str:
    """The faults, then the table, then all settings needed to repeat the check."""
    headline, *table = str(report).splitlines()
    if not report.arrays:
        headline += f": {NOTHING}"
    order = sorted((row for row in report.arrays.values() if not row.passed), key=lambda row: row.verdict != WRONG)
    details, told = [], set()
    for row in order:
        again = row.cause is not None and row.cause in told
        details.append("  " + (row.detail.replace(str(row.cause), "the same as above") if again else row.detail))
        told.add(row.cause)
    if report.rules_count:
        details += [f"  {rule.message}" for rule in report.rules]
        table = [line for line in table if not line.startswith("  rule ")]
    settings = f"  (rtol={options.rtol:g}, atol={options.atol:g}, step={options.step:g}, seed={options.seed})"
    return "\n".join([headline, *details, *table, settings])


def refuse_other_mode(layer: Any, name: str) -> None:
    """Raise if training=False would have no effect."""
    if Runner.takes_training(layer):
        return
    names = [each for each in parameters_of(layer.forward) if "train" in each.lower()]
    if names or hasattr(layer, "training"):
        which = f"argument {names[0]!r}" if names else "self.training"
        raise ValueError(f"training=False: forward of {name} must have an argument `training`, got {which} instead")


def _fresh(
    subject: Subject, training: bool, x: NDArray[Any], dtype: DTypeLike = np.float64, other: Any = None
) -> Runner:
    """A runner whose first forward was at values other than x, if forward accepts them."""
    try:
        runner = Runner(subject.make(dtype), training, x if other is None else other, subject.draws)
    except Exception:
        if other is None:
            raise
        runner = Runner(subject.make(dtype), training, x, subject.draws)
    if subject.keeps_state:
        runner.keep_state()
    return runner


def _used(subject: Subject, training: bool, x: NDArray[Any], other: NDArray[Any], rules: Rules) -> Runner:
    """A runner whose layer was used before: on other values, with one row fewer, and in the other mode.

    A correct layer overwrites the values kept from the earlier use. (A layer that raises because it was made for
    one batch size or one mode is not tested in this way.)
    """
    if len(other) == 1 or subject.keeps_state:
        return _fresh(subject, training, x, other=other)
    layer = subject.make(np.float64)
    try:
        layer.forward(other[:-1].copy(), **Runner.mode(layer, not training))
        runner = Runner(layer, training, other[:-1], subject.draws)
    except Exception:
        return _fresh(subject, training, x, other=other)
    try:
        runner.backward(np.ones_like(runner.forward(other)))
    except Exception as error:
        unused = _fresh(subject, training, x, other=other)
        with suppress(Exception):  # if this raises, too, size is not the cause, and the check reports it
            unused.backward(np.ones_like(unused.forward(other)))
            after = f"after a batch of {len(other) - 1} rows, a batch of {len(other)} rows crashes"
            keeps = "the layer keeps a shape, a cache or a buffer of the earlier batch"
            rules.broke("stale", f"{after} ({type(error).__name__}: {error}): {keeps}")
        return unused
    return runner


def _choose(central: CentralDifferences, options: Options, name: str, notes: list[str]) -> Oracle:
    """The requested oracle; for "auto", the complex step if possible, else central differences with a note."""
    if options.method == "central" or (options.method == "auto" and options.mode == "directional"):
        return central
    try:
        with np.errstate(all="ignore"), at_most(central.objective.runner.bound):
            return ComplexStep(central.objective, central, options)
    except (NotAnalyticError, EndlessError) as error:
        if options.method == "complex":
            raise ValueError(f"method='complex' cannot check {name}: {error}: use method='central'") from error
        about = "on complex numbers, " if isinstance(error, EndlessError) else ""
        notes.append(f"central differences replace the complex step: {about}{error}")
        return central
