"""Every mistake that the diagnosis looks for is planted here, and must be named."""

from __future__ import annotations

import re
import sys
import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_layer, check_loss, diagnosis
from tinydl.gradcheck.diagnosis import SUSPECTS, SUSPECTS_OF_SMALL_ERRORS, Evidence

Array = NDArray[Any]


class Plain:
    """A base for layers as users write them: parameters and gradients in two dicts."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def add(self, name: str, value: Array) -> None:
        self.params[name] = value
        self.grads[name] = np.zeros_like(value)


class Affine(Plain):
    """y = x W + b; each gradient can be overridden."""

    def __init__(self, n_in: int = 5, n_out: int = 5) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.add("W", rng.standard_normal((n_in, n_out)))
        self.add("b", rng.standard_normal(n_out))

    def forward(self, x: Array) -> Array:
        self.x = x
        self.y = x @ self.params["W"] + self.params["b"]
        return self.y

    def backward(self, dy: Array) -> Array:
        self.grads["W"] += self.dW(dy)
        self.grads["b"] += self.db(dy)
        return self.dx(dy)

    def dW(self, dy: Array) -> Array:
        return self.x.T @ dy

    def db(self, dy: Array) -> Array:
        return dy.sum(axis=0)

    def dx(self, dy: Array) -> Array:
        return dy @ self.params["W"].T


class Elementwise(Plain):
    """y = tanh(x)."""

    def forward(self, x: Array) -> Array:
        self.x, self.y = x, np.tanh(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y**2)


class Softmax(Plain):
    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        return self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


class BatchNorm(Plain):
    """Normalization over axis 0, without scale and shift."""

    def forward(self, x: Array) -> Array:
        self.std = np.sqrt(x.var(axis=0) + x.dtype.type(1e-3))
        self.y = (x - x.mean(axis=0)) / self.std
        return self.y

    def backward(self, dy: Array) -> Array:
        return (dy - self.mean_road(dy) - self.variance_road(dy)) / self.std

    def mean_road(self, dy: Array) -> Array:
        return dy.mean(axis=0)

    def variance_road(self, dy: Array) -> Array:
        return self.y * (dy * self.y).mean(axis=0)


class Windows(Plain):
    """Weighted sums over windows of two entries along axis 1; all entries except the ends are in two windows."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return np.sin(x[:, :-1]) + x[:, 1:] ** 2 if False else x[:, :-1] + x.dtype.type(2) * x[:, 1:]

    def backward(self, dy: Array) -> Array:
        dx = np.zeros(self.shape, dy.dtype)
        dx[:, :-1] = dy
        dx[:, 1:] += 2 * dy
        return dx


class Image(Plain):
    """y = x^3 on images."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * x * x

    def backward(self, dy: Array) -> Array:
        return 3 * self.x**2 * dy


class Penalised(Plain):
    """y = x^2, with a penalty: the mean over the rows of sum_j x_nj^4."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * x

    def penalty(self) -> Any:
        return (self.x**4).sum() / len(self.x)

    def backward(self, dy: Array) -> Array:
        return self.through_y(dy) + self.through_penalty()

    def through_y(self, dy: Array) -> Array:
        return 2 * self.x * dy

    def through_penalty(self) -> Array:
        return 4 / len(self.x) * self.x**3


class Residual(Plain):
    """y = x + tanh(x)."""

    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return x + self.y

    def backward(self, dy: Array) -> Array:
        return dy + dy * (1 - self.y**2)


class Dropout(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(3)

    def draw(self, x: Array) -> Array:
        return (self.rng.random(x.shape) >= 0.5).astype(x.dtype) * 2

    def forward(self, x: Array) -> Array:
        self.mask = self.draw(x)
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy * self.mask


def changed(base: type, **methods: Any) -> type:
    """A subclass of `base` with some methods replaced, to plant a bug."""
    return type("Layer", (base,), methods)


def stale_forward(self: Any, x: Array) -> Array:
    if not hasattr(self, "y") or self.y.shape != x.shape:
        self.x, self.y = x, np.tanh(x)
    return np.tanh(x)


def stale_shape(self: Any, x: Array) -> Array:
    self.shape = getattr(self, "shape", x.shape)
    self.y = np.tanh(x)
    return self.y


def reshaped(self: Any, dy: Array) -> Array:
    return np.broadcast_to((dy * (1 - self.y**2))[: self.shape[0]], self.shape).copy()


def into_buffer(self: Any, dy: Array) -> Array:
    dx = np.empty(self.shape, dy.dtype)
    dx[...] = dy * (1 - self.y**2)
    return dx


class Moody(Plain):
    """A layer that scales by 3 outside training, after which backward wrongly keeps this scale in training."""

    scale: Any = 1

    def forward(self, x: Array, training: bool = False) -> Array:
        if not training:
            self.scale = 3
        return x * x.dtype.type(1 if training else 3)

    def backward(self, dy: Array) -> Array:
        return dy * dy.dtype.type(self.scale)


def assign_windows(self: Any, dy: Array) -> Array:
    dx = np.zeros(self.shape, dy.dtype)
    dx[:, :-1] = dy
    dx[:, 1:] = 2 * dy
    return dx


def keep_first_windows(self: Any, dy: Array) -> Array:
    dx = np.zeros(self.shape, dy.dtype)
    dx[:, 1:] = 2 * dy
    dx[:, :-1] = dy
    return dx


def rows_assigned(self: Any, dy: Array) -> Array:
    for x, g in zip(self.x, dy, strict=True):
        dW = np.outer(x, g)
    return dW


def writes_into_dy(self: Any, dy: Array) -> Array:
    dy *= 1 - self.y**2
    return dy


def writes_into_x(self: Any, dy: Array) -> Array:
    self.x[...] = 0
    return dy * (1 - self.y**2)


def in_float32(self: Any, dy: Array) -> Array:
    return (self.x.T.astype(np.float32) @ dy.astype(np.float32)).astype(dy.dtype)


class Assigning(Affine):
    def backward(self, dy: Array) -> Array:
        self.grads["W"] = self.dW(dy)
        self.grads["b"] = self.db(dy)
        return self.dx(dy)


class RelU(Plain):
    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0)


