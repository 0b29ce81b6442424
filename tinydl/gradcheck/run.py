"""The steps of a check: test the rules of the contract, choose an oracle for the slopes, probe, and report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .adapters import FunctionAsLayer, LossAsLayer, Wrapper
from .attributes import unlisted_notes
from .complex_step import ComplexStep, NotAnalyticError
from .contract import check_float32, check_memory_layout, check_rules
from .diagnosis import Scene
from .directional import check_directions
from .numeric import CentralDifferences
from .objective import Objective
from .objects import Runner, global_random_state_kept, parameters_of
from .options import Options
from .probing import FLOAT32, Oracle, probe_all
from .report import OK, GradientCheckError, GradientCheckReport, failed


def run_check(
    make: Callable[[DTypeLike], Any], x: NDArray[np.float64], x_name: str, name: str, training: bool, options: Options,
    float32: bool = True, alone: bool = False, notes: Sequence[str] = (),
) -> GradientCheckReport:  # fmt: skip
    """Check at x the layer that make(dtype) returns, a fresh copy in that dtype.

    float32: whether to check a float32 run as well. alone: whether x may be any array, as
    for a single layer. notes: earlier remarks, for the report.
    """
    with global_random_state_kept():
        if not training:
            _refuse_other_mode(_inside(make(np.float64)), name)
        rng = options.rng(4)
        other = rng.permuted(x.ravel()).reshape(x.shape)
        runner = _used(make, training, other, name) if alone else Runner(make(np.float64), training, other)
        names = [x_name, *runner.params]
        unknown = [array for array in options.zero_ok if array not in names]
        if unknown:
            raise ValueError(f"zero_ok names {unknown}, but the arrays of {name} are {names}")
        gradients = check_rules(runner, x, name, x_name, rng)
        objective = Objective(runner, x, x_name, gradients["dy"])
        notes = [*notes, *unlisted_notes(runner, _inside(runner.layer), x, name)]
        central = CentralDifferences(objective, options)
        oracle = _choose(central, options, name, notes)
        scene = Scene(objective, gradients, make, oracle.slope, central.base)
        check = check_directions if options.mode == "directional" else probe_all
        rows = check(oracle, scene, options, rng)
        for row in rows.values():
            if row.method == ComplexStep.method and row.verdict == OK and row.max_relative_error > FLOAT32:
                exact = "but the complex step is exact to about 1e-15: does backward round something to float32?"
                notes.append(f"d{row.name} is right only to {row.max_relative_error:.0e}, {exact}")
        if alone and x.ndim == 4 and x.shape[1] == x.shape[2]:
            notes.append("x is square, so swapped height and width may go unnoticed: also try H != W")
        report = GradientCheckReport(name, options.step, options.seed, rows, notes)
        if not report.passed:  # the faults, then the table, then all settings needed to repeat the check
            headline, *table = str(report).splitlines()
            details = [f"  {row.detail}" for row in rows.values() if not row.passed]
            settings = f"  (rtol={options.rtol:g}, atol={options.atol:g}, step={options.step:g}, seed={options.seed})"
            raise GradientCheckError("\n".join([headline, *details, *table, settings]), report)
        check_memory_layout(runner, x, objective.dy, name, x_name)
        if float32:
            x32 = x.astype(np.float32)
            runner32 = Runner(make(np.float32), training, x32)
            check_float32(runner32, x32, objective.dy.astype(np.float32), name, x_name)
        return report


def _refuse_other_mode(layer: Any, name: str) -> None:
    """Raise if training=False would have no effect."""
    if layer is None or Runner.takes_training(layer):
        return
    names = [each for each in parameters_of(layer.forward) if "train" in each.lower()]
    if names or hasattr(layer, "training"):
        which = f"argument {names[0]!r}" if names else "self.training"
        raise ValueError(f"training=False: forward of {name} must have an argument `training`, got {which} instead")


def _inside(layer: Any) -> Any:
    """The object inside an adapter; None for a loss or a function, whose arrays are not parameters."""
    while isinstance(layer, Wrapper):
        layer = layer.inner
    return None if isinstance(layer, LossAsLayer | FunctionAsLayer) else layer


def _used(make: Callable[[DTypeLike], Any], training: bool, other: NDArray[np.float64], name: str) -> Runner:
    """A foreign layer that has been used before: on other numbers, with one row fewer, and in the other mode.

    A correct layer overwrites the values that it kept from that use. (A layer that raises because it was made for
    one batch size or one mode is not tested in this way.)
    """

    def fresh() -> Runner:
        return Runner(make(np.float64), training, other)

    if len(other) == 1:
        return fresh()
    layer = make(np.float64)
    try:
        Runner(layer, not training, other[:-1])
        runner = Runner(layer, training, other[:-1])
    except Exception:
        return fresh()
    try:
        runner.backward(np.ones_like(runner.forward(other)))
    except Exception as error:
        unused = fresh()
        try:
            unused.backward(np.ones_like(unused.forward(other)))
        except Exception:  # not caused by the batch size: the check itself will raise it
            return unused
        crash = f"after {len(other) - 1} rows, a batch of {len(other)} rows crashes ({type(error).__name__}: {error})"
        raise failed(name, f"{crash}: the layer keeps a shape, a cache or a buffer of the earlier batch") from error
    return runner


def _choose(central: CentralDifferences, options: Options, name: str, notes: list[str]) -> Oracle:
    """The requested oracle; for "auto", the complex step if possible, else central differences with a note."""
    if options.method == "central" or (options.method == "auto" and options.mode == "directional"):
        return central
    try:
        with np.errstate(all="ignore"):
            return ComplexStep(central.objective, central, options)
    except NotAnalyticError as error:
        if options.method == "complex":
            raise ValueError(f"method='complex' cannot check {name}: {error}: use method='central'") from error
        notes.append(f"central differences replace the complex step: {error}")
        return central
