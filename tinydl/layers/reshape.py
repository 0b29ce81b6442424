"""Flatten: images to rows, between convolutions and dense layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..layer import Layer, Shape


class Flatten(Layer):
    """Each sample as one row, the last axis running fastest.

    Forward    y[n] = x[n] read in C order
    Backward   the same numbers in the old shape: dx = dy.reshape(x.shape)
    Shapes     x (n, d1, d2, ...), y (n, d1 d2 ...)
    Cache      x's shape
    Check      check_layer(Flatten(), x=(5, 3, 2))
    """

    _x: NDArray | None = None

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self.output_shape = (math.prod(input_shape),)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x = self.as_input(x)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: NDArray) -> NDArray:
        if self._x is None:
            raise RuntimeError(f"{self.label}: backward was called before forward")
        x = self._x
        return self.as_gradient(dy, x.reshape(len(x), math.prod(x.shape[1:]))).reshape(x.shape)
