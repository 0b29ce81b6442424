"""Suspects found by looking inside the user's backward, at its local variables and line by line.

Forward's local `z` can be moved just as x can; the derivative with respect to z is the right value of backward's `dz`.
The arrays that a line of backward reads can be changed while it runs. A change is reported if it mends the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..finding import is_gradient_name
from ..report import grad_name
from . import factors, known, layout, terms, upstream
from .edits import Contents, Series, edits, series
from .evidence import SAME, Evidence, same
from .experiment import replayed
from .held import kept_arrays
from .watching import RETURNED, Key, Looked, source_of

Array = NDArray[Any]

FEW = 6  # number of entries by which a local gradient is judged
MOST = 600  # largest number of entries, over all bindings of a local, of which the right values are computed

# Suspects that need only the wrong and the right values, and arrays of the same shape.
RELATIONS: tuple[Callable[[Evidence], str | None], ...] = (
    factors.all_zero, factors.constant_factor, layout.axes_exchanged, layout.fortran_order, layout.reversed_axis,
    layout.blocks_exchanged, layout.shifted, terms.mask_inverted, terms.mask_missing, terms.mask_too_wide,
    terms.missing_term, factors.missing_factor, factors.too_many_factors, factors.another_factor,
    factors.factor_along_an_axis, upstream.another_array,
)  # fmt: skip


def _looked(e: Evidence) -> Looked | None:
    """The inside of a pass, examined once for all suspects."""
    if "looked" not in e.found:
        e.found["looked"] = None
        with suppress(Exception), np.errstate(all="ignore"):
            trial = replayed(e)
            e.found["looked"] = None if trial is None else Looked(trial, e.name)
    looked: Looked | None = e.found["looked"]
    return looked


# --- one line ---------------------------------------------------------------------------------------------------------


def wrong_line(e: Evidence) -> str | None:
    """A line of backward reads an array where another one belongs, or its transpose, its square, its complement."""
    looked = _looked(e)
    if looked is None:
        return None
    with np.errstate(all="ignore"):
        for edit in e.in_time(chain(e.scene.edits, edits(looked)), 0.5):
            with suppress(Exception):
                if looked.trial.fits(looked.back_with_line(edit.line, edit.operand, edit.contents)):
                    e.scene.edits.append(edit)
                    return f"{source_of(*edit.line)}: {edit.words}"
    return None


# --- the first wrong local --------------------------------------------------------------------------------------------


def first_wrong(e: Evidence) -> str | None:
    """The first wrong local gradient in backward, and its fault."""
    looked = _looked(e)
    if looked is None:
        return None
    with suppress(Exception), np.errstate(all="ignore"):
        for given in e.in_time(list(looked.backward), 0.4):
            for own in looked.forward:
                if _belong(looked, own, given) and _moves(looked, own):
                    cause = _judged(e, looked, given, own)
                    if cause is not None or "first" in e.found:
                        return cause
    return None


def _belong(looked: Looked, own: Key, given: Key) -> bool:
    """Whether `given` is named as the gradient of `own`, or is the result of a class's backward for forward's input."""
    if given[1] != RETURNED:
        return is_gradient_name(_plain(own[1]), _plain(given[1]))
    names = {function.__code__: function.__qualname__ for function in looked.functions}
    owners = {names[key[0]].rpartition(".")[0] for key in (own, given)}
    places = own[0].co_varnames[: own[0].co_argcount]
    return own[0] is not given[0] and len(owners) == 1 and own[1] in places[:2] and own[2] == own[0].co_firstlineno


def _moves(looked: Looked, key: Key) -> bool:
    """Whether a local of forward is a value of the pass rather than x or a parameter."""
    values = [bound.value for bound in looked.forward[key]]
    fixed = (looked.trial.x, *looked.trial.runner.params.values())
    return not any(value.shape == other.shape and np.array_equal(value, other) for value in values for other in fixed)


def _judged(e: Evidence, looked: Looked, given: Key, own: Key) -> str | None:
    """The cause, if `given` is not the gradient of `own` and correcting it makes the array's gradient right."""
    values, gradients = looked.forward[own], looked.backward[given]
    last = len(values) - 1  # backward goes through the values in reverse order
    if [value.value.shape for value in reversed(values)] != [gradient.value.shape for gradient in gradients]:
        return None
    if sum(gradient.value.size for gradient in gradients) > MOST:
        return None
    right = []
    for k, gradient in enumerate(gradients):
        whole = np.full(gradient.value.shape, np.nan)
        for count, index in enumerate(e.in_time(np.ndindex(gradient.value.shape), 0.3)):
            whole[index] = looked.slope(own, last - k, index)
            if count == FEW and len(gradients) == 1 and _same_so_far(whole, gradient.value):
                return None
        if np.isnan(whole).any():
            return None
        right.append(whole)
    analytic, numeric = np.array([gradient.value for gradient in gradients]), np.array(right)
    if same(analytic, numeric) or not looked.trial.fits(
        looked.back_with_local(given, lambda value, k: right[k], hold=True)
    ):
        return None
    relation = _relation(looked, given, analytic, numeric)
    name = _plain(given[1])
    it = f"{name} ({source_of(given[0], given[2])}) is the first wrong gradient inside backward"
    if relation is None:
        e.found.setdefault("first", f"{it}: with its right values, {grad_name(e.name)} is right")
        return None
    return f"{it}: {relation}"


