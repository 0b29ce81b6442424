"""The verdict on a mutant: whether the check caught it and, if not, whether it should have been caught.

Verdicts on mutants that pass the check do not depend on the check: `Trial` compares mutant and original, and
computes slopes by plain differences.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..report import GradientCheckError
from .rewriting import Mutant
from .targets import Site, Target, installed
from .trial import RIGHT, WRONG, Case, Trial, equal

RTOL, ATOL = 1e-9, 1e-11  # tolerances of the checks: the defaults accept float32 arithmetic
CAUGHT, CRASH, VALUE, EQUIVALENT, KINK, MISSED = "caught", "crash", "value", "equivalent", "kink", "MISSED"
UNCLEAR = "unclear"  # a change that cannot be judged at one point
VERDICTS = (CAUGHT, VALUE, EQUIVALENT, KINK, CRASH, MISSED)


@dataclass(frozen=True)
class Verdict:
    """One of VERDICTS, and the reason for it."""

    kind: str
    why: str


def check_strictly(case: Case) -> None:
    """Raise GradientCheckError if the gradient is wrong or a rule is broken."""
    case.check(rtol=RTOL, atol=ATOL, rules="fail")


def judge(target: Target, site: Site, mutant: Mutant, check: Callable[[Case], object] = check_strictly) -> Verdict:
    """Check a mutant on the target's cases; if all of them pass, determine the effect of the change."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with target.context(), installed(site, mutant.function):
            for case in target.cases:
                try:
                    check(case)
                except GradientCheckError as error:
                    return Verdict(CAUGHT, diagnosis(error))
                except Exception as error:  # a mutant may raise anything
                    return Verdict(CRASH, f"{type(error).__name__}: {error}".splitlines()[0])
        originals = target.originals
        with target.context(), installed(site, mutant.function):
            findings = [_compare(original, Trial(original.point)) for original in originals]
    for kind in (MISSED, VALUE, KINK, UNCLEAR):
        for finding in findings:
            if finding.kind == kind:
                return replace(finding, kind=MISSED) if kind == UNCLEAR else finding
    return Verdict(EQUIVALENT, f"same outputs, penalties and gradients at {len(findings)} points")


def diagnosis(error: GradientCheckError) -> str:
    """Extract the likely cause, or else the fault, from an error message."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line.startswith("likely cause")), lines[min(1, len(lines) - 1)])


def _compare(original: Trial, mutant: Trial) -> Verdict:
    """Compare the mutant with the original at a point, and judge any difference."""
    where = original.point.where
    if original.error or mutant.error:
        same = original.error is mutant.error
        return Verdict(EQUIVALENT, "") if same else Verdict(MISSED, f"{mutant.error}, not {original.error}, {where}")
    if mutant.rules.keys() != original.rules.keys():
        return Verdict(VALUE, f"the parameters are now {', '.join(mutant.params)}, {where}")
    broken = [rule for rule, kept in original.rules.items() if kept and not mutant.rules[rule]]
    if broken:
        return Verdict(MISSED, f"no longer true: {broken[0]}, {where}")
    values = [name for name, value in original.values.items() if not equal(mutant.values[name], value)]
    gradients = [name for name, value in original.gradients.items() if not equal(mutant.gradients[name], value)]
    if values:
        return _judge_value(original, mutant, values[0])
    if gradients:
        return _judge_gradient(original, mutant, gradients)
    return Verdict(EQUIVALENT, "")


def _judge_value(original: Trial, mutant: Trial, name: str) -> Verdict:
    """Judge a mutant with other outputs: its gradient must be right along random directions."""
    point = original.point
    before, after = original.values[name], mutant.values[name]
    if before.shape != after.shape:
        shown = f"{name.split()[0]} has shape {after.shape}, not {before.shape}, {point.where}"
    else:
        shown = f"{name.split()[0]} differs by {np.max(np.abs(after - before), initial=0.0):.2g}, {point.where}"
    state, wrong = mutant.compare_with_slopes()
    if state == WRONG:
        return Verdict(MISSED, f"{wrong}, {point.where}")
    return Verdict(VALUE if state == RIGHT else UNCLEAR, shown)


def _judge_gradient(original: Trial, mutant: Trial, gradients: list[str]) -> Verdict:
    """Judge a mutant with equal outputs but another gradient, right at a kink or if the function differs nearby."""
    point = original.point
    kind, shown = VALUE, ""
    for key in gradients:
        name, k = key.rsplit(" ", 1)
        step = mutant.passes[int(k)]
        before, after = original.gradients[key], mutant.gradients[key]
        if before.shape != after.shape or before.dtype != after.dtype:
            change = f"d{name} is {after.dtype} {after.shape}, not {before.dtype} {before.shape}"
            return Verdict(MISSED, f"{change}, {point.where}")
        if point.dtype is not np.float64:
            return Verdict(UNCLEAR, f"d{name} differs, {point.where}")
        if not step.fresh:  # earlier gradients are added, as the rules require
            continue
        differs = np.abs(before - after) > 1e-12 * (1 + np.abs(before))
        for index in map(tuple, np.argwhere(differs | (np.isnan(before) != np.isnan(after)))):
            entry = np.zeros(before.shape)
            entry[index] = 1
            low, high = mutant.slopes(step, name, entry)
            size = 1e-6 * (1 + abs(low) + abs(high))
            shown = f"d{name} {after[index]:.6g}, not {before[index]:.6g}; slope {low:.6g} to {high:.6g}, {point.where}"
            if not low - size <= after[index] <= high + size:
                return Verdict(MISSED, shown)
            if abs(after[index] - before[index]) <= 2 * size:
                return Verdict(UNCLEAR, shown)
            if high - low > size:
                kind = KINK
    return Verdict(kind, shown)
