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

Sizes: t tiles in a chunk, c channels, f filters; a chunk's V and M stay in the processor's caches.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .blas import product
from .compile import kernel
from .elementwise import add, bias_and_relu, clear, copy, masked_gradient
from .memory import empty
from .reference import Padding
from .simd import linear_map
from .threads import parts_for, share

POINTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2))  # and infinity
SIZE = len(POINTS) + 1  # of a tile's side
FEWEST_CHANNELS = 16  # below, transforms cost more than products save (benchmarks/convolution.py)
CHUNK = 3 << 17  # numbers in V and M of a chunk, 1.5 MB of float32; but
FEWEST_TILES = 60  # in a chunk, as U and dU are gone through once for each


def suits(W_shape: tuple[int, ...], sh: int, sw: int) -> bool:
    """Whether this is the faster way for a kernel of that shape and strides."""
    kh, kw, c, f = W_shape
    return sh == sw == 1 and kh in (2, 3) and kw in (2, 3) and min(c, f) >= FEWEST_CHANNELS


@cache
def matrices(taps: int, dtype: str) -> tuple[NDArray, NDArray, NDArray]:
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
    return A_T.astype(dtype), G.astype(dtype), B_T.astype(dtype)


def _coefficients(roots: list[Fraction]) -> list[float]:
    """Of prod (x - root), lowest power first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [*(-root * entry for entry in polynomial), Fraction(0)]
        polynomial = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return [float(entry) for entry in polynomial]


def forward(x: NDArray, W: NDArray, b: NDArray, padding: Padding, relu: bool, y: NDArray) -> None:
    """y = relu(convolution of x and W + b), as reference.conv2d_forward, written into y."""
    (kh, kw, c, f), (n, oh, ow, _) = W.shape, y.shape
    U = _transformed(W)
    tiles = n * -(-oh // (SIZE + 1 - kh)) * -(-ow // (SIZE + 1 - kw))
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _forward_part(x, U, b, kh, kw, top, left, relu, _chunk(c, f), start, stop, y)

    share(parts_for(tiles, tiles * SIZE * SIZE * c * f), tiles, work)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, padding: Padding, relu: bool, dW: NDArray, db: NDArray, dx: NDArray
) -> None:
    """As reference.conv2d_backward: adds to dW and db, writes dx unless that is empty."""
    (kh, kw, c, f), (n, oh, ow, _) = W.shape, dy.shape
    U_T = _transformed(W.transpose(0, 1, 3, 2)) if dx.size else np.empty((0, 0, 0), x.dtype)
    tiles = -(-oh // (SIZE + 1 - kh)) * -(-ow // (SIZE + 1 - kw))
    parts = parts_for(n, 2 * n * tiles * SIZE * SIZE * c * f)
    dU, db_parts = empty((parts, SIZE * SIZE, c, f), x.dtype), np.zeros((parts, db.size), x.dtype)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _backward_part(
            dy, x, U_T, y, kh, kw, top, left, relu, _chunk(c, f), start, stop, dU[part], db_parts[part], dx
        )  # fmt: skip

    share(parts, n, work)
    for part in dU:
        dW += (_both_sides(kh, kw, x.dtype.name).T @ part.reshape(SIZE * SIZE, c * f)).reshape(dW.shape)
    db += db_parts.sum(axis=0)


def _chunk(c: int, f: int) -> int:
    """Tiles at a time."""
    return max(FEWEST_TILES, CHUNK // (SIZE * SIZE * (c + f)))


def _transformed(W: NDArray) -> NDArray:
    """U = G W G', of shape (25, c, f)."""
    kh, kw, c, f = W.shape
    U = empty((SIZE * SIZE, c, f), W.dtype)
    np.matmul(_both_sides(kh, kw, W.dtype.name), W.reshape(kh * kw, c * f), out=U.reshape(SIZE * SIZE, c * f))
    return U


@cache
def _both_sides(kh: int, kw: int, dtype: str) -> NDArray:
    """G on both sides as one matrix (25, kh kw): G_h W G_w', with W's entries in a row, is kron(G_h, G_w) W."""
    return np.kron(matrices(kh, dtype)[1], matrices(kw, dtype)[1])


