"""Layers that change only the shape: Flatten (turns images into rows) and PadChannels (appends channels of zeros)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments, kernels
from ..kernels import compiled_as
from ..layer import Layer, Shape
from . import branches


class Flatten(Layer):
    """Turn each sample into one row, the last axis varying fastest.

    Forward    y[m] = x[m] read in C order
    Backward   the same numbers in the shape of x: dx = dy.reshape(x.shape)
    Shapes     x (n, d1, d2, ...), y (n, d1 d2 ...)
    Cache      x's shape
    Check      check_layer(Flatten(), x=(5, 3, 2))
    """

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self.output_shape = (math.prod(input_shape),)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x = self.as_input(x)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: NDArray) -> NDArray:
        if self._x is None:
            raise RuntimeError(f"{self.label}: backward needs a forward pass, got none yet: call forward(x) first")
        x = self._x
        return self.as_gradient(dy, x.reshape(len(x), math.prod(x.shape[1:]))).reshape(x.shape)


class PadChannels(Layer):
    """Append channels of zeros. After AveragePool2D(1, 2), this layer is ResNet's parameter-free shortcut.

    Forward    y = [ x, 0 ]
    Backward   the zeros are constants, so dx is the first c channels of dy
    channels   the number of channels of y
    Shapes     x (n, ..., c), y (n, ..., channels)
    Cache      y's shape
    Raises     ValueError if x has more channels than `channels`
    Reference  He, Zhang, Ren & Sun 2015, section 3.3, option A
    Check      check_layer(PadChannels(5), x=(2, 4, 3, 3))
    """

    def __init__(self, channels: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.channels = arguments.positive_int("PadChannels", "channels", channels)

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self._check(input_shape)
        self.output_shape = (*input_shape[:-1], self.channels)
        return self.output_shape

    def _check(self, input_shape: Shape) -> None:
        if input_shape[-1] > self.channels:
            at_most = f"an input of at most {self.channels} channels"
            raise ValueError(f"{self.label}: expected {at_most}, got {input_shape[-1]}")

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        self._check(x.shape[1:])
        self._y = y = pad_channels(x, self.channels)
        self._kept = x.shape[-1]
        return y

    def backward(self, dy: NDArray) -> NDArray:
        return branches.cut(self.as_gradient(dy, self._y), 0, self._kept)


@compiled_as(kernels.merging.pad_channels)
def pad_channels(x: NDArray, channels: int) -> NDArray:
    """x, followed by zeros along the last axis."""
    y = np.zeros((*x.shape[:-1], channels), x.dtype)
    y[..., : x.shape[-1]] = x
    return y
