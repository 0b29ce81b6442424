"""Why a gradient may be wrong: simple suspects, each tried on all probes of an array together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME = 1e-5  # two gradients that agree to this, relative to the larger, are called the same


@dataclass(frozen=True)
class Evidence:
    """An array whose gradient is wrong; entry k of `analytic` belongs to entry k of `numeric`."""

    name: str
    indices: list[tuple[int, ...]]
    analytic: NDArray[np.float64]
    numeric: NDArray[np.float64]
    without_penalty: NDArray[np.float64]  # numeric gradient of the objective without penalty()
    wrong: NDArray[np.bool_]
    gradient: NDArray[Any]  # the whole of what backward gave
    x_shape: tuple[int, ...]


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    size = max(np.max(np.abs(a)), np.max(np.abs(b)))
    return bool(np.all(np.abs(a - b) <= SAME * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3 * size)))


def all_zero(e: Evidence) -> str | None:
    """Backward gives nothing."""
    if np.any(e.gradient != 0.0):
        return None
    return "backward gives all zeros: a gradient never computed, or never added to grads"


def not_read(e: Evidence) -> str | None:
    """Forward does not use the array."""
    if np.any(e.numeric != 0.0):
        return None
    return f"forward does not depend on {e.name} at all: it may read another copy of it"


def penalty_missing(e: Evidence) -> str | None:
    """The objective without the penalty has this gradient."""
    if _same(e.without_penalty, e.numeric) or not _same(e.analytic, e.without_penalty):
        return None
    return "this is the gradient without the penalty: backward must add the gradient of penalty() too"


def constant_factor(e: Evidence) -> str | None:
    """-1, N, 1/N or another factor on every entry."""
    largest = int(np.argmax(np.abs(e.numeric)))
    factor = e.analytic[largest] / e.numeric[largest] if e.numeric[largest] else 0.0
    if factor == 0.0 or e.numeric.size < 2 or not _same(e.analytic, factor * e.numeric):
        return None
    if np.isclose(factor, -1.0, rtol=SAME):
        return "the sign is flipped: every entry is -1 times the right one"
    text = f"every entry is {factor:.6g} times the right one"
    n = e.x_shape[0]
    if n > 1 and np.isclose(abs(factor), 1.0 / n, rtol=SAME):
        return text + f": 1/N with the batch size N = {n}; the mean belongs in the loss, not in a layer"
    if n > 1 and np.isclose(abs(factor), n, rtol=SAME):
        return text + f": N, the batch size {n}; a 1/N is missing, or a mean was taken for a sum"
    for axis, size in enumerate(e.x_shape[1:], start=1):
        for value, name in ((size, "n"), (1.0 / size, "1/n")):
            if size > 2 and np.isclose(abs(factor), value, rtol=SAME):
                return text + f": {name} with n = {size}, the length of x's axis {axis}"
    return text + ": a constant factor is missing or too many"


def transposed(e: Evidence) -> str | None:
    """Rows and columns of a square matrix exchanged."""
    if e.gradient.ndim != 2 or e.gradient.shape[0] != e.gradient.shape[1] or e.gradient.shape[0] == 1:
        return None
    swapped = np.array([e.gradient[j, i] for i, j in e.indices])
    return "the gradient is transposed" if _same(swapped, e.numeric) else None


def mask_missing(e: Evidence) -> str | None:
    """Wrong only where the right gradient is 0."""
    if np.any(e.numeric[e.wrong] != 0.0):
        return None
    return "it is wrong only where the forward is flat: backward lets dy through where it should be masked"


def mask_too_wide(e: Evidence) -> str | None:
    """Wrong only where backward gives 0."""
    if np.any(e.analytic[e.wrong] != 0.0):
        return None
    return "it is wrong only where backward gives 0: a mask drops too much, or is not the one forward used"


# In the order in which they are asked; the first that fits speaks.
SUSPECTS: tuple[Callable[[Evidence], str | None], ...] = (
    all_zero,
    not_read,
    penalty_missing,
    constant_factor,
    transposed,
    mask_missing,
    mask_too_wide,
)


def likely_cause(evidence: Evidence) -> str | None:
    """The first suspect that explains the probes, in words; None when none does."""
    for suspect in SUSPECTS:
        cause = suspect(evidence)
        if cause is not None:
            return cause
    return None
