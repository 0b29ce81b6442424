"""Suspect: a small constant, as in log(p + 1e-7), that only one of forward and backward adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CodeType
from typing import Any

import numpy as np

from .evidence import Evidence
from .experiment import Trial
from .held import functions_inside, objects_inside

Place = tuple[float, Callable[[], None], Callable[[], None]]  # a constant, how to set it to 0, how to restore it

IN_FORWARD = "forward adds a small constant"
LARGEST = 5e-3  # upper limit of a small constant
CLOSER = 0.01  # without the constant, the error must shrink below this share of its size


def small_constant(e: Evidence) -> str | None:
    """Forward and backward agree once a small constant is taken out of one of them."""
    error = float(np.max(np.abs(e.analytic - e.numeric)))
    size = float(np.max(np.abs(e.numeric)))
    if not 1e-9 * size < error < LARGEST * size:
        return None
    with suppress(Exception), np.errstate(all="ignore"):
        trial = Trial(e.scene)
        upto = f"otherwise the gradient is right to {10 ** np.ceil(np.log10(error / size)):.0e}"
        places = list(_places(trial))
        for value in e.in_time(sorted({value for value, _, _ in places}), 0.3):
            with _without(places, value):
                numeric, analytic = trial.numeric(e.name, e.indices), e.at_probes(trial.gradient(e.name))
            if np.max(np.abs(e.analytic - numeric)) < CLOSER * error:
                return f"{IN_FORWARD}, {value:g}, that backward leaves out; {upto}"
            if np.max(np.abs(analytic - e.numeric)) < CLOSER * error:
                return f"backward adds a small constant, {value:g}, that forward leaves out; {upto}"
    return None


def _places(trial: Trial) -> Iterator[Place]:
    """The small constants in the user's functions, in their defaults and globals, and in the user's objects."""

    def place(value: float, put: Callable[[Any], None], new: Any, old: Any) -> Place:
        return value, lambda: put(new), lambda: put(old)

    for function in functions_inside(trial.runner):
        code, defaults = function.__code__, function.__defaults__ or ()
        for value in filter(_is_small, _constants(code)):
            yield place(value, partial(setattr, function, "__code__"), _code_without(code, value), code)
        for value in filter(_is_small, defaults):
            others = tuple(0.0 if each == value else each for each in defaults)
            yield place(value, partial(setattr, function, "__defaults__"), others, defaults)
        for holder, names in ((function.__kwdefaults__ or {}, None), (function.__globals__, code.co_names)):
            for name in holder if names is None else names:
                if _is_small(holder.get(name)):
                    yield place(holder[name], partial(holder.__setitem__, name), 0.0, holder[name])
    for _, thing in objects_inside(trial.runner):
        for name, value in vars(thing).items():
            if _is_small(value):
                yield place(value, partial(vars(thing).__setitem__, name), 0.0, value)


def _is_small(value: Any) -> bool:
    return isinstance(value, float) and 0.0 < value < LARGEST


def _constants(code: CodeType) -> Iterator[Any]:
    for constant in code.co_consts:
        yield from _constants(constant) if isinstance(constant, CodeType) else (constant,)


def _code_without(code: CodeType, value: float) -> CodeType:
    constants = (
        _code_without(c, value) if isinstance(c, CodeType) else 0.0 if _is_small(c) and c == value else c
        for c in code.co_consts
    )
    return code.replace(co_consts=tuple(constants))


@contextmanager
def _without(places: list[Place], value: float) -> Iterator[None]:
    """Set a constant to 0 in all its places; restore it at the end."""
    chosen = [place for place in places if place[0] == value]
    try:
        for _, away, _ in chosen:
            away()
        yield
    finally:
        for _, _, back in reversed(chosen):
            back()
