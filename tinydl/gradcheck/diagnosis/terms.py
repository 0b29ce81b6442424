"""Suspects: one part of a sum is missing, is the only part left, or is not masked where it should be."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .evidence import SAME, Evidence, listed, same


def penalty_missing(e: Evidence) -> str | None:
    """The gradient is that of the objective without the penalty."""
    if same(e.without_penalty, e.numeric) or not same(e.analytic, e.without_penalty):
        return None
    return "this is the gradient without the penalty: backward must also add the gradient of penalty()"


def penalty_alone(e: Evidence) -> str | None:
    """The gradient is the penalty's own, without any part from dy."""
    penalty = e.numeric - e.without_penalty
    if not np.any(penalty) or same(e.without_penalty, 0 * penalty) or not same(e.analytic, penalty):
        return None
    return "this is the gradient of penalty() alone: backward must also add the part from dy"


def penalty_scaled(e: Evidence) -> str | None:
    """The layer's part is right, but the penalty's part is multiplied by a factor."""
    penalty, given = e.numeric - e.without_penalty, e.analytic - e.without_penalty
    size = np.max(np.abs(e.numeric), initial=0.0)
    largest = int(np.argmax(np.abs(penalty)))
    if np.count_nonzero(np.abs(penalty) > 1e-7 * size) < 2:
        return None
    factor = given[largest] / penalty[largest]
    if np.any(np.abs(given - factor * penalty) > SAME * np.abs(given) + 1e-9 * size):
        return None
    n = len(e.x)
    known = {n: f"N, the batch size {n}", 1 / n: f"1/N, with the batch size N = {n}", -1.0: "the sign is flipped"}
    name = next((f": {text}" for value, text in known.items() if np.isclose(factor, value, rtol=SAME)), "")
    return f"the part that comes from penalty() is {factor:.6g} times the right one{name}; the rest is right"


def assigned_for_added(e: Evidence) -> str | None:
    """Only the last (or first) of several contributions to an entry is kept."""
    y_shape = e.dy.shape
    if e.terms is None:
        return None
    for axes in range(len(y_shape), 0, -1):
        groups = e.terms.reshape(len(e.indices), *y_shape[:axes], -1).sum(axis=-1).reshape(len(e.indices), -1)
        present = groups != 0
        if np.max(np.count_nonzero(present, axis=1), initial=0) < 2:
            continue
        for order in (-1, 1):  # the last of an entry's groups, or the first
            places = np.argmax(present[:, ::order], axis=1)
            kept = groups[:, ::order][np.arange(len(groups)), places]
            if same(kept, e.analytic):
                several = "(overlapping windows, rows, a value used more than once)"
                if len(y_shape) == 3 and axes == 2:
                    several = "(the gradient that comes from later steps or from other positions)"
                return f"of several terms that should be summed, only one is kept: `=` where `+=` is needed {several}"
    return None


def diagonal_only(e: Evidence) -> str | None:
    """Backward treats each entry as if it affected only its own output."""
    if e.terms is None or e.dy.shape != e.gradient.shape or e.dy.size < 2:
        return None
    own = [np.ravel_multi_index(index, e.dy.shape) for index in e.indices]
    diagonal = "only the diagonal of the Jacobian (y_i by x_i) is used, but every x_i also affects other outputs"
    return diagonal if same(e.terms[np.arange(len(own)), own], e.analytic) else None


def mask_inverted(e: Evidence) -> str | None:
    """The gradient is zero exactly where it should not be."""
    given, right = e.analytic != 0.0, e.numeric != 0.0
    if not np.any(right) or not np.any(given) or np.any(given == right):
        return None
    return "the mask is inverted: backward passes dy on exactly where forward is flat"


def mask_missing(e: Evidence) -> str | None:
    """The gradient is wrong only where it should be 0."""
    missing = "the gradient is wrong only where forward is flat: backward passes dy on where dy should be masked"
    return None if np.any(e.numeric[e.wrong] != 0.0) else missing


