"""Compare what backward gave with slopes of the forward, entry by entry, and judge each array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl.gradcheck.arguments import Options
from tinydl.gradcheck.diagnosis import Evidence, likely_cause
from tinydl.gradcheck.numeric import Slope, Vector, roundoff, slope_at
from tinydl.gradcheck.objects import Runner
from tinydl.gradcheck.report import KINKS, OK, VACUOUS, WRONG, ZERO, ArrayReport, GradientCheckReport

CANCELLED = 1e-10  # a sum this small beside its terms is zero: sum_i dy_i y_i' under a dy of ones, say


@dataclass(frozen=True)
class Candidate:
    """One array whose gradient is on trial: the values that forward reads, and what backward gave."""

    name: str
    values: NDArray[np.float64]
    gradient: NDArray[np.float64]
    slope: Callable[[tuple[int, ...] | EllipsisType, Any, float], Slope | None]  # (where, direction, step)
    x_shape: tuple[int, ...]


def probe_all(
    runner: Runner,
    x: NDArray[np.float64],
    x_name: str,
    gradients: dict[str, NDArray[Any]],
    options: Options,
    rng: np.random.Generator,
) -> dict[str, ArrayReport]:
    """A row for x and for each parameter, given the upstream gradient "dy" and what backward made of it."""
    weights = np.append(gradients["dy"], 1.0)  # the penalty is one more output, its upstream gradient 1

    def evaluate() -> Vector:
        try:
            y = runner.forward(x)
            return np.append(y, runner.penalty())  # a flat copy: y may be a view of x, or a buffer
        except ValueError:  # a step that left the domain, and a forward that says so
            return np.full(weights.shape, np.nan)

    base = evaluate()
    rows = {}
    with np.errstate(all="ignore"):  # a step may leave the domain of log; slope_at sees that by itself
        for name, values in {x_name: x, **runner.params}.items():
            noise = roundoff(evaluate, values, base, rng)

            def slope(
                where: tuple[int, ...] | EllipsisType,
                direction: Any,
                step: float,
                values: NDArray[np.float64] = values,
                noise: Vector = noise,
            ) -> Slope | None:
                return slope_at(evaluate, values, where, direction, weights, base, noise, step)

            rows[name] = _probe(Candidate(name, values, gradients[name], slope, x.shape), options, rng)
    return rows


def _probe(array: Candidate, options: Options, rng: np.random.Generator) -> ArrayReport:
    """Compare up to `probes` entries with their slopes; if there are more, all of them along one line."""
    row = ArrayReport(array.name, array.gradient.shape)
    indices: list[tuple[int, ...]] = []
    slopes: list[Slope] = []
    drowned = 0
    count = array.gradient.size
    for entry in rng.choice(count, size=min(count, 2 * options.probes), replace=False):
        if len(slopes) == options.probes or row.dropped > options.probes:
            break
        index = tuple(int(i) for i in np.unravel_index(entry, array.gradient.shape))
        slope = array.slope(index, 1.0, options.step * max(1.0, abs(float(array.values[index]))))
        if slope is None or slope.uncertainty > options.atol + options.rtol * abs(slope.value):
            drowned += slope is not None
            row.dropped += 1
            row.dropped_indices.append(index)
        else:
            indices.append(index)
            slopes.append(slope)
    row.probes = len(slopes)
    if row.dropped > row.probes:
        row.verdict = KINKS
        row.detail = (
            f"{row.dropped} of {row.dropped + row.probes} entries of {row.name} tried have no usable "
            f"derivative here ({row.dropped - drowned} at a kink, a jump or the edge of forward's domain, "
            f"{drowned} drowned in roundoff), the first at {row.dropped_indices[0]}; "
            "choose another x, fewer rows, or a smaller step"
        )
        return row
    _judge(row, array, indices, slopes, options)
    if row.verdict in (OK, VACUOUS) and row.probes < count:
        _judge_along_a_line(row, array, options, rng)
    return row


def _judge(
    row: ArrayReport, array: Candidate, indices: list[tuple[int, ...]], slopes: list[Slope], options: Options
) -> None:
    """Fill in the row's errors and verdict from the entries probed."""
    analytic = np.array([array.gradient[index] for index in indices])
    numeric = np.array([slope.value for slope in slopes])
    uncertainty = np.array([slope.uncertainty for slope in slopes])
    terms = np.array([slope.terms for slope in slopes])
    error = np.abs(analytic - numeric)
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    largest = float(np.max(size, initial=0.0))
    relative = error / np.maximum(np.maximum(size, 1e-3 * largest), np.finfo(np.float64).tiny)
    no_gradient = bool(np.all(np.abs(numeric) <= np.maximum(uncertainty, CANCELLED * terms)))
    # Where all gradients are small, atol as it stands would let anything pass: it shrinks with them.
    floor = options.atol if no_gradient else np.minimum(options.atol, options.atol * largest + uncertainty)
    wrong = error > floor + options.rtol * size
    row.max_abs_error = float(np.max(error, initial=0.0))
    if np.any(wrong):
        row.verdict = WRONG
    elif no_gradient:
        row.verdict = ZERO if row.name in options.zero_ok else VACUOUS
    if row.verdict in (OK, WRONG):
        row.max_relative_error = float(np.max(relative))

    if row.verdict == VACUOUS:
        row.detail = (
            f"the check of {row.name} is vacuous: all {row.probes} numeric gradients are zero (the largest "
            f"is {np.max(np.abs(numeric), initial=0.0):.1e}), so a backward of zeros would pass; choose an "
            f"input at which {row.name} matters, or pass zero_ok=({row.name!r},) if it never does"
        )
    elif row.verdict == WRONG:
        worst = int(np.argmax(np.where(wrong, relative, 0.0)))
        evidence = Evidence(
            name=row.name,
            indices=indices,
            analytic=analytic,
            numeric=numeric,
            without_penalty=np.array([slope.without_penalty for slope in slopes]),
            wrong=wrong,
            gradient=array.gradient,
            x_shape=array.x_shape,
        )
        cause = likely_cause(evidence)
        row.detail = (
            f"d{row.name} is wrong in {np.count_nonzero(wrong)} of {row.probes} probes; "
            f"worst at {row.name}{list(indices[worst])}: analytic {analytic[worst]:.10g}, "
            f"numeric {numeric[worst]:.10g}, relative error {error[worst] / size[worst]:.1e}"
            + (f"\n    likely cause: {cause}" if cause else "")
        )


