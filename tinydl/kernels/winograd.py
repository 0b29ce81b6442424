"""Convolution with fewer multiplications, for small kernels with strides of 1 (Winograd 1980; Lavin & Gray 2016).

In one dimension. Two filter taps g slide over d: four outputs cost eight multiplications. Read g and the outputs y as
coefficients of polynomials, and the sum y_i = sum_k d_(i+k) g_k is (transposed) polynomial multiplication, which can be
done by evaluating both factors at five points, multiplying five pairs of values, and interpolating:

    y = A' [ (G g) * (B' d) ]        d: 5 numbers, g: r taps, y: 5 - r + 1 = m outputs;  *: entry by entry

with constant matrices for the points 0, 1, -1, 1/2 and infinity: five multiplications instead of eight. In two
dimensions rows and columns are transformed one after the other, and 25 products of numbers do the work of 64 (2x2
kernel, 4x4 outputs) or of 81 (3x3 kernel, 3x3 outputs).

Forward    V = B' x B for every 5x5 tile of x and every channel; U = G W G' for every pair of channels
           M[p] = V[p] @ U[p]: for each of the 25 positions p a matrix product, tiles x channels by channels x filters
           y = A' M A, tile by tile, m outputs apart; then bias and relu

Backward   each step is linear, so its gradient goes back through the transpose of the same matrix:
           dM = A dy A'           dU[p] = V[p]' @ dM[p]           dW = G' dU G           (summed over all tiles)
                                  dV[p] = dM[p] @ U[p]'           dx = B dV B'
           Neighbouring tiles of x overlap by r - 1 pixels, and their dx add up there, as in col2im.

The transforms only add and scale a few numbers a pixel; the products are 2.6 (3.2) times smaller than those of im2col.
The price is roundoff: in float32 an error of some 3e-6 of the largest output, where im2col has 5e-7. And an infinite
pixel makes NaN of all outputs of its tile, not only of those it belongs to.

Sizes: t tiles in a chunk, c channels, f filters, k the kernel's side, m = 6 - k that of a tile's outputs; a chunk's V
and M stay in the processor's caches. The transforms are in winograd_tiles.py.
Layers of many channels and few tiles go another way, in winograd_deep.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .blas import product
from .compile import kernel
from .elementwise import clear
from .memory import empty
from .reference import Padding
from .threads import parts_for, share
from .winograd_tiles import (
    SIZE,
    input_gradient_tiles,
    input_tiles,
    kernel_gradient,
    kernel_transform,
    output_gradient_tiles,
    output_tiles,
    tiles_of,
)

FEWEST_CHANNELS = 16  # below, transforms cost more than products save (benchmarks/convolution.py)
CHUNK = 1 << 17  # numbers in V and M of a chunk, 512 kB of float32, half a core's L2 cache; but
FEWEST_TILES = 60  # in a chunk, as U and dU are gone through once for each


def suits(W_shape: tuple[int, ...], sh: int, sw: int) -> bool:
    """Whether this is the faster way for a kernel of that shape and strides."""
    kh, kw, c, f = W_shape
    return sh == sw == 1 and kh == kw and kh in (2, 3) and min(c, f) >= FEWEST_CHANNELS


def forward(x: NDArray, W: NDArray, b: NDArray, padding: Padding, relu: bool, y: NDArray) -> None:
    """y = relu(convolution of x and W + b), as reference.conv2d_forward, written into y."""
    (k, _, c, f), tiles = W.shape, len(y) * tiles_of(y, len(W))
    U = _transformed(W)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _forward_part(x, U, b, k, top, left, relu, _chunk(c, f), start, stop, y)

    share(parts_for(tiles, tiles * SIZE * SIZE * c * f), tiles, work)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, padding: Padding, relu: bool, dW: NDArray, db: NDArray, dx: NDArray
) -> None:
    """As reference.conv2d_backward: adds to dW and db, writes dx unless that is empty."""
    (k, _, c, f), n = W.shape, len(dy)
    U_T = _transformed(np.ascontiguousarray(W.transpose(0, 1, 3, 2))) if dx.size else np.empty((0, 0, 0), x.dtype)
    parts = parts_for(n, 2 * n * tiles_of(dy, k) * SIZE * SIZE * c * f)
    dU, db_parts = empty((parts, SIZE * SIZE, c, f), x.dtype), np.zeros((parts, db.size), x.dtype)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _backward_part(dy, x, U_T, y, k, top, left, relu, _chunk(c, f), start, stop, dU[part], db_parts[part], dx)

    share(parts, n, work)
    for part in dU:
        _add_kernel_gradient(part, dW)
    db += db_parts.sum(axis=0)


def _chunk(c: int, f: int) -> int:
    """Tiles at a time."""
    return max(FEWEST_TILES, CHUNK // (SIZE * SIZE * (c + f)))


def _transformed(W: NDArray) -> NDArray:
    """U = G W G', of shape (25, c, f)."""
    k, _, c, f = W.shape
    U = empty((SIZE * SIZE, c, f), W.dtype)

    def work(part: int, start: int, stop: int) -> None:
        kernel_transform(W.reshape(-1), start * f, c * f, k, U.reshape(-1), start * f, c * f, (stop - start) * f)

    share(parts_for(c, W.size), c, work)
    return U