def mask_too_wide(e: Evidence) -> str | None:
    """The gradient is wrong only where backward gives 0."""
    too_wide = "the gradient is wrong only where it is 0: a mask drops too much, or is not forward's mask"
    return None if np.any(e.analytic[e.wrong] != 0.0) else too_wide


def missing_term(e: Evidence) -> str | None:
    """The missing or extra part is a multiple of an available array."""
    lacking = e.numeric - e.analytic
    if np.count_nonzero(lacking) < 3:
        return None
    for name, array in e.matching():
        values = e.at_probes(array)
        largest = int(np.argmax(np.abs(values)))
        c = lacking[largest] / values[largest] if values[largest] else 0.0
        if c == 0.0 or not same(lacking, c * values):
            continue
        term = name if np.isclose(abs(c), 1.0, rtol=SAME) else f"{abs(c):.6g} {name}"
        hint = " (the road that leads past the layer, as in a residual block)" if name == "dy" else ""
        hint = " (weight decay, or a penalty on this array)" if name == e.name else hint
        missing, too_many = "a term is missing, equal to", "there is a term too many, equal to"
        return f"{missing} {term}{hint}" if c > 0 else f"{too_many} {term}{hint}, or its sign is wrong"
    return None


def constant_added(e: Evidence) -> str | None:
    """A number is added to every entry."""
    lacking = e.analytic - e.numeric
    if len(lacking) < 4 or not lacking.any() or not same(lacking, np.full_like(lacking, lacking[0])):
        return None
    c = lacking[0]
    sums = [(f"the sum of {name}" if array.size > 1 else name, float(np.sum(array))) for name, array in e.others()]
    name = next((f": it is {name}" for name, value in sums if np.isclose(value, c, rtol=SAME, atol=0.0)), "")
    return f"a constant, {c:.6g}, is added to every entry{name}"


def missing_road(e: Evidence) -> str | None:
    """The missing part is constant along an axis, or linear in x or y: a road through a mean, variance or sum."""
    whole = e.whole_numeric
    if whole is None or np.isnan(whole).any():
        return None
    lacking = whole - e.gradient
    scale = np.max(np.abs(lacking), initial=0.0)
    named = ((e.scene.objective.x_name, e.x), ("y", e.scene.y))
    shaped = [(name, array) for name, array in named if array.shape == whole.shape]
    axes_sets = [tuple(range(whole.ndim - 1)), (0,), (whole.ndim - 1,), *([(1, 2)] if whole.ndim == 4 else [])]
    for axes in dict.fromkeys(axes_sets):
        count = math.prod(whole.shape[axis] for axis in axes)
        rows = _along(lacking, axes, count)
        if count >= 3 and np.all(np.abs(rows - rows.mean(axis=0)) <= SAME * scale):
            road = "the road through a mean or a sum over it is left out or wrongly weighted"
            return f"the missing part is the same for all entries along axis {listed(axes)}: {road}"
        for constant, least in ((False, 3), (True, 4)):
            for name, array in shaped if count >= least else []:
                if np.all(np.abs(rows - _fit(rows, _along(array, axes, count), constant)) <= SAME * scale):
                    also = "a constant plus " if constant else ""
                    what = "mean and the variance (or norm)" if constant else "sum, a variance or a norm"
                    known = ": are statistics treated as constants, as in inference?" if constant else ""
                    road = f"the road through a {what} over it is left out or wrongly weighted{known}"
                    return f"the missing part is, along axis {listed(axes)}, {also}a multiple of {name}: {road}"
    return None


def _along(array: NDArray[np.float64], axes: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """Reshape to (entries along the axes, all other entries)."""
    return np.moveaxis(array, axes, range(len(axes))).reshape(count, -1)


def _fit(rows: NDArray[np.float64], v: NDArray[np.float64], constant: bool) -> NDArray[np.float64]:
    """The best fit of c v, or of b + c v, to each column of rows."""
    b = rows.mean(axis=0) if constant else np.zeros(rows.shape[1])
    u = v - v.mean(axis=0) if constant else v
    square = np.sum(u * u, axis=0)
    c = np.sum(u * (rows - b), axis=0) / np.where(square == 0, 1, square)
    return b + c * u
