"""Periods: the numbers of some channels, repeated, so that loops over rows of few channels are long enough to be fast.

A loop over one row of, say, 16 channels would be too short to be fast. Arrays with one number per channel are therefore
repeated k times, up to PERIOD numbers, and the loops run over k rows at a time.
"""

from __future__ import annotations

import numpy as np

from .compile import kernel
from .loops import copy

PERIOD = 512  # the largest length of the inner loops, unless there are more channels


@kernel()
def repeats(c):
    """The number of times that the c channels are repeated in a period."""
    return max(1, PERIOD // c)


@kernel()
def repeated(numbers):
    """The channels' numbers, repeated to fill a period."""
    c = numbers.size
    period = np.empty(repeats(c) * c, numbers.dtype)
    copy(numbers, 0, period, 0, c)
    repeat(period, c)
    return period


@kernel()
def repeat(numbers, c):
    """Fill a period with copies of its first c numbers."""
    for at in range(c, numbers.size, c):
        copy(numbers, 0, numbers, at, c)


@kernel()
def fold(sums, c, ours):
    """Add up the sums of a period that belong to the same channel, in float64."""
    ours[:] = 0
    for at in range(0, sums.size, c):
        for j in range(c):
            ours[j] += sums[at + j]
