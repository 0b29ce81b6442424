"""Layer normalization: each row (or pixel) is normalized over its own features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments
from ..layer import Layer, Shape
from . import sums  # the module, not its names: see kernels/twins.py
from .normalization import refuse_overflow


class LayerNorm(Layer):
    """Give every row mean 0 and standard deviation 1 over its features, then scale and shift each feature.

    Forward     over the c features of a row (or of a pixel, if x is an image), i = 1 .. c:
                    mu = 1/c sum_i x_i          v = 1/c sum_i (x_i - mu)^2          s = 1 / sqrt(v + epsilon)
                    xhat_i = (x_i - mu) s       y_i = gamma_i xhat_i + beta_i

    Backward    dbeta_i = sum dy_i, dgamma_i = sum dy_i xhat_i, summed over all rows; g_i = gamma_i dy_i is dL/dxhat_i.
                x_i reaches the loss by three roads: directly, through the row's mean, and through its variance.
                    directly        g_i s
                    the variance    dv = sum_j g_j (x_j - mu) (-1/2) s^3 = -s^2/2 sum_j g_j xhat_j, and
                                    dv/dx_i = 2/c (x_i - mu), as sum_j (x_j - mu) dmu/dx_i = 0
                    the mean        dmu = -s sum_j g_j, and dmu/dx_i = 1/c
                Their sum, with x_i - mu = xhat_i / s and mean(.) over the row's features, is
                    dx_i = s (g_i - mean(g) - xhat_i mean(g xhat))
                This is BatchNorm's formula along the other axis. In BatchNorm all terms of a mean share one gamma; in
                LayerNorm every feature has its own, so the means must be taken of g, not of dy.

    Shapes      x, y (n, ..., c); gamma, beta (c,)
    Cache       xhat and s
    Edge        rows are independent, so a batch of one row works like any other, and inference equals training.
                With a single feature, xhat = 0 and y = beta, so only beta can be learned
    Raises      ValueError for epsilon <= 0, RuntimeError if the layer has not been built, and FloatingPointError for
                rows whose variance overflows the dtype (in float32, deviations from the mean of about 1e19)
    Reference   Ba, Kiros & Hinton 2016, "Layer Normalization"; epsilon as in Keras (PyTorch's is 1e-5)
    Check       check_layer(LayerNorm(), x=(5, 3))
    """

    needs_build = True
    _xhat: Any = None  # None until the first forward pass
    _s: Any = None

    live = ("epsilon",)

    def __init__(self, epsilon: float = 1e-3, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.epsilon = arguments.positive("LayerNorm", "epsilon", epsilon)

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self.check_stored(gamma=shape[-1:])
        self.add_parameter("gamma", np.ones(shape[-1:], dtype))
        self.add_parameter("beta", np.zeros(shape[-1:], dtype))
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        centred = x - x.mean(axis=-1, keepdims=True)
        with np.errstate(over="ignore"):
            v = (centred * centred).mean(axis=-1, keepdims=True)  # (n, ..., 1)
        if not np.isfinite(v).all():
            refuse_overflow(self.label, x)
        self._s = 1 / np.sqrt(v + self.epsilon)
        self._xhat = centred * self._s
        return self.params["gamma"] * self._xhat + self.params["beta"]

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._xhat)
        xhat, s = self._xhat, self._s
        if self.trainable:
            self.grads["gamma"] += sums.over_rows(dy * xhat)
            self.grads["beta"] += sums.over_rows(dy)
        g = self.params["gamma"] * dy
        return s * (g - g.mean(axis=-1, keepdims=True) - xhat * (g * xhat).mean(axis=-1, keepdims=True))