class Smooth(Plain):
    """y = 3 tanh(x), of which only tanh(x) is kept."""

    def forward(self, x: Array) -> Array:
        self.t = np.tanh(x)
        return x.dtype.type(3) * self.t

    def backward(self, dy: Array) -> Array:
        return 3 * dy * (1 - self.t**2)


class Columns(Plain):
    """y = x scaled column by column; the scales are not kept."""

    def forward(self, x: Array) -> Array:
        return x * np.arange(1, x.shape[1] + 1).astype(x.dtype)

    def backward(self, dy: Array) -> Array:
        return dy * np.arange(1, dy.shape[1] + 1).astype(dy.dtype)


class TanhLayer(Plain):
    """y = tanh(x W + b)."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.add("W", rng.standard_normal((5, 4)))
        self.add("b", rng.standard_normal(4))

    def forward(self, x: Array) -> Array:
        self.x, self.z = x, x @ self.params["W"] + self.params["b"]
        self.a = np.tanh(self.z)
        return self.a

    def backward(self, dy: Array) -> Array:
        dz = self.dz(dy)
        self.grads["W"] += self.x.T @ dz
        self.grads["b"] += self.db(dy, dz)
        return dz @ self.params["W"].T

    def dz(self, dy: Array) -> Array:
        return dy * (1 - self.a**2)

    def db(self, dy: Array, dz: Array) -> Array:
        return dz.sum(axis=0)


class ReluLayer(TanhLayer):
    def forward(self, x: Array) -> Array:
        super().forward(x)
        self.a = np.maximum(self.z, 0)
        return self.a

    def dz(self, dy: Array) -> Array:
        return dy * (self.a > 0)


class Recurrent(Plain):
    """h_t = tanh(x_t Wx + h_(t-1) Wh + b), backward through time."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(1)
        self.add("Wx", 0.5 * rng.standard_normal((4, 4)))
        self.add("Wh", 0.5 * rng.standard_normal((4, 4)))
        self.add("b", 0.1 * rng.standard_normal(4))

    def forward(self, x: Array) -> Array:
        self.x = x
        self.hs = [np.zeros((len(x), 4), x.dtype)]
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ self.params["Wx"] + self.hs[t] @ self.params["Wh"] + self.params["b"])
            self.hs.append(h)
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dy: Array) -> Array:
        dx = np.zeros_like(self.x)
        dh_next = np.zeros_like(self.hs[0])
        for t in reversed(range(dy.shape[1])):
            dh = dy[:, t] + dh_next
            dz = self.through_tanh(dh, t)
            self.grads["Wx"] += self.x[:, t].T @ dz
            self.grads["Wh"] += self.dWh(dz, t)
            self.grads["b"] += dz.sum(axis=0)
            dx[:, t] = dz @ self.params["Wx"].T
            dh_next = self.to_the_step_before(dz)
        return dx

    def through_tanh(self, dh: Array, t: int) -> Array:
        h = self.hs[t + 1]
        return dh * (1 - h**2)

    def dWh(self, dz: Array, t: int) -> Array:
        return self.hs[t].T @ dz

    def to_the_step_before(self, dz: Array) -> Array:
        Wh = self.params["Wh"]
        return dz @ Wh.T


class Attention(Plain):
    """softmax(q k^T / sqrt(d)) v, with q = x Wq, k = x Wk, v = x Wv."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(1)
        for name in ("Wq", "Wk", "Wv"):
            self.add(name, 0.5 * rng.standard_normal((6, 5)))

    def forward(self, x: Array) -> Array:
        self.x = x
        self.q, self.k, self.v = (x @ self.params[name] for name in ("Wq", "Wk", "Wv"))
        self.scores = self.q @ self.k.swapaxes(1, 2) / x.dtype.type(np.sqrt(5))
        e = np.exp(self.scores - self.scores.max(-1, keepdims=True))
        self.p = e / e.sum(-1, keepdims=True)
        return self.p @ self.v

    def backward(self, dy: Array) -> Array:
        dv = self.dv(dy)
        dp = dy @ self.v.swapaxes(1, 2)
        dscores = self.through_softmax(dp)
        ds = self.scaled(dscores)
        dq = ds @ self.k
        dk = self.dk(ds)
        for name, gradient in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
            self.grads[name] += np.einsum("nti,ntj->ij", self.x, gradient)
        return dq @ self.params["Wq"].T + dk @ self.params["Wk"].T + dv @ self.params["Wv"].T

    def dv(self, dy: Array) -> Array:
        return self.p.swapaxes(1, 2) @ dy

    def dk(self, ds: Array) -> Array:
        return ds.swapaxes(1, 2) @ self.q

    def scaled(self, dscores: Array) -> Array:
        return dscores / dscores.dtype.type(np.sqrt(5))

    def through_softmax(self, dp: Array) -> Array:
        return self.p * (dp - (dp * self.p).sum(-1, keepdims=True))


class ScaledNorm(Plain):
    """gamma xhat, with xhat normalized row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.add("gamma", 1 + np.random.default_rng(0).standard_normal(5))

    def forward(self, x: Array) -> Array:
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + x.dtype.type(1e-3))
        self.xhat = (x - x.mean(axis=1, keepdims=True)) / self.std
        return self.params["gamma"] * self.xhat

    def backward(self, dy: Array) -> Array:
        self.grads["gamma"] += (dy * self.xhat).sum(axis=0)
        return self.dx(dy)

    def dx(self, dy: Array) -> Array:
        return self.normalized(dy * self.params["gamma"])

    def normalized(self, g: Array) -> Array:
        return (g - g.mean(1, keepdims=True) - self.xhat * (g * self.xhat).mean(1, keepdims=True)) / self.std