_A2, _A3 = (linear_map(matrices(taps, "float64")[0]) for taps in (2, 3))  # these multiply by A', of 4x5 and 3x5
_A2_T, _A3_T = (linear_map(matrices(taps, "float64")[0].T) for taps in (2, 3))
_B, _B_T = linear_map(matrices(2, "float64")[2]), linear_map(matrices(2, "float64")[2].T)  # by B' and B; for all taps


@kernel()
def _input_tile(source, at, step, half, V, to, c):  # type: ignore[no-untyped-def]
    """V = B' x B for a 5x5 tile of c channels, whose rows begin at source[at], `step` numbers apart."""
    _B(source, at, step, half, 0, 5 * c, 5 * c)
    for i in range(5):
        _B(half, i * 5 * c, c, V, to + i * 5 * c, c, c)


@kernel()
def _input_tile_gradient(dV, at, half, dx, c):  # type: ignore[no-untyped-def]
    """dx = B dV B'."""
    _B_T(dV, at, 5 * c, half, 0, 5 * c, 5 * c)
    for i in range(5):
        _B_T(half, i * 5 * c, c, dx, i * 5 * c, c, c)


@kernel()
def _output_tile(M, at, half, y, f, kh, kw):  # type: ignore[no-untyped-def]
    """y = A' M A, (6 - kh) x (6 - kw) pixels of f filters."""
    if kh == 2:
        _A2(M, at, 5 * f, half, 0, 5 * f, 5 * f)
    else:
        _A3(M, at, 5 * f, half, 0, 5 * f, 5 * f)
    for i in range(6 - kh):
        if kw == 2:
            _A2(half, i * 5 * f, f, y, i * 4 * f, f, f)
        else:
            _A3(half, i * 5 * f, f, y, i * 3 * f, f, f)


@kernel()
def _output_tile_gradient(da, half, dM, to, f, kh, kw):  # type: ignore[no-untyped-def]
    """dM = A da A'."""
    row = (6 - kw) * f
    if kh == 2:
        _A2_T(da, 0, row, half, 0, row, row)
    else:
        _A3_T(da, 0, row, half, 0, row, row)
    for i in range(5):
        if kw == 2:
            _A2_T(half, i * row, f, dM, to + i * 5 * f, f, f)
        else:
            _A3_T(half, i * row, f, dM, to + i * 5 * f, f, f)


@kernel()
def _input_tiles(x, top, left, m_h, m_w, across, down, start, stop, tile, half, V):  # type: ignore[no-untyped-def]
    """V of tiles start .. stop - 1, into V (stop - start, 25, c); tile and half are scratch memory."""
    _, h, w, c = x.shape
    source = x.reshape(-1)
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m_h - top, rest % across * m_w - left
        to = (number - start) * 25 * c
        if p0 >= 0 and q0 >= 0 and p0 + 5 <= h and q0 + 5 <= w:
            _input_tile(source, ((image * h + p0) * w + q0) * c, w * c, half, V, to, c)
            continue
        first, last = max(0, -q0), min(5, w - q0)  # the columns inside the image
        for i in range(5):
            row = i * 5 * c
            clear(tile, row, 5 * c)
            if 0 <= p0 + i < h and first < last:
                at = ((image * h + p0 + i) * w + q0) * c
                copy(source, at + first * c, tile, row + first * c, (last - first) * c)
        _input_tile(tile, 0, 5 * c, half, V, to, c)


