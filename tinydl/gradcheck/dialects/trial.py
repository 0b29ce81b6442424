"""Trials: if names allow several ways to call the user's code, each is tried on copies and compared with slopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..copying import copy_as, global_random_state_kept
from .call import Call
from .structures import is_floating, leaves_of

C = TypeVar("C", bound=Call)

STEP = 1e-6
FITS = 1e-3  # relative error below which a gradient agrees with the slopes
SHAPELESS = 3.0  # the error of a backward that gives no gradient of x's shape; any other gradient has a smaller error
FAILED = float("inf")


def copied(call: C) -> C:
    """A float64 copy of a call, for trials."""
    copy: C = copy_as(call, np.float64)
    return copy


def best(calls: Sequence[C]) -> C | None:
    """The first call whose gradient of x agrees with the slopes of forward, else the closest; None if all raise."""
    if len(calls) == 1:
        return calls[0]
    errors = []
    for call in calls:
        errors.append(misfit(call))
        if errors[-1] < FITS:
            return call
    least = min(errors, default=FAILED)
    return calls[errors.index(least)] if least < FAILED else None


def misfit(call: Call) -> float:
    """The relative error of backward's gradient of the first input along random directions; infinite on an exception.

    Every pass runs on a fresh copy, so that all passes start from the same state and the same random numbers.
    """
    name = next((name for name, value in call.inputs.items() if is_floating(value)), None)
    rng = np.random.default_rng(0)
    with quietly():
        try:
            first = copied(call)
            dys = [np.ones(()) if call.is_objective else rng.standard_normal(y.shape) for y in first.forward()]
            first.backward(*dys)
            if name is None:
                return 2.0  # nothing to compare
            x = call.inputs[name]
            given = [g for g in leaves_of(first.returned) if isinstance(g, np.ndarray) and g.shape == x.shape]
            if not given:
                return SHAPELESS
            vs = [rng.standard_normal(x.shape) for _ in range(4)]
            slopes = np.array([slope(call, name, v, dys) for v in vs])
        except Exception:
            return FAILED
    errors = [_relative(np.array([float(np.sum(g * v)) for v in vs]), slopes) for g in given]
    return min(errors)


def _relative(given: NDArray[Any], slopes: NDArray[Any]) -> float:
    size = float(max(np.max(np.abs(given)), np.max(np.abs(slopes)))) or 1.0
    error = float(np.max(np.abs(given - slopes))) / size
    return min(error, 2.0) if np.isfinite(error) else 2.0


def slope(call: Call, name: str, v: NDArray[Any], dys: Sequence[NDArray[Any]]) -> float:
    """The central difference of sum(dy * forward) as an input moves along v."""
    values = []
    for sign in (1.0, -1.0):
        copy = copied(call)
        copy.inputs[name] = copy.inputs[name] + sign * STEP * v
        values.append(sum(float(np.sum(dy * y)) for dy, y in zip(dys, copy.forward(), strict=True)))
    return (values[0] - values[1]) / (2 * STEP)


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress NumPy's floating-point warnings, and restore the global random generators afterwards."""
    with global_random_state_kept(), np.errstate(all="ignore"):
        yield
