"""Convolution with few channels, without patches: products that read the image directly.

In a layer with few channels, copying pixels into patches takes as long as multiplying. But the patch of a pixel is kh
runs of kw c adjacent numbers of x, and the next pixel's patch has the same layout, sw c numbers further on. A product
whose rows may lie anywhere (machine/window_product.py) can therefore read patches directly from x. For padding, a few
rows of x at a time are copied into a buffer of zeros. All three products of a layer have this form:

    y[pixel, f]         sum over kh runs of kw c taps:           x[pixel's place + run + tap] W[run, tap, f]
    dW[tap, f]          sum over the rows of da, their pixels:   x[pixel's place + tap] da[pixel, f]
    dx[p, window's run] sum over rows i and kernel rows ki with  sum_f da[i, j, f] W[ki, run's entry, f]
                        i sh + ki = p + top

dx at row p takes the ki = a, a + sh, a + 2 sh, ... with a = (p + top) mod sh. As ki increases, i decreases by 1, so
that all rows p with the same a multiply rows of da by every sh-th row of the kernel, in reverse order. Each product
adds to the kw c numbers that a window covers in row p. Windows of the same product do not overlap.

No number of filters or channels has to fill whole vectors: excess lanes are computed, but not stored. Few filters would
leave most lanes unused: adjacent pixels of y are then computed as one (`_grouped`). Sizes are named as in patches.py.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..machine.codes import LINEAR, RELU
from ..machine.compile import kernel
from ..machine.exponential import smooth
from ..machine.loops import add, add_column_sums, clear, copy, times_slope
from ..machine.moments import UNMEASURED, Measured, measure_ready
from ..machine.pairs import NOWHERE, pool_row, spread_row
from ..machine.threads import parts_for, share
from ..machine.transpose import transpose
from ..machine.window import Window
from ..machine.window_product import BLOCK, products

BUFFER = 1 << 14  # entries of y or da processed at a time: 64 kB of float32
ROWS = 64  # rows of y, or a few more, in a sum for dW: a single sum over all images would lose digits
MOST_SUMS = 1 << 10  # sums for db: one for each entry of a row of da (long loops are fast), unless that is too many


def forward(
    x: NDArray, W: NDArray, b: NDArray, window: Window, activation: int, y: NDArray,
    measured: Measured = UNMEASURED, pooled: NDArray | None = None, where: NDArray = NOWHERE,
) -> None:  # fmt: skip
    """As patches.forward, but with any activation: each thread applies it to its own rows, and pools them into `pooled`
    if this is given (by machine/pairs.py; y then has even numbers of rows and columns)."""
    n, oh, ow, f = y.shape
    pooled = y[:0] if pooled is None else pooled
    unit = 2 if pooled.size else max(1, measured.images * oh)  # output rows
    units = -(-n * oh // unit)
    parts = parts_for(units, n * oh * ow * W.size)
    group, window = _grouping(W.shape, window, ow, False)
    y = y.reshape(n, oh, ow // group, group * f)
    share(parts, units, _forward_part, x, W, b, window, group, activation, y, pooled, where, unit, measured)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, activation: int,
    dW: NDArray, db: NDArray, dx: NDArray, where: NDArray = NOWHERE,
) -> None:  # fmt: skip
    """As patches.backward, but with any activation, and dy may be the gradient of the pooled y (see `forward`)."""
    n, oh, ow, f = y.shape
    parts = parts_for(n, 2 * n * oh * ow * W.size)
    group, window = _grouping(W.shape, window, ow, dx.size > 0)
    y = y.reshape(n, oh, ow // group, group * f)
    dW_parts, db_parts = np.zeros((parts, *dW.shape), x.dtype), np.empty((parts, *db.shape))
    share(parts, n, _backward_part, dy, where, x, W, y, window, group, activation, dW_parts, db_parts, dx)
    for dW_part, db_part in zip(dW_parts, db_parts, strict=True):
        dW += dW_part
        db += db_part


@lru_cache(maxsize=1024)
def _grouping(W_shape: tuple[int, ...], window: Window, ow: int, need_dx: bool) -> tuple[int, Window]:
    """The number of adjacent pixels of y that are best computed as one, and their common window, see _grouped."""
    kh, kw, c, f = W_shape
    (sh, sw), padding = window.strides, window.padding

    def work(group: int) -> float:
        """Steps of `products` for a pixel."""
        run = (kw + (group - 1) * sw) * c
        return kh * (run * -(-group * f // BLOCK) / group + need_dx * f * -(-run // BLOCK))

    group = min((group for group in range(1, BLOCK // f + 1) if ow % group == 0), key=work, default=1)
    return group, Window((kh, kw + (group - 1) * sw), (sh, group * sw), padding)


@kernel()
def _grouped(W, step, group):
    """The weights of the convolution that computes `group` adjacent pixels of y, `step` pixels of x apart, as one pixel
    with group f filters, so that few filters fill a vector: filter (j, f) is filter f, moved to the right by j steps.
    The numbers of x and y stay in their places.

    The weights come as a flat array, followed by numbers that a product may read in excess.
    """
    kh, kw, c, f = W.shape
    run, wide = kw * c, (kw + (group - 1) * step) * c  # taps of a row of the kernel, and of the common one
    flat, flat_W = np.zeros(kh * wide * group * f + BLOCK, W.dtype), W.reshape(-1)
    for ki, tap, j in np.ndindex((kh, run, group)):
        to = (ki * wide + j * step * c + tap) * group + j
        copy(flat_W, (ki * run + tap) * f, flat, to * f, f)
    return flat


@kernel()
def _add_ungrouped(flat, step, group, dW):
    """Add to dW the gradient of W, from that of its `group` copies in `_grouped`, and set the latter to 0."""
    kh, kw, c, f = dW.shape
    run, wide = kw * c, (kw + (group - 1) * step) * c
    flat_dW = dW.reshape(-1)
    for ki, tap, j in np.ndindex((kh, run, group)):
        at = (ki * wide + j * step * c + tap) * group + j
        add(flat, at * f, flat_dW, (ki * run + tap) * f, f)
    clear(flat, 0, flat.size)


@kernel()
def _turned(flat_W, sh, kh, run, f):
    """The weights for dx: for each a < sh, the transposes of the kernel's rows a, a + sh, ..., from the last one on."""
    turned, to = np.zeros(kh * run * f + BLOCK, flat_W.dtype), 0
    for a in range(sh):
        for ki in range(kh - 1, -1, -1):
            if ki % sh == a:
                transpose(flat_W, ki * run * f, f, run, f, turned, to, run)
                to += run * f
    return turned


