"""Pooling layers, which have no parameters: MaxPool2D, AveragePool2D, GlobalAveragePool2D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import kernels
from ..kernels import Window, compiled_as
from ..layer import Layer, Shape
from . import conv  # the module, not its names: see kernels/twins.py
from .sliding_window import check_image, check_padding, pair, window_over

MOST_PLACES = 1 << 16  # the largest pool_size, in pixels: the place of a maximum is stored in 16 bits


class Pool2D(Layer):
    """Base class of MaxPool2D and AveragePool2D: windows of pool_size, placed `strides` apart (default: pool_size)."""

    needs_build = True
    _x_shape: tuple[int, ...]
    _where: Any = None  # the places of the maxima, from MaxPool2D's first forward pass on

    def __init__(
        self, pool_size: int | tuple[int, int] = 2, strides: int | tuple[int, int] | None = None,
        padding: str | int | tuple = "valid", *, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name)
        owner = type(self).__name__
        self.pool_size = pair(owner, "pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair(owner, "strides", strides)
        self.padding = check_padding(owner, padding)
        if self.pool_size[0] * self.pool_size[1] > MOST_PLACES:
            mend = "for a mean over the whole image use GlobalAveragePool2D"
            raise ValueError(f"{owner}: pool_size must cover at most {MOST_PLACES} pixels, got {pool_size!r}: {mend}")

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        check_image(self.label, input_shape)
        self._window = window_over(self.label, input_shape, self.pool_size, self.strides, self.padding)
        places = self._window.places(*input_shape[:2])
        for length, kernel, stride, (before, _), count in zip(input_shape, *self._window, places, strict=False):
            if before >= kernel or (count - 1) * stride >= length + before:
                got = f"{self.padding} around windows of {self.pool_size}, some of which would hold only padding"
                raise ValueError(f"{self.label}: padding must be smaller than the window, got {got}")
        self.output_shape = (*places, input_shape[2])
        return self.output_shape


class MaxPool2D(Pool2D):
    """The largest entry of each window, channel by channel.

    Forward     y[m, i, j, c] = max over the window's (p, q) of x[m, i sh + p, j sw + q, c]
    Backward    y equals one entry of the window, so dy goes to this entry alone and the others get 0. Where windows
                overlap, an entry may be the maximum of several windows; its dx is the sum of their dy.
    padding     as in Conv2D, but padding is never the maximum (it counts as -infinity, not as 0)
    Shapes      x (n, h, w, c), y (n, oh, ow, c)
    Cache       the place of each maximum in its window, 2 bytes per output; x is not kept
    Edge        of several equal maxima, the first in reading order gets all of dy; max has no derivative at such a tie
    Raises      ValueError for invalid hyper-parameters, for rows instead of images, and for windows that do not fit or
                would hold only padding
    Check       check_layer(MaxPool2D(2), x=(2, 4, 6, 3))
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        y, where = max_pool_forward(x, self._window)
        self._y, self._where, self._x_shape = y, where, x.shape
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        return max_pool_backward(dy, self._where, self._x_shape, self._window)


@compiled_as(kernels.pooling.max_forward)
def max_pool_forward(x: NDArray, window: Window) -> tuple[NDArray, NDArray]:
    """(y, where): each window's largest entry, by channel, and its place p kw + q in the window (the first if tied).

    Padding counts as -infinity, so it is never the maximum. A NaN counts as the largest entry.
    """
    kh, kw = window.size
    n, h, w, c = x.shape
    oh, ow = window.places(h, w)
    inside = conv.im2col(np.ones((1, h, w, 1), bool), window).reshape(1, oh, ow, kh * kw, 1)
    windows = conv.im2col(x, window).reshape(n, oh, ow, kh * kw, c)
    y = np.where(inside, windows, x.dtype.type(-np.inf)).max(axis=3)
    winners = inside & ((windows == y[:, :, :, None]) | np.isnan(windows))
    return y, winners.argmax(axis=3).astype(np.uint16)


