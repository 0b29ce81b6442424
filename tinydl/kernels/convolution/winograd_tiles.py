"""The small transforms of Winograd's convolution, tile by tile; winograd.py explains them.

Each transform is a `simd.tile_map` over many channels at once. `Tiles` describes the memory layout of V, dV, M and dM.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..machine.compile import kernel
from ..machine.loops import add, bias_and_relu, clear, copy, masked_gradient
from ..machine.pairs import spread_row
from ..machine.simd import tile_map
from ..machine.transpose import transpose
from ..machine.window import Window

# The finite points of a tile of each size; the last one is infinity. Those of 6x6 tiles have the smallest float32 error
# of the sets tried (benchmarks/winograd_points.py).
POINTS = {
    5: (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2)),
    6: (Fraction(0), Fraction(3, 4), Fraction(-3, 4), Fraction(4, 3), Fraction(-4, 3)),
}
LARGEST = max(POINTS) ** 2  # positions in the largest tile
# Entries left free between the rows of V, dM and U. Rows whose distance is a multiple of 4 kB share a few sets of the
# L1 cache, into which they do not fit together, however short they are.
APART = 16
BLOCK = 64  # channels and filters in a block of pairs, which stay in the cache
BETWEEN = BLOCK * BLOCK + APART  # entries from one tap or position of such a block to the next


class Tiling(NamedTuple):
    """The tiling of a layer's images: `down` x `across` tiles, each of size x size pixels of x, which give m x m pixels
    of y; and the padding of x."""

    size: int
    m: int
    down: int
    across: int
    top: int
    left: int


class Tiles(NamedTuple):
    """Transformed tiles: the entry of tile t for position p and channel j is data[t step + p between + j]."""

    data: NDArray
    step: int
    between: int


def tiling_of(window: Window, output: tuple[int, ...], size: int) -> Tiling:
    """The tiling for a square window with strides of 1 and an output of shape (n, oh, ow, f)."""
    m = size + 1 - window.size[0]
    (top, _), (left, _) = window.padding
    return Tiling(size, m, -(-output[1] // m), -(-output[2] // m), top, left)


def tiles_in(window: Window, output: tuple[int, ...], size: int) -> int:
    """The number of tiles in all images."""
    tiling = tiling_of(window, output, size)
    return output[0] * tiling.down * tiling.across


def best_size(window: Window, output: tuple[int, ...]) -> int:
    """The tile size, 6 or 5, with fewer products. It is 6, but for 2x2 kernels, which have transforms for 5 only, and
    for small maps whose last tiles would be nearly empty, such as 3x3, 5x5, 6x6 and 9x9."""
    if window.size != (3, 3):
        return 5
    return min((6, 5), key=lambda size: size * size * tiles_in(window, output, size))


def matrices(size: int, taps: int) -> tuple[NDArray, NDArray, NDArray]:
    """A.T, G and B.T, of shapes (m, size), (size, taps) and (size, size), where m = size + 1 - taps.

    They come from Lagrange interpolation in exact fractions. Each row of B.T has the coefficients of a polynomial that
    vanishes at all points except one, and the same row of G is divided by the polynomial's value at that point.
    """
    outputs, points = size + 1 - taps, POINTS[size]
    A_T, G, B_T = np.zeros((outputs, size)), np.zeros((size, taps)), np.zeros((size, size))
    for j, point in enumerate(points):
        others = [other for other in points if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        A_T[:, j] = [float(point**i) for i in range(outputs)]
        G[j] = [float(point**k / scale) for k in range(taps)]
        B_T[j, : size - 1] = _coefficients(others)
    A_T[-1, -1] = G[-1, -1] = 1  # infinity: only the highest power counts
    B_T[-1] = _coefficients(list(points))
    return A_T, G, B_T


def _coefficients(roots: list[Fraction]) -> list[float]:
    """The coefficients of prod (x - root), lowest power first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [*(-root * entry for entry in polynomial), Fraction(0)]
        polynomial = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return [float(entry) for entry in polynomial]


# tile_map(L, L) computes L tile L.T, so L = B.T gives B.T x B. B is the same for 2x2 and 3x3 kernels. The names end in
# the size of the tile and of the kernel.
(_A_T52, _G52, _B_T5), (_A_T53, _G53, _), (_A_T63, _G63, _B_T6) = (matrices(*each) for each in ((5, 2), (5, 3), (6, 3)))
_input_5, _input_gradient_5 = tile_map(_B_T5, _B_T5), tile_map(_B_T5.T, _B_T5.T, add=True)
_input_6, _input_gradient_6 = tile_map(_B_T6, _B_T6), tile_map(_B_T6.T, _B_T6.T, add=True)
_weight_52, _weight_53, _weight_63 = (tile_map(G, G) for G in (_G52, _G53, _G63))
_weight_gradient_52, _weight_gradient_53, _weight_gradient_63 = (
    tile_map(G.T, G.T, add=True) for G in (_G52, _G53, _G63)
)
_output_52, _output_53, _output_63 = (tile_map(A_T, A_T) for A_T in (_A_T52, _A_T53, _A_T63))
_output_gradient_52, _output_gradient_53, _output_gradient_63 = (
    tile_map(A_T.T, A_T.T) for A_T in (_A_T52, _A_T53, _A_T63)
)