@kernel()
def _rows(oh, ow, f, multiple):
    """The number of output rows to process at a time. (With few filters, the places of the pixels fill the cache.)"""
    return max(multiple, min(oh, BUFFER // (ow * max(f, BLOCK))) // multiple * multiple)


@kernel()
def _places(rows, down, columns, across):
    """The places of a grid's entries in memory, row by row: i down + j across."""
    places = np.empty(rows * columns, np.intp)
    _set_places(rows, down, columns, across, places)
    return places


@kernel(inline="always")
def _set_places(rows, down, columns, across, places):
    for i in range(rows):
        for j in range(columns):
            places[i * columns + j] = i * down + j * across


@kernel()
def _padded(source, image, p0, q0, rows, columns, target):
    """Copy rows x columns pixels of an image, starting at (p0, q0), into target, with zeros outside the image."""
    _, h, w, c = source.shape
    flat = source.reshape(-1)
    first = min(max(0, -q0), columns)  # columns inside the image: first .. last - 1
    last = max(first, min(columns, w - q0))
    for r in range(rows):
        p, to = p0 + r, r * columns * c
        if 0 <= p < h:
            clear(target, to, first * c)
            copy(flat, ((image * h + p) * w + q0 + first) * c, target, to + first * c, (last - first) * c)
            clear(target, to + last * c, (columns - last) * c)
        else:
            clear(target, to, columns * c)


@kernel()
def _forward_part(part, x, W, b, window, group, activation, y, pooled, where, unit, measured):
    """Compute this part's units of output rows, with their activation, and pool or measure them if wanted.

    `window` is the common one of `group` pixels of y, which count as one pixel, as in the kernels below.
    """
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    c = W.shape[2]
    _, oh, ow, f = y.shape
    pair = 2 if pooled.size else 1
    width, run, rows = ((ow - 1) * sw + kw) * c, kw * c, _rows(oh, ow, f, pair)
    flat_W, bias = _grouped(W, sw // group, group), np.zeros(f, x.dtype)
    for k in range(f if b.size else 0):
        bias[k] = b[k % b.size]
    flat_y, flat_pooled, flat_where = y.reshape(-1), pooled.reshape(-1), where.reshape(-1)
    strip = np.empty(((rows - 1) * sh + kh) * width, x.dtype)
    windows, pixels = _places(rows, sh * width, ow, sw * c), _places(rows, ow * f, ow, f)
    row, stop, done = part.start * unit, min(part.stop * unit, len(y) * oh), part.start
    while row < stop:
        i = row % oh
        here = min(rows, oh - i, stop - row)
        _padded(x, row // oh, i * sh - top, -left, (here - 1) * sh + kh, width // c, strip)
        products(
            strip, 0, windows, width, 1, flat_W, 0, run * f, f, kh, run,
            bias, flat_y, row * ow * f, pixels, here * ow, f, False, activation == RELU,
        )  # fmt: skip
        smooth(flat_y, row * ow * f, here * ow * f, activation)
        for r in range(row, row + here if pooled.size else row, 2):
            pool_row(
                flat_y, r * ow * f, ow * group, f // group, 2, flat_pooled, flat_where, r * ow * f // 4,
                ow * group // 2, stop * ow * f // 4,
            )  # fmt: skip
        row += here
        done = measure_ready(flat_y, measured, done, row, unit, stop)


@kernel()
def _backward_part(part, dy, where, x, W, y, window, group, activation, dW_parts, db_parts, dx):
    """Write dx for this part's images, and the part's own dW and db (each unless empty)."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    dW, db = dW_parts[part.number], db_parts[part.number]
    _, h, _, c = x.shape
    _, oh, ow, f = y.shape
    pair = 2 if dy.size != y.size else 1  # dy is that of the pooled rows, which a pair of rows becomes
    width, run, rows = ((ow - 1) * sw + kw) * c, kw * c, _rows(oh, ow, f, pair)
    flat_W = _grouped(W, sw // group, group)
    turned_W = _turned(flat_W, sh, kh, run, f) if dx.size else flat_W
    flat_dy, flat_y, da = dy.reshape(-1), y.reshape(-1), np.zeros(rows * ow * f + BLOCK, x.dtype)
    flat_where = where.reshape(-1)
    flat_dW = np.zeros(kh * run * f if dW.size else 0, x.dtype)
    together = -(-ROWS // oh)  # images of a sum
    sums = np.zeros((ow * f if ow * f <= MOST_SUMS else f) if db.size else 0)
    strip = np.empty(((rows - 1) * sh + kh) * width, x.dtype)
    taps, weights, no_bias = _places(kh, width, run, 1), _places(kh, run * f, run, f), np.zeros(run + f, x.dtype)
    # `around` holds the rows of an image's da on which dx depends, between rows of zeros.
    before = (kh - 1) // sh
    da_rows = before + (h - 1 + top) // sh + 1
    around = np.zeros(da_rows * ow * f if dx.size else 0, x.dtype)
    for image in range(part.start, part.stop):
        for i in range(0, oh, rows):
            here = min(rows, oh - i)
            at, size = (image * oh + i) * ow * f, here * ow * f
            if pair == 2:
                for r in range(0, size, 2 * ow * f):
                    spread_row(flat_dy, flat_where, (at + r) // 4, f // group, da, r, ow * group // 2, da.size)
                if activation != LINEAR:
                    times_slope(da, flat_y[at : at + size], activation, 0, da, 0, size)
            elif activation == LINEAR:
                copy(flat_dy, at, da, 0, size)
            else:
                times_slope(flat_dy, flat_y, activation, at, da, 0, size)
            if db.size:
                add_column_sums(da, 0, size // sums.size, sums.size, sums)
            if dW.size:
                _padded(x, image, i * sh - top, -left, (here - 1) * sh + kh, width // c, strip)
                products(
                    strip, 0, taps, sh * width, sw * c, da, 0, ow * f, f, here, ow,
                    no_bias, flat_dW, 0, weights, kh * run, f, True, False,
                )  # fmt: skip
            if dx.size:
                copy(da, 0, around, (before + i) * ow * f, max(0, min(here, da_rows - before - i)) * ow * f)
        if dx.size:
            _input_gradient(around, turned_W, no_bias, window, image, ow, f, dx)
        if dW.size and (image + 1 == part.stop or (image + 1 - part.start) % together == 0):
            _add_ungrouped(flat_dW, sw // group, group, dW)
    db[:] = 0
    for k in range(sums.size):
        db[k % db.size] += sums[k]


@kernel()
def _input_gradient(around, turned_W, no_bias, window, image, ow, f, dx):
    """Compute dx of an image from its da."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = dx.shape
    width, run = ((ow - 1) * sw + kw) * c, kw * c
    wide = np.zeros(h * width, dx.dtype)  # dx with its padding at the left and at the right
    apart = -(-kw // sw)  # windows this many columns apart do not overlap
    most = -(-h // sh) * -(-ow // apart)
    pixels, windows = np.empty(most, np.intp), np.empty(most, np.intp)
    kernel_at = 0
    for a in range(sh):
        p, runs = (a - top) % sh, len(range(a, kh, sh))  # p is the first row with (p + top) mod sh = a
        row, height = (p + top) // sh - (runs - 1) + (kh - 1) // sh, len(range(p, h, sh))
        for j in range(min(apart, ow)):
            columns = len(range(j, ow, apart))
            _set_places(height, ow * f, columns, apart * f, pixels)
            _set_places(height, sh * width, columns, apart * sw * c, windows)
            products(
                around, (row * ow + j) * f, pixels, ow * f, 1, turned_W, kernel_at, f * run, run, runs, f,
                no_bias, wide, p * width + j * sw * c, windows, height * columns, run, True, False,
            )  # fmt: skip
        kernel_at += runs * f * run
    flat_dx = dx.reshape(-1)
    inside = max(0, min(w, width // c - left))
    for p in range(h):
        to = (image * h + p) * w * c
        copy(wide, p * width + left * c, flat_dx, to, inside * c)
        clear(flat_dx, to + inside * c, (w - inside) * c)