@compiled_as(kernels.pooling.max_backward)
def max_pool_backward(dy: NDArray, where: NDArray, x_shape: tuple[int, ...], window: Window) -> NDArray:
    """dx: each dy goes to its window's largest entry; an entry that is the largest of several windows gets the sum."""
    kh, kw = window.size
    n, oh, ow, c = dy.shape
    dwindows = np.zeros((n, oh, ow, kh * kw, c), dy.dtype)
    np.put_along_axis(dwindows, where[:, :, :, None].astype(np.intp), dy[:, :, :, None], axis=3)
    return conv.col2im(dwindows, x_shape, window)


class AveragePool2D(Pool2D):
    """The mean of each window, channel by channel.

    Forward     y[m, i, j, c] = 1/k_ij sum_pq x[m, i sh + p, j sw + q, c], over the k_ij entries (p, q) of the window
                that lie in the image
    Backward    each of these entries has weight 1/k_ij: dx[m, u, v, c] = sum of dy[m, i, j, c] / k_ij over the
                windows (i, j) that contain pixel (u, v)
    padding     as in Conv2D, but padding is not counted (as in TensorFlow; PyTorch counts it by default)
    Shapes      x (n, h, w, c), y (n, oh, ow, c)
    Cache       the shapes of x and y
    Raises      as in MaxPool2D
    Check       check_layer(AveragePool2D(2), x=(2, 4, 6, 3))
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        y = average_pool_forward(x, self._window)
        self._y, self._x_shape = y, x.shape
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        return average_pool_backward(dy, self._x_shape, self._window)


@compiled_as(kernels.pooling.average_forward)
def average_pool_forward(x: NDArray, window: Window) -> NDArray:
    """The mean of the window's entries that lie in the image (padding is not counted)."""
    kh, kw = window.size
    n, h, w, c = x.shape
    oh, ow = window.places(h, w)
    windows = conv.im2col(x, window).reshape(n, oh, ow, kh * kw, c)
    total = windows.sum(axis=3, dtype=np.result_type(x.dtype, np.float64)).astype(x.dtype)
    return total / _entries(x.shape, x.real.dtype, window)  # x is complex in a complex-step check


@compiled_as(kernels.pooling.average_backward)
def average_pool_backward(dy: NDArray, x_shape: tuple[int, ...], window: Window) -> NDArray:
    """dx: a pixel gets dy / k from each window that contains it, where k of the window's entries lie in the image."""
    kh, kw = window.size
    share = dy / _entries(x_shape, dy.dtype, window)
    dwindows = np.repeat(share[:, :, :, None], kh * kw, axis=3)  # col2im drops entries that lie in the padding
    return conv.col2im(dwindows, x_shape, window)


def _entries(x_shape: tuple[int, ...], dtype: DTypeLike, window: Window) -> NDArray:
    """The number of entries of each window that lie in the image, as an array (1, oh, ow, 1)."""
    _, h, w, _ = x_shape
    oh, ow = window.places(h, w)
    return conv.im2col(np.ones((1, h, w, 1), dtype), window).sum(axis=1).reshape(1, oh, ow, 1)


class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image: one row per sample, whatever the image's size.

    Forward     y[m, c] = 1/(h w) sum_ij x[m, i, j, c]
    Backward    dx[m, i, j, c] = dy[m, c] / (h w)
    Shapes      x (n, h, w, c), y (n, c)
    Cache       x's shape
    Raises      ValueError for rows instead of images
    Reference   Lin, Chen & Yan 2013
    Check       check_layer(GlobalAveragePool2D(), x=(2, 4, 6, 3))
    """

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        check_image(self.label, input_shape)
        self.output_shape = (input_shape[2],)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        check_image(self.label, x.shape[1:])
        self._y = y = average_pool_forward(x, Window(x.shape[1:3]))[:, 0, 0]
        self._x_shape = x.shape
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        _, h, w, _ = self._x_shape
        share = dy * dy.dtype.type(1 / (h * w))
        return np.broadcast_to(share[:, None, None, :], self._x_shape).copy()