class MaskLayer:
    """A dropout layer that draws a new mask at each use."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)

    def forward(self, x: Array) -> Array:
        self.mask = (self.rng.random(x.shape) >= 0.3).astype(x.dtype)
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy * self.mask


class TwoDropouts(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = MaskLayer(), MaskLayer()
        self.add("W", np.random.default_rng(1).standard_normal((5, 5)))

    def forward(self, x: Array) -> Array:
        self.a = self.first.forward(x)
        self.z = np.tanh(self.a @ self.params["W"])
        return self.second.forward(self.z)

    def backward(self, dy: Array) -> Array:
        da = self.second.backward(dy) * (1 - self.z**2)
        self.grads["W"] += self.a.T @ da
        return self.first.backward(da @ self.params["W"].T)


class OneDropoutTwice(TwoDropouts):
    def __init__(self) -> None:
        super().__init__()
        self.second = self.first


class Rate(Plain):
    """Dropout that scales in forward by 1 / (1 - rate)."""

    def __init__(self) -> None:
        super().__init__()
        self.rate, self.rng = 0.3, np.random.default_rng(3)

    def forward(self, x: Array) -> Array:
        self.mask = (self.rng.random(x.shape) >= self.rate).astype(x.dtype)
        return x * self.mask / x.dtype.type(1 - self.rate)

    def backward(self, dy: Array) -> Array:
        return dy * self.mask / dy.dtype.type(1 - self.rate)


class Convolution(Plain):
    """A 2 x 2 convolution by patches; images as (n, channels, height, width), W as (filters, channels, 2, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.add("W", np.random.default_rng(1).standard_normal((3, 2, 2, 2)))

    def forward(self, x: Array) -> Array:
        n, c, h, w = self.shape = x.shape
        shifted = [x[:, :, i : i + h - 1, j : j + w - 1] for i in range(2) for j in range(2)]
        self.cols = np.stack(shifted, axis=2).transpose(0, 3, 4, 1, 2).reshape(n * (h - 1) * (w - 1), c * 4)
        y = self.cols @ self.params["W"].reshape(3, -1).T
        return y.reshape(n, h - 1, w - 1, 3).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        n, c, h, w = self.shape
        d = self.rows(dy)
        self.grads["W"] += self.dW(d)
        dcols = (d @ self.as_matrix(self.params["W"])).reshape(n, h - 1, w - 1, c, 2, 2)
        dx = np.zeros(self.shape, dy.dtype)
        for i in range(2):
            for j in range(2):
                dx[:, :, i : i + h - 1, j : j + w - 1] += dcols[..., i, j].transpose(0, 3, 1, 2)
        return dx

    def rows(self, dy: Array) -> Array:
        return dy.transpose(0, 2, 3, 1).reshape(-1, 3)

    def dW(self, d: Array) -> Array:
        return (d.T @ self.cols).reshape(3, 2, 2, 2)

    def as_matrix(self, W: Array) -> Array:
        return W.reshape(3, -1)


class RowsAsPixels(Plain):
    """The running sum over the pixels of images (n, h, w, c), each scaled by its column first."""

    def forward(self, x: Array) -> Array:
        n, h, w, c = self.shape = x.shape
        return (x * self.scales(w)[:, None].astype(x.dtype)).reshape(n, h * w, c).cumsum(axis=1)

    def backward(self, dy: Array) -> Array:
        h, w = self.shape[1:3]
        d = dy[:, ::-1].cumsum(axis=1)[:, ::-1].reshape(self.shape)
        return d * self.spread(h, w)[None, :, :, None].astype(dy.dtype)

    def scales(self, w: int) -> Array:
        return np.arange(1, w + 1)

    def spread(self, h: int, w: int) -> Array:
        return np.tile(np.arange(1, w + 1), h).reshape(h, w)


class Gates(Plain):
    """y = sigmoid(a) tanh(c), where x = [a, c]: two halves of its columns."""

    def forward(self, x: Array) -> Array:
        half = x.shape[1] // 2
        self.s, self.t = 1 / (1 + np.exp(-x[:, :half])), np.tanh(x[:, half:])
        return self.s * self.t

    def backward(self, dy: Array) -> Array:
        ds, dt = dy * self.t, dy * self.s
        return self.joined(ds, dt)

    def joined(self, ds: Array, dt: Array) -> Array:
        return np.hstack([ds * self.s * (1 - self.s), dt * (1 - self.t**2)])


def gates_swapped(self: Any, ds: Array, dt: Array) -> Array:
    return np.hstack([dt * (1 - self.t**2), ds * self.s * (1 - self.s)])


def tanh_for_sigmoid(self: Any, ds: Array, dt: Array) -> Array:
    return np.hstack([ds * (1 - self.s**2), dt * (1 - self.t**2)])


def one_minus(self: Any, ds: Array, dt: Array) -> Array:
    return np.hstack([ds * self.s * (1 - self.s), dt * (1 - self.t)])


def wrong_value(self: Any, dy: Array) -> Array:
    return dy * (1 - self.z**2)


def no_derivative(self: Any, dy: Array) -> Array:
    return dy * 1


def Wh_untransposed(self: Any, dz: Array) -> Array:
    Wh = self.params["Wh"]
    return dz @ Wh


def minus_Wh(self: Any, dz: Array) -> Array:
    Wh = self.params["Wh"]
    return -dz @ Wh.T


def doubled_Wh(self: Any, dz: Array) -> Array:
    Wh = self.params["Wh"]
    return 2 * dz @ Wh.T


def tanh_at_the_wrong_h(self: Any, dh: Array, t: int) -> Array:
    h = self.hs[t]
    return dh * (1 - h**2)


def no_tanh(self: Any, dh: Array, t: int) -> Array:
    dz = 1 * dh
    return dz


def wrong_state(self: Any, dz: Array, t: int) -> Array:
    h = self.hs[t + 1]
    return h.T @ dz


def lost_on_the_way(self: Any, dz: Array) -> Array:
    return 0 * dz


def dv_untransposed(self: Any, dy: Array) -> Array:
    return self.p @ dy


def dk_untransposed(self: Any, ds: Array) -> Array:
    return ds @ self.q


def unscaled(self: Any, dscores: Array) -> Array:
    return 1 * dscores


def softmax_of_columns(self: Any, dp: Array) -> Array:
    return self.p * (dp - (dp * self.p).sum(1, keepdims=True))


def without_dv(self: Any, dy: Array) -> Array:
    x, p = self.x, self.params
    dv = self.dv(dy)
    ds = self.scaled(self.through_softmax(dy @ self.v.swapaxes(1, 2)))
    dq, dk = ds @ self.k, self.dk(ds)
    for name, gradient in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
        self.grads[name] += np.einsum("nti,ntj->ij", x, gradient)
    return dq @ p["Wq"].T + dk @ p["Wk"].T


def updates_first(self: Any, dy: Array) -> Array:
    dW = self.x.T @ dy
    self.grads["W"] += dW
    self.grads["b"] += dy.sum(axis=0)
    self.params["W"] -= 0.1 * dW
    return dy @ self.params["W"].T


class TwoOutputs:
    def forward(self, x: Array) -> tuple[Array, Array]:
        self.x, self.t = x, np.tanh(x)
        return self.t, x**2

    def backward(self, dt: Array, ds: Array) -> Array:
        return dt * (1 - self.t**2) + 2 * self.x * ds


class OutputsExchanged(TwoOutputs):
    def backward(self, dt: Array, ds: Array) -> Array:
        return super().backward(ds, dt)


class OutputLeftOut(TwoOutputs):
    def backward(self, dt: Array, ds: Array) -> Array:
        return super().backward(dt, 0 * ds)


# name of the bug: layer, x, the expected message
PLANTED: dict[str, tuple[Any, Any, str]] = {
    "outputs exchanged": (OutputsExchanged, (4, 5), "backward uses gradient 2 for output 1, gradient 1 for output 2"),
    "output left out": (OutputLeftOut, (4, 5), "the upstream gradient of output 2 is not used"),
    "factor -1": (changed(Affine, dW=lambda s, dy: -s.x.T @ dy), (4, 5), "the sign is flipped"),
    "factor 2": (changed(Affine, dW=lambda s, dy: 2 * s.x.T @ dy), (4, 5), r"every entry is 2 times .* added twice"),
    "factor 1/2": (changed(Elementwise, backward=lambda s, dy: dy * (1 - s.y**2) / 2), (4, 5), r"0\.5 times .* a factor of 2 is missing"),
    "factor 1/N": (changed(Affine, dW=lambda s, dy: s.x.T @ dy / len(dy)), (4, 5), "1/N with the batch size N = 4"),
    "factor N": (changed(Affine, db=lambda s, dy: dy.sum(axis=0) * len(dy)), (4, 5), "N, the batch size 4"),
    "mean for sum": (changed(Affine, db=lambda s, dy: dy.mean(axis=0)), (4, 5), "db is wrong.*\n.*1/N with the batch size N = 4"),
    "factor 1/pixels": (changed(Image, backward=lambda s, dy: 3 * s.x**2 * dy / 12), (2, 3, 4, 3), "number of pixels"),
    "some other factor": (changed(Affine, dx=lambda s, dy: 1.7 * dy @ s.params["W"].T), (4, 5), "every entry is 1.7 times"),
    "factor of one number": (changed(Affine, db=lambda s, dy: -dy.sum(axis=0)), (4, 5), "the sign is flipped"),
    "transposed": (changed(Affine, dW=lambda s, dy: dy.T @ s.x), (4, 5), "the gradient is transposed"),
    "height and width": (changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy).transpose(0, 2, 1, 3)), (2, 4, 4, 3), "its axes 1 and 2 are exchanged"),
    "height and width in memory": (
        changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy).transpose(0, 2, 1, 3).copy().reshape(dy.shape)),
        (2, 3, 4, 3), "axes 1 and 2 are exchanged in memory: the numbers are laid out for shape",
    ),
    "wrong order": (changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy).ravel(order="F").reshape(dy.shape)), (2, 3, 4, 3), "in the wrong order"),
    "flipped": (changed(Affine, dW=lambda s, dy: (s.x.T @ dy)[::-1]), (4, 5), "flipped along axis 0"),
    "flipped twice": (changed(Image, backward=lambda s, dy: (3 * s.x**2 * dy)[:, ::-1, ::-1]), (2, 3, 4, 3), "flipped along axis 1 and 2"),
    "off by one": (changed(Image, backward=lambda s, dy: np.roll(3 * s.x**2 * dy, 1, axis=1)), (2, 5, 4, 3), "off by one along axis 1"),
    "dy transposed": (changed(Affine, dW=lambda s, dy: s.x.T @ dy.T), (5, 5), "dy is read in the wrong order: .* order"),
    "dy flipped": (changed(Affine, dW=lambda s, dy: s.x.T @ dy[::-1]), (4, 5), "dy is read in the wrong order: .* flipped along axis 0"),
    "dy ignored": (changed(Elementwise, backward=lambda s, dy: 1 - s.y**2), (4, 5), "dy is not used"),
    "a road past the layer": (changed(Residual, backward=lambda s, dy: dy * (1 - s.y**2)), (4, 5), "a term is missing, equal to dy"),
    "another gradient's term": (changed(Affine, dW=lambda s, dy: s.x.T @ dy - 3 * s.params["W"]), (4, 5), r"a term is missing, equal to 3 W \(weight decay"),
    "a term too many": (changed(Affine, dW=lambda s, dy: s.x.T @ dy + s.params["W"]), (4, 5), "a term too many, equal to W"),
    "one of two equal terms": (changed(Image, forward=lambda s, x: (setattr(s, "x", x), x * x)[1], backward=lambda s, dy: s.x * dy), (4, 3), r"or one of two equal terms"),
    "= for +=, grads": (Assigning, (4, 5), r"backward assigns \(=\) where it must add \(\+=\): dW"),
    "= for +=, windows": (changed(Windows, backward=assign_windows), (3, 6), "only one is kept: `=` where `\\+=` is needed"),
    "= for +=, windows, first": (changed(Windows, backward=keep_first_windows), (3, 6), "`=` where `\\+=` is needed"),
    "= for +=, rows": (changed(Affine, dW=rows_assigned), (4, 5), "contribution of the last row of the batch alone"),
    "first row": (changed(Affine, dW=lambda s, dy: s.x[:1].T @ dy[:1]), (4, 5), "contribution of the first row of the batch alone: the other"),
    "last row missing": (changed(Affine, db=lambda s, dy: dy[:-1].sum(axis=0)), (4, 5), "the last row of the batch is left out"),
    "only the diagonal": (changed(Softmax, backward=lambda s, dy: dy * s.y * (1 - s.y)), (4, 5), "only the diagonal of the Jacobian"),
    "misplaced": (
        changed(Image, backward=lambda s, dy: np.random.default_rng(5).permutation((3 * s.x**2 * dy).ravel()).reshape(dy.shape)),
        (2, 3, 4, 3), "of the 7[012] wrong values belong to other entries",
    ),
    "dy modified": (changed(Elementwise, backward=writes_into_dy), (4, 5), "backward modifies dy in place"),
    "x modified": (changed(Elementwise, backward=writes_into_x), (4, 5), "backward modifies the input x in place"),
    "float32": (changed(Affine, dW=in_float32), (4, 5), "float32 rounding: every entry is exact in float32"),
    "a kink": (RelU, np.zeros((3, 4)), r"12 of 12 tried entries of x have no usable derivative \(12 at a kink"),
    "mask forgotten": (changed(RelU, backward=lambda s, dy: dy * 1), (4, 5), "passes dy on where dy should be masked"),
    "mask too wide": (changed(RelU, backward=lambda s, dy: dy * (s.x > 0.5)), (6, 6), "a mask drops too much"),
    "mask inverted": (changed(RelU, backward=lambda s, dy: dy * (s.x <= 0)), (4, 5), "the mask is inverted"),
    "wrong axis": (changed(Affine, db=lambda s, dy: dy.sum(axis=1)), (5, 5), "this is dy summed over the wrong axes: axis 1"),
    "dy returned": (changed(Affine, dx=lambda s, dy: dy * 1), (4, 5), "this is dy, unchanged"),
    "y returned": (changed(Affine, dx=lambda s, dy: s.y * 1), (4, 5), "this is y, unchanged"),
    "wrong derivative": (
        changed(Elementwise, backward=lambda s, dy: dy * np.cos(s.x)), (4, 5),
        r"so dx = dy f'\(x\), and f' is wrong: at x = \S+, where y = \S+, backward has \S+, not \S+",
    ),
    "stale cache": (changed(Elementwise, forward=stale_forward), (4, 5), "a stale cache"),
    "stale shape": (changed(Elementwise, forward=stale_shape, backward=reshaped), (4, 5), r"dx has shape \(3, 5\), but x has \(4, 5\)"),
    "stale buffer": (
        changed(Elementwise, forward=stale_shape, backward=into_buffer), (4, 5),
        r"after a batch of 3 rows, a batch of 4 rows crashes \(ValueError: .*\): the layer keeps a shape, a cache or a buffer",
    ),
    "stale mode": (Moody, (6, 5), "a stale cache"),
    "dropout not replayed": (changed(Dropout, backward=lambda s, dy: dy * s.draw(dy)), (6, 5), "backward draws new random numbers"),
    "penalty forgotten": (changed(Penalised, through_penalty=lambda s: 0 * s.x), (4, 5), "the gradient without the penalty"),
    "penalty alone": (changed(Penalised, through_y=lambda s, dy: 0 * dy), (4, 5), r"the gradient of penalty\(\) alone"),
    "penalty summed": (changed(Penalised, through_penalty=lambda s: 4 * s.x**3), (4, 5), r"the part that comes from penalty\(\) is 4 times .* N, the batch size"),
    "derivative forgotten": (changed(Elementwise, backward=lambda s, dy: dy * 1), (4, 5), r"a factor is missing, entry by entry: \(1 - y\^2\)"),
    "derivative twice": (changed(Elementwise, backward=lambda s, dy: dy * (1 - s.y**2) ** 2), (4, 5), r"every entry is multiplied by its \(1 - y\^2\)"),
    "softmax's sum": (changed(Softmax, backward=lambda s, dy: s.y * dy), (4, 5), "along axis 1, a multiple of y: the road through a sum"),
    "softmax's factor": (changed(Softmax, backward=lambda s, dy: dy - (dy * s.y).sum(axis=1, keepdims=True)), (4, 5), "a factor is missing, entry by entry: y"),
    "norm's scale": (changed(BatchNorm, backward=lambda s, dy: dy - s.mean_road(dy) - s.variance_road(dy)), (6, 4), r"a factor is missing, entry by entry: 1 / std"),
    "norm's mean": (changed(BatchNorm, mean_road=lambda s, dy: 0 * dy), (6, 4), "the same for all entries along axis 0: the road through a mean"),
    "norm's variance": (changed(BatchNorm, variance_road=lambda s, dy: 0 * dy), (6, 4), "along axis 0, a multiple of y: the road through"),
    "norm's mean and variance": (changed(BatchNorm, backward=lambda s, dy: dy / s.std), (6, 4), "a constant plus a multiple of x: the road through a mean and the variance"),
    "a factor for each column": (changed(Columns, backward=lambda s, dy: dy * 1), (6, 4), "depends on the index of axis 1 alone"),
    "a constant": (changed(Affine, dx=lambda s, dy: dy @ s.params["W"].T + s.params["b"].sum()), (4, 5), "a constant, .*, is added to every entry: it is the sum of b"),
    "1 - t for 1 - t^2": (changed(Smooth, backward=lambda s, dy: 3 * dy * (1 - s.t)), (4, 5), r"the factor \(1 - t\) is used where \(1 - t\^2\) belongs, tanh's derivative"),
    "f' at x": (changed(Elementwise, backward=lambda s, dy: dy * (1 - s.x**2)), (4, 5), "this is tanh' = 1 - y\\^2 with x in place of y"),
    "f' at y": (changed(Elementwise, backward=lambda s, dy: dy * (1 - np.tanh(s.y) ** 2)), (4, 5), "tanh is applied twice"),
    "softmax's sum over the batch": (changed(Softmax, backward=lambda s, dy: s.y * (dy - (dy * s.y).sum(axis=0))), (4, 5), "softmax's sum runs along axis 0: forward's softmax runs along axis 1"),
    "log-softmax's gradient": (changed(Softmax, backward=lambda s, dy: dy - s.y * dy.sum(axis=1, keepdims=True)), (4, 5), "this is log-softmax's gradient, but forward gives softmax"),
    "a derivative": (changed(Elementwise, backward=lambda s, dy: 1 - dy**2), (4, 5), r"this is the derivative f'\(y\), not a backward"),
    "f' left out": (changed(TanhLayer, dz=no_derivative), (4, 5), r"multiplied by \(1 - y\^2\), tanh's derivative"),
    "f' left out of db": (changed(TanhLayer, db=lambda s, dy, dz: dy.sum(axis=0)), (4, 5), r"db is wrong.*\n.*a derivative is left out: .* multiplied by \(1 - y\^2\)"),
    "relu' left out": (changed(ReluLayer, dz=no_derivative), (4, 5), r"multiplied by \(y > 0\), relu's derivative"),
    "f' at the wrong value": (changed(TanhLayer, dz=wrong_value), (4, 5), "`return dy \\* \\(1 - self.z\\*\\*2\\)`: it needs a instead of z"),
    "W for W.T, through time": (changed(Recurrent, to_the_step_before=Wh_untransposed), (3, 4, 4), r"`return dz @ Wh`: Wh must be transposed here"),
    "a sign, through time": (changed(Recurrent, to_the_step_before=minus_Wh), (3, 4, 4), "the sign of (Wh|dz) is wrong here"),
    "a factor, through time": (changed(Recurrent, to_the_step_before=doubled_Wh), (3, 4, 4), "(Wh|dz) must be multiplied by 0.5 here"),
    "tanh' at the wrong h": (changed(Recurrent, through_tanh=tanh_at_the_wrong_h), (3, 4, 4), r"it needs hs \(the later entry\) instead of h"),
    "tanh' left out, through time": (changed(Recurrent, through_tanh=no_tanh), (3, 4, 4), r"lacks the factor \(1 - h\^2\), tanh's derivative"),
    "the wrong state": (changed(Recurrent, dWh=wrong_state), (3, 4, 4), "`return h.T @ dz`: it needs hs \\(the entry before\\) instead of h"),
    "nothing passes through time": (changed(Recurrent, to_the_step_before=lost_on_the_way), (3, 4, 4), r"dWx is wrong(.|\n)*right (for a sequence of one step|when Wh is all 0), and wrong otherwise"),
    "dv untransposed": (changed(Attention, dv=dv_untransposed), (2, 3, 6), "`return self.p @ dy`: p must be transposed here"),
    "dk untransposed": (changed(Attention, dk=dk_untransposed), (2, 3, 6), "`return ds @ self.q`: ds must be transposed here"),
    "1/sqrt(d) left out": (changed(Attention, scaled=unscaled), (2, 3, 6), r"dWq is wrong(.|\n)*2.23607 times the right one: .*(5|square root of 5)"),
    "softmax over the wrong axis": (changed(Attention, through_softmax=softmax_of_columns), (2, 3, 6), "softmax's sum runs along axis 1: forward's softmax runs along axis 2"),
    "a path forgotten": (changed(Attention, backward=without_dv), (2, 3, 6), r"dx is wrong.*\n.*a term is missing: dv @ Wv.T"),
    "gamma outside the sums": (changed(ScaledNorm, dx=lambda s, dy: s.params["gamma"] * s.normalized(dy)), (4, 5), "right when all entries of gamma are equal, and wrong otherwise: backward multiplies by gamma in the wrong place"),
    "one dropout twice": (OneDropoutTwice, (4, 5), "forward uses first 2 times, and each use overwrites the values kept before"),
    "updated first": (changed(Affine, backward=updates_first), (4, 5), "backward updates W and then uses the new values"),
    "1 - rate": (changed(Rate, backward=lambda s, dy: dy * s.mask), (4, 5), "0.7 = 1 - rate, with rate = 0.3"),
    "dy reshaped wrongly": (changed(Convolution, rows=lambda s, dy: dy.reshape(-1, 3)), (2, 2, 5, 4), r"dy is read in the wrong order: .* transpose\(0, 2, 3, 1\) belongs"),
    "dW reshaped wrongly": (changed(Convolution, dW=lambda s, d: (s.cols.T @ d).reshape(3, 2, 2, 2)), (2, 2, 5, 4), "its axes are exchanged in memory"),
    "W reshaped wrongly": (changed(Convolution, as_matrix=lambda s, W: W.transpose(1, 2, 3, 0).reshape(3, -1)), (2, 2, 5, 4), "W is reshaped where transpose"),
    "h and w in a reshape": (changed(RowsAsPixels, spread=lambda s, h, w: np.tile(np.arange(1, h + 1), w).reshape(h, w)), (2, 3, 4, 2), "right for a square image, and wrong otherwise"),
    "gates swapped": (changed(Gates, joined=gates_swapped), (4, 6), "the blocks 0 and 1 of 2 along axis 1 are swapped"),
    "tanh' for sigmoid'": (changed(Gates, joined=tanh_for_sigmoid), (4, 6), "tanh's derivative, 1 - s\\^2, is used where sigmoid's derivative, s .* belongs"),
    "1 - t for 1 - t^2, one half": (changed(Gates, joined=one_minus), (4, 6), "1 - t is used where tanh's derivative, 1 - t\\^2, belongs"),
    "all zeros": (changed(Affine, dW=lambda s, dy: 0 * s.params["W"]), (4, 5), "backward gives all zeros"),
    "not read": (changed(Affine, forward=lambda s, x: (setattr(s, "x", x), x @ np.eye(5, dtype=x.dtype) + s.params["b"])[1]), (4, 5), "forward does not depend on W at all"),
}  # fmt: skip


