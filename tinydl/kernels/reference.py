"""Plain NumPy: the definition of every kernel, written to be read.

The kernels that `kernels/__init__.py` names have compiled twins of the same name and signature in this package; tests
prove the twins equal. What else stands here helps to define them.
`TINYDL_KERNELS=reference` (or `with kernels.using("reference")`) runs the whole library on this file.

The forward kernels also take complex arrays, for the complex-step derivative: they must stay analytic wherever the
function has a derivative (no abs, no float()). The compiled twins hand complex arrays on to these.

Sizes: n rows of a batch (or images), i inputs, u units, p entries of a flat vector; of images h x w pixels and c
channels in, oh x ow pixels and f filters out, kh x kw the window, sh, sw the strides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Padding = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))

# What `activation=` on a layer means to a kernel. All are functions whose derivative can be written in y alone.
LINEAR, RELU, SIGMOID, TANH = range(4)


def sigmoid(a: NDArray) -> NDArray:
    """1 / (1 + exp(-a)), by e = exp(-|a|), which never overflows: 1 / (1 + e) for a >= 0, else e / (1 + e)."""
    e = np.exp(np.where(a >= 0, -a, a))  # not np.abs, which has no complex derivative
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
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, activation: int, dW: NDArray, db: NDArray, need_dx: bool,
    accumulate: bool = True,
) -> NDArray:  # fmt: skip
    """Adds x.T @ da to dW and the column sums of da to db; returns dx = da @ W.T (empty when not needed).

    accumulate: False writes dW and db instead, whatever they held.
    """
    da = activation_gradient(dy, y, activation)
    if not accumulate:
        dW[...] = 0
        db[...] = 0
    dW += x.T @ da
    if db.size:
        db += da.sum(axis=0)
    return da @ W.T if need_dx else np.empty((0, 0), dy.dtype)


# --- images ---------------------------------------------------------------------------------------------------------


def output_size(size: int, window: int, stride: int, padding: tuple[int, int]) -> int:
    """How many windows fit along one side: floor((size + padding - window) / stride) + 1."""
    return (size + sum(padding) - window) // stride + 1


def naive_convolution(x: NDArray, W: NDArray, sh: int, sw: int, padding: Padding) -> NDArray:
    """Convolution as the textbook has it, a sum for every pixel and filter; the definition of all that is fast here.

    y[n, i, j, f] = sum over (p, q, c) of xpad[n, i sh + p, j sw + q, c] W[p, q, c, f]
    """
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    (n, h, w, _), (kh, kw, _, filters) = x.shape, W.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    y = np.zeros((n, oh, ow, filters), x.dtype)
    for image, i, j, f in np.ndindex(y.shape):
        window = padded[image, i * sh : i * sh + kh, j * sw : j * sw + kw]
        y[image, i, j, f] = np.sum(window * W[..., f])
    return y


def im2col(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """Every window of x (n, h, w, c) as a row: (n oh ow, kh kw c), windows and entries in reading order.

    A loop over the window's kh kw places: place (p, q) of all windows is x, shifted by (p, q), every sh-th row and
    sw-th column of it.
    """
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    n, h, w, c = x.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    cols = np.empty((n, oh, ow, kh, kw, c), x.dtype)
    for p in range(kh):
        for q in range(kw):
            cols[:, :, :, p, q] = padded[:, p : p + oh * sh : sh, q : q + ow * sw : sw]
    return cols.reshape(n * oh * ow, kh * kw * c)


def col2im(cols: NDArray, x_shape: tuple[int, ...], kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """The transpose of im2col: every entry of cols is added to the pixel that it was copied from.

    Not its inverse: a pixel that stands in k windows comes back k times. <im2col(x), c> = <x, col2im(c)>.
    """
    n, h, w, c = x_shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    (top, bottom), (left, right) = padding
    places = cols.reshape(n, oh, ow, kh, kw, c)
    padded = np.zeros((n, h + top + bottom, w + left + right, c), cols.dtype)
    for p in range(kh):
        for q in range(kw):
            padded[:, p : p + oh * sh : sh, q : q + ow * sw : sw] += places[:, :, :, p, q]
    return padded[:, top : top + h, left : left + w].copy()


def conv2d_forward(x: NDArray, W: NDArray, b: NDArray, sh: int, sw: int, padding: Padding, activation: int) -> NDArray:
    """y = f(im2col(x) @ W + b): x (n, h, w, c), W (kh, kw, c, f), b (f,) or (0,) for no bias, y (n, oh, ow, f)."""
    kh, kw, c, filters = W.shape
    n, h, w, _ = x.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    y = dense_forward(im2col(x, kh, kw, sh, sw, padding), W.reshape(kh * kw * c, filters), b, activation)
    return y.reshape(n, oh, ow, filters)


def conv2d_backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, sh: int, sw: int, padding: Padding, activation: int,
    dW: NDArray, db: NDArray, need_dx: bool,
) -> NDArray:  # fmt: skip
    """Dense's backward on the patches; returns dx = col2im(da @ W.T) (empty when not needed)."""
    kh, kw, c, filters = W.shape
    dcols = dense_backward(
        dy.reshape(-1, filters), im2col(x, kh, kw, sh, sw, padding), W.reshape(kh * kw * c, filters),
        y.reshape(-1, filters), activation, dW.reshape(kh * kw * c, filters), db, need_dx,
    )  # fmt: skip
    return col2im(dcols, x.shape, kh, kw, sh, sw, padding) if need_dx else np.empty((0, 0, 0, 0), dy.dtype)