@kernel()
def _forward_part(x, U, b, kh, kw, top, left, relu, t, start, stop, y):  # type: ignore[no-untyped-def]
    """Tiles start .. stop - 1, t at a time: V, M = V @ U, y."""
    c, f = U.shape[1], U.shape[2]
    _, oh, ow, _ = y.shape
    m_h, m_w = 6 - kh, 6 - kw
    down, across = -(-oh // m_h), -(-ow // m_w)
    V, M, flat_U, out = np.empty(25 * t * c, x.dtype), np.empty(25 * t * f, x.dtype), U.reshape(-1), y.reshape(-1)
    tile, half = np.empty(25 * max(c, f), x.dtype), np.empty(25 * max(c, f), x.dtype)
    for first in range(start, stop, t):
        last = min(first + t, stop)
        _input_tiles(x, top, left, m_h, m_w, across, down, first, last, tile, half, V)
        for p in range(25):
            product(False, last - first, f, c, V, p * c, 25 * c, flat_U, p * c * f, f, False, M, p * f, 25 * f)
        for number in range(first, last):
            image, rest = number // (across * down), number % (across * down)
            p0, q0 = rest // across * m_h, rest % across * m_w
            _output_tile(M, (number - first) * 25 * f, half, tile, f, kh, kw)
            bias_and_relu(tile, 0, m_h * m_w, f, b, 0, relu)
            columns = min(m_w, ow - q0)
            for i in range(min(m_h, oh - p0)):
                copy(tile, i * m_w * f, out, ((image * oh + p0 + i) * ow + q0) * f, columns * f)


@kernel()
def _backward_part(dy, x, U_T, y, kh, kw, top, left, relu, t, start, stop, dU, db, dx):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1, t tiles at a time: V again, dM, dU += V' dM, dV = dM U', dx."""
    c, f = dU.shape[1], dU.shape[2]
    _, oh, ow, _ = dy.shape
    _, h, w, _ = x.shape
    m_h, m_w = 6 - kh, 6 - kw
    down, across = -(-oh // m_h), -(-ow // m_w)
    V, dM = np.empty(25 * t * c, x.dtype), np.empty(25 * t * f, x.dtype)
    tile, half = np.empty(25 * max(c, f), x.dtype), np.empty(25 * max(c, f), x.dtype)
    flat_U, flat_dU, out = U_T.reshape(-1), dU.reshape(-1), dx.reshape(-1)
    flat_dy, flat_y = dy.reshape(-1), y.reshape(-1)
    clear(flat_dU, 0, dU.size)
    need_dx = dx.size > 0
    if need_dx:
        clear(out, start * h * w * c, (stop - start) * h * w * c)
    for first in range(start * across * down, stop * across * down, t):
        last = min(first + t, stop * across * down)
        _input_tiles(x, top, left, m_h, m_w, across, down, first, last, tile, half, V)
        for number in range(first, last):
            image, rest = number // (across * down), number % (across * down)
            p0, q0 = rest // across * m_h, rest % across * m_w
            rows, columns = min(m_h, oh - p0), min(m_w, ow - q0)
            if rows < m_h or columns < m_w:
                clear(tile, 0, m_h * m_w * f)  # what lies beyond the image has no gradient
            for i in range(rows):
                at = ((image * oh + p0 + i) * ow + q0) * f
                masked_gradient(flat_dy, flat_y, at, relu, columns, f, tile, i * m_w * f, db)
            _output_tile_gradient(tile, half, dM, (number - first) * 25 * f, f, kh, kw)
        for p in range(25):
            product(True, c, f, last - first, V, p * c, 25 * c, dM, p * f, 25 * f, True, flat_dU, p * c * f, f)
            if need_dx:  # V[p] has done its work: dV[p] takes its place
                product(False, last - first, c, f, dM, p * f, 25 * f, flat_U, p * c * f, c, False, V, p * c, 25 * c)
        for number in range(first, last if need_dx else first):
            image, rest = number // (across * down), number % (across * down)
            p0, q0 = rest // across * m_h - top, rest % across * m_w - left
            _input_tile_gradient(V, (number - first) * 25 * c, half, tile, c)
            left_edge, right_edge = max(0, -q0), min(5, w - q0)
            for i in range(5):
                if 0 <= p0 + i < h and left_edge < right_edge:
                    to, at = ((image * h + p0 + i) * w + q0) * c, i * 5 * c
                    add(tile, at + left_edge * c, out, to + left_edge * c, (right_edge - left_edge) * c)
