"""Suspects: dy is not used as it should be."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np

from .evidence import Evidence, flips, listed, same


def only_some_rows(e: Evidence) -> str | None:
    """Only the first (or last) row of the batch is differentiated."""
    n = e.dy.shape[0] if e.dy.ndim else 1
    if n < 2 or e.terms is None:
        return None
    by_row = e.terms.reshape(len(e.indices), n, -1).sum(axis=2)
    for which, row in (("first", 0), ("last", -1)):
        if np.any(by_row[:, row]) and same(by_row[:, row], e.analytic):
            return f"this is the contribution of the {which} row of the batch alone: the other rows are left out"
        if same(by_row.sum(axis=1) - by_row[:, row], e.analytic):
            return f"the {which} row of the batch is left out"
    return None


def dy_ignored(e: Evidence) -> str | None:
    """The gradient is that of the plain sum of the outputs."""
    if e.dy.size < 2 or e.sensitivities is None or not same(e.sensitivities.sum(axis=1), e.analytic):
        return None
    return "dy is not used: this is the gradient for an upstream gradient of ones"


def wrong_axis(e: Evidence) -> str | None:
    """dy is summed over the wrong axes."""
    dy = e.dy
    for count in range(1, dy.ndim):
        for axes in combinations(range(dy.ndim), count):
            total = dy.sum(axis=axes)
            if total.shape == e.gradient.shape and same(e.at_probes(total), e.analytic):
                return f"this is dy summed over the wrong axes: axis {listed(axes)}"
    return None


def another_array(e: Evidence) -> str | None:
    """The gradient is an available array, unchanged."""
    for name, array in e.matching():
        if array.shape == e.gradient.shape and same(e.at_probes(array), e.analytic):
            return f"this is {name}, unchanged"
    return None


def dy_rearranged(e: Evidence) -> str | None:
    """dy is read transposed or flipped."""
    if e.sensitivities is None:
        return None
    dy = e.dy
    ways = [(f"with its axes in the order {order}", dy.transpose(order)) for order in permutations(range(dy.ndim))]
    ways += [(f"flipped along axis {listed(axes)}", np.flip(dy, axes)) for axes in flips(dy.shape)]
    for how, other in ways:
        differs = other.shape == dy.shape and not np.array_equal(other, dy)
        if differs and same(e.sensitivities @ other.ravel(), e.analytic):
            return f"dy is read in the wrong order: this is the gradient for dy {how}"
    return None
