"""Convolution with fewer multiplications, for small kernels with strides of 1 (Winograd 1980; Lavin & Gray 2016).

In one dimension, r filter taps g slide over the inputs d. The sum y_i = sum_k d_(i+k) g_k is the transpose of a
polynomial multiplication. Polynomials can be multiplied by evaluating both factors at s points, multiplying the s pairs
of values, and interpolating. Transposed, this becomes

    y = A.T [ (G g) * (B.T d) ]      d: s numbers, g: r taps, y: s - r + 1 = m outputs;  *: entry by entry

with constant matrices for the points. Three taps and six points (0, +-3/4, +-4/3 and infinity) give four outputs with
six multiplications instead of twelve. In two dimensions, rows and columns are transformed in turn, and a tile of s x s
pixels gives m x m outputs:

    tile 6x6, kernel 3x3    36 multiplications for 4x4 outputs instead of 144
    tile 5x5, kernel 3x3    25 for 3x3 outputs instead of 81, where a map's last 6x6 tiles would be nearly empty
    tile 5x5, kernel 2x2    25 for 4x4 outputs instead of 64        (points 0, 1, -1, 1/2 and infinity)

Forward    V = B.T x B for every s x s tile of x and every channel; U = G W G.T for every pair (channel, filter)
           M[p] = V[p] @ U[p]: a matrix product (tiles, channels) @ (channels, filters) for each of the s s positions p
           y = A.T M A, m x m outputs for each tile; then bias and relu

Backward   each step is linear, so its gradient passes through the transpose of the same matrix:
           dM = A dy A.T          dU[p] = V[p].T @ dM[p]          dW = G.T dU G          (summed over all tiles)
                                  dV[p] = dM[p] @ U[p].T          dx = B dV B.T
           Neighboring tiles of x overlap by r - 1 pixels, where their contributions to dx are added, as in col2im.

The transforms only add and scale a few numbers per pixel; the products are 2.6 times smaller than im2col's for 2x2
kernels, and 4 (5x5 tiles: 3.2) times for 3x3. The price is roundoff: in float32 an error of a few millionths of the
largest output (tests/kernels/convolution/test_errors.py has a table; for the choice of points see
benchmarks/winograd_points.py). Also, an infinite pixel turns all outputs of its tile into NaN, even where the
window excludes it.

Sizes: t tiles in a chunk, c channels, f filters, kernel side k (r above), tile side `size` (s above), m = size + 1 - k
outputs along a tile's side. V and M of a chunk stay in the processor's caches. The transforms are in winograd_tiles.py;
winograd_blocks.py handles layers with many channels and few tiles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..machine.compile import kernel
from ..machine.memory import empty, scratch
from ..machine.moments import UNMEASURED, Measured, measure_ready
from ..machine.pairs import NOWHERE, pool_row
from ..machine.product import Rows, product
from ..machine.threads import parts_for, share
from ..machine.window import Window

from .winograd_tiles import (  # isort: skip
    APART, BETWEEN, BLOCK, Tiles, input_gradient_tiles, input_tiles, output_gradient_tiles, output_tiles,
    swapped_weight_transform, tiles_in, tiling_of, weight_gradient, weight_transform,
)  # fmt: skip

CHUNK = 1 << 17  # entries in V and M of a chunk: 512 kB of float32, half a core's L2 cache
# The fewest tiles in a chunk, because every chunk reads all of U and dU. More pay if these exceed the L2 cache by far:
# with 256 channels and filters, backward takes 15 ms instead of 18 (56x56 pixels, batch 2).
FEWEST_TILES, FEWEST_FOR_MANY, MANY = 60, 200, 1 << 15
COST = 16  # of transforming an entry of W, in multiply-adds


def forward(
    x: NDArray, W: NDArray, b: NDArray, window: Window, relu: bool, y: NDArray, size: int,
    measured: Measured = UNMEASURED, pooled: NDArray | None = None, where: NDArray = NOWHERE,
) -> None:  # fmt: skip
    """See patches.forward. Each thread pools its own rows of tiles into `pooled`, if this is given: see `pools`."""
    c, f = W.shape[2:]
    tiling, tiles = tiling_of(window, y.shape, size), tiles_in(window, y.shape, size)
    pooled = y[:0] if pooled is None else pooled
    unit = tiling.across if pooled.size else max(1, measured.images * tiling.down * tiling.across)  # tiles
    units = -(-tiles // unit)
    parts = parts_for(units, tiles * size * size * c * f)
    U = _transformed(_transform, W, size)
    share(parts, units, _forward_part, x, U, b, tiling, relu, _chunk(c, f, size), y, unit, measured, pooled, where)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, relu: bool, dW: NDArray, db: NDArray, dx: NDArray,
    size: int, plus: NDArray | None = None, where: NDArray = NOWHERE,
) -> None:  # fmt: skip
    """See patches.backward. If `plus` is given, it is added to dx. dy may be the gradient of the pooled y."""
    plus = dx[:0] if plus is None else plus
    (c, f), n, tiling = W.shape[2:], len(dy), tiling_of(window, y.shape, size)
    U_T = _transformed(_transform_swapped, W, size) if dx.size else np.empty((0, 0), x.dtype)
    places = size * size
    parts = parts_for(n, 2 * tiles_in(window, y.shape, size) * places * c * f)
    dU = empty((parts, places, c * f + APART if dW.size else 0), x.dtype)
    db_parts = np.zeros((parts, db.size))
    share(parts, n, _backward_part, dy, where, x, U_T, y, tiling, relu, _chunk(c, f, size), dU, db_parts, dx, plus)
    if dW.size:
        share(parts_for(c, COST * dW.size), c, _add_weight_gradient, dU, dW, size)
    db += db_parts.sum(axis=0)


def pools(window: Window, output: tuple[int, ...], size: int) -> bool:
    """Whether 2x2 windows fit into tiles, and whole tiles into the image."""
    return tiling_of(window, output, size).m == 4 and output[1] % 4 == 0 and output[2] % 4 == 0


def _chunk(c: int, f: int, size: int) -> int:
    """The number of tiles to process at a time."""
    return max(FEWEST_FOR_MANY if c * f >= MANY else FEWEST_TILES, CHUNK // (size * size * (c + f)))


def _transformed(transform: Callable[..., None], W: NDArray, size: int) -> NDArray:
    """Return U = G W G.T, or all U.T, of shape (size * size, c f + APART)."""
    c, f = W.shape[2:]
    U = empty((size * size, c * f + APART), W.dtype)
    share(parts_for(c, COST * W.size), c, transform, W, U, size)
    return U


@kernel()
def _transform(part, W, U, size):
    """Compute U for this part's channels."""
    k, _, c, f = W.shape
    at = part.start * f
    weight_transform(size, W.reshape(-1), at, c * f, k, U.reshape(-1), at, U.shape[1], part.stop * f - at)


