"""Pooling: windows of pixels, channel by channel. Channels lie side by side, so the inner loops run over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import reference
from .compile import kernel
from .memory import empty
from .reference import Padding, output_size
from .threads import parts_for, share


def max_pool_forward(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> tuple[NDArray, NDArray]:
    """See reference.max_pool_forward."""
    if x.dtype.kind == "c":
        return reference.max_pool_forward(x, kh, kw, sh, sw, padding)
    x = np.ascontiguousarray(x)
    y = _output(x, kh, kw, sh, sw, padding)
    where = empty(y.shape, np.uint16)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _max_forward(x, kh, kw, sh, sw, top, left, start, stop, y, where)

    _share_images(y, kh * kw, work)
    return y, where


def max_pool_backward(
    dy: NDArray, where: NDArray, x_shape: tuple[int, ...], kh: int, kw: int, sh: int, sw: int, padding: Padding
) -> NDArray:
    """See reference.max_pool_backward."""
    dy, dx = np.ascontiguousarray(dy), empty(x_shape, dy.dtype)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _max_backward(dy, where, kh, kw, sh, sw, top, left, start, stop, dx)

    _share_images(dy, kh * kw, work)
    return dx


def average_pool_forward(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """See reference.average_pool_forward."""
    if x.dtype.kind == "c":
        return reference.average_pool_forward(x, kh, kw, sh, sw, padding)
    x = np.ascontiguousarray(x)
    y = _output(x, kh, kw, sh, sw, padding)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _average_forward(x, kh, kw, sh, sw, top, left, start, stop, y)

    _share_images(y, kh * kw, work)
    return y


def average_pool_backward(
    dy: NDArray, x_shape: tuple[int, ...], kh: int, kw: int, sh: int, sw: int, padding: Padding
) -> NDArray:
    """See reference.average_pool_backward."""
    dy, dx = np.ascontiguousarray(dy), empty(x_shape, dy.dtype)
    top, left = padding[0][0], padding[1][0]

    def work(part: int, start: int, stop: int) -> None:
        _average_backward(dy, kh, kw, sh, sw, top, left, start, stop, dx)

    _share_images(dy, kh * kw, work)
    return dx


def _output(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    n, h, w, c = x.shape
    return empty((n, output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1]), c), x.dtype)


def _share_images(y: NDArray, window: int, work) -> None:  # type: ignore[no-untyped-def]
    share(parts_for(len(y), y.size * window), len(y), work)


@kernel()
def _max_forward(x, kh, kw, sh, sw, top, left, start, stop, y, where):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1."""
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    for image in range(start, stop):
        for i in range(oh):
            for j in range(ow):
                best, place = y[image, i, j], where[image, i, j]
                new = True
                for p in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                    for q in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                        row, at = x[image, i * sh + p - top, j * sw + q - left], np.uint16(p * kw + q)
                        if new:
                            new = False
                            for k in range(c):
                                best[k] = row[k]
                                place[k] = at
                            continue
                        for k in range(c):
                            won = row[k] > best[k] or (row[k] != row[k] and best[k] == best[k])  # NaN wins, and stays
                            best[k] = row[k] if won else best[k]
                            place[k] = at if won else place[k]


@kernel()
def _max_backward(dy, where, kh, kw, sh, sw, top, left, start, stop, dx):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1."""
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    zero = dy.dtype.type(0)
    apart = sh >= kh and sw >= kw and top == 0 and left == 0  # no two windows share a pixel: write, don't add
    for image in range(start, stop):
        if not (apart and oh * sh == h and ow * sw == w and sh == kh and sw == kw):  # not every pixel has a window
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
def _average_forward(x, kh, kw, sh, sw, top, left, start, stop, y):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1."""
    _, h, w, c = x.shape
    _, oh, ow, _ = y.shape
    for image in range(start, stop):
        for i in range(oh):
            p_from, p_to = max(0, top - i * sh), min(kh, h + top - i * sh)
            for j in range(ow):
                q_from, q_to = max(0, left - j * sw), min(kw, w + left - j * sw)
                mean = y[image, i, j]
                mean[:] = 0
                for p in range(p_from, p_to):
                    for q in range(q_from, q_to):
                        row = x[image, i * sh + p - top, j * sw + q - left]
                        for k in range(c):
                            mean[k] += row[k]
                scale = x.dtype.type(1 / ((p_to - p_from) * (q_to - q_from)))
                for k in range(c):
                    mean[k] *= scale


@kernel()
def _average_backward(dy, kh, kw, sh, sw, top, left, start, stop, dx):  # type: ignore[no-untyped-def]
    """Images start .. stop - 1."""
    _, h, w, c = dx.shape
    _, oh, ow, _ = dy.shape
    for image in range(start, stop):
        dx[image] = 0
        for i in range(oh):
            p_from, p_to = max(0, top - i * sh), min(kh, h + top - i * sh)
            for j in range(ow):
                q_from, q_to = max(0, left - j * sw), min(kw, w + left - j * sw)
                gradient = dy[image, i, j]
                scale = dy.dtype.type(1 / ((p_to - p_from) * (q_to - q_from)))
                for p in range(p_from, p_to):
                    for q in range(q_from, q_to):
                        row = dx[image, i * sh + p - top, j * sw + q - left]
                        for k in range(c):
                            row[k] += gradient[k] * scale
