"""Every public layer and every loss with mistakes planted in it, one at a time, and what the gradient check says.

    for target in targets():
        for site, mutant in target.mutants():
            verdict = judge(target, site, mutant)

A target is a class with all the code that its forward, backward and penalty run: its own methods, those that it
inherits, the functions of its module and the NumPy kernels. A mutant is that code changed in one place (see mutation).

    caught      the check failed in one of the target's cases, as it should
    crash       the changed code raised an exception of its own; nobody needs a gradient check for that
    value       forward gives something else, and backward is the derivative of that: another function, rightly
                differentiated. No gradient check can see that; tests of values are for it
    equivalent  the change changes nothing: outputs, penalties, gradients and state are the same at every point tried
    kink        the gradient is different only where the slopes to the left and to the right differ, and lies between
    MISSED      the gradient is wrong somewhere, and the check passed every case

The verdicts on those that pass the check do not rest on the check: `Trial` compares mutant and original, and
differentiates by plain differences.
"""

from __future__ import annotations

import ast
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from types import FunctionType
from typing import Any

import numpy as np

from .. import kernels, layers, losses
from ..gradcheck import GradientCheckError
from ..layer import Layer
from ..losses import Loss
from .mutation import Mutant, definition_of, mutants_of
from .telling import Checked, cases_of, rows_of, subject_of
from .trial import RIGHT, WRONG, Point, Trial, equal, points_of

RTOL, ATOL = 1e-9, 1e-11  # of the checks: the defaults forgive arithmetic in float32


@dataclass(frozen=True)
class Site:
    """A function that a target runs, and the class or table that holds it; None for a function of a module."""

    name: str
    function: FunctionType
    holder: Any = None
    key: Any = None


@dataclass(frozen=True)
class Target:
    """A public class, and the cases at which its mutants are checked."""

    subject: type
    cases: list[Checked]

    @property
    def name(self) -> str:
        return self.subject.__name__

    @cached_property
    def sites(self) -> list[Site]:
        """All that forward, backward and penalty run, found by following the names that they use."""
        found: dict[FunctionType, Site] = {}
        roots = ("forward", "backward", "penalty", "zero_grad", "grads", "params")
        waiting = [_method(self.subject, name) for name in roots]
        while waiting:
            site = waiting.pop(0)
            if site is None or site.function in found:
                continue
            found[site.function] = site
            waiting += _used_by(site.function, self.subject)
        return [site for site in found.values() if not _only_checks(site.function)]

    def mutants(self) -> Iterator[tuple[Site, Mutant]]:
        for site in self.sites:
            for mutant in mutants_of(site.function):
                yield site, mutant

    @cached_property
    def points(self) -> list[Point]:
        """Every case in many variations, and every row of the library's own table as it is."""
        found: list[Point] = []
        for case in self.cases:
            points = points_of(case)
            found += points if type(subject_of(case)) is self.subject else [next(points)]
        rows = [row for row in rows_of(self.subject) if not any(row is case for case in self.cases)]
        return found + [next(points_of(row)) for row in rows]

    @cached_property
    def originals(self) -> list[Trial]:
        """The unchanged class at every point."""
        with kernels.using("reference"):
            return [Trial(point) for point in self.points]


def targets() -> list[Target]:
    """Every public layer that computes something, and every loss."""
    public = [getattr(layers, name) for name in layers.__all__]
    found = [kind for kind in public if kind.forward is not Layer.forward]
    found += [kind for kind in vars(losses).values() if inspect.isclass(kind) and issubclass(kind, Loss)]
    return [Target(kind, cases_of(kind)) for kind in found if kind is not Loss]


