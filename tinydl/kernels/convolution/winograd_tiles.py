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
from ..machine.simd import tile_map
from ..machine.window import Window

POINTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2))  # and infinity
SIZE = len(POINTS) + 1  # pixels along a tile's side
OUTPUTS_2 = SIZE + 1 - 2  # outputs along a tile's side for 2x2 kernels


PLACES = SIZE * SIZE  # positions in a tile


class Tiling(NamedTuple):
    """The tiling of a layer's images: `down` x `across` tiles of m x m pixels of y each, and the padding of x."""

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


def tiling_of(window: Window, output: tuple[int, ...]) -> Tiling:
    """The tiling for a square window with strides of 1 and an output of shape (n, oh, ow, f)."""
    m = SIZE + 1 - window.size[0]
    (top, _), (left, _) = window.padding
    return Tiling(m, -(-output[1] // m), -(-output[2] // m), top, left)


def tiles_in(window: Window, output: tuple[int, ...]) -> int:
    """The number of tiles in all images."""
    tiling = tiling_of(window, output)
    return output[0] * tiling.down * tiling.across


def matrices(taps: int) -> tuple[NDArray, NDArray, NDArray]:
    """A.T, G and B.T, of shapes (m, SIZE), (SIZE, taps) and (SIZE, SIZE), where m = SIZE + 1 - taps.

    They come from Lagrange interpolation in exact fractions. Each row of B.T has the coefficients of a polynomial that
    vanishes at all points except one, and the same row of G is divided by the polynomial's value at that point.
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
    """The coefficients of prod (x - root), lowest power first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [*(-root * entry for entry in polynomial), Fraction(0)]
        polynomial = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return [float(entry) for entry in polynomial]


# tile_map(L, L) computes L tile L.T, so L = B.T gives B.T x B. B is the same for 2x2 and 3x3 kernels.
(_A_T2, _G2, _B_T), (_A_T3, _G3, _) = (matrices(k) for k in (2, 3))
_input, _input_gradient = tile_map(_B_T, _B_T), tile_map(_B_T.T, _B_T.T, add=True)
_weight_2, _weight_3 = tile_map(_G2, _G2), tile_map(_G3, _G3)
_weight_gradient_2, _weight_gradient_3 = tile_map(_G2.T, _G2.T, add=True), tile_map(_G3.T, _G3.T, add=True)
_output_2, _output_3 = tile_map(_A_T2, _A_T2), tile_map(_A_T3, _A_T3)
_output_gradient_2, _output_gradient_3 = tile_map(_A_T2.T, _A_T2.T), tile_map(_A_T3.T, _A_T3.T)


@kernel()
def weight_transform(W, at, apart, k, U, to, between, count):
    """U = G W G.T for `count` pairs (channel, filter); taps in W are `apart` apart, positions in U `between` apart."""
    if k == 2:
        _weight_2(W, at, 2 * apart, apart, U, to, SIZE * between, between, count)
    else:
        _weight_3(W, at, 3 * apart, apart, U, to, SIZE * between, between, count)


@kernel()
def weight_gradient(dU, at, between, k, dW, to, apart, count):
    """dW += G.T dU G, with distances as in `weight_transform`."""
    if k == 2:
        _weight_gradient_2(dU, at, SIZE * between, between, dW, to, 2 * apart, apart, count)
    else:
        _weight_gradient_3(dU, at, SIZE * between, between, dW, to, 3 * apart, apart, count)


@kernel()
def input_tiles(x, tiling, start, stop, tile, V):
    """V = B.T x B for the tiles start .. stop - 1; `tile` is scratch memory for tiles at an edge."""
    m, down, across, top, left = tiling
    flat_V, step, between = V
    _, h, w, c = x.shape
    source = x.reshape(-1)
    for number in range(start, stop):
        image, rest = number // (across * down), number % (across * down)
        p0, q0 = rest // across * m - top, rest % across * m - left
        to = (number - start) * step
        if p0 >= 0 and q0 >= 0 and p0 + SIZE <= h and q0 + SIZE <= w:
            at = ((image * h + p0) * w + q0) * c
            _input(source, at, w * c, c, flat_V, to, SIZE * between, between, c)
            continue
        first, last = max(0, -q0), min(SIZE, w - q0)  # the columns inside the image
        for i in range(SIZE):
            row = i * SIZE * c
            clear(tile, row, SIZE * c)
            if 0 <= p0 + i < h and first < last:
                at = ((image * h + p0 + i) * w + q0) * c
                copy(source, at + first * c, tile, row + first * c, (last - first) * c)
        _input(tile, 0, SIZE * c, c, flat_V, to, SIZE * between, between, c)


@kernel()
def input_gradient_tiles(dV, tiling, start, stop, tile, dx, c0, count):
    """dx += B dV B.T for `count` channels from c0 on; these are set to 0 in dx before an image's first tile."""
    m, down, across, top, left = tiling
    flat_dV, step, between = dV
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
        if p0 >= 0 and q0 >= 0 and p0 + SIZE <= h and q0 + SIZE <= w:
            to = ((image * h + p0) * w + q0) * c + c0
            _input_gradient(flat_dV, at, SIZE * between, between, target, to, w * c, c, count)
            continue
        clear(tile, 0, PLACES * count)
        _input_gradient(flat_dV, at, SIZE * between, between, tile, 0, SIZE * count, count, count)
        for i in range(max(0, -p0), min(SIZE, h - p0)):
            for j in range(max(0, -q0), min(SIZE, w - q0)):
                add(tile, (i * SIZE + j) * count, target, ((image * h + p0 + i) * w + q0 + j) * c + c0, count)


@kernel()
def output_tiles(M, b, relu, tiling, start, stop, tile, y, f0, count):
    """y = A.T M A + b, with relu if requested, for `count` filters from f0 on."""
    m, down, across, _, _ = tiling
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
        if m == OUTPUTS_2:
            _output_2(flat_M, at, SIZE * between, between, out, begin, row, column, count)
        else:
            _output_3(flat_M, at, SIZE * between, between, out, begin, row, column, count)
        if not whole:
            bias_and_relu(tile, 0, m * m, count, b, f0, relu)
            for i in range(rows):
                for j in range(columns):
                    copy(tile, (i * m + j) * count, target, to + (i * ow + j) * f, count)


@kernel()
def output_gradient_tiles(dy, y, relu, db, tiling, start, stop, tile, dM):
    """dM = A da A.T, where da = dy 1[y > 0] with relu, else da = dy; the sums of da are added to db."""
    m, down, across, _, _ = tiling
    flat_dM, step, between = dM
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
                clear(tile, 0, m * m * f)  # pixels beyond the image have no gradient
            for i in range(rows):
                masked_gradient(flat_dy, flat_y, at + i * ow * f, relu, columns, f, tile, i * m * f, db)
        source, begin, row = (flat_dy, at, ow * f) if whole else (tile, 0, m * f)
        if m == OUTPUTS_2:
            _output_gradient_2(source, begin, row, f, flat_dM, to, SIZE * between, between, f)
        else:
            _output_gradient_3(source, begin, row, f, flat_dM, to, SIZE * between, between, f)
