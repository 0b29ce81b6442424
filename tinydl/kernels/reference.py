"""Plain NumPy: the definition of every kernel, written to be read.

Each function here has a compiled twin of the same name and signature in this package; tests prove the twins equal.
`TINYDL_KERNELS=reference` (or `with kernels.using("reference")`) runs the whole library on this file.

Sizes: n rows of a batch, i inputs, u units, p entries of a flat vector.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# What `activation=` on a layer means to a kernel. All are functions whose derivative can be written in y alone.
LINEAR, RELU, SIGMOID, TANH = range(4)


def sigmoid(a: NDArray) -> NDArray:
    """1 / (1 + exp(-a)), by e = exp(-|a|), which never overflows: 1 / (1 + e) for a >= 0, else e / (1 + e)."""
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, a.dtype.type(1), e) / (1 + e)


def activate(a: NDArray, activation: int) -> NDArray:
    """y = f(a)."""
    if activation == RELU:
        return np.maximum(a, 0)
    if activation == SIGMOID:
        return sigmoid(a)
    if activation == TANH:
        return np.tanh(a)
    return a


def activation_gradient(dy: NDArray, y: NDArray, activation: int) -> NDArray:
    """da = dy * f'(a), with f' written in y: relu 1[y > 0], sigmoid y (1 - y), tanh 1 - y^2."""
    if activation == RELU:
        return dy * (y > 0)
    if activation == SIGMOID:
        return dy * (y * (1 - y))
    if activation == TANH:
        return dy * (1 - y * y)
    return dy


def dense_forward(x: NDArray, W: NDArray, b: NDArray, activation: int) -> NDArray:
    """y = f(x @ W + b): x (n, i), W (i, u), b (u,) or (0,) for no bias, y (n, u)."""
    a = x @ W
    if b.size:
        a = a + b
    return activate(a, activation)


def dense_backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, activation: int, dW: NDArray, db: NDArray, need_dx: bool
) -> NDArray:
    """Adds x.T @ da to dW and the column sums of da to db; returns dx = da @ W.T (empty when not needed)."""
    da = activation_gradient(dy, y, activation)
    dW += x.T @ da
    if db.size:
        db += da.sum(axis=0)
    return da @ W.T if need_dx else np.empty((0, 0), dy.dtype)


def mean_squared_error(y_pred: NDArray, y_true: NDArray) -> float:
    """mean((y_pred - y_true)^2) over every entry."""
    return float(np.mean((y_pred - y_true) ** 2))


def mean_squared_error_gradient(y_pred: NDArray, y_true: NDArray) -> NDArray:
    """2 (y_pred - y_true) / size."""
    return (y_pred - y_true) * (2.0 / y_pred.size)


def sum_of_squares(v: NDArray) -> float:
    """sum v_k^2, added up in float64, where the square of no float32 overflows."""
    return float(np.sum(np.square(v, dtype=np.float64)))


def sgd(
    p: NDArray, g: NDArray, v: NDArray, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float
) -> None:
    """One step on the flat vectors p (parameters), g (gradients) and v (velocity, (0,) when momentum is 0)."""
    step = g + weight_decay * p
    if v.size:
        v *= momentum
        v += step
        step = step + momentum * v if nesterov else v
    p -= learning_rate * step


def rmsprop(p: NDArray, g: NDArray, v: NDArray, learning_rate: float, rho: float, epsilon: float) -> None:
    """v = rho v + (1 - rho) g^2;  p -= learning_rate g / (sqrt(v) + epsilon)."""
    v *= rho
    v += (1 - rho) * g * g
    p -= learning_rate * g / (np.sqrt(v) + epsilon)


def adam(
    p: NDArray, g: NDArray, m: NDArray, v: NDArray, t: int,
    learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float,
) -> None:  # fmt: skip
    """Step number t (from 1) of Adam with decoupled weight decay, on flat vectors."""
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    m_scale = 1 / (1 - beta1**t)  # the moments start at 0 and are too small by these factors
    v_scale = 1 / math.sqrt(1 - beta2**t)
    p *= 1 - learning_rate * weight_decay
    p -= learning_rate * (m_scale * m) / (v_scale * np.sqrt(v) + epsilon)
