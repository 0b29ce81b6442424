"""Activation layers: y = f(x) entry by entry, except for Softmax, which combines the entries of each row.

For an elementwise f the Jacobian is diagonal, so backward is an elementwise product: dx = dy * f'(x). Where possible f'
is written in terms of y, so that x need not be kept. Shapes: x, y, dy and dx all have the same shape (batch, ...).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments, kernels
from ..kernels import RELU, SIGMOID, TANH, compiled_as
from ..layer import Layer

# --- the choices for a layer's `activation=`: functions whose derivative can be written in terms of y alone -----------


@compiled_as(kernels.activations.relu)
def relu(x: NDArray) -> NDArray:
    """y = max(x, 0)."""
    return np.maximum(x, 0)


def sigmoid(a: NDArray) -> NDArray:
    """1 / (1 + exp(-a)) via e = exp(-|a|), which cannot overflow: 1 / (1 + e) for a >= 0, else e / (1 + e)."""
    with np.errstate(under="ignore"):  # exp(-1000) is 0, as it should be
        e = np.exp(np.where(a >= 0, -a, a))  # not np.abs, which has no complex derivative
        return np.where(a >= 0, a.dtype.type(1), e) / (1 + e)


def activate(a: NDArray, activation: int) -> NDArray:
    """y = f(a)."""
    if activation == RELU:
        return relu(a)
    if activation == SIGMOID:
        return sigmoid(a)
    if activation == TANH:
        return np.tanh(a)
    return a


def derivative(y: NDArray, activation: int) -> NDArray:
    """f'(a), in terms of y = f(a)."""
    if activation == RELU:
        return (y > 0).astype(y.dtype)
    if activation == SIGMOID:
        return y * (1 - y)
    if activation == TANH:
        return 1 - y * y
    return np.ones_like(y)


@compiled_as(kernels.activations.gradient)
def activation_gradient(dy: NDArray, y: NDArray, activation: int) -> NDArray:
    """da = dy f'(a)."""
    return dy * derivative(y, activation)


# --- the layers -----------------------------------------------------------------------------------------------------


class ReLU(Layer):
    """Rectified linear unit.

    Forward    y = max(x, 0)
    Backward   dx = dy 1[x > 0]: the slope is 1 above zero, where y = x, and 0 below it, where y is constant
    Cache      y (y > 0 exactly where x > 0)
    Edge       at x = 0 the slopes from the two sides differ, 0 and 1; this layer uses 0
    Reference  Nair & Hinton 2010
    Check      check_layer(ReLU(), x=(5, 3))
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._y = y = relu(self.as_input(x))
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        return activation_gradient(dy, self._y, RELU)


class LeakyReLU(Layer):
    """A ReLU with a small slope below zero, so that a unit cannot stop learning for good.

    Forward    y = x for x > 0, negative_slope x elsewhere
    Backward   dx = dy for x > 0, negative_slope dy elsewhere
    Cache      x > 0
    Edge       at x = 0 the slope used is negative_slope
    Raises     ValueError if negative_slope is negative or not finite
    Reference  Maas, Hannun & Ng 2013
    Check      check_layer(LeakyReLU(), x=(5, 3))
    """

    _slope: Any = None  # None until the first forward pass

    live = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.negative_slope = arguments.number("LeakyReLU", "negative_slope", negative_slope, 0)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        self._slope = slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))
        return x * slope

    def backward(self, dy: NDArray) -> NDArray:
        return self.as_gradient(dy, self._slope) * self._slope


class Sigmoid(Layer):
    """Logistic function, which maps any number into (0, 1).

    Forward    y = 1 / (1 + exp(-x)), computed so that exp cannot overflow
    Backward   y' = exp(-x) / (1 + exp(-x))^2 = y (1 - y), so dx = dy y (1 - y)
    Cache      y
    Edge       for large |x|, y rounds to 0 or 1 and the gradient vanishes; for a loss, use BinaryCrossEntropy on logits
    Check      check_layer(Sigmoid(), x=(5, 3))
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._y = y = sigmoid(self.as_input(x))
        return y

    def backward(self, dy: NDArray) -> NDArray:
        y = self._y
        return self.as_gradient(dy, y) * (y * (1 - y))


class Tanh(Layer):
    """Hyperbolic tangent, which maps any number into (-1, 1).

    Forward    y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))
    Backward   y' = 1 - tanh(x)^2, so dx = dy (1 - y^2)
    Cache      y
    Check      check_layer(Tanh(), x=(5, 3))
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._y = y = np.tanh(self.as_input(x))
        return y

    def backward(self, dy: NDArray) -> NDArray:
        y = self._y
        return self.as_gradient(dy, y) * (1 - y * y)


class Softmax(Layer):
    """Turn each row (the last axis) into probabilities.

    Forward    y_j = exp(x_j) / sum_k exp(x_k)    (after subtracting the row's maximum: same y, no overflow)

    Backward   x_i enters y_i through the numerator, and every y_j through the common sum:
                   dy_j/dx_i = y_j (1[i = j] - y_i)
               The sum over j simplifies, so the full Jacobian is never formed:
                   dx_i = sum_j dy_j y_j (1[i = j] - y_i) = y_i (dy_i - sum_j dy_j y_j)

    Shapes     x, y (..., classes)
    Cache      y
    Edge       adding a constant to a row of x leaves y unchanged, so each row of dx sums to 0. Each row of y sums to 1,
               so an upstream gradient of ones makes dx = 0, which hides most errors in backward: never check with ones
    Check      check_layer(Softmax(), x=(5, 3))
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        with np.errstate(under="ignore"):  # exp(-1000) is 0, as it should be
            e = np.exp(x - x.max(axis=-1, keepdims=True))
            self._y = y = e / e.sum(axis=-1, keepdims=True)
        return y

    def backward(self, dy: NDArray) -> NDArray:
        y = self._y
        dy = self.as_gradient(dy, y)
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))
