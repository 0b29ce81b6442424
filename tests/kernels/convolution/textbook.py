"""Helpers for the tests of convolution: paddings by name, and the textbook's sum."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from tests.kernels.comparing import NO_PADDING
from tinydl.kernels import Window

IMAGES = [(2, 7, 5, 3, 4), (1, 6, 8, 1, 2), (3, 5, 9, 2, 1), (1, 4, 4, 1, 1)]  # n, h, w, c, f
STRIDES = [(1, 1), (2, 2), (2, 1), (1, 3), (3, 2)]
SIZES = [(1, 1), (2, 2), (3, 3), (3, 2), (2, 3), (1, 4), (4, 1), (5, 3)]
PADDINGS = ["valid", "same", "one", "lopsided", "wide"]


def window_of(size: tuple[int, int], strides: tuple[int, int], padding: str, h: int, w: int) -> Window:
    """A window for images of h x w pixels."""
    around = {
        "valid": NO_PADDING,
        "same": (_same(h, size[0], strides[0]), _same(w, size[1], strides[1])),
        "one": ((1, 1), (1, 1)),
        "lopsided": ((1, 0), (0, 2)),
        "wide": ((3, 4), (5, 2)),  # wider than some windows, which then see only zeros
    }[padding]
    return Window(size, strides, around)


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same", by its definition: ceil(size / stride) windows, with an odd pixel of padding at the end."""
    lacking = max(0, (-(-size // stride) - 1) * stride + window - size)
    return lacking // 2, lacking - lacking // 2


def fitting(size: tuple[int, int]) -> Iterator[tuple[tuple[int, ...], Window]]:
    """Yield (n, h, w, c, f) and the window for every case in which the window fits into the padded image."""
    for padding, image, strides in itertools.product(PADDINGS, IMAGES, STRIDES):
        _, h, w, _, _ = image
        window = window_of(size, strides, padding, h, w)
        if size[0] <= h + sum(window.padding[0]) and size[1] <= w + sum(window.padding[1]):
            yield image, window


def textbook(x: np.ndarray, W: np.ndarray, window: Window) -> np.ndarray:
    """Convolution as a sum for every pixel and filter.

    y[n, i, j, f] = sum over (p, q, c) of xpad[n, i sh + p, j sw + q, c] W[p, q, c, f]
    """
    (kh, kw), (sh, sw), padding = window
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    y = np.zeros((len(x), *window.places(*x.shape[1:3]), W.shape[3]), x.dtype)
    for image, i, j, f in np.ndindex(y.shape):
        y[image, i, j, f] = np.sum(padded[image, i * sh : i * sh + kh, j * sw : j * sw + kw] * W[..., f])
    return y
