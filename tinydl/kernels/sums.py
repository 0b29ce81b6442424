"""Sums over rows, added up in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.loops import add_column_sums
from .twins import or_complex


@or_complex
def over_rows(x: NDArray) -> NDArray:
    """Twin of layers.sums.over_rows."""
    x, c = np.ascontiguousarray(x), x.shape[-1]
    sums = np.zeros(c)  # float64
    if c:
        _over_rows(x.reshape(-1), x.size // c, sums)
    return sums.astype(x.dtype)


@kernel()
def _over_rows(x, rows, sums):
    add_column_sums(x, 0, rows, sums.size, sums)