@cache
def heard(bug: str) -> tuple[str, frozenset[str]]:
    """The message about a bug planted in a layer or a loss, and the suspects that explain it: two tests ask."""
    spoken: set[str] = set()

    def listening(suspect: Any) -> Any:
        def speaks(evidence: Evidence) -> str | None:
            cause: str | None = suspect(evidence)
            if cause:
                spoken.add(suspect.__name__)
            return cause

        return speaks

    def check() -> None:
        if bug in PLANTED:
            layer, x, _ = PLANTED[bug]
            check_layer(layer(), x, rules="fail")
        else:
            loss, y_pred, y_true, _ = PLANTED_IN_LOSSES[bug]
            check_loss(loss(), y_pred, y_true, float32=False, rules="fail")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnosis, "SUSPECTS", tuple(map(listening, SUSPECTS)))
        patch.setattr(diagnosis, "SUSPECTS_OF_SMALL_ERRORS", tuple(map(listening, SUSPECTS_OF_SMALL_ERRORS)))
        with pytest.raises(GradientCheckError) as caught:
            check()
    return str(caught.value), frozenset(spoken)


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_named(bug: str) -> None:
    message = PLANTED[bug][-1]
    assert re.search(message, heard(bug)[0])


@pytest.mark.slow
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_named_by_central_differences_too(bug: str) -> None:
    layer, x, message = PLANTED[bug]
    with pytest.raises(GradientCheckError, match=message):
        check_layer(layer(), x, seed=1, method="central", rules="fail")


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        *((layer, (4, 5)) for layer in (Affine, Elementwise, Softmax, BatchNorm, Windows, Image, Penalised, Residual)),
        *((layer, (4, 5)) for layer in (Dropout, RelU, Smooth, Columns, TanhLayer, ReluLayer, ScaledNorm, TwoDropouts)),
        (Rate, (4, 5)), (Recurrent, (3, 4, 4)), (Attention, (2, 3, 6)), (Convolution, (2, 2, 5, 4)),
        (RowsAsPixels, (2, 3, 4, 2)), (Gates, (4, 6)),
    ],
)  # fmt: skip
def test_without_its_bug_it_passes(layer: type, x: tuple[int, ...]) -> None:
    check_layer(layer(), x)