@kernel()
def _transform_swapped(part, W, U_T, size):
    """Compute all U.T for this part's channels."""
    k, _, c, f = W.shape
    W_T = scratch(k * k * BETWEEN, W.dtype)
    for c0 in range(part.start, part.stop, BLOCK):
        channels = min(BLOCK, part.stop - c0)
        for f0 in range(0, f, BLOCK):
            filters, to = min(BLOCK, f - f0), f0 * c + c0
            swapped_weight_transform(size, W, c0, channels, f0, filters, W_T, U_T.reshape(-1), to, c, U_T.shape[1])


@kernel()
def _add_weight_gradient(part, dU, dW, size):
    """dW += G.T dU G for this part's channels. (Numba raises an error if dW is not contiguous.)"""
    k, _, c, f = dW.shape
    at, flat_dU, between = part.start * f, dU.reshape(-1), dU.shape[2]
    for i in range(len(dU)):
        first = i * dU.shape[1] * between + at
        weight_gradient(size, flat_dU, first, between, k, dW.reshape(-1), at, c * f, part.stop * f - at)


@kernel()
def _forward_part(part, x, U, b, tiling, relu, t, y, unit, measured, pooled, where):
    """For this part's units of tiles, t tiles at a time, compute V, M = V @ U, and y, and measure or pool y if wanted.

    (A unit is a row of tiles if y is pooled.)
    """
    places, c, f = tiling.size * tiling.size, x.shape[3], y.shape[3]
    of_V, of_M = places * c + APART, places * f + APART  # entries from one tile to the next
    flat_V, flat_M, flat_U = scratch(t * of_V, x.dtype), scratch(t * of_M, x.dtype), U.reshape(-1)
    V, M = Tiles(flat_V, of_V, c), Tiles(flat_M, of_M, f)
    tile = scratch(places * max(c, f), x.dtype)
    stop, done = min(part.stop * unit, len(y) * tiling.down * tiling.across), part.start
    for first in range(part.start * unit, stop, t):
        last = min(first + t, stop)
        input_tiles(x, tiling, first, last, tile, V)
        for p in range(places):
            in_V, in_U, in_M = Rows(p * c, of_V), Rows(p * U.shape[1], f), Rows(p * f, of_M)
            # M[p] = V[p] @ U[p]
            product(False, False, (last - first, f, c), flat_V, in_V, flat_U, in_U, False, flat_M, in_M)
        output_tiles(M, b, relu, tiling, first, last, tile, y, 0, f)
        if pooled.size:
            _pool(y, done, last // unit, part.stop, pooled, where)
            done = last // unit
        done = measure_ready(y, measured, done, last, unit, stop)


@kernel()
def _pool(y, start, stop, end, pooled, where):
    """Pool rows of tiles, start .. stop - 1, of those up to end - 1 that this thread computes."""
    _, _, ow, f = y.shape
    for row in range(2 * start, 2 * stop):  # of pooled
        pool_row(
            y.reshape(-1), 2 * row * ow * f, ow, f, 2,
            pooled.reshape(-1), where.reshape(-1), row * (ow // 2) * f, ow // 2, end * ow * f,
        )  # fmt: skip


@kernel()
def _backward_part(part, dy, where, x, U_T, y, tiling, relu, t, dU_parts, db_parts, dx, plus):
    """For this part's images, t tiles at a time, recompute V, compute dM, then dU += V.T dM, dV = dM U.T, and dx.

    dU is empty if only dx is needed, and dx if only dU is.
    """
    dU, db = dU_parts[part.number], db_parts[part.number]
    places, c, f = tiling.size * tiling.size, x.shape[3], y.shape[3]
    of_V, of_dM = places * c + APART, places * f + APART
    flat_V, flat_dM = scratch(t * of_V, x.dtype), scratch(t * of_dM, x.dtype)
    V, dM = Tiles(flat_V, of_V, c), Tiles(flat_dM, of_dM, f)
    tile = scratch(places * max(c, f), x.dtype)
    flat_U, flat_dU = U_T.reshape(-1), dU.reshape(-1)
    tiles = tiling.down * tiling.across
    if part.start == part.stop:
        flat_dU[:] = 0
    for first in range(part.start * tiles, part.stop * tiles, t):
        last = min(first + t, part.stop * tiles)
        if dU.size:
            input_tiles(x, tiling, first, last, tile, V)
        output_gradient_tiles(dy, where, y, relu, db, tiling, first, last, tile, dM)
        for p in range(places):
            in_V, in_dM, in_dU = Rows(p * c, of_V), Rows(p * f, of_dM), Rows(p * dU.shape[1], f)
            # dU[p] += V[p].T @ dM[p]; then dV[p] = dM[p] @ U[p].T overwrites V[p]
            if dU.size:
                add = first > part.start * tiles
                product(True, False, (c, f, last - first), flat_V, in_V, flat_dM, in_dM, add, flat_dU, in_dU)
            if dx.size:
                in_U_T = Rows(p * U_T.shape[1], c)
                product(False, False, (last - first, c, f), flat_dM, in_dM, flat_U, in_U_T, False, flat_V, in_V)
        if dx.size:
            input_gradient_tiles(V, tiling, first, last, tile, dx, 0, c, plus)