def _judge_along_a_line(row: ArrayReport, array: Candidate, options: Options, rng: np.random.Generator) -> None:
    """One more probe that no entry escapes: all of them moved along a random direction v, |v| = 1.

    The slope must be sum(gradient * v) to within rtol of that sum's typical size, the norm of gradient * v.
    Where the way is not smooth, this probe says nothing. Where it is not level, the check is not vacuous
    after all: the gradient is sparse, and the entries probed happened to be zeros.
    """
    v = rng.standard_normal(array.values.shape)
    v /= np.linalg.norm(v)
    slope = array.slope(..., v, options.step * max(1.0, float(np.sqrt(np.mean(array.values**2)))))
    if slope is None:
        return
    analytic = float(np.sum(array.gradient * v))
    typical = float(np.linalg.norm(array.gradient * v))
    floor = min(options.atol, options.atol * typical + slope.uncertainty)
    if abs(analytic - slope.value) > floor + options.rtol * max(typical, abs(slope.value)):
        row.verdict = WRONG
        row.detail = (
            f"d{row.name} is right in all {row.probes} probes but wrong elsewhere: along a random "
            f"direction through all {array.gradient.size} entries analytic {analytic:.10g}, "
            f"numeric {slope.value:.10g}; raise probes to find the entry"
        )
    elif row.verdict == VACUOUS and abs(slope.value) > max(slope.uncertainty, CANCELLED * slope.terms):
        row.verdict, row.detail = OK, ""


def failure_message(report: GradientCheckReport, options: Options) -> str:
    """What is wrong, then the table, then all that is needed to run the same check again."""
    headline, *table = str(report).splitlines()
    details = [f"  {row.detail}" for row in report.arrays.values() if not row.passed]
    settings = f"  (rtol={options.rtol:g}, atol={options.atol:g}, step={options.step:g}, seed={options.seed})"
    return "\n".join([headline, *details, *table, settings])
