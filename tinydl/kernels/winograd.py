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

The small transforms, of 5x5 numbers or less for many channels at once, are `simd.tile_map`.

Sizes: t tiles in a chunk, c channels, f filters, k the kernel's side, m = 6 - k that of a tile's outputs; a chunk's V
and M stay in the processor's caches. Layers of many channels and few tiles go another way, in winograd_deep.py.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .blas import product
from .compile import kernel
from .elementwise import add, bias_and_relu, clear, copy, masked_gradient
from .memory import empty
from .reference import Padding
from .simd import tile_map
from .threads import parts_for, share

POINTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2))  # and infinity
SIZE = len(POINTS) + 1  # of a tile's side
FEWEST_CHANNELS = 16  # below, transforms cost more than products save (benchmarks/convolution.py)
CHUNK = 3 << 17  # numbers in V and M of a chunk, 1.5 MB of float32; but
FEWEST_TILES = 60  # in a chunk, as U and dU are gone through once for each


def suits(W_shape: tuple[int, ...], sh: int, sw: int) -> bool:
    """Whether this is the faster way for a kernel of that shape and strides."""
    kh, kw, c, f = W_shape
    return sh == sw == 1 and kh == kw and kh in (2, 3) and min(c, f) >= FEWEST_CHANNELS


def matrices(taps: int) -> tuple[NDArray, NDArray, NDArray]:
    """(A', G, B') of shapes (m, 5), (5, taps), (5, 5), m = 6 - taps, by Lagrange's interpolation in exact fractions.

    B' has the coefficients of the polynomials that vanish at all points but one, G divides by their value there.
    """
    outputs = SIZE + 1 - taps
    A_T, G, B_T = np.zeros((outputs, SIZE)), np.zeros((SIZE, taps)), np.zeros((SIZE, SIZE))
    for j, point in enumerate(POINTS):
        others = [other for other in POINTS if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        A_T[:, j] = [float(point**i) for i in range(outputs)]
        G[j] = [float(point**k / scale) for k in range(taps)]
        B_T[j, : SIZE - 1] = _coefficients(others)
    A_T[-1, -1] = G[-1, -1] = 1  # infinity: only the highest power counts
    B_T[-1] = _coefficients(list(POINTS))
    return A_T, G, B_T


def _coefficients(roots: list[Fraction]) -> list[float]:
    """Of prod (x - root), lowest power first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [*(-root * entry for entry in polynomial), Fraction(0)]
        polynomial = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return [float(entry) for entry in polynomial]


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


def tiles_of(y: NDArray, k: int) -> int:
    """How many tiles make up an image of y."""
    m = SIZE + 1 - k
    return -(-y.shape[1] // m) * -(-y.shape[2] // m)


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


(_A2, _G2, _B2), (_A3, _G3, _B3) = (matrices(k) for k in (2, 3))
_input, _input_gradient = tile_map(_B2, _B2), tile_map(_B2.T, _B2.T, add=True)  # B' is the same for both
_kernel_2, _kernel_3 = tile_map(_G2, _G2), tile_map(_G3, _G3)
_kernel_gradient_2, _kernel_gradient_3 = tile_map(_G2.T, _G2.T, add=True), tile_map(_G3.T, _G3.T, add=True)
_output_2, _output_3 = tile_map(_A2, _A2), tile_map(_A3, _A3)
_output_gradient_2, _output_gradient_3 = tile_map(_A2.T, _A2.T), tile_map(_A3.T, _A3.T)


@kernel()
def kernel_transform(W, at, apart, k, U, to, between, count):  # type: ignore[no-untyped-def]
    """U = G W G' for `count` pairs of channels; entries of W are `apart` from each other, positions of U `between`."""
    if k == 2:
        _kernel_2(W, at, 2 * apart, apart, U, to, 5 * between, between, count)
    else:
        _kernel_3(W, at, 3 * apart, apart, U, to, 5 * between, between, count)


@kernel()
def kernel_gradient(dU, at, between, k, dW, to, apart, count):  # type: ignore[no-untyped-def]
    """dW += G' dU G, likewise."""
    if k == 2:
        _kernel_gradient_2(dU, at, 5 * between, between, dW, to, 2 * apart, apart, count)
    else:
        _kernel_gradient_3(dU, at, 5 * between, between, dW, to, 3 * apart, apart, count)


@kernel()
def _add_kernel_gradient(dU, dW):  # type: ignore[no-untyped-def]
    """The same for all pairs, in Numba's hands: it refuses a dW that does not lie in one piece."""
    k, _, c, f = dW.shape
    kernel_gradient(dU.reshape(-1), 0, c * f, k, dW.reshape(-1), 0, c * f, c * f)


@kernel()
def input_tiles(x, top, left, m, across, down, start, stop, tile, V, step, between):  # type: ignore[no-untyped-def]
    """V = B' x B of tiles start .. stop - 1. Tiles are `step` numbers apart in V, positions `between`; tile is scratch
    memory for tiles at an edge."""
    _, h, w, c = x.shape
    source = x.reshape(-1)
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m - top, rest % across * m - left
        to = (number - start) * step
        if p0 >= 0 and q0 >= 0 and p0 + 5 <= h and q0 + 5 <= w:
            _input(source, ((image * h + p0) * w + q0) * c, w * c, c, V, to, 5 * between, between, c)
            continue
        first, last = max(0, -q0), min(5, w - q0)  # the columns inside the image
        for i in range(5):
            row = i * 5 * c
            clear(tile, row, 5 * c)
            if 0 <= p0 + i < h and first < last:
                at = ((image * h + p0 + i) * w + q0) * c
                copy(source, at + first * c, tile, row + first * c, (last - first) * c)
        _input(tile, 0, 5 * c, c, V, to, 5 * between, between, c)


@kernel()
def input_gradient_tiles(dV, step, between, top, left, m, across, down, start, stop, tile, dx, c0, count):  # type: ignore[no-untyped-def]
    """dx += B dV B', for `count` channels from c0 on. Whoever comes to an image's first tile clears these of dx."""
    _, h, w, c = dx.shape
    target = dx.reshape(-1)
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m - top, rest % across * m - left
        at = (number - start) * step
        if rest == 0:
            for pixel in range(h * w if count < c else 0):
                clear(target, (image * h * w + pixel) * c + c0, count)
            if count == c:
                clear(target, image * h * w * c, h * w * c)
        if p0 >= 0 and q0 >= 0 and p0 + 5 <= h and q0 + 5 <= w:
            to = ((image * h + p0) * w + q0) * c + c0
            _input_gradient(dV, at, 5 * between, between, target, to, w * c, c, count)
            continue
        clear(tile, 0, 25 * count)
        _input_gradient(dV, at, 5 * between, between, tile, 0, 5 * count, count, count)
        for i in range(max(0, -p0), min(5, h - p0)):
            for j in range(max(0, -q0), min(5, w - q0)):
                add(tile, (i * 5 + j) * count, target, ((image * h + p0 + i) * w + q0 + j) * c + c0, count)


@kernel()
def output_tiles(M, step, between, b, relu, m, across, down, start, stop, tile, y, f0, count):  # type: ignore[no-untyped-def]
    """y = relu(A' M A + b), for `count` filters from f0 on."""
    _, oh, ow, f = y.shape
    target = y.reshape(-1)
    plain = not relu and b.size == 0
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m, rest % across * m
        rows, columns = min(m, oh - p0), min(m, ow - q0)
        at, to = (number - start) * step, ((image * oh + p0) * ow + q0) * f + f0
        whole = plain and rows == m and columns == m  # then it can be written where it belongs
        out, begin, row, column = (target, to, ow * f, f) if whole else (tile, 0, m * count, count)
        if m == 4:
            _output_2(M, at, 5 * between, between, out, begin, row, column, count)
        else:
            _output_3(M, at, 5 * between, between, out, begin, row, column, count)
        if not whole:
            bias_and_relu(tile, 0, m * m, count, b, f0, relu)
            for i in range(rows):
                for j in range(columns):
                    copy(tile, (i * m + j) * count, target, to + (i * ow + j) * f, count)


@kernel()
def output_gradient_tiles(dy, y, relu, db, m, across, down, start, stop, tile, dM, step, between):  # type: ignore[no-untyped-def]
    """dM = A da A', da = dy 1[y > 0] with relu, else dy; db gains the sums of da."""
    _, oh, ow, f = dy.shape
    flat_dy, flat_y = dy.reshape(-1), y.reshape(-1)
    plain = not relu and db.size == 0
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m, rest % across * m
        rows, columns = min(m, oh - p0), min(m, ow - q0)
        at, to = ((image * oh + p0) * ow + q0) * f, (number - start) * step
        whole = plain and rows == m and columns == m
        if not whole:
            if rows < m or columns < m:
                clear(tile, 0, m * m * f)  # what lies beyond the image has no gradient
            for i in range(rows):
                masked_gradient(flat_dy, flat_y, at + i * ow * f, relu, columns, f, tile, i * m * f, db)
        source, begin, row = (flat_dy, at, ow * f) if whole else (tile, 0, m * f)
        if m == 4:
            _output_gradient_2(source, begin, row, f, dM, to, 5 * between, between, f)
        else:
            _output_gradient_3(source, begin, row, f, dM, to, 5 * between, between, f)


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
