"""Changes to the arrays that one line of the user's backward reads, as a repair would make them."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import own_numbers
from .evidence import flips, listed, same
from .held import kept_arrays, series_of
from .watching import RETURNED, Line, Looked, Operand, shown

Array = NDArray[Any]
Contents = Callable[[Array, int], Array]  # (present contents, count of the line's runs) -> new ones

FUNCTIONS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("the sign of {0} is wrong here", lambda a: -a), ("{0} must be multiplied by 0.5 here", lambda a: a / 2),
    ("{0} must be multiplied by 2 here", lambda a: 2 * a), ("it needs 1 - {0} instead of {0}", lambda a: 1 - a),
    ("{0} must be squared here", lambda a: a * a), ("it needs 1 / {0} instead of {0}", lambda a: 1 / a),
)  # fmt: skip


TANH, SIGMOID = "tanh's derivative, 1 - {0}^2", "sigmoid's derivative, {0} (1 - {0})"
ONE_MINUS = r"1(\.0*)? *- *{}"

# One derivative in place of another: the message, a pattern to find in the line, and the factor to apply.
RATIOS: tuple[tuple[str, str, Callable[[Array], Array]], ...] = (
    (f"{SIGMOID}, is used where {TANH}, belongs", ONE_MINUS, lambda u: (1 + u) / u),
    (f"{TANH}, is used where {SIGMOID}, belongs", r"1(\.0*)? *- *.*{}", lambda u: u / (1 + u)),
    (f"1 - {{0}} is used where {TANH}, belongs", ONE_MINUS, lambda u: 1 + u),
    (f"{{0}} is used where {SIGMOID}, belongs", r"\* *{}", lambda u: 1 - u),
    (f"1 - {{0}} is used where {SIGMOID}, belongs", ONE_MINUS, lambda u: u),
)


@dataclass(frozen=True)
class Series:
    """The values of an array in a pass, and its place in the order of backward (-1: it exists from the start)."""

    at: Callable[[int, int], Array | None]  # (k, count) -> the value for the k-th of backward's `count` steps
    first: int = -1
    shifted: bool = False  # whether the values are those of backward's previous step


@dataclass(frozen=True)
class Edit:
    """New contents for one array that a line of backward reads, in force while the line runs."""

    line: Line
    operand: Operand
    words: str
    contents: Contents


def edits(looked: Looked) -> Iterator[Edit]:
    """The edits that may make the gradient right, the likeliest first."""
    reading = [
        (line, operand, values) for line, operand, values in _operands(looked) if _matters(looked, line, operand)
    ][::-1]
    for line, operand, values in reading:
        if values[0].ndim > 1 and values[0].shape[-1] == values[0].shape[-2]:
            yield Edit(line, operand, _transposed(line, operand), _always(lambda a: np.swapaxes(a, -1, -2)))
    for line, operand, values in reading:
        for other in looked.lines[line][0]:
            for words, pattern, ratio in RATIOS:
                if other != operand and re.search(pattern.format(re.escape(shown(other))), _text(line)):
                    factors = [ratio(run[other]) for run in looked.lines[line]]
                    if all(f.shape == v.shape and np.all(np.isfinite(f)) for f, v in zip(factors, values, strict=True)):
                        yield Edit(line, operand, words.format(name_of(other)), _each_times(factors))
    known = series(looked)
    for line, operand, values in reading:
        for name, entries in known.items():
            chosen = [entries.at(k, len(values)) for k in range(len(values))]
            made_before = entries.first < looked.first[line] and not entries.shifted
            if made_before and name != name_of(operand) and _can_replace(chosen, values):
                yield Edit(line, operand, f"it needs {name} instead of {name_of(operand)}", _each(chosen))
    for line, operand, _ in reading:
        factor = _factor(looked, line, operand)
        if factor is not None:
            yield Edit(line, operand, _scaled(looked, operand, factor), _always(_multiplied(factor)))
    for words, function in FUNCTIONS:
        for line, operand, _ in reading:
            also = _as_in_tanh(line) if "squared" in words else ""
            yield Edit(line, operand, words.format(name_of(operand)) + also, _always(function))
    for line, operand, values in reading:
        yield from _rearranged(line, operand, values[0].shape)


def _operands(looked: Looked) -> Iterator[tuple[Line, Operand, list[Array]]]:
    """Each array that a line reads in all its runs, with its contents in each run."""
    for line, runs in looked.lines.items():
        for operand in runs[0]:
            if all(operand in run for run in runs):
                yield line, operand, [run[operand] for run in runs]


def _matters(looked: Looked, line: Line, operand: Operand) -> bool:
    """Whether the gradient changes when the line reads other contents in the operand."""
    with suppress(Exception):
        return not same(looked.back_with_line(line, operand, _always(lambda a: a + 0.1 + 0.3 * a)), looked.given)
    return True


def name_of(operand: Operand) -> str:
    """An operand's name in messages: W for self.W."""
    return shown(operand).removeprefix("self.")


def _always(function: Callable[[Array], Array]) -> Contents:
    return lambda contents, k: function(contents)


def _each(chosen: list[Any]) -> Contents:
    return lambda contents, k: chosen[k]


def _each_times(factors: list[Array]) -> Contents:
    return lambda contents, k: contents * factors[k]


def _multiplied(factor: float) -> Callable[[Array], Array]:
    return lambda a: factor * a


