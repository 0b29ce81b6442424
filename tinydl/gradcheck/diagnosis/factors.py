"""Suspects: the gradient is a multiple of the right gradient."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..objective import moved
from . import own_numbers
from .evidence import SAME, Evidence, same

Function = Callable[[NDArray[Any]], NDArray[Any]]

# Factors that a backward pass may omit or apply once too often; most are derivatives.
FACTORS: tuple[tuple[str, Function], ...] = (
    ("{}", lambda u: u), ("(1 - {})", lambda u: 1 - u), ("(1 - {}^2)", lambda u: 1 - u * u),
    ("{} (1 - {})", lambda u: u * (1 - u)), ("{}^2", lambda u: u * u),
    ("1 / {}", lambda u: 1 / u), ("1 / {}^2", lambda u: 1 / (u * u)), ("exp({})", np.exp),
)  # fmt: skip


# The same factors, and relu's derivative.
DERIVATIVES: tuple[tuple[str, Function], ...] = (*FACTORS, ("({} > 0)", lambda u: (u > 0) * 1.0))


def all_zero(e: Evidence) -> str | None:
    """Backward computes nothing."""
    zeros = "backward gives all zeros: the gradient is never computed, or never added to grads"
    return None if np.any(e.gradient != 0.0) else zeros


def not_read(e: Evidence) -> str | None:
    """Forward does not use the array."""
    if np.any(e.numeric != 0.0):
        return None
    objective, rng = e.scene.objective, np.random.default_rng(0)
    with moved([e.values], [rng.standard_normal(e.values.shape)]) as move:
        move(1.0)
        elsewhere = objective.evaluate()
    if np.array_equal(elsewhere, e.scene.base, equal_nan=True):
        return f"forward does not depend on {e.name} at all: it may read another copy of the array"
    return f"forward is flat in {e.name} here, but not constant: does it contain a round, argmax or comparison?"


def constant_factor(e: Evidence) -> str | None:
    """Every entry is multiplied by -1, 2, 1/2, N, 1/N or another factor."""
    largest = int(np.argmax(np.abs(e.numeric)))
    factor = e.analytic[largest] / e.numeric[largest] if e.numeric[largest] else 0.0
    if factor == 0.0 or not same(e.analytic, factor * e.numeric):
        return None
    if np.isclose(factor, -1.0, rtol=SAME):
        return "the sign is flipped: every entry is -1 times the right one"
    named = _named(e, abs(factor))
    if not named and np.count_nonzero(e.numeric) < 2:
        return None  # with only one entry, any factor fits
    sign = " (and the sign is flipped)" if factor < 0 else ""
    meaning = "; or ".join(named) or "a constant factor is missing or superfluous"
    return f"every entry is {factor:.6g} times the right one: {meaning}{sign}"


def _named(e: Evidence, factor: float) -> list[str]:
    """The known meanings of a positive factor."""
    shape = e.x.shape

    def is_(value: float) -> bool:
        return bool(np.isclose(factor, value, rtol=SAME))

    n = shape[0] if shape else 1
    also = "".join(f" (or n = {n}, the length of axis {axis})" for axis, size in enumerate(shape) if axis and size == n)
    known = (
        (1.0 / n, f"1/N with the batch size N = {n}{also}; the mean belongs in the loss, not in a layer"),
        (n, f"N, the batch size {n}; a 1/N is missing, or a mean was treated as a sum"),
        (2.0, "a term is added twice, or a 1/2 is missing"),
        (0.5, "a factor of 2 is missing (the derivative of a square?), or one of two equal terms is missing"),
    )
    names = [text for value, text in known if value != 1 and is_(value)]
    own = own_numbers.attribute(e.scene.objective.runner.layer, factor)
    if names or own:
        return [*names, *filter(None, [own])]
    sizes = [(size, f"the length of x's axis {axis}") for axis, size in enumerate(shape) if axis]
    if len(shape) > 2:
        sizes += [(int(np.prod(shape[1:-1])), "the number of pixels (or positions) in a sample")]
        sizes += [(int(np.prod(shape[:-1])), "the number of positions in all samples of x")]
    sizes += [(int(np.prod(shape)), "the number of entries of x")]
    for size, what in sizes:
        for value, name in ((size, "n"), (1.0 / size, "1/n")):
            if size > 2 and is_(value):
                names.append(f"{name} with n = {size}, {what}")
    roots = [size for size in shape[1:] if size > 1 and (is_(size**0.5) or is_(size**-0.5))]
    names = names[:2] or [f"the square root of {size} or its inverse" for size in roots[:1]]
    return names or list(filter(None, [own_numbers.size(e.scene.sized, factor)]))


def _ratio_is(e: Evidence, upper: NDArray[Any], lower: NDArray[Any]) -> str | None:
    """Describe c f(C) if upper = c f(C) lower, with C an available array, f one of FACTORS and c a constant."""
    if np.count_nonzero(lower) < 3 or np.count_nonzero(upper) < 3:
        return None
    for name, array in e.matching():
        if name.startswith("d"):
            continue
        values = e.at_probes(array)
        for text, function in FACTORS:
            with np.errstate(all="ignore"):
                factor = function(values)
            if not np.all(np.isfinite(factor)) or np.ptp(factor) <= SAME * np.max(np.abs(factor)):
                continue  # constant: left to constant_factor
            largest = int(np.argmax(np.abs(lower * factor)))
            c = upper[largest] / (lower * factor)[largest]
            if same(upper, c * lower * factor):
                shown = written(text, name)
                if np.isclose(c, 1.0, rtol=SAME):
                    return shown
                known = own_numbers.attribute(e.scene.objective.runner.layer, abs(c))
                known = known or own_numbers.size(e.scene.sized, abs(c))
                return f"{c:.6g} {shown}" + (f" ({known})" if known else "")
    return None


def missing_factor(e: Evidence) -> str | None:
    """A factor is missing, such as the derivative of an activation or the weight of a scale."""
    factor = _ratio_is(e, e.numeric, e.analytic)
    return None if factor is None else f"a factor is missing, entry by entry: {factor}{meaning(factor)}"


def too_many_factors(e: Evidence) -> str | None:
    """Every entry is multiplied by a superfluous factor."""
    factor = _ratio_is(e, e.analytic, e.numeric)
    return None if factor is None else f"every entry is multiplied by its {factor}, which does not belong there"


def another_factor(e: Evidence) -> str | None:
    """A factor is used where another one belongs: 1 - y for 1 - y^2, or a derivative at another value."""
    if np.count_nonzero(e.numeric) < 4 or np.any((e.numeric == 0) != (e.analytic == 0)):
        return None
    made = []
    for name, array in e.matching():
        for text, function in () if name.startswith("d") else FACTORS:
            with np.errstate(all="ignore"):
                factor = function(e.at_probes(array))
            if "1 /" not in text and np.all(np.isfinite(factor)) and np.all(factor != 0):
                made.append((name, text, factor))
    for (name, given, wrong), (other, wanted, right) in permutations(made, 2):
        comparable = (
            name == other or given == wanted != "{}"
        )  # another function of the same array, or the same one of another
        if comparable and same(e.analytic * right, e.numeric * wrong) and not same(wrong, right):
            belongs = written(wanted, other)
            return f"the factor {written(given, name)} is used where {belongs} belongs{meaning(belongs)}"
    return None


def written(text: str, name: str) -> str:
    """A factor's text with the name of an array filled in."""
    return text.format(*[name] * text.count("{}"))