class CrossEntropy:
    """The mean of -log softmax(z)_t over the batch, for class numbers t."""

    floor = 0.0

    def forward(self, z: Array, t: Array) -> Any:
        self.p, self.t = self.probabilities(z), t
        return -np.mean(np.log(self.p[np.arange(len(t)), t] + self.floor))

    def probabilities(self, z: Array) -> Array:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(self) -> Array:
        return self.dz(np.eye(self.p.shape[1])[self.t]) / len(self.t)

    def dz(self, t: Array) -> Array:
        return self.p - t


class OnProbabilities(CrossEntropy):
    def probabilities(self, z: Array) -> Array:
        return z

    def dz(self, t: Array) -> Array:
        return -t / self.p


class BinaryCrossEntropy(CrossEntropy):
    """The mean of -t log p - (1 - t) log(1 - p), with p = sigmoid(z)."""

    def forward(self, z: Array, t: Array) -> Any:
        self.p, self.t = self.probabilities(z), t
        return np.mean(-t * np.log(self.p) - (1 - t) * np.log(1 - self.p))

    def probabilities(self, z: Array) -> Array:
        return 1 / (1 + np.exp(-z))

    def backward(self) -> Array:
        return self.dz(self.t) / self.p.size


class BinaryOnProbabilities(BinaryCrossEntropy):
    def probabilities(self, z: Array) -> Array:
        return z

    def dz(self, t: Array) -> Array:
        return (self.p - t) / (self.p * (1 - self.p))


