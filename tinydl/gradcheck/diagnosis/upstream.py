"""Suspects: dy is not used as it should be."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np

from ..adapted import Adapted
from ..objective import Vector
from .evidence import Evidence, flips, listed, same


def only_some_rows(e: Evidence) -> str | None:
    """Only the first (or last) entry of dy along some axes is used, or it is left out."""
    if e.sensitivities is None:
        return None
    axes_sets = [axes for count in range(1, e.dy.ndim + 1) for axes in combinations(range(e.dy.ndim), count)]
    for left_out in (False, True):
        for axes in axes_sets:
            for which, entry in (("last", -1), ("first", 0)):
                mask = np.zeros(e.dy.shape)
                mask[tuple(entry if axis in axes else slice(None) for axis in range(e.dy.ndim))] = 1.0
                dy = e.dy * (1 - mask if left_out else mask)
                if np.array_equal(dy, e.dy) or not dy.any() or not same(e.sensitivities @ dy.ravel(), e.analytic):
                    continue
                part = f"{which} row of the batch" if axes == (0,) else f"{which} entry of dy along axis {listed(axes)}"
                if left_out:
                    return f"the {part} is left out"
                loop = ": is it `=` for `+=` in a loop?" if which == "last" else ""
                return f"this is the contribution of the {part} alone: the others are left out{loop}"
    return None


def dy_ignored(e: Evidence) -> str | None:
    """The gradient is that of the plain sum of the outputs."""
    if e.dy.size < 2 or e.sensitivities is None or not same(e.sensitivities.sum(axis=1), e.analytic):
        return None
    return "dy is not used: this is the gradient for an upstream gradient of ones"


def outputs_exchanged(e: Evidence) -> str | None:
    """The upstream gradients of several outputs are used in the wrong order."""
    parts, sensitivities = _parts(e), e.sensitivities
    if sensitivities is None:
        return None
    for order in permutations(range(len(parts))):
        moved = [parts[place] for place in order]
        fits = [len(part) for part in moved] == [len(part) for part in parts]
        if fits and list(order) != sorted(order) and same(sensitivities @ np.concatenate(moved), e.analytic):
            used = ", ".join(f"gradient {place + 1} for output {output + 1}" for output, place in enumerate(order))
            return f"forward's outputs and backward's upstream gradients are in different orders: backward uses {used}"
    return None


def output_left_out(e: Evidence) -> str | None:
    """The upstream gradient of one of several outputs is not used."""
    parts, sensitivities = _parts(e), e.sensitivities
    if sensitivities is None:
        return None
    for left_out in range(len(parts)):
        kept = [0 * part if place == left_out else part for place, part in enumerate(parts)]
        if same(sensitivities @ np.concatenate(kept), e.analytic):
            return f"the upstream gradient of output {left_out + 1} is not used: this is the gradient without it"
    return None


def _parts(e: Evidence) -> list[Vector]:
    """The flat parts of dy, one for each of several outputs; [] if there is only one output."""
    layer = e.scene.objective.runner.layer
    if not isinstance(layer, Adapted) or len(layer.outputs) < 2:
        return []
    ends = np.cumsum([output.size for output in layer.outputs])[:-1]
    return [np.asarray(part) for part in np.split(e.dy.ravel(), ends)]


def wrong_axis(e: Evidence) -> str | None:
    """dy is summed over the wrong axes."""
    dy = e.dy
    sums = []
    for count in range(1, dy.ndim):
        for axes in combinations(range(dy.ndim), count):
            total = dy.sum(axis=axes)
            if total.shape == e.gradient.shape:
                sums.append((axes, e.at_probes(total)))
    given = [axes for axes, total in sums if same(total, e.analytic)]
    right = [axes for axes, total in sums if same(total, e.numeric)]  # else the axis may be right, and a factor missing
    if given and right:
        return f"this is dy summed over the wrong axes: axis {listed(given[0])}, where axis {listed(right[0])} is right"
    return None


def another_array(e: Evidence) -> str | None:
    """The gradient is an available array, unchanged."""
    for name, array in e.matching():
        if array.shape == e.gradient.shape and same(e.at_probes(array), e.analytic):
            return f"this is {name}, unchanged" + (": the layer's own part is missing" if name == "dy" else "")
    return None


def dy_rearranged(e: Evidence) -> str | None:
    """dy is read transposed, flipped or averaged."""
    if e.sensitivities is None:
        return None
    dy = e.dy
    ways = [(f"with its axes in the order {order}", dy.transpose(order)) for order in permutations(range(dy.ndim))]
    for order in permutations(range(dy.ndim)) if dy.ndim < 5 else ():  # a reshape where a transpose belongs
        words = f"reshaped where transpose{order} belongs"
        shape = [dy.shape[axis] for axis in order]
        ways += [
            (words, dy.transpose(order).reshape(dy.shape)),
            (words, dy.reshape(shape).transpose(np.argsort(order))),
        ]
    for count in range(1, dy.ndim):
        for axes in combinations(range(dy.ndim), count):
            mean = np.broadcast_to(dy.mean(axis=axes, keepdims=True), dy.shape)
            ways += [(f"averaged over axis {listed(axes)}", mean)]
    ways += [(f"flipped along axis {listed(axes)}", np.flip(dy, axes)) for axes in flips(dy.shape)]
    for how, other in ways:
        differs = other.shape == dy.shape and not np.array_equal(other, dy)
        if differs and same(e.sensitivities @ other.ravel(), e.analytic):
            wrongly = "averaged first" if how.startswith("averaged") else "read in the wrong order"
            return f"dy is {wrongly}: this is the gradient for dy {how}"
    return None