def meaning(factor: str) -> str:
    """The usual meaning of a factor, such as ", tanh's derivative"; "" if none is known."""
    known = (
        (r"\(1 - .*\^2\)", ", tanh's derivative"),
        (r"(.*) \(1 - \1\)", ", sigmoid's derivative"),
        (r"\(.* > 0\)", ", relu's derivative"),
    )
    return next((text for pattern, text in known if re.fullmatch(pattern, factor)), "")


def wrong_derivative(e: Evidence) -> str | None:
    """The layer works entry by entry, and backward uses the wrong derivative."""
    if e.terms is None or e.dy.shape != e.gradient.shape or e.name != e.scene.objective.x_name or e.dy.size < 2:
        return None
    own = [int(np.ravel_multi_index(index, e.dy.shape)) for index in e.indices]
    alone = np.zeros_like(e.terms)
    alone[np.arange(len(own)), own] = e.terms[np.arange(len(own)), own]
    if not np.array_equal(alone, e.terms) or np.any(e.without_penalty != e.numeric):
        return None
    k = int(np.argmax(np.abs(e.analytic - e.numeric)))
    dy, x, y = (array[e.indices[k]] for array in (e.dy, e.x, e.scene.y))
    both = f"at x = {x:.4g}, where y = {y:.4g}, backward has {e.analytic[k] / dy:.6g}, not {e.numeric[k] / dy:.6g}"
    return f"each y depends on its own x alone, so dx = dy f'(x), and f' is wrong: {both}"


def factor_along_an_axis(e: Evidence) -> str | None:
    """The wrong factor depends on one index only, as a scale or the sum of a row does."""
    whole = e.whole_numeric
    if whole is None or whole.ndim < 2 or np.isnan(whole).any() or np.any((whole == 0) != (e.gradient == 0)):
        return None
    with np.errstate(all="ignore"):
        ratio = e.gradient / whole
    for axis in range(whole.ndim):
        rows = np.moveaxis(ratio, axis, 0).reshape(whole.shape[axis], -1)
        if min(rows.shape) > 1 and same(np.nan_to_num(rows, nan=1.0), np.nan_to_num(rows[:, :1], nan=1.0)):
            return (
                f"the right gradient is multiplied by a factor that depends on the index of axis {axis} alone: "
                f"{', '.join(f'{value:.4g}' for value in rows[:4, 0])}{', ...' if len(rows) > 4 else ''}; a scale or a "
                "sum along the other axes is missing or wrong"
            )
    return None
