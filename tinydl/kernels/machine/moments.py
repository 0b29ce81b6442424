"""Moments: the mean and variance of each channel, chunk by chunk, for batch normalization.

The statistics take one pass over memory, without the cancellation of E[x^2] - E[x]^2. Each chunk fits into the cache
and is read twice: for its mean, and for `squares`, the sum of squared distances from that mean. A convolution can do
this for the images that it has just written (`Measured`). Chunks a and b of n_a and n_b rows are merged, in their
order, whichever thread has read them, by the formulas of Chan et al. (1979),

    mean = mean_a + d n_b / (n_a + n_b)        squares = squares_a + squares_b + d^2 n_a n_b / (n_a + n_b)

with d = mean_b - mean_a. Within a chunk, about 64 rows are added up in x's dtype; all longer sums are in float64.
Channels far from 0 keep their digits, and a constant channel has exactly its mean and the variance 0, because the
numbers added up are distances: first from the chunk's first row, then from the rounded mean, and the rounding error r
of this mean is taken out again (sum (x - mean)^2 = sum (x - mean - r)^2 - n r^2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .compile import kernel
from .periods import fold, repeat, repeats

CHUNK = 1 << 15  # entries in a chunk: 128 kB of float32


class Measured(NamedTuple):
    """How an array is cut into chunks, and the moments of each: the mean of each channel, and its squares (see above).

    A chunk is some whole images, or a piece of an image that is longer than CHUNK; a unit is some whole images either
    way. Only the last of them may be shorter. Lengths are in rows: pixels, or the rows of a batch without images.
    """

    images: int  # in a unit
    unit: int  # its length
    length: int  # of a chunk
    rows: int  # in the whole array
    moments: NDArray  # (chunks, 2, c)


UNMEASURED = Measured(0, 0, 1, 0, np.empty((0, 2, 0)))  # an array that nobody measures


def to_be_measured(shape: tuple[int, ...]) -> Measured:
    """The chunks of an array of this shape, with room for their moments."""
    n, rows, c = shape[0], math.prod(shape[:-1]), shape[-1]
    image = rows // n
    longest = max(1, CHUNK // c)
    images = max(1, min(n, longest // image))
    pieces = -(-image // longest)  # of an image, if it is longer
    unit = images * image
    length = -(-unit // pieces)
    return Measured(images, unit, length, rows, np.empty((-(-n // images) * -(-unit // length), 2, c)))


def merged(measured: Measured, dtype: DTypeLike) -> tuple[NDArray, NDArray] | None:
    """The mean and variance of each channel, or None if these are not finite: NaN, or a sum of 64 rows overflows."""
    mean, var = np.empty((2, measured.moments.shape[2]), dtype)
    return (mean, var) if _merge(measured, mean, var) else None


@kernel()
def measure(part, x, measured):
    """Measure this part's chunks."""
    for chunk in range(part.start, part.stop):
        _moments(x, measured, chunk)


@kernel()
def measure_ready(y, measured, done, at, unit, stop):
    """Measure the units that a convolution has finished since the first `done`; return how many are done now.

    It has written the first `at` of its pieces (tiles, or output rows) up to `stop`; a unit has `unit` pieces.
    """
    if measured.images == 0:
        return done
    ready = at // unit if at < stop else -(-stop // unit)
    chunks = -(-measured.unit // measured.length)
    for chunk in range(done * chunks, min(ready * chunks, len(measured.moments))):
        _moments(y.reshape(-1), measured, chunk)
    return ready


@kernel(error_model="numpy")
def _moments(x, measured, chunk):
    """Compute the mean over a chunk's rows and the sum of squared distances from that mean, for each channel."""
    first, last = _chunk(measured, chunk)
    mean, squares = measured.moments[chunk]
    c, n = mean.size, last - first
    p = repeats(c) * c
    sums, centre, ours = np.empty(p, x.dtype), np.empty(p, x.dtype), np.empty(c)
    for j in range(c):
        centre[j] = x[first * c + j]
    repeat(centre, c)
    sums[:] = 0
    for at in range(first * c, last * c, p):
        source = np.uintp(at)
        for j in range(np.uintp(min(p, last * c - at))):
            sums[j] += x[source + j] - centre[j]
    fold(sums, c, ours)
    for j in range(c):
        mean[j] = centre[j] + ours[j] / n  # float64
        centre[j] = mean[j]
    repeat(centre, c)
    sums[:] = 0
    for at in range(first * c, last * c, p):
        source = np.uintp(at)
        for j in range(np.uintp(min(p, last * c - at))):
            distance = x[source + j] - centre[j]
            sums[j] += distance * distance
    fold(sums, c, ours)
    for j in range(c):
        error = mean[j] - centre[j]
        squares[j] = ours[j] - n * (error * error)


@kernel()
def _chunk(measured, chunk):
    """The rows of a chunk: first .. last - 1."""
    chunks = -(-measured.unit // measured.length)
    begin = chunk // chunks * measured.unit
    first = begin + chunk % chunks * measured.length
    return first, min(first + measured.length, begin + measured.unit, measured.rows)


@kernel(error_model="numpy")
def _merge(measured, mean, var):
    """Compute the mean and variance of all chunks; return whether every variance is finite."""
    moments, finite = measured.moments, True
    n, ours, squares = 0, np.zeros(mean.size), np.zeros(mean.size)
    for chunk in range(len(moments)):
        first, last = _chunk(measured, chunk)
        m = last - first
        for j in range(mean.size):
            distance = moments[chunk, 0, j] - ours[j]
            ours[j] += distance * (m / (n + m))
            squares[j] += moments[chunk, 1, j] + distance * distance * (n * (m / (n + m)))
        n += m
    for j in range(mean.size):
        mean[j], var[j] = ours[j], squares[j] / n
        finite = finite and np.isfinite(var[j])
    return finite