def max_pool_forward(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> tuple[NDArray, NDArray]:
    """(y, where): the largest entry of each window and channel, and its place p kw + q in it, the first of equals.

    Padding never wins: it is -infinity here. NaN wins always.
    """
    n, h, w, c = x.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    inside = im2col(np.ones((1, h, w, 1), bool), kh, kw, sh, sw, padding).reshape(1, oh, ow, kh * kw, 1)
    windows = im2col(x, kh, kw, sh, sw, padding).reshape(n, oh, ow, kh * kw, c)
    y = np.where(inside, windows, x.dtype.type(-np.inf)).max(axis=3)
    winners = inside & ((windows == y[:, :, :, None]) | np.isnan(windows))
    return y, winners.argmax(axis=3).astype(np.uint16)


def max_pool_backward(
    dy: NDArray, where: NDArray, x_shape: tuple[int, ...], kh: int, kw: int, sh: int, sw: int, padding: Padding
) -> NDArray:
    """dx: each dy goes to the one entry that won; where windows overlap they add up."""
    places = np.zeros((*dy.shape[:3], kh * kw, dy.shape[3]), dy.dtype)
    np.put_along_axis(places, where[:, :, :, None].astype(np.intp), dy[:, :, :, None], axis=3)
    return col2im(places, x_shape, kh, kw, sh, sw, padding)


def average_pool_forward(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """The mean of the window's entries that lie in the image (padding is not counted)."""
    n, h, w, c = x.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    windows = im2col(x, kh, kw, sh, sw, padding).reshape(n, oh, ow, kh * kw, c)
    return windows.sum(axis=3) / _entries(x, kh, kw, sh, sw, padding)


def average_pool_backward(
    dy: NDArray, x_shape: tuple[int, ...], kh: int, kw: int, sh: int, sw: int, padding: Padding
) -> NDArray:
    """dx: dy / (number of entries) for each of the window's entries."""
    share = dy / _entries(np.empty(x_shape, dy.dtype), kh, kw, sh, sw, padding)
    places = np.repeat(share[:, :, :, None], kh * kw, axis=3)
    return col2im(places, x_shape, kh, kw, sh, sw, padding)


def _entries(x: NDArray, kh: int, kw: int, sh: int, sw: int, padding: Padding) -> NDArray:
    """How many entries of each window lie in the image: (1, oh, ow, 1)."""
    _, h, w, _ = x.shape
    oh, ow = output_size(h, kh, sh, padding[0]), output_size(w, kw, sw, padding[1])
    return im2col(np.ones((1, h, w, 1), x.dtype), kh, kw, sh, sw, padding).sum(axis=1).reshape(1, oh, ow, 1)


def local_response_norm_forward(x: NDArray, size: int, alpha: float, beta: float, k: float) -> tuple[NDArray, NDArray]:
    """(y, s): s_j = k + alpha sum of x_i^2 over the `size` channels i around j, y = x s^-beta."""
    s = k + alpha * _sum_around(x * x, size)
    return x * s**-beta, s


def local_response_norm_backward(dy: NDArray, x: NDArray, s: NDArray, size: int, alpha: float, beta: float) -> NDArray:
    """dx_i = dy_i s_i^-beta - 2 alpha beta x_i sum of dy_j x_j s_j^(-beta - 1) over the j that i is around of."""
    through_s = _sum_around(dy * x * s ** (-beta - 1), size, backwards=True)
    return dy * s**-beta - 2 * alpha * beta * x * through_s


def _sum_around(v: NDArray, size: int, backwards: bool = False) -> NDArray:
    """Over channels j - size // 2 .. j - size // 2 + size - 1, those that exist; backwards: the transpose of that."""
    before = size // 2
    if backwards:
        before = size - 1 - before
    padded = np.pad(v, [(0, 0)] * (v.ndim - 1) + [(before, size - 1 - before)])
    total = np.zeros_like(v)
    for shift in range(size):
        total += padded[..., shift : shift + v.shape[-1]]
    return total


def relu(x: NDArray) -> NDArray:
    """max(x, 0)."""
    return np.maximum(x, 0)


def relu_gradient(dy: NDArray, y: NDArray) -> NDArray:
    """dy 1[y > 0]."""
    return dy * (y > 0)


def add(a: NDArray, b: NDArray, activation: int) -> NDArray:
    """f(a + b), for arrays of one shape."""
    return activate(a + b, activation)


def join(arrays: Sequence[NDArray]) -> NDArray:
    """Side by side, along the last axis."""
    return np.concatenate(arrays, axis=-1)


def cut(x: NDArray, start: int, stop: int) -> NDArray:
    """Channels start .. stop - 1."""
    return x[..., start:stop].copy()


def batch_norm_statistics(x: NDArray) -> tuple[NDArray, NDArray]:
    """Mean and (biased) variance of each channel, the last axis, over all other axes: two arrays (c,)."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axis=axes)
    return mean, ((x - mean) ** 2).mean(axis=axes)


def batch_norm_forward(
    x: NDArray, mean: NDArray, var: NDArray, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """f(gamma (x - mean) / sqrt(var + epsilon) + beta), channel by channel."""
    return activate((x - mean) * (gamma / np.sqrt(var + x.dtype.type(epsilon))) + beta, activation)


def batch_norm_backward(
    dy: NDArray, x: NDArray, y: NDArray, mean: NDArray, var: NDArray, gamma: NDArray, beta: NDArray, epsilon: float,
    activation: int, training: bool, dgamma: NDArray, dbeta: NDArray,
) -> NDArray:  # fmt: skip
    """Adds sum(da xhat) to dgamma and sum(da) to dbeta; returns dx. training: mean and var are those of x itself."""
    da = activation_gradient(dy, y, activation)
    axes = tuple(range(x.ndim - 1))
    inverse = 1 / np.sqrt(var + x.dtype.type(epsilon))
    xhat = (x - mean) * inverse
    dgamma += (da * xhat).sum(axis=axes)
    dbeta += da.sum(axis=axes)
    if not training:
        return gamma * inverse * da
    return gamma * inverse * (da - da.mean(axis=axes) - xhat * (da * xhat).mean(axis=axes))


def mean_squared_error(y_pred: NDArray, y_true: NDArray) -> float:
    """mean((y_pred - y_true)^2) over every entry."""
    return np.mean((y_pred - y_true) ** 2).item()


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
