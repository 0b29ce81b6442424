"""The sum over all rows of a batch, exact to the last digit of float32.

Along any axis but the last, NumPy adds one number after the other. In float32, a million equal rows then add up to 1 %
too little: once the sum is large, each row that is added is rounded to the few digits that the sum has left. Added up
in float64 and rounded once, at the end, they lose nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..kernels import compiled_as


@compiled_as(kernels.sums.over_rows)
def over_rows(x: NDArray) -> NDArray:
    """The sum of x (..., c) over all axes but the last, as an array (c,) of x's dtype."""
    rows = tuple(range(x.ndim - 1))
    return x.sum(axis=rows, dtype=np.result_type(x.dtype, np.float64)).astype(x.dtype)  # complex stays complex
