"""Convolution by im2col, in pieces that stay in the cache: the way that works for every convolution.

Lowering a whole layer (im2col in layers/conv.py) makes patches that take kh kw times the memory of its input: 67 MB for
the third convolution of the CIFAR-10 network. Here, every thread lowers a few output rows at a time: it copies their
patches into a buffer in its cache, multiplies them by W, and applies bias and relu while the results are still in
registers. Images are NHWC, so a patch is kh runs of kw c adjacent numbers, and the product needs no reordering to
become y. `backward` lowers x again, which costs less than keeping the patches. A 1x1 convolution with strides of 1 and
no padding needs no lowering: x is its own patch matrix.

Sizes: n images; input h x w pixels, c channels; output oh x ow pixels, f filters; window kh x kw, strides sh, sw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import dense
from ..machine.codes import LINEAR, RELU
from ..machine.compile import kernel
from ..machine.loops import add, clear, copy, masked_gradient
from ..machine.moments import UNMEASURED, Measured, measure_ready
from ..machine.product import DEEP, Rows, affine, product
from ..machine.threads import parts_for, share
from ..machine.transpose import transposed
from ..machine.window import Window
from ..twins import or_complex

BUFFER = 1 << 17  # entries in a buffer of patches and their results: 512 kB of float32, half a core's L2 cache
FEWEST_ROWS = 256  # the fewest rows for which a product is efficient


def forward(
    x: NDArray, W: NDArray, b: NDArray, window: Window, relu: bool, y: NDArray, measured: Measured = UNMEASURED
) -> None:
    """Write x convolved with W, plus b, into y, and apply relu if requested; b is empty if there is no bias.

    The chunks of y are also measured if `measured` is given: each thread then computes whole units.
    """
    n, oh, ow, f = y.shape
    patches = W.size // f
    rows = max(1, min(n * oh, BUFFER // ((patches + f) * ow)))  # output rows at a time
    unit = max(1, measured.images * oh)  # output rows
    units = -(-n * oh // unit)
    parts = parts_for(units, n * oh * ow * patches * f)
    share(parts, units, _forward_part, x, W.reshape(-1), b, window, relu, rows, y, unit, measured)


def backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, relu: bool, dW: NDArray, db: NDArray, dx: NDArray,
    plus: NDArray | None = None,
) -> None:  # fmt: skip
    """Add to dW and db, and write dx, except for those that are empty. With relu, mask dy by y > 0 first.

    If `plus` is given, it is added to dx: only where `adds` says so.
    """
    n, oh, ow, f = dy.shape
    patches = W.size // f
    if n * oh * ow < f:
        _backward_of_few(dy, x, W, y, window, relu, dW, db, dx)
        return
    rows = max(1, min(oh, BUFFER // ((2 * patches + f) * ow)))
    if _needs_no_lowering(window) and oh * ow < FEWEST_ROWS:
        rows = max(1, min(n, FEWEST_ROWS // (oh * ow))) * oh  # small images are processed together
    parts = parts_for(n, 2 * n * oh * ow * patches * f)
    W_T = transposed(W.reshape(patches, f)).reshape(-1)
    dW_parts, db_parts = np.zeros((parts, dW.size), x.dtype), np.zeros((parts, db.size))
    flat_plus = dx.reshape(-1)[:0] if plus is None else plus.reshape(-1)
    share(parts, n, _backward_part, dy, x, W_T, y, window, relu, rows, dW_parts, db_parts, dx, flat_plus)
    dW += dW_parts.sum(axis=0).reshape(dW.shape)
    db += db_parts.sum(axis=0)


def adds(window: Window, output: tuple[int, ...]) -> bool:
    """Whether `backward` adds to dx: if it is a product of dy and W, without col2im, whose sums are not cut into parts,
    so that adding to them gives the bits of adding afterwards."""
    n, oh, ow, f = output
    return _needs_no_lowering(window) and f <= DEEP and n * oh * ow >= f


def _backward_of_few(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, relu: bool, dW: NDArray, db: NDArray, dx: NDArray
) -> None:
    """`backward` if W is larger than all patches: as in a Dense layer, threads divide W and dW, not the images."""
    f = W.shape[3]
    lowered = not _needs_no_lowering(window)
    cols = im2col(x, window) if lowered else x.reshape(-1, W.size // f)
    dcols = dense.backward(
        dy.reshape(-1, f), cols, W.reshape(-1, f), y.reshape(-1, f), RELU if relu else LINEAR,
        dW.reshape(-1, f) if dW.size else None, db if db.size else None, dx.size > 0,
    )  # fmt: skip
    if dx.size:
        dx[...] = col2im(dcols, x.shape, window) if lowered else dcols.reshape(x.shape)


@or_complex
def im2col(x: NDArray, window: Window) -> NDArray:
    """Twin of layers.conv.im2col."""
    x = np.ascontiguousarray(x)
    n, h, w, c = x.shape
    (kh, kw), (oh, ow) = window.size, window.places(h, w)
    cols = np.empty((n * oh * ow, kh * kw * c), x.dtype)
    _im2col_rows(x, window, oh, ow, 0, n * oh, cols)
    return cols


def col2im(cols: NDArray, x_shape: tuple[int, ...], window: Window) -> NDArray:
    """Twin of layers.conv.col2im."""
    n, h, w, _ = x_shape
    oh, ow = window.places(h, w)
    x = np.zeros(x_shape, cols.dtype)
    _col2im_rows(np.ascontiguousarray(cols), window, oh, ow, 0, n * oh, x)
    return x


@kernel()
def _needs_no_lowering(window):
    """Whether the kernel is 1x1 with strides of 1 and no padding: the image is then its own patch matrix."""
    return window.size == (1, 1) and window.strides == (1, 1) and window.padding == ((0, 0), (0, 0))


@kernel()
def _im2col_rows(x, window, oh, ow, start, stop, cols):
    """Write the patches of output rows start .. stop - 1 (numbered across all images) into the first rows of cols."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = x.shape
    source, target = x.reshape(-1), cols.reshape(-1)
    run = kw * c
    to = 0
    for row in range(start, stop):
        image, i = row // oh, row % oh
        for j in range(ow):
            first = max(0, left - j * sw)  # kernel columns inside the image: first .. last - 1
            last = min(kw, w + left - j * sw)
            at = ((image * h + i * sh - top) * w + j * sw - left) * c
            for ki in range(kh):
                p = i * sh + ki - top
                if p < 0 or p >= h or last <= first:
                    clear(target, to, run)
                elif last - first == kw:
                    if run <= 16 and at + 16 <= source.size and to + 16 <= target.size:
                        # Copying `run` numbers takes a loop; copying 16 takes one vector instruction, and later runs
                        # overwrite the excess.
                        p16, to16 = np.uintp(at), np.uintp(to)
                        for q in range(np.uintp(16)):
                            target[to16 + q] = source[p16 + q]
                    else:
                        copy(source, at, target, to, run)
                else:
                    clear(target, to, first * c)
                    copy(source, at + first * c, target, to + first * c, (last - first) * c)
                    clear(target, to + last * c, run - last * c)
                to += run
                at += w * c