def _method(subject: type, name: str, above: type | None = None) -> Site | None:
    """The function behind an attribute of a class (above another one, for super()), if it is the library's own."""
    ancestors = subject.__mro__[subject.__mro__.index(above) + 1 :] if above else subject.__mro__
    for holder in ancestors:
        if name in vars(holder):
            value = vars(holder)[name]
            if isinstance(value, property):
                value = value.fget
            if holder is Layer or not isinstance(value, FunctionType):
                return None
            return Site(f"{holder.__name__}.{name}", value, holder, name)
    return None


def _used_by(function: FunctionType, subject: type) -> Iterator[Site | None]:
    own = next((kind for kind in subject.__mro__ if function in vars(kind).values()), None)
    for node in ast.walk(definition_of(function)):
        if isinstance(node, ast.Attribute):
            of = node.value
            if isinstance(of, ast.Name) and of.id == "self" and node.attr.startswith("_"):
                yield _method(subject, node.attr)
            elif isinstance(of, ast.Call) and isinstance(of.func, ast.Name) and of.func.id == "super":
                yield _method(subject, node.attr, own)
            elif ast.unparse(of) in ("kernels", "kernels.reference") and function.__globals__.get("kernels") is kernels:
                yield from _functions(node.attr, getattr(kernels.reference, node.attr, None))
        elif isinstance(node, ast.Name):
            yield from _functions(node.id, function.__globals__.get(node.id))


def _functions(name: str, value: Any) -> Iterator[Site]:
    """A function of the library's, or those in a table of functions."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, FunctionType):
                yield Site(f"{name}[{key!r}]", entry, value, key)
    elif isinstance(value, FunctionType) and value.__module__.split(".")[0] == "tinydl":
        yield Site(f"{value.__module__.split('.')[-1]}.{name}", value)


def _only_checks(function: FunctionType) -> bool:
    return isinstance(definition_of(function).body[-1], ast.Raise)


@contextmanager
def installed(site: Site, function: FunctionType) -> Iterator[None]:
    """Within the block all code, run on the reference kernels, finds another function where the site's was."""
    with kernels.using("reference"):
        if site.holder is not None:
            places = [(site.holder, site.key)]
        else:
            modules = [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "tinydl"]
            places = [(m, name) for m in modules for name, value in vars(m).items() if value is site.function]
        before = [_get(holder, key) for holder, key in places]
        for holder, key in places:
            _put(holder, key, property(function, before[0].fset) if isinstance(before[0], property) else function)
        try:
            yield
        finally:
            for (holder, key), value in zip(places, before, strict=True):
                _put(holder, key, value)


def _get(holder: Any, key: Any) -> Any:
    return holder[key] if isinstance(holder, dict) else vars(holder)[key]


