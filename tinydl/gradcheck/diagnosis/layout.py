"""Suspects: the right numbers in the wrong places."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence, flips, listed, same


def _fits(e: Evidence, rearranged: NDArray[Any]) -> bool:
    return same(e.at_probes(rearranged), e.numeric) and not np.array_equal(rearranged, e.gradient)


def axes_exchanged(e: Evidence) -> str | None:
    """Axes are exchanged, such as the rows and columns of a square matrix, or height and width."""
    g = e.gradient
    for order in permutations(range(g.ndim)):
        if g.transpose(order).shape == g.shape and _fits(e, g.transpose(order)):
            if g.ndim == 2:
                return "the gradient is transposed"
            moved = [axis for axis, source in enumerate(order) if axis != source]
            return f"the gradient is transposed: its axes {listed(moved)} are exchanged"
    for order in permutations(range(g.ndim)):  # axes of different lengths: memory is read in another axis order
        shape = tuple(g.shape[axis] for axis in order)
        if g.ndim > 2 and order == tuple(reversed(range(g.ndim))):
            continue  # Fortran's order, a suspect of its own
        if shape != g.shape and _fits(e, g.reshape(shape).transpose(np.argsort(order))):
            moved = [axis for axis, source in enumerate(order) if axis != source]
            steps = f"the numbers are laid out for shape {shape}, then reshaped to {g.shape}"
            which = f"axes {listed(moved)}" if len(moved) == 2 else "its axes"
            return f"{which} are exchanged in memory: {steps}: transpose instead"
    return None


def fortran_order(e: Evidence) -> str | None:
    """The gradient is reshaped in the wrong order."""
    g = e.gradient
    ways = [  # the whole array at once, or sample by sample
        np.array([way(part) for part in g.reshape(-1, *g.shape[axis:])]).reshape(g.shape)
        for axis in range(max(1, g.ndim - 1))
        for way in (
            lambda part: part.ravel().reshape(part.shape, order="F"),
            lambda part: part.ravel(order="F").reshape(part.shape),
        )
    ]
    order = "the numbers are right but in the wrong order: a reshape reads columns first instead of rows"
    return order if any(_fits(e, rearranged) for rearranged in ways) else None


def reversed_axis(e: Evidence) -> str | None:
    """The gradient is flipped along some axes, for example by a flipped kernel."""
    for axes in flips(e.gradient.shape):
        if _fits(e, np.flip(e.gradient, axes)):
            return f"the gradient is flipped along axis {listed(axes)}"
    return None


def blocks_exchanged(e: Evidence) -> str | None:
    """Blocks along an axis, such as the gates of an LSTM, are in the wrong order."""
    for axis, size in enumerate(e.gradient.shape):
        for count in (blocks for blocks in (2, 3, 4) if size % blocks == 0 and size > blocks):
            blocks = np.split(e.gradient, count, axis)
            for order in permutations(range(count)):
                if _fits(e, np.concatenate([blocks[place] for place in order], axis)):
                    moved = [place for place, source in enumerate(order) if place != source]
                    return f"the blocks {listed(moved)} of {count} along axis {axis} are swapped"
    return None


def shifted(e: Evidence) -> str | None:
    """The gradient is shifted by one entry along an axis."""
    for (axis, size), step in product(enumerate(e.gradient.shape), (1, -1)):
        # The end may be lost in the shift, so only the interior is compared.
        inside = [k for k, index in enumerate(e.indices) if 0 <= index[axis] + step < size]
        if size < 3 or len(inside) < max(3, len(e.indices) // 2):
            continue
        moved = e.at_probes(np.roll(e.gradient, -step, axis))[inside]
        if np.any(e.wrong[inside]) and np.count_nonzero(moved) > 1 and same(moved, e.numeric[inside]):
            return f"the gradient is off by one along axis {axis}: entry i holds the value of entry i{-step:+d}"
    return None


def misplaced(e: Evidence) -> str | None:
    """All or nearly all of the wrong values belong to other entries."""
    whole = e.whole_numeric
    if whole is None or np.isnan(whole).any():
        return None
    size = np.max(np.abs(whole))
    wrong = (e.gradient != 0) & (np.abs(e.gradient - whole) > 1e-6 * size)
    right, given = np.sort(whole[whole != 0].ravel()), e.gradient[wrong]
    if len(np.unique(given)) < max(4, 0.7 * len(given)) or len(right) < 4:
        return None
    nearest = np.clip(np.searchsorted(right, given), 1, len(right) - 1)
    distance = np.minimum(np.abs(right[nearest] - given), np.abs(right[nearest - 1] - given))
    found = np.count_nonzero(distance <= 1e-9 * size)
    if found < 0.7 * len(given):
        return None
    causes = "an index is wrong, or height and width are swapped"
    return f"{found} of the {len(given)} wrong values belong to other entries: {causes}"