@kernel()
def _col2im_rows(cols, window, oh, ow, start, stop, x):
    """Add every entry of the patches of output rows start .. stop - 1 to the pixel it was copied from."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = x.shape
    source, target = cols.reshape(-1), x.reshape(-1)
    run = kw * c
    at = 0
    for row in range(start, stop):
        image, i = row // oh, row % oh
        for j in range(ow):
            first = max(0, left - j * sw)
            last = max(first, min(kw, w + left - j * sw))
            for ki in range(kh):
                p = i * sh + ki - top
                if 0 <= p < h:
                    to = ((image * h + p) * w + j * sw - left) * c
                    add(source, at + first * c, target, to + first * c, (last - first) * c)
                at += run


@kernel()
def _forward_part(part, x, W, b, window, relu, rows, y, unit, measured):
    """Process this part's units of output rows, `rows` rows at a time: copy patches, multiply by W, add b, apply relu,
    and measure y if wanted."""
    _, oh, ow, f = y.shape
    patches = W.size // f
    lowered = not _needs_no_lowering(window)
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    cols = np.empty((rows * ow if lowered else 0, patches), x.dtype)
    flat_cols, in_cols, in_W = cols.reshape(-1), Rows(0, patches), Rows(0, f)
    stop, done = min(part.stop * unit, len(y) * oh), part.start
    for row in range(part.start * unit, stop, rows):
        end = min(row + rows, stop)
        pixels, to = (end - row) * ow, row * ow * f
        if lowered:
            _im2col_rows(x, window, oh, ow, row, end, cols)
            affine((pixels, f, patches), flat_cols, in_cols, W, in_W, b, 0, relu, flat_y, Rows(to, f))
        else:
            in_x = Rows(row * ow * patches, patches)
            affine((pixels, f, patches), flat_x, in_x, W, in_W, b, 0, relu, flat_y, Rows(to, f))
        done = measure_ready(flat_y, measured, done, end, unit, stop)


@kernel()
def _backward_part(part, dy, x, W_T, y, window, relu, rows, dW_parts, db_parts, dx, plus):
    """Write dx for this part's images, and add to the part's own dW and db (each unless empty)."""
    _, oh, ow, f = dy.shape
    patches = W_T.size // f
    lowered, need_dx = not _needs_no_lowering(window), dx.size > 0
    dW, db = dW_parts[part.number], db_parts[part.number]
    flat_x, flat_dx, flat_dy, flat_y = x.reshape(-1), dx.reshape(-1), dy.reshape(-1), y.reshape(-1)
    cols = np.empty((rows * ow if lowered else 0, patches), x.dtype)
    dcols = np.empty((rows * ow if lowered and need_dx else 0, patches), x.dtype)
    da = np.empty(rows * ow * f, x.dtype)
    flat_cols, flat_dcols = cols.reshape(-1), dcols.reshape(-1)
    wide, narrow = Rows(0, patches), Rows(0, f)  # rows of cols, dcols and W_T; rows of da and dW
    if need_dx and lowered:
        size = dx.shape[1] * dx.shape[2] * dx.shape[3]
        clear(flat_dx, part.start * size, (part.stop - part.start) * size)
    for row in range(part.start * oh, part.stop * oh, rows):
        end = min(row + rows, part.stop * oh)
        pixels, at = (end - row) * ow, row * ow * f
        masked_gradient(flat_dy, at, flat_y, at, relu, pixels, f, da, 0, db)
        if lowered:
            if dW.size:
                _im2col_rows(x, window, oh, ow, row, end, cols)
                product(True, False, (patches, f, pixels), flat_cols, wide, da, narrow, True, dW, narrow)
            if need_dx:
                product(False, False, (pixels, patches, f), da, narrow, W_T, wide, False, flat_dcols, wide)
                _col2im_rows(dcols, window, oh, ow, row, end, dx)
        else:
            here = Rows(row * ow * patches, patches)
            if dW.size:
                product(True, False, (patches, f, pixels), flat_x, here, da, narrow, True, dW, narrow)
            if need_dx:
                copy(plus, here.start, flat_dx, here.start, pixels * patches if plus.size else 0)
                product(False, False, (pixels, patches, f), da, narrow, W_T, wide, plus.size > 0, flat_dx, here)