def _same_so_far(whole: Array, given: Array) -> bool:
    known_ones = ~np.isnan(whole)
    return same(whole[known_ones], given[known_ones])


def _plain(name: str) -> str:
    return name.removeprefix("self.")


def _relation(looked: Looked, key: Key, analytic: Array, numeric: Array) -> str | None:
    """How a local's wrong values relate to its right ones; the bindings in a loop form one more axis."""
    count, name = len(analytic), _plain(key[1])
    if count == 1:
        analytic, numeric = analytic[0], numeric[0]
    arrays: dict[str, Array] = {}
    for bindings, step in ((looked.forward, -1), (looked.backward, 1)):
        for (_, other, line), values in bindings.items():
            shapes = {bound.value.shape for bound in values}
            if len(values) == count and len(shapes) == 1 and other not in (key[1], RETURNED):
                stacked = np.array([bound.value for bound in values[::step]])
                label = _plain(other) if _plain(other) not in arrays else f"{_plain(other)} of line {line}"
                arrays[label] = stacked[0] if count == 1 else stacked
    if count == 1:
        arrays |= {other: array for other, array in kept_arrays(looked.trial.runner).items() if other not in arrays}
    trial = looked.trial
    objective: Any = SimpleNamespace(arrays=arrays, x_name="x", x=trial.x, dy=trial.dy, runner=trial.runner)
    scene: Any = SimpleNamespace(objective=objective, gradients={name: analytic}, y=trial.y, sized=arrays, kept=dict)
    a, n = analytic.ravel(), numeric.ravel()
    wrong = np.abs(a - n) > SAME * np.maximum(np.abs(a), np.abs(n))
    local = Evidence(name, list(np.ndindex(analytic.shape)), a, n, [], wrong, scene, 0.0)
    simple = next(filter(None, (suspect(local) for suspect in RELATIONS)), None)
    return simple or known.relation(analytic, [array for array in arrays.values() if array.shape == analytic.shape])


# --- a factor or a term that a local lacks ----------------------------------------------------------------------------


def wrong_local(e: Evidence) -> str | None:
    """A local of backward, or a result in it, lacks a term or a factor: a derivative, a scale, an earlier sum."""
    looked = _looked(e)
    if looked is None:
        return None
    with np.errstate(all="ignore"):
        for key, words, contents in e.in_time(_mends(looked), 0.4):
            with suppress(Exception):
                if looked.trial.fits(looked.back_with_local(key, contents)):
                    return f"{_plain(key[1])} ({source_of(key[0], key[2])}) {words}"
    return None


Target = tuple[Key, list[Array], int | None]  # a local, its values, and which of them alone is changed
Mend = tuple[Key, str, Contents]


def _mends(looked: Looked) -> Iterator[Mend]:
    targets = [
        (key, [bound.value for bound in bounds], k)
        for key, bounds in looked.backward.items()
        if not _unmoved(looked, key)
        for k in (None, *(range(len(bounds)) if key[1] == RETURNED and len(bounds) > 1 else ()))
    ]
    values = series(looked)
    usual, others = factors.DERIVATIVES[2:4] + factors.DERIVATIVES[-1:], factors.DERIVATIVES
    yield from _lacking_factors(targets, values, usual)
    yield from _lacking_terms(looked, targets, values)
    yield from _lacking_factors(targets, values, others)


def _aligned(entries: Series, bounds: list[Array], k: int | None) -> dict[int, Array] | None:
    """The value of a series that belongs to each binding of a local (or to the k-th alone)."""
    steps = list(range(len(bounds))) if k is None else [k]
    found: dict[int, Array] = {}
    for place, step in enumerate(steps):
        array = entries.at(place, len(steps))
        if array is None:
            return None
        found[step] = array
    return found


