"""Whether all entries of an array are finite, a question asked of all data, targets and files: it has to be fast."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PIECE = 1 << 16  # entries looked at together, because these stay in the processor's cache


def all_finite(array: NDArray) -> bool:
    """Whether every entry is finite. If the sum of squares is, all are; otherwise, entries are looked at in pieces,
    since np.isfinite allocates an array as large as its argument."""
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        if flat.dtype.char in "fd" and math.isfinite(np.dot(flat, flat)):
            return True
    return all(np.isfinite(flat[start : start + PIECE]).all() for start in range(0, flat.size, PIECE))
