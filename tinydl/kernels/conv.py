"""Convolution by im2col, in pieces that stay in the cache.

Lowered as a whole (reference.im2col) a layer's patches take kh kw times the memory of its input: 67 MB for the third
convolution of the CIFAR-10 network. Here every thread lowers a few output rows into a buffer in its cache, multiplies
it by W, adds bias and relu while the result is hot, and moves on: the patch matrix never exists. Images are NHWC, so a
patch row is kh runs of kw c adjacent numbers, and the product lands in y as it stands. backward lowers x again, which
costs less than keeping the patches. A 1x1 convolution with strides of 1 needs no lowering: x is its own patch matrix.

Three ways are faster where they are open: for kernels of 2x2 and 3x3 with strides of 1 and channels enough winograd.py,
with many channels and few pixels winograd_deep.py; for other layers of few channels direct.py, without patches.

Sizes: n images, h x w pixels and c channels in, oh x ow pixels and f filters out, kh x kw the window, sh, sw the
strides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import direct, reference, winograd, winograd_deep
from .blas import product
from .compile import kernel
from .elementwise import add, bias_and_relu, clear, copy, finish, masked_gradient
from .memory import empty
from .reference import RELU, Padding, activation_gradient, output_size
from .threads import one_blas_thread, parts_for, share

BUFFER = 1 << 17  # numbers in a buffer of patches and their results: 512 kB of float32, half a core's L2 cache


@one_blas_thread()
def conv2d_forward(x: NDArray, W: NDArray, b: NDArray, sh: int, sw: int, padding: Padding, activation: int) -> NDArray:
    """See reference.conv2d_forward."""
    if x.dtype.kind == "c":
        return reference.conv2d_forward(x, W, b, sh, sw, padding, activation)
    x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
    n, h, w, c = x.shape
    kh, kw, _, f = W.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    y = empty((n, oh, ow, f), x.dtype)
    relu = activation == RELU
    if winograd.suits(W.shape, sh, sw):
        way = winograd_deep if winograd_deep.suits(W, y) else winograd
        way.forward(x, W, b, padding, relu, y)
    elif direct.suits(W.shape, False):
        direct.forward(x, W, b, sh, sw, padding, relu, y)
    else:
        patches = kh * kw * c
        plain = kh == kw == sh == sw == 1 and padding == ((0, 0), (0, 0))
        rows = max(1, min(n * oh, BUFFER // ((patches + f) * ow)))  # output rows at a time
        top, left, matrix = padding[0][0], padding[1][0], W.reshape(-1)

        def work(part: int, start: int, stop: int) -> None:
            _forward_part(x, matrix, b, kh, kw, sh, sw, top, left, plain, relu, rows, start, stop, y)

        share(parts_for(n * oh, n * oh * ow * patches * f), n * oh, work)
    finish(y, activation)
    return y


@one_blas_thread()
def conv2d_backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, sh: int, sw: int, padding: Padding, activation: int,
    dW: NDArray, db: NDArray, need_dx: bool,
) -> NDArray:  # fmt: skip
    """See reference.conv2d_backward."""
    x, dy, y, W = (np.ascontiguousarray(array) for array in (x, dy, y, W))
    relu = activation == RELU
    if not relu:
        dy = activation_gradient(dy, y, activation)
    kh, kw, c, f = W.shape
    n, oh, ow, _ = dy.shape
    dx = empty(x.shape if need_dx else (0, 0, 0, 0), x.dtype)
    if winograd.suits(W.shape, sh, sw):
        way = winograd_deep if winograd_deep.suits(W, y) else winograd
        way.backward(dy, x, W, y, padding, relu, dW, db, dx)
        return dx
    if direct.suits(W.shape, need_dx):
        direct.backward(dy, x, W, y, sh, sw, padding, relu, dW, db, dx)
        return dx
    patches = kh * kw * c
    plain = kh == kw == sh == sw == 1 and padding == ((0, 0), (0, 0))
    rows = max(1, min(oh, BUFFER // ((2 * patches + f) * ow)))
    if plain and oh * ow < 256:
        rows = max(1, min(n, 256 // (oh * ow))) * oh  # small images together: products want some hundred rows
    top, left = padding[0][0], padding[1][0]
    transposed = np.ascontiguousarray(W.reshape(patches, f).T).reshape(-1)
    parts = parts_for(n, 2 * n * oh * ow * patches * f)
    dW_parts, db_parts = np.zeros((parts, patches * f), x.dtype), np.zeros((parts, db.size), x.dtype)

    def work(part: int, start: int, stop: int) -> None:
        _backward_part(
            dy, x, transposed, y, kh, kw, sh, sw, top, left, plain, relu, need_dx, rows, start, stop,
            dW_parts[part], db_parts[part], dx,
        )  # fmt: skip

    share(parts, n, work)
    dW += dW_parts.sum(axis=0).reshape(W.shape)
    db += db_parts.sum(axis=0)
    return dx


def im2col(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """See reference.im2col."""
    x = np.ascontiguousarray(x)
    n, h, w, c = x.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    cols = np.empty((n * oh * ow, kh * kw * c), x.dtype)
    _lower(x, kh, kw, sh, sw, padding[0][0], padding[1][0], oh, ow, 0, n * oh, cols)
    return cols


def col2im(cols: NDArray, x_shape: tuple[int, ...], kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """See reference.col2im."""
    n, h, w, c = x_shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    x = np.zeros((n, h, w, c), cols.dtype)
    _raise(np.ascontiguousarray(cols), kh, kw, sh, sw, padding[0][0], padding[1][0], oh, ow, 0, n * oh, x)
    return x


@kernel()
def _lower(x, kh, kw, sh, sw, top, left, oh, ow, start, stop, cols):  # type: ignore[no-untyped-def]
    """The patches of output rows start .. stop - 1 (counted through all images) into the first rows of cols."""
    _, h, w, c = x.shape
    source, target = x.reshape(-1), cols.reshape(-1)
    run = kw * c
    to = 0
    for row in range(start, stop):
        image, i = row // oh, row % oh
        for j in range(ow):
            first = max(0, left - j * sw)  # the first kernel column that lies inside the image, and the last
            last = min(kw, w + left - j * sw)
            at = ((image * h + i * sh - top) * w + j * sw - left) * c
            for ki in range(kh):
                p = i * sh + ki - top
                if p < 0 or p >= h or last <= first:
                    clear(target, to, run)
                elif last - first == kw:
                    if run <= 16 and at + 16 <= source.size and to + 16 <= target.size:
                        # Nine numbers are a loop, sixteen are one vector instruction: what is too much is overwritten
                        # by the runs that come next.
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
def _raise(cols, kh, kw, sh, sw, top, left, oh, ow, start, stop, x):  # type: ignore[no-untyped-def]
    """Adds every number of the patches of output rows start .. stop - 1 to the pixel it was copied from."""
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
def _forward_part(x, W, b, kh, kw, sh, sw, top, left, plain, relu, rows, start, stop, y):  # type: ignore[no-untyped-def]
    """Output rows start .. stop - 1, `rows` of them at a time: lower, multiply, add b, relu."""
    _, oh, ow, f = y.shape
    patches = W.size // f
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    cols = np.empty((0 if plain else rows * ow, patches), x.dtype)
    flat_cols = cols.reshape(-1)
    for row in range(start, stop, rows):
        end = min(row + rows, stop)
        pixels, to = (end - row) * ow, row * ow * f
        if plain:
            product(False, pixels, f, patches, flat_x, row * ow * patches, patches, W, 0, f, False, flat_y, to, f)
        else:
            _lower(x, kh, kw, sh, sw, top, left, oh, ow, row, end, cols)
            product(False, pixels, f, patches, flat_cols, 0, patches, W, 0, f, False, flat_y, to, f)
        bias_and_relu(flat_y, to, pixels, f, b, 0, relu)


@kernel()
def _backward_part(dy, x, W_T, y, kh, kw, sh, sw, top, left, plain, relu, need_dx, rows, start, stop, dW, db, dx):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1: their parts of dW and db are added, their dx is written."""
    _, oh, ow, f = dy.shape
    patches = W_T.size // f
    flat_x, flat_dx, flat_dy, flat_y = x.reshape(-1), dx.reshape(-1), dy.reshape(-1), y.reshape(-1)
    cols = np.empty((0 if plain else rows * ow, patches), x.dtype)
    dcols = np.empty((rows * ow if need_dx and not plain else 0, patches), x.dtype)
    flat_cols, flat_dcols = cols.reshape(-1), dcols.reshape(-1)
    da = np.empty(rows * ow * f, x.dtype)
    if need_dx and not plain:
        size = dx.shape[1] * dx.shape[2] * dx.shape[3]
        clear(flat_dx, start * size, (stop - start) * size)
    for row in range(start * oh, stop * oh, rows):
        end = min(row + rows, stop * oh)
        pixels, at = (end - row) * ow, row * ow * f
        masked_gradient(flat_dy, flat_y, at, relu, pixels, f, da, 0, db)
        if plain:
            first = row * ow * patches
            product(True, patches, f, pixels, flat_x, first, patches, da, 0, f, True, dW, 0, f)
            if need_dx:
                product(False, pixels, patches, f, da, 0, f, W_T, 0, patches, False, flat_dx, first, patches)
        else:
            _lower(x, kh, kw, sh, sw, top, left, oh, ow, row, end, cols)
            product(True, patches, f, pixels, flat_cols, 0, patches, da, 0, f, True, dW, 0, f)
            if need_dx:
                product(False, pixels, patches, f, da, 0, f, W_T, 0, patches, False, flat_dcols, 0, patches)
                _raise(dcols, kh, kw, sh, sw, top, left, oh, ow, row, end, dx)
