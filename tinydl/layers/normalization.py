"""Normalisation: of a channel over the batch (BatchNorm), of a pixel over its channels (LocalResponseNorm)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments, kernels
from ..layer import Layer, Shape
from .windows import check_image


class BatchNorm(Layer):
    """Gives every channel mean beta and standard deviation gamma over the batch, whatever the layers below do.

    Forward     over the m = n h w entries of a channel (rows: m = n), i = 1 .. m:
                    mu = 1/m sum_i x_i          v = 1/m sum_i (x_i - mu)^2          s = 1 / sqrt(v + epsilon)
                    xhat_i = (x_i - mu) s       y_i = f(gamma xhat_i + beta)
                in inference with the running mean and variance in the place of mu and v; those move, while training, by
                    mean <- momentum mean + (1 - momentum) mu, and var likewise

    Backward    da = dy f', dbeta = sum_i da_i, dgamma = sum_i da_i xhat_i, and g_i = gamma da_i is dL/dxhat_i.
                x reaches the loss by three roads: directly, through the mean, and through the variance.
                    directly        g_i s
                    the variance    dv = sum_j g_j (x_j - mu) (-1/2) s^3 = -s^2/2 sum_j g_j xhat_j, and
                                    dv/dx_i = 2/m (x_i - mu), as sum_j (x_j - mu) dmu/dx_i = 0
                    the mean        dmu = -s sum_j g_j, and dmu/dx_i = 1/m
                All three together, with mean(.) over the channel's entries:
                    dx_i = s (g_i - mean(g) - xhat_i mean(g xhat))
                What is taken away are the parts of g along a constant and along xhat: y does not change when all x
                of a channel are shifted or stretched, so no gradient can point there. In inference the statistics
                are constants, and there is one road: dx_i = s g_i.

    momentum    how slowly the running statistics follow (Keras' sense of the word; PyTorch's is 1 minus it)
    activation  f: None, "linear", "relu", "sigmoid" or "tanh", computed in the same pass over memory
    Shapes      x, y (n, ..., c); gamma, beta and the state's mean, var (c,)
    Cache       x and y, and the statistics used
    Edge        a batch of one row: xhat = 0, y = f(beta), nothing can be learned or checked. The bias of a layer below
                is taken away again with the mean: leave it out, use_bias=False
    Raises      ValueError for bad hyper-parameters (0 <= momentum < 1, epsilon > 0)
    Reference   Ioffe & Szegedy 2015; the variance is the biased one in the running statistics too, as in Keras
    Check       check_layer(BatchNorm(), x=(5, 3))
    """

    _y: Any = None  # before the first forward

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, activation: str | None = None) -> None:
        super().__init__()
        self.momentum = arguments.number("BatchNorm", "momentum", momentum, 0, 1)
        self.epsilon = arguments.positive("BatchNorm", "epsilon", epsilon)
        self.activation = arguments.one_of("BatchNorm", "activation", activation, kernels.ACTIVATIONS)
        self._code = kernels.ACTIVATIONS[activation]

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        channels = shape[-1:]
        self.add_parameter("gamma", np.ones(channels, dtype))
        self.add_parameter("beta", np.zeros(channels, dtype))
        self.add_state("mean", np.zeros(channels, dtype))
        self.add_state("var", np.ones(channels, dtype))
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        if not self.params:
            raise RuntimeError(f"{self.label}: not built yet: put it into a Model or call build first")
        x = self.as_input(x)
        mean, var = self.state["mean"], self.state["var"]
        training = training and x.size > 0  # no rows have no statistics
        if training:
            batch = kernels.batch_norm_statistics(x)
            for running, new in zip((mean, var), batch, strict=True):
                running *= self.momentum
                running += (1 - self.momentum) * new
            mean, var = batch
        else:
            mean, var = mean.copy(), var.copy()
        gamma, beta = self.params["gamma"], self.params["beta"]
        y = kernels.batch_norm_forward(x, mean, var, gamma, beta, self.epsilon, self._code)
        self._x, self._y, self._mean, self._var, self._training = x, y, mean, var, training
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        return kernels.batch_norm_backward(
            dy, self._x, self._y, self._mean, self._var, self.params["gamma"], self.params["beta"], self.epsilon,
            self._code, self._training, self.grads["gamma"], self.grads["beta"],
        )  # fmt: skip


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
        self.size = arguments.positive_int("LocalResponseNorm", "size", size)
        self.alpha = arguments.positive("LocalResponseNorm", "alpha", alpha)
        self.beta = arguments.positive("LocalResponseNorm", "beta", beta)
        self.k = arguments.positive("LocalResponseNorm", "k", k)

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
