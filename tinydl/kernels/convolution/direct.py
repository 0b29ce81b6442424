"""Convolution with few channels, without patches: products that read the image directly.

In a layer with few channels, copying pixels into patches takes as long as multiplying. But the patch of a pixel is kh
runs of kw c adjacent numbers of x, and the next pixel's patch has the same layout, sw c numbers further on. A product
with arbitrary steps between rows and runs (`simd.register_product`) can therefore read patches directly from x. For
padding, a few rows of x at a time are copied into a buffer of zeros. All three products of a layer have this form:

    y[pixel, f]   sum over kh runs of kw c taps:             x[pixel's place + run + tap] W[run, tap, f]
    dW[tap, f]    sum over the rows of da and their pixels:  x[pixel's place + tap] da[pixel, f]
    dx[pixel, c]  a convolution of da with strides of 1, see below

dx at row p is the sum of da[i] W[ki] over all i, ki with i sh + ki = p + top. These ki are a, a + sh, a + 2 sh, ...
with a = (p + top) mod sh, and i decreases as ki increases. The rows of dx with the same a are therefore a convolution
of da with every sh-th row of the kernel, in reverse order; the same holds for columns. dx takes sh * sw convolutions.

Sizes are named as in patches.py. The channels of the result must fill whole vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..machine.compile import kernel
from ..machine.loops import bias_and_relu, clear, copy, masked_gradient
from ..machine.simd import register_product
from ..machine.threads import parts_for, share
from ..machine.window import Window

BUFFER = 1 << 14  # entries of y or da processed at a time: 64 kB of float32
WHOLE = 16  # entries that fill whole vectors: one vector of float32, two of float64


def forward(x: NDArray, W: NDArray, b: NDArray, window: Window, relu: bool, y: NDArray) -> None:
    """See patches.forward."""
    n, oh, ow, f = y.shape
    parts = parts_for(n * oh, n * oh * ow * W.size)
    share(parts, n * oh, _forward_part, x, W, b, window, relu, _rows(oh, ow, f), y)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, relu: bool, dW: NDArray, db: NDArray, dx: NDArray
) -> None:
    """See patches.backward."""
    n, oh, ow, f = dy.shape
    sh, sw = window.strides
    parts = parts_for(n, 2 * n * oh * ow * W.size)
    dW_parts, db_parts = np.zeros((parts, dW.size), x.dtype), np.zeros((parts, db.size))
    turned = [W[a::sh, b::sw][::-1, ::-1].transpose(0, 1, 3, 2).ravel() for a in range(sh) for b in range(sw)]
    rows = _rows(oh, ow, f)
    share(parts, n, _backward_part, dy, x, np.concatenate(turned), y, window, relu, rows, dW_parts, db_parts, dx)
    dW += dW_parts.sum(axis=0).reshape(dW.shape)
    db += db_parts.sum(axis=0)


def _rows(oh: int, ow: int, f: int) -> int:
    """The number of output rows to process at a time."""
    return max(1, min(oh, BUFFER // (ow * f)))


_8x2, _4x2, _2x2, _1x2 = (register_product(rows, 2) for rows in (8, 4, 2, 1))
_8x1, _4x1, _2x1, _1x1 = (register_product(rows, 1) for rows in (8, 4, 2, 1))


@kernel()
def products(a, a_at, a_row, a_run, a_step, b, b_at, b_run, b_step, runs, length, c, c_at, c_row, rows, width, add):
    """Apply simd.register_product to any number of rows, for a width of whole vectors."""
    lanes = 64 // c.itemsize
    for j in range(0, width, 2 * lanes):
        two, i = width - j > lanes, 0
        while i < rows:
            p, q, r, left = a_at + i * a_row, b_at + j, c_at + i * c_row + j, rows - i
            if two and left >= 8:
                _8x2(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            elif two and left >= 4:
                _4x2(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            elif two and left >= 2:
                _2x2(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            elif two:
                _1x2(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            elif left >= 8:
                _8x1(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            elif left >= 4:
                _4x1(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            elif left >= 2:
                _2x1(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            else:
                _1x1(a, p, a_row, a_run, a_step, b, q, b_run, b_step, runs, length, c, r, c_row, add)
            i += 8 if left >= 8 else 4 if left >= 4 else 2 if left >= 2 else 1


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
def _forward_part(part, x, W, b, window, relu, rows, y):
    """Compute this part's output rows, numbered across all images."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    c, f = W.shape[2], W.shape[3]
    _, oh, ow, _ = y.shape
    width, run = ((ow - 1) * sw + kw) * c, kw * c
    flat_W, flat_y = W.reshape(-1), y.reshape(-1)
    strip = np.empty(((rows - 1) * sh + kh) * width, x.dtype)
    row = part.start
    while row < part.stop:
        i = row % oh
        here = min(rows, oh - i, part.stop - row)
        _padded(x, row // oh, i * sh - top, -left, (here - 1) * sh + kh, width // c, strip)
        for r in range(here):
            to = (row + r) * ow * f
            products(
                strip, r * sh * width, sw * c, width, 1, flat_W, 0, run * f, f, kh, run, flat_y, to, f, ow, f, False
            )  # fmt: skip
            bias_and_relu(flat_y, to, ow, f, b, 0, relu)
        row += here


@kernel()
def _backward_part(part, dy, x, W, y, window, relu, rows, dW_parts, db_parts, dx):
    """Write dx for this part's images, and add to the part's own dW and db (each unless empty).

    W holds the kernels in reverse order.
    """
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    dW, db = dW_parts[part.number], db_parts[part.number]
    _, h, w, c = x.shape
    _, oh, ow, f = dy.shape
    width, run = ((ow - 1) * sw + kw) * c, kw * c
    flat_dy, flat_y, da = dy.reshape(-1), y.reshape(-1), np.empty(rows * ow * f, x.dtype)
    strip = np.empty(((rows - 1) * sh + kh) * width, x.dtype)
    # `around` holds the part of an image's da on which dx depends, surrounded by zeros.
    rows_before, columns_before = (kh - 1) // sh, (kw - 1) // sw
    da_rows, da_columns = rows_before + (h - 1 + top) // sh + 1, columns_before + (w - 1 + left) // sw + 1
    around = np.zeros(da_rows * da_columns * f if dx.size else 0, x.dtype)
    for image in range(part.start, part.stop):
        for i in range(0, oh, rows):
            here = min(rows, oh - i)
            masked_gradient(flat_dy, flat_y, (image * oh + i) * ow * f, relu, here * ow, f, da, 0, db)
            if dW.size:
                _padded(x, image, i * sh - top, -left, (here - 1) * sh + kh, width // c, strip)
            for ki in range(kh if dW.size else 0):
                products(
                    strip, ki * width, 1, sh * width, sw * c, da, 0, ow * f, f, here, ow,
                    dW, ki * run * f, f, run, f, True,
                )  # fmt: skip
            for r in range(min(here, da_rows - rows_before - i) if dx.size else 0):
                to = ((rows_before + i + r) * da_columns + columns_before) * f
                copy(da, r * ow * f, around, to, min(ow, da_columns - columns_before) * f)
        if dx.size:
            _input_gradient(around, da_columns, W, window, image, f, dx)


@kernel()
def _input_gradient(around, da_columns, W, window, image, f, dx):
    """Compute dx of an image by sh * sw convolutions of its da."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = dx.shape
    flat_dx, kernel_at = dx.reshape(-1), 0
    for a in range(sh):
        for b in range(sw):
            runs, taps = len(range(a, kh, sh)), len(range(b, kw, sw))
            q = (b - left) % sw  # the first column with (q + left) mod sw = b
            column = (q + left) // sw - (taps - 1) + (kw - 1) // sw
            for p in range((a - top) % sh, h, sh):
                row = (p + top) // sh - (runs - 1) + (kh - 1) // sh
                products(
                    around, (row * da_columns + column) * f, f, da_columns * f, 1,
                    W, kernel_at, taps * f * c, c, runs, taps * f,
                    flat_dx, ((image * h + p) * w + q) * c, sw * c, len(range(q, w, sw)), c, False,
                )  # fmt: skip
            kernel_at += runs * taps * f * c
