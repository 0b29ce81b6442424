"""Compare backward's gradients with slopes of forward, entry by entry, and give each array a verdict."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .diagnosis import Evidence, Scene, likely_cause
from .numeric import Slope
from .objective import Objective, Where
from .options import Options
from .report import KINKS, OK, VACUOUS, WRONG, ZERO, ArrayReport, grad_name

FLOAT32 = 1e-9  # a relative error above the roundoff of float64 and below that of float32 (6e-8)
LARGE = 1e4  # forward's values above which roundoff may hide slopes near 1
SMALL = 1e-3  # in relative errors, an entry's size is taken to be at least this share of the array's largest
CANCELLED = 1e-10  # a sum this small relative to its terms counts as zero, as sum_i dy_i y_i' for softmax and dy = 1


Index = tuple[int, ...]


class Oracle(Protocol):
    """A source of slopes of the objective from forward values: central differences or the complex step."""

    method: str
    objective: Objective

    def slope(self, name: str, where: Where, direction: float | NDArray[np.float64] = 1.0) -> Slope | None:
        """The slope as entry `where` moves (or, if it is `...`, the array along `direction`); None at a kink."""
        ...


def probe_all(oracle: Oracle, scene: Scene, options: Options, rng: np.random.Generator) -> dict[str, ArrayReport]:
    """Return a row of the report for x and for each parameter."""
    with np.errstate(all="ignore"):  # a step may leave the domain of log; the oracle allows for this
        return {name: probe(oracle, name, scene, options, rng) for name in scene.objective.arrays}


def probe(oracle: Oracle, name: str, scene: Scene, options: Options, rng: np.random.Generator) -> ArrayReport:
    """Compare up to `probes` entries with their slopes; if there are more, also compare all at once."""
    gradient = scene.gradients[name]
    row = ArrayReport(name, gradient.shape, oracle.method)
    found: dict[Index, Slope] = {}
    kinks: list[Index] = []
    drowned: list[Index] = []
    count = gradient.size
    start = time.perf_counter()
    for entry in rng.choice(count, size=min(count, 2 * options.probes), replace=False):
        if len(found) == options.probes or len(kinks) + len(drowned) > options.probes:
            break
        index = tuple(int(i) for i in np.unravel_index(entry, gradient.shape))
        slope = oracle.slope(name, index)
        if slope is None:
            kinks.append(index)
        elif not slope.uncertainty <= options.atol + options.rtol * abs(slope.value):  # or NaN
            drowned.append(index)
        else:
            found[index] = slope
    for index in _too_uncertain(found, options):
        del found[index]
        drowned.append(index)
    row.dropped_indices = kinks + drowned
    row.dropped, row.probes = len(row.dropped_indices), len(found)
    if row.dropped > row.probes:
        row.verdict = KINKS
        mend = "forward computes in float32 somewhere" if _is_float32(scene.base) else "choose another x, or fewer rows"
        largest = float(np.max(np.abs(scene.base)))
        if largest > LARGE and len(drowned) > len(kinks):
            lost = f"{np.spacing(largest):.0e}"
            mend = (
                f"forward's results reach {largest:.0e}, and float64 rounds them to {lost}, which hides their slopes: "
                f"check at values near 1 (x in other units, smaller weights or biases)"
            )
        row.detail = (
            f"{row.dropped} of {row.dropped + row.probes} tried entries of {row.name} have no usable "
            f"derivative ({len(kinks)} at a kink, a jump or the edge of forward's domain, "
            f"{len(drowned)} lost in roundoff), the first at {row.name}{list(row.dropped_indices[0])}: {mend}"
        )
        return row
    seconds = (time.perf_counter() - start) / (row.probes + row.dropped)
    _judge(row, found, scene, options, seconds)
    if row.verdict in (OK, VACUOUS) and row.probes < count:
        _judge_line(row, oracle, scene, options, rng)
    return row


def _too_uncertain(found: dict[Index, Slope], options: Options) -> list[Index]:
    """Entries that cannot be measured to rtol although most entries of the array can.

    In a deep network some entries need small steps, to fit between kinks, and smaller steps have larger roundoff.
    """
    if _all_zero(list(found.values())):
        return []
    largest = max(abs(slope.value) for slope in found.values())
    sizes = {index: max(abs(slope.value), SMALL * largest) for index, slope in found.items()}
    uncertain = [index for index, size in sizes.items() if found[index].uncertainty > options.rtol * size]
    return uncertain if 2 * len(uncertain) < len(found) else []


def _all_zero(slopes: list[Slope]) -> bool:
    """Whether no slope exceeds roundoff."""
    return all(abs(slope.value) <= max(slope.uncertainty, CANCELLED * slope.terms) for slope in slopes)


def _judge(row: ArrayReport, found: dict[Index, Slope], scene: Scene, options: Options, seconds: float) -> None:
    """Fill in the row's errors and verdict from the entries probed."""
    gradient, indices, slopes = scene.gradients[row.name], list(found), list(found.values())
    analytic = np.array([gradient[index] for index in indices])
    numeric = np.array([slope.value for slope in slopes])
    uncertainty = np.array([slope.uncertainty for slope in slopes])
    error = np.abs(analytic - numeric)
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    largest = float(np.max(size, initial=0.0))
    relative = error / np.maximum(np.maximum(size, SMALL * largest), np.finfo(np.float64).tiny)
    no_gradient = _all_zero(slopes)
    # If all gradients are small, atol alone would let anything pass, so the floor shrinks with them.
    floor = options.atol if no_gradient else np.minimum(options.atol, options.atol * largest + uncertainty)
    wrong = error > floor + options.rtol * size
    row.max_abs_error = float(np.max(error, initial=0.0))
    rounded = not no_gradient and _is_float32(gradient) and not _is_float32(numeric)
    if rounded and not np.any(wrong):
        wrong = (error > uncertainty) & (error > FLOAT32 * size)  # within rtol, but outside float64's roundoff
    if np.any(wrong):
        row.verdict = WRONG
    elif no_gradient:
        row.verdict = ZERO if row.name in options.zero_ok else VACUOUS
    if row.verdict in (OK, WRONG):
        row.max_relative_error = float(np.max(relative))

    if row.verdict == VACUOUS:
        mend = f"choose an input at which {row.name} matters, or pass zero_ok=({row.name!r},) if it never does"
        row.detail = (
            f"the check of {row.name} is vacuous: all {row.probes} numeric gradients are zero (the largest is "
            f"{np.max(np.abs(numeric), initial=0.0):.1e}), so a backward that returns zeros would pass: "
            f"{_dead(row.name, scene) or mend}"
        )
    elif row.verdict == WRONG:
        worst = int(np.argmax(np.where(wrong, relative, 0.0)))
        row.cause = likely_cause(Evidence(row.name, indices, analytic, numeric, slopes, wrong, scene, seconds))
        row.detail = (
            f"{grad_name(row.name)} is wrong in {np.count_nonzero(wrong)} of {row.probes} probes"
            f"{_where(indices, wrong)}; worst at {row.name}{list(indices[worst])}: analytic {analytic[worst]:.10g}, "
            f"numeric {numeric[worst]:.10g}, relative error {error[worst] / size[worst]:.1e}"
            + (f"\n    likely cause: {row.cause}" if row.cause else "")
        )