def with_a_small_constant(self: Any, z: Array, t: Array) -> Any:
    self.p, self.t = self.probabilities(z), t
    return -np.mean(np.log(self.p[np.arange(len(t)), t] + 1e-7))


def divides_by_a_little_more(self: Any, t: Array) -> Array:
    return -t / (self.p + 1e-6)


def softmax_twice(self: Any, t: Array) -> Array:
    d = self.p - t
    return self.p * (d - (d * self.p).sum(axis=1, keepdims=True))


LOGITS = 3 * np.random.default_rng(0).standard_normal((4, 5))
PROBABILITIES = np.random.default_rng(0).uniform(0.05, 0.95, (4, 5))
CLASSES = np.array([1, 0, 3, 2])
ZEROS_AND_ONES = np.random.default_rng(1).integers(0, 2, (4, 5)).astype(np.float64)

# name of the bug: loss, y_pred, y_true, the expected message
PLANTED_IN_LOSSES: dict[str, tuple[type, Array, Array, str]] = {
    "softmax' twice": (changed(CrossEntropy, dz=softmax_twice), LOGITS, CLASSES, "softmax' is applied once too often"),
    "p (1 - p) too many": (changed(CrossEntropy, dz=lambda s, t: (s.p - t) * s.p * (1 - s.p)), LOGITS, CLASSES, r"a factor p \(1 - p\), softmax', is superfluous"),
    "softmax' left out": (changed(CrossEntropy, dz=lambda s, t: -t / s.p), LOGITS, CLASSES, "softmax' is left out"),
    "target left out": (changed(CrossEntropy, dz=lambda s, t: s.p), LOGITS, CLASSES, "the target is not subtracted"),
    "target added": (changed(CrossEntropy, dz=lambda s, t: s.p + t), LOGITS, CLASSES, "the target is added"),
    "of the logits": (changed(OnProbabilities, dz=lambda s, t: s.p - t), PROBABILITIES, CLASSES, "p - t is the gradient of the logits, with softmax' in it"),
    "sigmoid' once more": (changed(BinaryCrossEntropy, dz=lambda s, t: (s.p - t) * s.p * (1 - s.p)), LOGITS, ZEROS_AND_ONES, "sigmoid' is applied once too often"),
    "of binary logits": (changed(BinaryOnProbabilities, dz=lambda s, t: s.p - t), PROBABILITIES, ZEROS_AND_ONES, "p - t is the gradient of the logits, with sigmoid' in it"),
    "only the ones": (changed(BinaryOnProbabilities, dz=lambda s, t: -t / s.p), PROBABILITIES, ZEROS_AND_ONES, r"the term of the zeros, \(1 - t\) / \(1 - p\), is missing"),
    "log(p + 1e-7)": (changed(CrossEntropy, forward=with_a_small_constant), LOGITS, CLASSES, "forward adds a small constant, 1e-07, that backward leaves out; otherwise the gradient is right to"),
    "t / (p + 1e-6)": (changed(OnProbabilities, dz=divides_by_a_little_more), PROBABILITIES, CLASSES, "backward adds a small constant, 1e-06, that forward leaves out; otherwise the gradient is right to"),
}  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED_IN_LOSSES)
def test_a_bug_planted_in_a_loss_is_named(bug: str) -> None:
    message = PLANTED_IN_LOSSES[bug][-1]
    assert re.search(message, heard(bug)[0])


