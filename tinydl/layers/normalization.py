"""Normalization of each channel over the batch (BatchNorm), and of each pixel over its channels (LocalResponseNorm)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments, kernels
from ..kernels import compiled_as
from ..layer import Layer, Shape
from .activations import activate, derivative
from .sliding_window import check_image

Statistics = tuple[NDArray, NDArray]  # mean and variance of each channel


class BatchNorm(Layer):
    """Give every channel mean beta and standard deviation gamma over the batch, whatever the layers below do.

    Forward     over the N = n h w entries of a channel (N = n for rows), i = 1 .. N:
                    mu = 1/N sum_i x_i          v = 1/N sum_i (x_i - mu)^2          s = 1 / sqrt(v + epsilon)
                    xhat_i = (x_i - mu) s       y_i = f(gamma xhat_i + beta)
                In inference, and in a frozen layer, a running mean and variance replace mu and v. Training updates
                them:  mean <- momentum mean + (1 - momentum) mu, and var likewise

    Backward    da = dy f', dbeta = sum_i da_i, dgamma = sum_i da_i xhat_i, and g_i = gamma da_i is dL/dxhat_i.
                x reaches the loss by three roads: directly, through the mean, and through the variance.
                    directly        g_i s
                    the variance    dv = sum_j g_j (x_j - mu) (-1/2) s^3 = -s^2/2 sum_j g_j xhat_j, and
                                    dv/dx_i = 2/N (x_i - mu), as sum_j (x_j - mu) dmu/dx_i = 0
                    the mean        dmu = -s sum_j g_j, and dmu/dx_i = 1/N
                Their sum, with x_i - mu = xhat_i / s and mean(.) over the channel's entries, is
                    dx_i = s (g_i - mean(g) - xhat_i mean(g xhat))
                The first subtracted term removes g's mean, as shifting x leaves y unchanged. The second removes all
                but epsilon / (v + epsilon) of g's component along xhat, as scaling x changes y only through
                epsilon. In inference the statistics are constants, so only the direct road is left: dx_i = s g_i.

    momentum    how slowly the running statistics change (as in Keras; PyTorch's momentum is 1 minus this one)
    activation  f: None, "linear", "relu", "sigmoid" or "tanh", computed in the same pass over memory
    Shapes      x, y (n, ..., c); gamma, beta and the state's mean and var (c,)
    Cache       x, y and the statistics used
    Edge        a batch of one row: xhat = 0 and y = f(beta), so only beta can be learned or checked. Subtracting
                the mean cancels the bias of the layer below: give that layer use_bias=False
                A batch that holds NaN or infinity leaves the running statistics as they are
    Raises      ValueError unless 0 <= momentum < 1 and epsilon > 0, and FloatingPointError for inputs whose
                variance overflows the dtype (in float32, deviations from the mean of about 1e19)
    Reference   Ioffe & Szegedy 2015; the running variance is also the biased one, as in Keras
    Check       check_layer(BatchNorm(), x=(5, 3))
    """

    needs_build = True
    live = ("momentum", "epsilon")
    _statistics: Any = None  # None until the first forward pass

    def __init__(
        self, momentum: float = 0.99, epsilon: float = 1e-3, activation: str | None = None, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.momentum = arguments.number("BatchNorm", "momentum", momentum, 0, 1)
        self.epsilon = arguments.positive("BatchNorm", "epsilon", epsilon)
        self.activation = arguments.one_of("BatchNorm", "activation", activation, kernels.ACTIVATIONS)

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self._code = kernels.ACTIVATIONS[self.activation]
        channels = shape[-1:]
        self.check_stored(gamma=channels)
        self.add_parameter("gamma", np.ones(channels, dtype))
        self.add_parameter("beta", np.zeros(channels, dtype))
        self.add_state("mean", np.zeros(channels, dtype))
        self.add_state("var", np.ones(channels, dtype))
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return self._normalized(*self._measure(x, training))

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        given = self._statistics, *self._affine(), self._code, self._training
        return batch_norm_backward(dy, self._x, self._y, *given, *self._wanted())

    # The steps of forward and backward that are the same if a Conv2D before this layer takes the statistics of its own
    # output (ConvThenNorm), and if a Residual around this layer adds its shortcut to y.

    def _measure(self, x: NDArray, training: bool, measured: Statistics | None = None) -> tuple[NDArray, Statistics]:
        """Return x and the statistics to normalize it by, and keep both; training also updates the running ones.

        measured: those of x in training, if they are known.
        """
        x = self.as_input(x)
        mean, var = self.state["mean"], self.state["var"]
        training = training and x.size > 0 and self.trainable  # an empty batch has no statistics
        if training:
            statistics = batch_norm_statistics(x) if measured is None else measured
            if np.isfinite(statistics[1]).all():  # the variance, which is not if the mean is not
                for running, new in zip((mean, var), statistics, strict=True):
                    running *= self.momentum
                    running += (1 - self.momentum) * new
            else:
                refuse_overflow(self.label, x)
        else:
            statistics = mean.copy(), var.copy()
        self._x, self._y, self._statistics, self._training = x, None, statistics, training
        return x, statistics

    def _normalized(self, x: NDArray, statistics: Statistics) -> NDArray:
        self._y = y = batch_norm_forward(x, statistics, *self._affine(), self._code)
        return y

    def _affine(self) -> tuple[NDArray, NDArray, float]:
        """gamma, beta and epsilon."""
        return self.params["gamma"], self.params["beta"], self.epsilon

    def _wanted(self) -> tuple[NDArray | None, NDArray | None]:
        """The arrays that dgamma and dbeta are added to, or None for both in a frozen layer."""
        return (self.grads["gamma"], self.grads["beta"]) if self.trainable else (None, None)


def refuse_overflow(owner: str, x: NDArray) -> None:
    """Explain a variance that is not finite: raise if x is finite. If x holds NaN or infinity, these pass through."""
    if np.isfinite(x).all():
        limit, largest = np.finfo(x.dtype).max, np.abs(x).max()
        expected = f"the variance of the inputs must fit into {x.dtype} (up to {limit:.1e})"
        mend = "scale the data, or use a smaller learning rate"
        raise FloatingPointError(f"{owner}: {expected}, got inputs of up to {largest:.1e}: {mend}")


@compiled_as(kernels.batch_norm.statistics)
def batch_norm_statistics(x: NDArray) -> Statistics:
    """The mean and (biased) variance of each channel over all axes but the last, as two arrays (c,)."""
    axes = tuple(range(x.ndim - 1))
    wide = x.astype(np.result_type(x.dtype, np.float64))  # complex128 in a complex-step check
    with np.errstate(over="ignore", invalid="ignore"):  # BatchNorm deals with a variance that is not finite
        mean = wide.mean(axis=axes)
        var = ((wide - mean) ** 2).mean(axis=axes)
        return mean.astype(x.dtype), var.astype(x.dtype)


@compiled_as(kernels.batch_norm.forward)
def batch_norm_forward(
    x: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """y = f(gamma xhat + beta)."""
    mean, var = statistics
    s = 1 / np.sqrt(var + x.dtype.type(epsilon))
    xhat = (x - mean) * s
    return activate(gamma * xhat + beta, activation)


@compiled_as(kernels.batch_norm.backward)
def batch_norm_backward(
    dy: NDArray, x: NDArray, y: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float,
    activation: int, training: bool, dgamma: NDArray | None, dbeta: NDArray | None,
) -> NDArray:  # fmt: skip
    """Add the gradients to dgamma and dbeta, and return dx. (Only the twin, which computes f' from x, uses beta.)

    training: whether the statistics were computed from x, so that dx has three terms instead of one.
    dgamma, dbeta: None for a frozen layer.
    """
    da = dy * derivative(y, activation)
    axes = tuple(range(x.ndim - 1))
    mean, var = statistics
    s = 1 / np.sqrt(var + x.dtype.type(epsilon))
    xhat = (x - mean) * s
    if dgamma is not None and dbeta is not None:
        dgamma += (da * xhat).sum(axis=axes, dtype=np.float64)
        dbeta += da.sum(axis=axes, dtype=np.float64)
    g = gamma * da  # dL/dxhat
    if not training:
        return s * g
    return s * (g - g.mean(axis=axes) - xhat * (g * xhat).mean(axis=axes))


class LocalResponseNorm(Layer):
    """Divide each channel by the strength of the channels around it, pixel by pixel ("lateral inhibition").

    Forward     s_j = k + alpha sum_(i in N(j)) x_i^2            N(j): the existing channels among the `size` around j
                y_j = x_j s_j^-beta

    Backward    x_i reaches the loss by two roads: as the numerator of y_i, and through s_j for every channel j whose
                window contains i, with ds_j/dx_i = 2 alpha x_i and dy_j/ds_j = -beta x_j s_j^(-beta - 1):
                    dx_i = dy_i s_i^-beta - 2 alpha beta x_i sum_(j: i in N(j)) dy_j x_j s_j^(-beta - 1)

    size        N(j) is j - size // 2 .. j - size // 2 + size - 1, which is symmetric around j if size is odd
    Shapes      x, y (n, h, w, c)
    Cache       x and s
    Edge        as in the paper, alpha is not divided by size (PyTorch divides it, so its alpha is size times this one)
    Raises      ValueError for hyper-parameters that are not positive, and for rows instead of images
    Reference   Krizhevsky, Sutskever & Hinton 2012, with the same defaults
    Check       check_layer(LocalResponseNorm(3, alpha=0.1), x=(2, 3, 2, 6))
    """

    live = ("size", "alpha", "beta", "k")
    _s: Any = None  # None until the first forward pass

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
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
        y, s = local_response_norm_forward(x, self.size, self.alpha, self.beta, self.k)
        self._x, self._s = x, s
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        return local_response_norm_backward(dy, self._x, self._s, self.size, self.alpha, self.beta)


@compiled_as(kernels.local_response_norm.forward)
def local_response_norm_forward(x: NDArray, size: int, alpha: float, beta: float, k: float) -> tuple[NDArray, NDArray]:
    """(y, s): y = x s^-beta."""
    s = k + alpha * _sum_around(x * x, size)
    return x * s**-beta, s


@compiled_as(kernels.local_response_norm.backward)
def local_response_norm_backward(dy: NDArray, x: NDArray, s: NDArray, size: int, alpha: float, beta: float) -> NDArray:
    """dx, the sum of the gradients along both roads."""
    through_s = _sum_around(dy * x * s ** (-beta - 1), size, backwards=True)
    return dy * s**-beta - 2 * alpha * beta * x * through_s


def _sum_around(v: NDArray, size: int, backwards: bool = False) -> NDArray:
    """For each channel j, sum v over N(j) = j - before .. j + after or, if `backwards`, over all i with j in N(i).

    The latter are i = j - after .. j + before: the ends of the window are exchanged, which matters for an even size.
    """
    before = size // 2
    if backwards:
        before = size - 1 - before
    padded = np.pad(v, [(0, 0)] * (v.ndim - 1) + [(before, size - 1 - before)])
    total = np.zeros_like(v)
    for shift in range(size):
        total += padded[..., shift : shift + v.shape[-1]]
    return total