def _dead(name: str, scene: Scene) -> str | None:
    """The names of other arrays that are all zero, which would explain a gradient of zeros."""
    zeros = [other for other, a in scene.objective.arrays.items() if other != name and a.ndim > 1 and not np.any(a)]
    are = "is" if len(zeros) == 1 else "are"
    return f"{', '.join(zeros)} {are} all zero, so no gradient passes through" if zeros else None


def _is_float32(values: NDArray[np.float64]) -> bool:
    """Whether float32 represents all values exactly, and not all are 0."""
    return bool(np.any(values) and np.all(values.astype(np.float32) == values))


def _where(indices: list[Index], wrong: NDArray[np.bool_]) -> str:
    """Return ", all of them at index 0 of axis 1" if an index separates the wrong probes from the right ones."""
    places = np.array(indices).reshape(len(indices), -1)
    for axis in range(places.shape[1]):
        bad, good = np.unique(places[wrong, axis]), np.unique(places[~wrong, axis])
        if len(good) and not set(bad) & set(good) and np.count_nonzero(wrong) > len(bad):
            few, which = (bad, "at") if len(bad) <= len(good) else (good, "away from")
            if len(few) <= 3:
                return f", all of them {which} index {' or '.join(map(str, few))} of axis {axis}"
    return ""


def _judge_line(row: ArrayReport, oracle: Oracle, scene: Scene, options: Options, rng: np.random.Generator) -> None:
    """Test every entry with one more probe: move the whole array along a random direction v, |v| = 1.

    The slope must equal sum(gradient * v) to within rtol of the sum's typical size, the norm of gradient * v.
    If the objective is not smooth along v, this probe is skipped. If the slope is not zero, the check is not vacuous
    after all: the gradient is sparse, and the entries probed happened to be zeros.
    """
    gradient = scene.gradients[row.name]
    v = rng.standard_normal(gradient.shape)
    v /= np.linalg.norm(v)
    slope = oracle.slope(row.name, ..., v)
    if slope is None:
        return
    analytic, typical = float(np.sum(gradient * v)), float(np.linalg.norm(gradient * v))
    floor = min(options.atol, options.atol * typical + slope.uncertainty)
    if abs(analytic - slope.value) > floor + options.rtol * max(typical, abs(slope.value)):
        row.verdict = WRONG
        row.detail = (
            f"{grad_name(row.name)} is right in all {row.probes} probes but wrong elsewhere (along a random "
            f"direction through all {gradient.size} entries, analytic {analytic:.10g}, "
            f"numeric {slope.value:.10g}): raise `probes` to find the entry"
        )
    elif row.verdict == VACUOUS and abs(slope.value) > max(slope.uncertainty, CANCELLED * slope.terms):
        row.verdict, row.detail = OK, ""
