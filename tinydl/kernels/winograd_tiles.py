"""The small transforms of Winograd's convolution, tile by tile; winograd.py says what they are for.

Each is a `simd.tile_map`, for many channels at once. V, dV, M and dM lie in memory as their makers like: a tile's entry
for position p and channel j is at tile step + p between + j.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .compile import kernel
from .elementwise import add, bias_and_relu, clear, copy, masked_gradient
from .simd import tile_map

POINTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2))  # and infinity
SIZE = len(POINTS) + 1  # of a tile's side


def tiles_of(y: NDArray, k: int) -> int:
    """How many tiles make up an image of y."""
    m = SIZE + 1 - k
    return -(-y.shape[1] // m) * -(-y.shape[2] // m)


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