@pytest.mark.parametrize(
    ("loss", "y_pred", "y_true"),
    [
        (CrossEntropy, LOGITS, CLASSES), (OnProbabilities, PROBABILITIES, CLASSES),
        (BinaryCrossEntropy, LOGITS, ZEROS_AND_ONES), (BinaryOnProbabilities, PROBABILITIES, ZEROS_AND_ONES),
    ],
)  # fmt: skip
def test_a_loss_without_its_bug_passes(loss: type, y_pred: Array, y_true: Array) -> None:
    check_loss(loss(), y_pred, y_true, float32=False)


@pytest.mark.slow
def test_every_suspect_has_its_planted_bug() -> None:
    """Each suspect explains at least one of the bugs above."""
    assert not PLANTED.keys() & PLANTED_IN_LOSSES.keys()
    spoken = {suspect for bug in (*PLANTED, *PLANTED_IN_LOSSES) for suspect in heard(bug)[1]}
    assert spoken == {suspect.__name__ for suspect in SUSPECTS}


# Facts that may be stated even after a bug that nothing explains is added to a planted one.
FACTS = ("right ", "each y depends on its own x alone", "is the first wrong gradient inside backward")


@pytest.mark.slow
@pytest.mark.parametrize("bug", [bug for bug, (_, x, _) in PLANTED.items() if isinstance(x, tuple)])
def test_no_cause_is_claimed_that_does_not_explain_all(bug: str) -> None:
    layer, x, _ = PLANTED[bug]

    class Noisy(layer):  # type: ignore[misc]
        def backward(self, *dys: Array) -> Array:
            dx = super().backward(*dys)
            return dx + 0.01 * np.sin(np.arange(1, dx.size + 1) ** 2).reshape(dx.shape).astype(dx.dtype)

    with pytest.raises(GradientCheckError) as caught:
        check_layer(Noisy(), x, float32=False)
    cause = caught.value.report.arrays["x"].cause
    assert cause is None or any(fact in cause for fact in FACTS), cause