@kernel()
def _add_kernel_gradient(dU, dW):  # type: ignore[no-untyped-def]
    """The same for all pairs, in Numba's hands: it refuses a dW that does not lie in one piece."""
    k, _, c, f = dW.shape
    kernel_gradient(dU.reshape(-1), 0, c * f, k, dW.reshape(-1), 0, c * f, c * f)


@kernel()
def _forward_part(x, U, b, k, top, left, relu, t, start, stop, y):  # type: ignore[no-untyped-def]
    """Tiles start .. stop - 1, t at a time: V, M = V @ U, y."""
    c, f, m = U.shape[1], U.shape[2], 6 - k
    down, across = -(-y.shape[1] // m), -(-y.shape[2] // m)
    V, M, flat_U = np.empty(25 * t * c, x.dtype), np.empty(25 * t * f, x.dtype), U.reshape(-1)
    tile = np.empty(25 * max(c, f), x.dtype)
    for first in range(start, stop, t):
        last = min(first + t, stop)
        input_tiles(x, top, left, m, across, down, first, last, tile, V, 25 * c, c)
        for p in range(25):
            product(False, last - first, f, c, V, p * c, 25 * c, flat_U, p * c * f, f, False, M, p * f, 25 * f)
        output_tiles(M, 25 * f, f, b, relu, m, across, down, first, last, tile, y, 0, f)


@kernel()
def _backward_part(dy, x, U_T, y, k, top, left, relu, t, start, stop, dU, db, dx):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1, t tiles at a time: V again, dM, dU += V' dM, dV = dM U', dx."""
    c, f, m = dU.shape[1], dU.shape[2], 6 - k
    down, across = -(-dy.shape[1] // m), -(-dy.shape[2] // m)
    V, dM = np.empty(25 * t * c, x.dtype), np.empty(25 * t * f, x.dtype)
    tile = np.empty(25 * max(c, f), x.dtype)
    flat_U, flat_dU = U_T.reshape(-1), dU.reshape(-1)
    clear(flat_dU, 0, dU.size)
    for first in range(start * across * down, stop * across * down, t):
        last = min(first + t, stop * across * down)
        input_tiles(x, top, left, m, across, down, first, last, tile, V, 25 * c, c)
        output_gradient_tiles(dy, y, relu, db, m, across, down, first, last, tile, dM, 25 * f, f)
        for p in range(25):
            product(True, c, f, last - first, V, p * c, 25 * c, dM, p * f, 25 * f, True, flat_dU, p * c * f, f)
            if dx.size:  # V[p] has done its work: dV[p] takes its place
                product(False, last - first, c, f, dM, p * f, 25 * f, flat_U, p * c * f, c, False, V, p * c, 25 * c)
        if dx.size:
            input_gradient_tiles(V, 25 * c, c, top, left, m, across, down, first, last, tile, dx, 0, c)