def _lacking_terms(looked: Looked, targets: list[Target], values: dict[str, Series]) -> Iterator[Mend]:
    for key, bounds, k in targets:
        for name, entries in values.items():
            added = _aligned(entries, bounds, k)
            fitting = added is not None and all(array.shape == bounds[step].shape for step, array in added.items())
            if added is not None and fitting and entries.first < looked.first[key]:
                yield key, f"lacks the term {name}", _plus(added, 1.0)
                yield key, f"has the superfluous term {name}", _plus(added, -1.0)
        if k is None and len(bounds) > 1:
            yield key, "is assigned in a loop: `=` where `+=` belongs", _summed_up()


def _lacking_factors(
    targets: list[Target],
    values: dict[str, Series],
    functions: tuple[tuple[str, factors.Function], ...],
) -> Iterator[Mend]:
    for text, function in functions:
        for key, bounds, k in targets:
            for name, entries in values.items():
                chosen = _aligned(entries, bounds, k)
                if chosen is not None and all(_broadcasts(array, bounds[step]) for step, array in chosen.items()):
                    changes = {step: function(array) for step, array in chosen.items()}
                    if all(np.all(np.isfinite(f)) and np.ptp(f) > SAME * np.max(np.abs(f)) for f in changes.values()):
                        words = factors.written(text, name)
                        yield key, f"lacks the factor {words}{factors.meaning(words)}", _times(changes)


def _times(changes: dict[int, Array]) -> Contents:
    return lambda contents, k: contents * changes[k] if k in changes else contents


def _plus(added: dict[int, Array], sign: float) -> Contents:
    return lambda contents, k: contents + sign * added[k] if k in added else contents


def _summed_up() -> Contents:
    """Each value becomes the sum of all values up to it."""
    sums: dict[str, Array] = {}

    def contents(value: Array, k: int) -> Array:
        sums["all"] = value.copy() if k == 0 else sums["all"] + value
        return sums["all"]

    return contents


def _unmoved(looked: Looked, key: Key) -> bool:
    """Whether the gradient stays the same when a local changes."""
    with suppress(Exception):
        return same(looked.back_with_local(key, lambda contents, k: 1.3 * contents + 0.1), looked.given)
    return False


def _broadcasts(factor: Array, value: Array) -> bool:
    try:
        return np.broadcast_shapes(factor.shape, value.shape) == value.shape
    except ValueError:
        return False


# --- a product that is missing ----------------------------------------------------------------------------------------


def missing_product(e: Evidence) -> str | None:
    """A product of a local gradient and an array is missing or superfluous, or uses the wrong array."""
    looked = _looked(e)
    if looked is None:
        return None
    lacking = e.numeric - e.analytic
    for words, whole in e.in_time(_parts(e, looked, lacking), 0.2):
        if whole.shape == e.gradient.shape and np.count_nonzero(whole) > 2 and same(e.at_probes(whole), lacking):
            return words
    return None


def _parts(e: Evidence, looked: Looked, lacking: Array) -> Iterator[tuple[str, Array]]:
    """The parts that may be missing, with their messages."""
    gradients = {
        _plain(key[1]): bounds[-1].value
        for key, bounds in looked.backward.items()
        if len(bounds) == 1 and key[1] != RETURNED
    }
    held = {_plain(name): array for name, array in kept_arrays(looked.trial.runner).items()}
    for a, left in gradients.items():
        for b, right in {**held, **gradients}.items():
            for words, product in _products(a, left, b, right):
                yield f"a term is missing: {words}", product
                yield f"a term is superfluous, or has the wrong sign: {words}", -product
        if left.shape == e.gradient.shape and np.any(e.at_probes(left)):
            values = e.at_probes(left)
            factor = float(values @ lacking) / float(values @ values)
            yield f"a term is missing or superfluous: {factor:.6g} {a}", factor * left
    for a, left in gradients.items():
        for (b, right), (c, wrong) in permutations(held.items(), 2):
            if right.shape == wrong.shape:
                for words, product in _products(a, left, b, right - wrong):
                    yield f"{c} is used where {b} belongs in the term {words}", product


def _products(a: str, left: Array, b: str, right: Array) -> Iterator[tuple[str, Array]]:
    if _broadcasts(right, left):
        yield f"{a} * {b}", left * right
    if left.ndim and right.ndim == 2 and left.shape[-1] == right.shape[1]:
        yield f"{a} @ {b}.T", left @ right.T
    if left.ndim and right.ndim == 2 and left.shape[-1] == right.shape[0]:
        yield f"{a} @ {b}", left @ right
    if left.ndim > 1 and left.shape[:-1] == right.shape[:-1]:
        yield f"{b}.T @ {a}", right.reshape(-1, right.shape[-1]).T @ left.reshape(-1, left.shape[-1])