def _factor(looked: Looked, line: Line, operand: Operand) -> float | None:
    """The c for which c times the operand makes the gradient right, if the gradient is linear in the operand."""
    with suppress(Exception):
        trial = looked.trial
        doubled = trial.at_probes(looked.back_with_line(line, operand, _always(lambda a: 2 * a)))
        given = trial.at_probes(looked.given)
        change = doubled - given
        factor = 1 + float(change @ (trial.expected - given)) / float(change @ change)
        if same(given + (factor - 1) * change, trial.expected):
            return round(factor, 9)
    return None


def _scaled(looked: Looked, operand: Operand, factor: float) -> str:
    name = name_of(operand)
    if factor == 0.0:
        return f"{name} does not belong here"
    if factor == -1.0:
        return f"the sign of {name} is wrong here"
    known = own_numbers.attribute(looked.trial.runner.layer, abs(factor))
    sign = " (and its sign is wrong)" if factor < 0 else ""
    return f"{name} must be multiplied by {abs(factor):.6g} here{sign}" + (f": {known}" if known else "")


def _can_replace(chosen: list[Array | None], values: list[Array]) -> bool:
    pairs = [(new, old) for new, old in zip(chosen, values, strict=True) if new is not None and new.shape == old.shape]
    return len(pairs) == len(values) and not all(np.array_equal(new, old) for new, old in pairs)


def _text(line: Line) -> str:
    return linecache.getline(line[0].co_filename, line[1])


def _transposed(line: Line, operand: Operand) -> str:
    name = shown(operand)
    if re.search(
        rf"{re.escape(name)}\.(T\b|transpose|swapaxes)|(transpose|swapaxes)\({re.escape(name)}\b", _text(line)
    ):
        return f"{name_of(operand)} must not be transposed here"
    return f"{name_of(operand)} must be transposed here, {name_of(operand)}.T"


def _as_in_tanh(line: Line) -> str:
    return ", as in tanh's derivative, 1 - y^2" if re.search(r"\b1(\.0*)?\s*-", _text(line)) else ""


def _rearranged(line: Line, operand: Operand, shape: tuple[int, ...]) -> Iterator[Edit]:
    """The edits for a reshape in place of a transpose, and for an axis that must be flipped."""
    for order in permutations(range(len(shape))) if 1 < len(shape) < 5 else ():
        if list(order) != sorted(order):
            words = f"{name_of(operand)} is reshaped where transpose{order} belongs"
            yield Edit(line, operand, words, _always(_transposed_first(order)))
            yield Edit(line, operand, words, _always(_transposed_last(order)))
    for axes in flips(shape) if len(shape) > 1 else ():
        words = f"{name_of(operand)} must be flipped along axis {listed(axes)} here"
        yield Edit(line, operand, words, _always(_flipped(axes)))


def _transposed_first(order: tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda a: a.transpose(order).reshape(a.shape)


def _transposed_last(order: tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda a: a.reshape([a.shape[axis] for axis in order]).transpose(np.argsort(order))


def _flipped(axes: tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda a: np.flip(a, axes)


def series(looked: Looked) -> dict[str, Series]:
    """The values that some line of backward may need, by their names in messages; each value once."""
    held = kept_arrays(looked.trial.runner)
    lists = {
        stem.removeprefix("self."): [held[path].copy() for path in paths] for stem, paths in series_of(held).items()
    }
    made: dict[str, list[Array]] = {}
    for (code, name), bounds in looked.made.items():
        if name != RETURNED:
            plain = name.removeprefix("self.")
            made[f"{plain} of {code.co_name}" if plain in made else plain] = [bound.value for bound in bounds]
    found: dict[str, Series] = {}
    seen: set[bytes] = set()
    named = [(name, f"the previous {name}", values) for name, values in made.items()]
    named += [(f"{name} (the later entry)", f"{name} (the entry before)", values) for name, values in lists.items()]
    for name, previous, values in named:
        content = b"".join(value.tobytes() for value in values)
        if content not in seen:
            seen.add(content)
            found[name] = Series(_from_the_end(values, 0))
            if len(values) > 1:
                found[previous] = Series(_from_the_end(values, 1))
    for key, bounds in looked.backward.items():
        name, values = key[1].removeprefix("self."), [bound.value for bound in bounds]
        if key[1] != RETURNED and name not in found:
            found[name] = Series(_step_by_step(values, 0), looked.first[key])
            if len(values) > 1:
                found[f"the previous {name}"] = Series(_step_by_step(values, 1), shifted=True)
    for name, array in held.items():
        if array.tobytes() not in seen:
            found.setdefault(name.removeprefix("self."), Series(_constant(array.copy())))
    return found


def _from_the_end(values: list[Array], off: int) -> Callable[[int, int], Array | None]:
    """Backward's k-th step reads forward's k-th value from the end, or the one before it."""

    def entry(k: int, count: int) -> Array | None:
        place = len(values) - 1 - k - off
        return values[place] if place >= 0 and (len(values) > 1 or count == 1) else None

    return entry


def _step_by_step(values: list[Array], off: int) -> Callable[[int, int], Array | None]:
    """Backward's own values, of the same step or of the step before it (0 at the first step)."""

    def entry(k: int, count: int) -> Array | None:
        if len(values) != count:
            return None
        return values[k - off] if k >= off else np.zeros_like(values[0])

    return entry


def _constant(array: Array) -> Callable[[int, int], Array | None]:
    return lambda k, count: array
