"""Max and average pooling. Channels are adjacent in memory, so the inner loops run over channels.

2x2 windows without padding, the usual ones, are pooled by rows (machine/pairs.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .machine.compile import kernel
from .machine.loops import copy
from .machine.memory import empty
from .machine.pairs import NOWHERE, are_pairs, larger, pool_row, spread_row, tile
from .machine.registers import VECTOR
from .machine.simd import copy_vectors, window_spread, window_sum
from .machine.threads import parts_for, share
from .machine.window import Window
from .twins import or_complex

WORK = 8  # cost per entry of a window, in multiply-adds
NO_PADDING = ((0, 0), (0, 0))
FEW = 64  # numbers that can be added up in float32; more (whole images) are added up in float64


@or_complex
def max_forward(x: NDArray, window: Window) -> tuple[NDArray, NDArray]:
    """Twin of layers.pooling.max_pool_forward."""
    x = np.ascontiguousarray(x)
    y = _output(x, window)
    where = empty(y.shape, np.uint16)
    if are_pairs(window):
        task = _forward_of_pairs
    else:
        task = _max_forward_of_few_channels if _few_channels(x) and window.padding == NO_PADDING else _max_forward
    _share_images(y, window, task, x, window, y, where)
    return y, where


def max_backward(dy: NDArray, where: NDArray, x_shape: tuple[int, ...], window: Window) -> NDArray:
    """Twin of layers.pooling.max_pool_backward."""
    dy, where, dx = np.ascontiguousarray(dy), np.ascontiguousarray(where), empty(x_shape, dy.dtype)
    if tile(window, x_shape):
        task = _backward_of_pairs
    else:
        side_by_side = window.padding == NO_PADDING and window.strides == window.size
        task = _max_backward_of_few_channels if _few_channels(dy) and side_by_side else _max_backward
    _share_images(dy, window, task, dy, where, window, dx)
    return dx


@or_complex
def average_forward(x: NDArray, window: Window) -> NDArray:
    """Twin of layers.pooling.average_pool_forward."""
    x = np.ascontiguousarray(x)
    y = _output(x, window)
    if are_pairs(window):
        _share_images(y, window, _forward_of_pairs, x, window, y, NOWHERE)
        return y
    task = _average_forward_of_many if math.prod(window.size) > FEW else _average_forward
    _share_images(y, window, task, x, window, y)
    return y


def average_backward(dy: NDArray, x_shape: tuple[int, ...], window: Window) -> NDArray:
    """Twin of layers.pooling.average_pool_backward."""
    dy, dx = np.ascontiguousarray(dy), empty(x_shape, dy.dtype)
    if tile(window, x_shape):
        _share_images(dy, window, _backward_of_pairs, dy, NOWHERE, window, dx)
        return dx
    (_, h, w, _), (_, oh, ow, _), (kh, kw), ((top, _), (left, _)) = x_shape, dy.shape, window.size, window.padding
    tiles = window.strides == window.size and oh * kh - top >= h and ow * kw - left >= w
    _share_images(dy, window, _average_backward_of_tiles if tiles else _average_backward, dy, window, dx)
    return dx


def _few_channels(x: NDArray) -> bool:
    """Whether the channels of a pixel leave a vector partly empty."""
    return x.shape[-1] < VECTOR // x.itemsize


def _output(x: NDArray, window: Window) -> NDArray:
    n, h, w, c = x.shape
    return empty((n, *window.places(h, w), c), x.dtype)


def _share_images(y: NDArray, window: Window, task: Any, *arguments: Any) -> None:
    share(parts_for(len(y), WORK * y.size * math.prod(window.size)), len(y), task, *arguments)


@kernel()
def _forward_of_pairs(part, x, window, y, where):
    """2x2 windows without padding: maxima, or means if `where` is empty."""
    _, (sh, sw), _ = window
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    flat_x, flat_y, flat_where, stop = x.reshape(-1), y.reshape(-1), where.reshape(-1), part.stop * oh * ow * c
    for image in range(part.start, part.stop):
        for i in range(oh):
            at, to = (image * h + i * sh) * w * c, (image * oh + i) * ow * c
            pool_row(flat_x, at, w, c, sw, flat_y, flat_where, to, ow, stop)


@kernel()
def _backward_of_pairs(part, dy, where, window, dx):
    """The transpose of `_forward_of_pairs`, for windows that cover the image, each pixel once."""
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    flat_dy, flat_where, flat_dx, stop = dy.reshape(-1), where.reshape(-1), dx.reshape(-1), part.stop * h * w * c
    for row in range(part.start * oh, part.stop * oh):
        spread_row(flat_dy, flat_where, row * ow * c, c, flat_dx, row * 2 * w * c, ow, stop)


@kernel()
def _max_forward(part, x, window, y, where):
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    for image in range(part.start, part.stop):
        for i in range(oh):
            for j in range(ow):
                u, v = i * sh - top, j * sw - left
                best, place, new = y[image, i, j], where[image, i, j], True
                for p in range(max(0, -u), min(kh, h - u)):
                    for q in range(max(0, -v), min(kw, w - v)):
                        row, at = x[image, u + p, v + q], np.uint16(p * kw + q)
                        if new:
                            new = False
                            for k in range(c):
                                best[k] = row[k]
                                place[k] = at
                            continue
                        for k in range(c):
                            a, b, other = row[k], best[k], place[k]  # read first: branches would take longer
                            won = larger(a, b)
                            best[k], place[k] = a if won else b, at if won else other


@kernel()
def _max_forward_of_few_channels(part, x, window, y, where):
    """_max_forward with whole vectors, if there is no padding. For each place in a window, in turn, the pixels there of
    a row of windows go to a line, each followed by excess numbers, which the next one overwrites."""
    (kh, kw), (sh, sw), _ = window
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    flat_x, flat_y, flat_where = x.reshape(-1), y.reshape(-1), where.reshape(-1)
    lanes = VECTOR // x.itemsize
    row, line = np.empty(w * c + lanes, x.dtype), np.empty(ow * c + lanes, x.dtype)
    best, place = np.empty(ow * c, x.dtype), np.empty(ow * c, np.uint16)
    for image in range(part.start, part.stop):
        for i in range(oh):
            for p in range(kh):
                copy(flat_x, (image * h + i * sh + p) * w * c, row, 0, w * c)
                for q in range(kw):
                    for j in range(ow):
                        copy_vectors(row, (j * sw + q) * c, line, j * c, lanes)
                    at = np.uint16(p * kw + q)
                    if at == 0:
                        copy(line, 0, best, 0, ow * c)
                        place[:] = at
                        continue
                    for k in range(np.uintp(ow * c)):
                        a, b, other = line[k], best[k], place[k]  # read first: branches would take longer
                        won = larger(a, b)
                        best[k], place[k] = a if won else b, at if won else other
            copy(best, 0, flat_y, (image * oh + i) * ow * c, ow * c)
            copy(place, 0, flat_where, (image * oh + i) * ow * c, ow * c)


@kernel()
def _max_backward(part, dy, where, window, dx):
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    zero = dy.dtype.type(0)
    apart = sh >= kh and sw >= kw and top == 0 and left == 0  # no two windows share a pixel, so no sums are needed
    for image in range(part.start, part.stop):
        # Pixels that are in no window, or in several whose gradients are added, must start at 0.
        if not (apart and oh * sh == h and ow * sw == w and sh == kh and sw == kw):
            dx[image] = zero
        for i in range(oh):
            for j in range(ow):
                gradient, place = dy[image, i, j], where[image, i, j]
                for p in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                    for q in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                        row, at = dx[image, i * sh + p - top, j * sw + q - left], np.uint16(p * kw + q)
                        if apart:
                            for k in range(c):
                                row[k] = gradient[k] if place[k] == at else zero
                        else:
                            for k in range(c):
                                row[k] += gradient[k] if place[k] == at else zero


@kernel()
def _max_backward_of_few_channels(part, dy, where, window, dx):
    """_max_backward with whole vectors, as above, if also each window begins where the last one ends."""
    (kh, kw), _, _ = window
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    flat_dy, flat_where, flat_dx = dy.reshape(-1), where.reshape(-1), dx.reshape(-1)
    zero, lanes = dy.dtype.type(0), VECTOR // dy.itemsize
    length = ow * c + lanes
    lines, row = np.zeros(kw * length, dy.dtype), np.empty(w * c + lanes, dy.dtype)
    for image in range(part.start, part.stop):
        if oh * kh < h or ow * kw < w:
            dx[image] = zero
        for i in range(oh):
            first = np.uintp((image * oh + i) * ow * c)
            for p in range(kh):
                for q in range(kw):
                    at, to = np.uint16(p * kw + q), np.uintp(q * length)
                    for k in range(np.uintp(ow * c)):
                        lines[to + k] = flat_dy[first + k] if flat_where[first + k] == at else zero
                for j in range(ow):
                    for q in range(kw):
                        copy_vectors(lines, q * length + j * c, row, (j * kw + q) * c, lanes)
                copy(row, 0, flat_dx, (image * h + i * kh + p) * w * c, ow * kw * c)


@kernel()
def _average_forward(part, x, window, y):
    """Channels that leave a vector partly empty are followed by excess numbers, which the next pixel overwrites."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    flat_x, flat_y, lanes = x.reshape(-1), y.reshape(-1), VECTOR // x.itemsize
    for image in range(part.start, part.stop):
        for i in range(oh):
            p = max(0, i * sh - top)
            rows = min(h, i * sh - top + kh) - p
            row, to = (image * h + p) * w * c, (image * oh + i) * ow * c
            fits = row + rows * w * c + lanes <= x.size and to + ow * c + lanes <= part.stop * oh * ow * c
            count = max(c, lanes) if fits else c
            for j in range(ow):
                q = j * sw - left
                first = max(0, q)
                columns = min(w, q + kw) - first
                scale = x.dtype.type(1 / (rows * columns))
                window_sum(flat_x, row + first * c, rows, w * c, columns, c, scale, flat_y, to + j * c, count)


