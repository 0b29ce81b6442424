"""Normalisation across channels: LocalResponseNorm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import checks, kernels
from ..layer import Layer, Shape
from .windows import check_image


class LocalResponseNorm(Layer):
    """Divides each channel by the strength of the channels around it, pixel by pixel ("lateral inhibition").

    Forward     s_j = k + alpha sum_(i in N(j)) x_i^2            N(j): the `size` channels around j that exist
                y_j = x_j s_j^-beta

    Backward    x_i reaches the loss by two roads: as the numerator of y_i, and through the s_j of every channel j that
                it is around of, with ds_j/dx_i = 2 alpha x_i and dy_j/ds_j = -beta x_j s_j^(-beta - 1):
                    dx_i = dy_i s_i^-beta - 2 alpha beta x_i sum_(j: i in N(j)) dy_j x_j s_j^(-beta - 1)

    size        N(j) is j - size // 2 .. j - size // 2 + size - 1; an odd size is symmetric
    Shapes      x, y (n, h, w, c)
    Cache       x and s
    Edge        alpha is not divided by size here, as in the paper (PyTorch divides: give it size times ours)
    Raises      ValueError for bad hyper-parameters (all positive, k and beta included), for rows instead of images
    Reference   Krizhevsky, Sutskever & Hinton 2012, with their constants as defaults
    Check       check_layer(LocalResponseNorm(3, alpha=0.1), x=(2, 3, 2, 6))
    """

    _x: Any = None  # before the first forward

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size = checks.positive_int("LocalResponseNorm", "size", size)
        self.alpha = checks.positive("LocalResponseNorm", "alpha", alpha)
        self.beta = checks.positive("LocalResponseNorm", "beta", beta)
        self.k = checks.positive("LocalResponseNorm", "k", k)

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        check_image(self.label, input_shape)
        return super().build(input_shape, rng, dtype)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        check_image(self.label, x.shape[1:])
        y, s = kernels.local_response_norm_forward(x, self.size, self.alpha, self.beta, self.k)
        self._x, self._s = x, s
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        return kernels.local_response_norm_backward(dy, self._x, self._s, self.size, self.alpha, self.beta)