def test_one_wrong_gradient_does_not_explain_another() -> None:
    """dx lacks dW as a term; that may be said only if dW itself is right."""

    class Lacks(Affine):
        def dx(self, dy: Array) -> Array:
            return dy @ self.params["W"].T - self.dW(dy)

    class LacksWrong(Lacks):
        def dW(self, dy: Array) -> Array:
            return np.cos(self.x.T @ dy)

    with pytest.raises(GradientCheckError, match="a term is missing, equal to dW"):
        check_layer(Lacks(), (5, 5))
    with pytest.raises(GradientCheckError) as caught:
        check_layer(LacksWrong(), (5, 5))
    assert "equal to dW" not in (caught.value.report.arrays["x"].cause or "")


def test_arrays_with_one_cause_name_the_same_line() -> None:
    with pytest.raises(GradientCheckError) as caught:
        check_layer(changed(Recurrent, to_the_step_before=Wh_untransposed)(), (3, 4, 4))
    causes = [row.cause for row in caught.value.report.arrays.values()]
    assert len(causes) == 4
    assert len(set(causes)) == 1


def test_the_users_own_objects_are_left_alone() -> None:
    """Constants, classes and the trace function are what they were before the experiments."""
    loss, layer = changed(CrossEntropy, forward=with_a_small_constant)(), OneDropoutTwice()
    code, tracer = with_a_small_constant.__code__, sys.gettrace()
    with pytest.raises(GradientCheckError):
        check_loss(loss, LOGITS, CLASSES, float32=False, rules="fail")
    with pytest.raises(GradientCheckError):
        check_layer(layer, (4, 5))
    assert with_a_small_constant.__code__ is code
    assert type(layer.first) is MaskLayer
    assert sys.gettrace() is tracer


def test_a_diagnosis_without_result_takes_two_seconds_at_most() -> None:
    class Noisy(Recurrent):
        def backward(self, dy: Array) -> Array:
            return super().backward(dy) + np.sin(np.arange(self.x.size)).reshape(self.x.shape)

    start = time.thread_time()
    with pytest.raises(GradientCheckError):
        check_layer(Noisy(), (3, 4, 4), float32=False)
    assert time.thread_time() - start < 2.5


class MeanSquare:
    """A loss whose gradient lacks the factor 1/N."""

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        self.difference = y_pred - y_true
        return np.mean(self.difference**2)

    def backward(self) -> Array:
        return 2 * self.difference


def test_a_loss_is_diagnosed_too() -> None:
    with pytest.raises(
        GradientCheckError,
        match=r"dy_pred is wrong in 12 of 12 probes.*\n.*12, the number of entries of x|n with n = 12",
    ):
        check_loss(MeanSquare(), (4, 3), np.ones((4, 3)))


def test_where_it_is_wrong_is_said() -> None:
    class Border(Elementwise):
        def backward(self, dy: Array) -> Array:
            dx = super().backward(dy)
            dx[:, 0] = 0.3 * dx[:, 0] + 0.1
            return dx

    with pytest.raises(GradientCheckError, match="wrong in 6 of 30 probes, all of them at index 0 of axis 1; worst"):
        check_layer(Border(), (6, 5))


def test_a_loss_that_forgets_its_target() -> None:
    class Forgets(MeanSquare):
        def forward(self, y_pred: Array, y_true: Array) -> Any:
            self.y_pred = y_pred
            return np.mean((y_pred - y_true) ** 2)

        def backward(self) -> Array:
            return 2 * self.y_pred / self.y_pred.size

    y_true = np.random.default_rng(1).normal(size=(4, 3))
    with pytest.raises(GradientCheckError, match=r"a term too many, equal to 0\.166667 y_true"):
        check_loss(Forgets(), (4, 3), y_true)
