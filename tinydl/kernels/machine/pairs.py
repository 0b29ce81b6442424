"""Pooling by 2x2 windows without padding, a row of windows at a time.

A convolution calls the same functions to pool its own rows while they are in the cache.

Vectors are whole, also if the channels c of a pixel are fewer or do not fill the last one: up to a vector's numbers
behind a pixel are read, and overwritten. The next pixel then overwrites these, and the last pixels, behind which there
may be no room, are computed number by number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compile import kernel
from .registers import VECTOR
from .simd import constant, load, pointers, splat, store, vector_at, vector_of
from .window import Window

NOWHERE = np.empty((0, 0, 0, 0), np.uint16)  # in place of the places of maxima: for means


def are_pairs(window: Window) -> bool:
    """Whether these are 2x2 windows without padding."""
    return window.size == (2, 2) and window.padding == ((0, 0), (0, 0))


def tile(window: Window, image: tuple[int, ...]) -> bool:
    """Whether these are 2x2 windows that cover images of the shape (n, h, w, c), each pixel once."""
    return are_pairs(window) and window.strides == (2, 2) and image[1] % 2 == 0 and image[2] % 2 == 0


@kernel()
def pool_row(x, at, w, c, sw, y, where, to, ow, stop):
    """Maxima, and their places, or means, if `where` is empty, of the 2x2 windows in two rows of w pixels, from x[at]
    on; the results begin at y[to]. Nothing is written at y[stop] or behind it."""
    room, below, ow = VECTOR // x.itemsize, w * c, np.intp(ow)
    fits = at + 2 * below + room <= x.size and to + ow * c + room <= stop
    count = ow if fits else max(0, ow - -(-room // c))
    if where.size:
        maxima_of_pairs(x, at, below, sw * c, c, y, where, to, count)
    else:
        means_of_pairs(x, at, below, sw * c, c, y, to, count)
    for j in range(count, ow):
        for k in range(c):
            p, result, zero, quarter = at + j * sw * c + k, to + j * c + k, x.dtype.type(0), x.dtype.type(0.25)
            q = p + below
            if where.size == 0:
                y[result] = (zero + x[p] + x[p + c] + x[q] + x[q + c]) * quarter
                continue
            y[result], where[result] = x[p], 0
            for place, source in ((1, p + c), (2, q), (3, q + c)):
                if larger(x[source], y[result]):
                    y[result], where[result] = x[source], place


@kernel()
def spread_row(dy, where, at, c, dx, to, ow, stop):
    """The transpose of `pool_row` for windows side by side: dy[at:] goes to two rows of dx, from dx[to] on."""
    room, below, zero, quarter = VECTOR // dy.itemsize, 2 * ow * c, dy.dtype.type(0), dy.dtype.type(0.25)
    for row in range(2):
        first = to + row * below
        fits = at + ow * c + room <= dy.size and first + below + room <= stop
        count = ow if fits else max(0, ow - -(-room // c))
        if where.size:
            spread_maxima_of_pairs(dy, where, at, c, dx, first, count, row)
        else:
            spread_means_of_pairs(dy, at, c, dx, first, count)
        for j in range(count, ow):
            for k in range(c):
                source, p = at + j * c + k, first + 2 * j * c + k
                if where.size == 0:
                    dx[p] = dx[p + c] = dy[source] * quarter
                else:
                    dx[p] = dy[source] if where[source] == 2 * row else zero
                    dx[p + c] = dy[source] if where[source] == 2 * row + 1 else zero


@kernel(inline="always")
def larger(a, b):
    """Whether a > b, where NaN is the largest number. (Written without `or`, which would prevent vector code.)"""
    return (not a <= b) & (b == b)


@intrinsic
def means_of_pairs(typingctx, x, at, below, step, c, y, to, count):
    """For kernels: the means of `count` windows, `step` numbers apart, in the two rows x[at:] and x[at + below:]."""

    def codegen(context, builder, signature, args):
        x, at, below, step, c, y, to, count = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])

        def window(j: Any, k: Any) -> None:
            total = ir.Constant(vector, None)
            for offset in (c.type(0), c, below, builder.add(below, c)):
                place = vector_at(builder, x, vector, at, builder.mul(j, step), offset, k)
                total = builder.fadd(total, load(builder, place, size))
            mean = builder.fmul(total, constant(vector, 0.25))
            store(builder, mean, vector_at(builder, y, vector, to, builder.mul(j, c), k), size)

        _by_pixels(builder, count, c, vector.count, window)
        return context.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, n, n, y, n, n), codegen


@intrinsic
def spread_means_of_pairs(typingctx, dy, at, c, dx, to, count):
    """For kernels: a row of the transpose of `means_of_pairs`, for windows side by side: a quarter of each of `count`
    pixels of dy goes to two pixels of dx."""

    def codegen(context, builder, signature, args):
        dy, at, c, dx, to, count = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])

        def column(number: int, j: Any, k: Any) -> None:
            here = builder.mul(j, c)
            gradient = load(builder, vector_at(builder, dy, vector, at, here, k), size)
            part = builder.fmul(gradient, constant(vector, 0.25))
            store(builder, part, vector_at(builder, dx, vector, to, here, here, (c.type(0), c)[number], k), size)

        _by_pixels(builder, count, c, vector.count, partial(column, 0), partial(column, 1))
        return context.get_dummy_value()

    n = types.intp
    return types.void(dy, n, n, dx, n, n), codegen


@intrinsic
def maxima_of_pairs(typingctx, x, at, below, step, c, y, where, to, count):
    """For kernels: as `means_of_pairs`, but maxima and their places, 0 to 3 (the first of equals). NaN is largest."""

    def codegen(context, builder, signature, args):
        x, at, below, step, c, y, where, to, count = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])
        places = ir.VectorType(ir.IntType(16), vector.count)

        def window(j: Any, k: Any) -> None:
            largest, place = ir.Constant(vector, None), ir.Constant(places, None)
            for number, offset in enumerate((c.type(0), c, below, builder.add(below, c))):
                value = load(builder, vector_at(builder, x, vector, at, builder.mul(j, step), offset, k), size)
                if number == 0:
                    largest = value
                    continue
                number_ = ir.Constant(places, [number] * vector.count)
                larger = builder.fcmp_unordered(">", value, largest)  # or one of them is NaN
                won = builder.and_(larger, builder.fcmp_ordered("ord", largest, largest))
                largest, place = builder.select(won, value, largest), builder.select(won, number_, place)
            result = builder.mul(j, c)
            store(builder, largest, vector_at(builder, y, vector, to, result, k), size)
            store(builder, place, vector_at(builder, where, places, to, result, k), 2)

        _by_pixels(builder, count, c, vector.count, window)
        return context.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, n, n, y, where, n, n), codegen


@intrinsic
def spread_maxima_of_pairs(typingctx, dy, where, at, c, dx, to, count, row):
    """For kernels: a row, 0 or 1, of the transpose of `maxima_of_pairs`, for windows side by side: each of `count`
    pixels of dy goes to one of two pixels of dx, or to none, and the others become 0."""

    def codegen(context, builder, signature, args):
        dy, where, at, c, dx, to, count, row = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])
        lanes, short = vector.count, ir.IntType(16)
        first = splat(builder, builder.trunc(builder.mul(row, row.type(2)), short), lanes)

        def column(number: int, j: Any, k: Any) -> None:
            here = builder.mul(j, c)
            gradient = load(builder, vector_at(builder, dy, vector, at, here, k), size)
            place = load(builder, vector_at(builder, where, first.type, at, here, k), 2)
            won = builder.icmp_unsigned("==", place, builder.add(first, ir.Constant(first.type, [number] * lanes)))
            part = builder.select(won, gradient, ir.Constant(vector, None))
            store(builder, part, vector_at(builder, dx, vector, to, here, here, (c.type(0), c)[number], k), size)

        _by_pixels(builder, count, c, lanes, partial(column, 0), partial(column, 1))
        return context.get_dummy_value()

    n = types.intp
    return types.void(dy, where, n, n, dx, n, n, n), codegen


def _by_pixels(builder: ir.IRBuilder, count: Any, c: Any, lanes: int, *blocks: Callable[..., None]) -> None:
    """LLVM code for each block(j, k) in turn at every pixel j < count, for the vectors that begin at its channels k."""
    with cgutils.for_range(builder, count) as pixel:
        for block in blocks:
            with cgutils.for_range_slice(builder, c.type(0), c, c.type(lanes), inc=True) as (k, _):
                block(pixel.index, k)