@kernel()
def weight_transform(size, W, at, apart, k, U, to, between, count):
    """U = G W G.T for `count` pairs (channel, filter); taps in W are `apart` apart, positions in U `between` apart."""
    if size == 6:
        _weight_63(W, at, 3 * apart, apart, U, to, 6 * between, between, count)
    elif k == 2:
        _weight_52(W, at, 2 * apart, apart, U, to, 5 * between, between, count)
    else:
        _weight_53(W, at, 3 * apart, apart, U, to, 5 * between, between, count)


@kernel()
def swapped_weight_transform(size, W, c0, channels, f0, filters, W_T, U, to, row, between):
    """U.T = G W G.T for a block of at most BLOCK channels, from c0 on, and as many filters, from f0 on.

    The transform treats each pair (channel, filter) separately, so transposing every tap of W gives all U[p].T. Their
    rows, one for each filter, are `row` entries apart, and positions `between`. `W_T` is scratch: k k BETWEEN entries.
    """
    k, _, c, f = W.shape
    for tap in range(k * k):
        transpose(W.reshape(-1), (tap * c + c0) * f + f0, f, channels, filters, W_T, tap * BETWEEN, channels)
    for i in range(filters):
        weight_transform(size, W_T, i * channels, BETWEEN, k, U, to + i * row, between, channels)


@kernel()
def weight_gradient(size, dU, at, between, k, dW, to, apart, count):
    """dW += G.T dU G, with distances as in `weight_transform`."""
    if size == 6:
        _weight_gradient_63(dU, at, 6 * between, between, dW, to, 3 * apart, apart, count)
    elif k == 2:
        _weight_gradient_52(dU, at, 5 * between, between, dW, to, 2 * apart, apart, count)
    else:
        _weight_gradient_53(dU, at, 5 * between, between, dW, to, 3 * apart, apart, count)


@kernel()
def _input_tile(size, source, at, row, column, target, to, between, count):
    """B.T x B of one tile."""
    if size == 6:
        _input_6(source, at, row, column, target, to, 6 * between, between, count)
    else:
        _input_5(source, at, row, column, target, to, 5 * between, between, count)


@kernel()
def _input_gradient_tile(size, source, at, between, target, to, row, column, count):
    """B dV B.T of one tile, which is added to the target."""
    if size == 6:
        _input_gradient_6(source, at, 6 * between, between, target, to, row, column, count)
    else:
        _input_gradient_5(source, at, 5 * between, between, target, to, row, column, count)


@kernel()
def input_tiles(x, tiling, start, stop, tile, V):
    """V = B.T x B for the tiles start .. stop - 1; `tile` is scratch memory for tiles at an edge."""
    size, m, down, across, top, left = tiling
    flat_V, step, between = V
    _, h, w, c = x.shape
    source = x.reshape(-1)
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m - top, rest % across * m - left
        to = (number - start) * step
        if p0 >= 0 and q0 >= 0 and p0 + size <= h and q0 + size <= w:
            at = ((image * h + p0) * w + q0) * c
            _input_tile(size, source, at, w * c, c, flat_V, to, between, c)
            continue
        first, last = max(0, -q0), min(size, w - q0)  # the columns inside the image
        for i in range(size):
            row = i * size * c
            clear(tile, row, size * c)
            if 0 <= p0 + i < h and first < last:
                at = ((image * h + p0 + i) * w + q0) * c
                copy(source, at + first * c, tile, row + first * c, (last - first) * c)
        _input_tile(size, tile, 0, size * c, c, flat_V, to, between, c)