def _put(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        setattr(holder, key, value)


# --- the judge ------------------------------------------------------------------------------------------------------

CAUGHT, CRASH, VALUE, EQUIVALENT, KINK, MISSED = "caught", "crash", "value", "equivalent", "kink", "MISSED"
UNCLEAR = "unclear"  # at one point: a change that cannot be judged there
VERDICTS = (CAUGHT, VALUE, EQUIVALENT, KINK, CRASH, MISSED)


@dataclass(frozen=True)
class Verdict:
    """One of VERDICTS, and what it rests on."""

    kind: str
    why: str


def check_strictly(case: Checked) -> None:
    """Raises GradientCheckError when the gradient is wrong."""
    case.check(rtol=RTOL, atol=ATOL)


def judge(target: Target, site: Site, mutant: Mutant, check: Callable[[Checked], object] = check_strictly) -> Verdict:
    """Try a mutant on the target's cases; when all of them pass, find out what the change does."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with installed(site, mutant.function):
            for case in target.cases:
                try:
                    check(case)
                except GradientCheckError as error:
                    return Verdict(CAUGHT, diagnosis(error))
                except Exception as error:  # a mutant may raise anything
                    return Verdict(CRASH, f"{type(error).__name__}: {error}".splitlines()[0])
        originals = target.originals
        with installed(site, mutant.function):
            findings = [_compare(original, Trial(original.point)) for original in originals]
    for kind in (MISSED, VALUE, KINK, UNCLEAR):
        for finding in findings:
            if finding.kind == kind:
                return replace(finding, kind=MISSED) if kind == UNCLEAR else finding
    return Verdict(EQUIVALENT, f"same outputs, penalties and gradients at {len(findings)} points")


def diagnosis(error: GradientCheckError) -> str:
    """The likely cause, or else what is wrong, of a message of several lines."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line.startswith("likely cause")), lines[min(1, len(lines) - 1)])


def _compare(original: Trial, mutant: Trial) -> Verdict:
    """What the mutant does differently at a point, and whether that is right."""
    where = original.point.where
    if original.error or mutant.error:
        same = original.error is mutant.error
        return Verdict(EQUIVALENT, "") if same else Verdict(MISSED, f"{mutant.error} for {original.error} {where}")
    if mutant.rules.keys() != original.rules.keys():
        return Verdict(VALUE, f"the arrays are called {', '.join(mutant.layer.params)}, {where}")
    broken = [rule for rule, kept in original.rules.items() if mutant.rules[rule] != kept]
    if broken:
        return Verdict(MISSED, f"no longer so: {broken[0]}, {where}")
    values = [name for name, value in original.values.items() if not equal(mutant.values[name], value)]
    gradients = [name for name, value in original.gradients.items() if not equal(mutant.gradients[name], value)]
    if values:
        return _judge_value(original, mutant, values[0])
    if gradients:
        return _judge_gradient(original, mutant, gradients)
    return Verdict(EQUIVALENT, "")


def _judge_value(original: Trial, mutant: Trial, name: str) -> Verdict:
    """Another function: its gradient must be right along random directions."""
    point = original.point
    before, after = original.values[name], mutant.values[name]
    if before.shape != after.shape:
        shown = f"{name.split()[0]} has shape {after.shape} for {before.shape}, {point.where}"
    else:
        shown = f"{name.split()[0]} differs by {np.max(np.abs(after - before), initial=0.0):.2g}, {point.where}"
    state, wrong = mutant.compare_with_slopes()
    if state == WRONG:
        return Verdict(MISSED, f"{wrong}, {point.where}")
    return Verdict(VALUE if state == RIGHT else UNCLEAR, shown)


def _judge_gradient(original: Trial, mutant: Trial, gradients: list[str]) -> Verdict:
    """The same outputs at this point, another gradient: right if the function is another close by, or at a kink."""
    point = original.point
    kind, shown = VALUE, ""
    for key in gradients:
        name, k = key.rsplit(" ", 1)
        step = mutant.passes[int(k)]
        before, after = original.gradients[key], mutant.gradients[key]
        if before.shape != after.shape or before.dtype != after.dtype:
            change = f"d{name} is {after.dtype} {after.shape} for {before.dtype} {before.shape}"
            return Verdict(MISSED, f"{change}, {point.where}")
        if point.dtype is not np.float64:
            return Verdict(UNCLEAR, f"d{name} differs, {point.where}")
        if not step.fresh:  # a sum of others, as the rules say
            continue
        differs = np.abs(before - after) > 1e-12 * (1 + np.abs(before))
        for index in map(tuple, np.argwhere(differs | (np.isnan(before) != np.isnan(after)))):
            entry = np.zeros(before.shape)
            entry[index] = 1
            low, high = mutant.slopes(step, name, entry)
            size = 1e-6 * (1 + abs(low) + abs(high))
            shown = f"d{name} {after[index]:.6g} for {before[index]:.6g}, slope {low:.6g} to {high:.6g}, {point.where}"
            if not low - size <= after[index] <= high + size:
                return Verdict(MISSED, shown)
            if abs(after[index] - before[index]) <= 2 * size:
                return Verdict(UNCLEAR, shown)
            if high - low > size:
                kind = KINK
    return Verdict(kind, shown)
