"""ConvThenPool: a Conv2D and the pooling layer after it, computed together."""

from __future__ import annotations

from numpy.typing import NDArray

from .. import kernels
from ..kernels import Window, compiled_as
from . import conv, pooling
from .conv import Conv2D
from .pooling import MaxPool2D, Pool2D


class ConvThenPool:
    """A Conv2D and the pooling layer after it. Both keep what they would keep by themselves, with the same bits.

    Forward    y = f(conv(x, W) + b), then the pooled y: of each window the largest entry, or the mean
    Backward   dy = J_pool.T dpooled, then dW, db and dx from dy, as in Conv2D

    Two ways of convolution (kernels/convolution: `direct` for few channels, and `winograd` for relu on maps of whole
    tiles) need fewer passes over memory in this way if 2x2 windows lie side by side: rows of y are pooled while they
    are in the cache, and dy, of which pooling makes four numbers from one, is never written to memory. Others, and
    other windows, are computed one after the other.
    """

    def __init__(self, conv: Conv2D, pool: Pool2D) -> None:
        self.conv, self.pool = conv, pool
        self.label = pool.label

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        conv, pool = self.conv, self.pool
        x, largest = conv.as_input(x), type(pool) is MaxPool2D
        given = x, conv.params["W"], conv.params.get("b"), conv._window, conv._code
        y, pooled, where = conv2d_pool_forward(*given, pool._window, largest)
        conv._x, conv._y = x, y
        pool._y, pool._x_shape = pooled, y.shape
        pool._where = where
        return pooled

    def backward(self, dpooled: NDArray) -> NDArray:
        conv, pool = self.conv, self.pool
        dpooled = pool.as_gradient(dpooled, pool._y)
        W, grads = conv.params["W"], conv.grads if conv.trainable else {}
        given = conv._x, W, conv._y, conv._window, conv._code, grads.get("W"), grads.get("b"), conv.input_gradient
        dx = conv2d_pool_backward(dpooled, pool._where, pool._window, *given)
        if conv._kernel_regularizer is not None:
            conv._add_regularization()
        return dx


@compiled_as(kernels.convolution.pooled_forward)
def conv2d_pool_forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int, pool: Window, largest: bool
) -> tuple[NDArray, NDArray, NDArray | None]:
    """The result y of conv2d_forward, pooled y, and the places of its maxima: None if not the `largest` but means."""
    y = conv.conv2d_forward(x, W, b, window, activation)
    return (y, *pooling.max_pool_forward(y, pool)) if largest else (y, pooling.average_pool_forward(y, pool), None)


@compiled_as(kernels.convolution.pooled_backward)
def conv2d_pool_backward(
    dpooled: NDArray, where: NDArray | None, pool: Window, x: NDArray, W: NDArray, y: NDArray, window: Window,
    activation: int, dW: NDArray | None, db: NDArray | None, need_dx: bool,
) -> NDArray:  # fmt: skip
    """Add to dW and db, as conv2d_backward does, and return dx. `where` is None for means."""
    if where is None:
        dy = pooling.average_pool_backward(dpooled, y.shape, pool)
    else:
        dy = pooling.max_pool_backward(dpooled, where, y.shape, pool)
    return conv.conv2d_backward(dy, x, W, y, window, activation, dW, db, need_dx)