@kernel()
def _average_forward_of_many(part, x, window, y):
    """_average_forward with sums in float64."""
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    sums = np.empty(c)
    for image in range(part.start, part.stop):
        for i in range(oh):
            p_from, p_to = max(0, top - i * sh), min(kh, h + top - i * sh)
            for j in range(ow):
                q_from, q_to = max(0, left - j * sw), min(kw, w + left - j * sw)
                sums[:] = 0
                for p in range(p_from, p_to):
                    for q in range(q_from, q_to):
                        row = x[image, i * sh + p - top, j * sw + q - left]
                        for k in range(c):
                            sums[k] += row[k]
                scale, mean = 1 / ((p_to - p_from) * (q_to - q_from)), y[image, i, j]
                for k in range(c):
                    mean[k] = sums[k] * scale


@kernel()
def _average_backward(part, dy, window, dx):
    (kh, kw), (sh, sw), ((top, _), (left, _)) = window
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    flat_dy, flat_dx = dy.reshape(-1), dx.reshape(-1)
    apart = sh >= kh and sw >= kw
    for image in range(part.start, part.stop):
        dx[image] = 0  # pixels that are in no window, or in several, whose gradients are added
        for i in range(oh):
            p = max(0, i * sh - top)
            rows = min(h, i * sh - top + kh) - p
            for j in range(ow):
                q = max(0, j * sw - left)
                columns = min(w, j * sw - left + kw) - q
                at, to = ((image * oh + i) * ow + j) * c, ((image * h + p) * w + q) * c
                scale = dy.dtype.type(1 / (rows * columns))
                window_spread(flat_dy, at, scale, flat_dx, to, rows, w * c, columns, c, c, not apart)


@kernel()
def _average_backward_of_tiles(part, dy, window, dx):
    """_average_backward if each pixel is in one window. It is done row by row, so that excess numbers, which follow few
    channels as above, are overwritten."""
    (kh, kw), _, ((top, _), (left, _)) = window
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    flat_dy, flat_dx, lanes = dy.reshape(-1), dx.reshape(-1), VECTOR // dy.itemsize
    for image in range(part.start, part.stop):
        for i in range(oh):
            p = max(0, i * kh - top)
            rows = min(h, i * kh - top + kh) - p
            at = (image * oh + i) * ow * c
            for r in range(p, p + rows):
                to = (image * h + r) * w * c
                fits = at + ow * c + lanes <= dy.size and to + w * c + lanes <= part.stop * h * w * c
                count = max(c, lanes) if fits else c
                for j in range(ow):
                    q = j * kw - left
                    first = max(0, q)
                    columns = min(w, q + kw) - first
                    scale = dy.dtype.type(1 / (rows * columns))
                    window_spread(flat_dy, at + j * c, scale, flat_dx, to + first * c, 1, 0, columns, c, count, False)