@kernel()
def input_gradient_tiles(dV, tiling, start, stop, tile, dx, c0, count, plus):
    """dx += B dV B.T for `count` channels from c0 on; their rows in dx are set to 0 before the first tile adds to them.

    Unless `plus` is empty, it is added to dx after an image's last tile; `count` must then be the number of channels.
    """
    size, m, down, across, top, left = tiling
    flat_dV, step, between = dV
    _, h, w, c = dx.shape
    target = dx.reshape(-1)
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m - top, rest % across * m - left
        at = (number - start) * step
        if rest % across == 0:  # a few rows at a time, which are still in the cache when tiles add to them
            begin = 0 if rest == 0 else min(h, p0 - m + size)
            end = h if rest == across * (down - 1) else max(begin, min(h, p0 + size))
            first_pixel = (image * h + begin) * w
            for pixel in range((end - begin) * w if count < c else 0):
                clear(target, (first_pixel + pixel) * c + c0, count)
            if count == c:
                clear(target, first_pixel * c, (end - begin) * w * c)
        if p0 >= 0 and q0 >= 0 and p0 + size <= h and q0 + size <= w:
            to = ((image * h + p0) * w + q0) * c + c0
            _input_gradient_tile(size, flat_dV, at, between, target, to, w * c, c, count)
        else:
            clear(tile, 0, size * size * count)
            _input_gradient_tile(size, flat_dV, at, between, tile, 0, size * count, count, count)
            for i in range(max(0, -p0), min(size, h - p0)):
                for j in range(max(0, -q0), min(size, w - q0)):
                    add(tile, (i * size + j) * count, target, ((image * h + p0 + i) * w + q0 + j) * c + c0, count)
        if plus.size and rest == across * down - 1:
            add(plus.reshape(-1), image * h * w * c, target, image * h * w * c, h * w * c)


@kernel()
def output_tiles(M, b, relu, tiling, start, stop, tile, y, f0, count):
    """y = A.T M A + b, with relu if requested, for `count` filters from f0 on."""
    size, m, down, across, _, _ = tiling
    flat_M, step, between = M
    _, oh, ow, f = y.shape
    target = y.reshape(-1)
    plain = not relu and b.size == 0
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m, rest % across * m
        rows, columns = min(m, oh - p0), min(m, ow - q0)
        at, to = (number - start) * step, ((image * oh + p0) * ow + q0) * f + f0
        whole = plain and rows == m and columns == m  # then the transform can write directly into y
        out, begin, row, column = (target, to, ow * f, f) if whole else (tile, 0, m * count, count)
        if size == 6:
            _output_63(flat_M, at, 6 * between, between, out, begin, row, column, count)
        elif m == 4:
            _output_52(flat_M, at, 5 * between, between, out, begin, row, column, count)
        else:
            _output_53(flat_M, at, 5 * between, between, out, begin, row, column, count)
        if not whole:
            bias_and_relu(tile, 0, m * m, count, b, f0, relu)
            for i in range(rows):
                for j in range(columns):
                    copy(tile, (i * m + j) * count, target, to + (i * ow + j) * f, count)


@kernel()
def output_gradient_tiles(dy, where, y, relu, db, tiling, start, stop, tile, dM):
    """dM = A da A.T, where da = dy 1[y > 0] with relu, else da = dy; the sums of da are added to db.

    dy may be the gradient of the pooled y (see `winograd.pools`), which is spread into the tile first.
    """
    size, m, down, across, _, _ = tiling
    flat_dM, step, between = dM
    _, oh, ow, f = y.shape
    flat_dy, flat_where, flat_y = dy.reshape(-1), where.reshape(-1), y.reshape(-1)
    pooled = dy.size != y.size
    plain = not relu and db.size == 0 and not pooled
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m, rest % across * m
        rows, columns = min(m, oh - p0), min(m, ow - q0)
        at, to = ((image * oh + p0) * ow + q0) * f, (number - start) * step
        whole = plain and rows == m and columns == m
        if not whole:
            if rows < m or columns < m:
                clear(tile, 0, m * m * f)  # pixels beyond the image have no gradient
            for i in range(rows):
                result = at + i * ow * f
                if not pooled:
                    masked_gradient(flat_dy, result, flat_y, result, relu, columns, f, tile, i * m * f, db)
                    continue
                if i % 2 == 0:  # two rows go behind the tile
                    pair = ((image * oh + p0 + i) // 2 * ow + q0) // 2 * f
                    spread_row(flat_dy, flat_where, pair, f, tile, m * m * f, m // 2, tile.size)
                spread = (m * m + i % 2 * m) * f
                masked_gradient(tile, spread, flat_y, result, relu, m, f, tile, i * m * f, db)
        source, begin, row = (flat_dy, at, ow * f) if whole else (tile, 0, m * f)
        if size == 6:
            _output_gradient_63(source, begin, row, f, flat_dM, to, 6 * between, between, f)
        elif m == 4:
            _output_gradient_52(source, begin, row, f, flat_dM, to, 5 * between, between, f)
        else:
            _output_gradient_53(source, begin, row, f, flat_dM, to, 5 * between, between, f)
