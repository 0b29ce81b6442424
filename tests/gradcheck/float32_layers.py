"""Random layers that compute in float32 whatever their input, right or wrong by 1 % or more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl.gradcheck.diagnosis import Scene
from tinydl.gradcheck.objective import Objective
from tinydl.gradcheck.options import Options
from tinydl.gradcheck.report import WRONG, ArrayReport
from tinydl.gradcheck.runner import Runner
from tinydl.gradcheck.single_precision import SinglePrecision, probe_single

Array = NDArray[Any]
Rng = np.random.Generator


def single(array: Array) -> Array:
    return np.asarray(array, "f")


class Base:
    """A layer with its parameters in `params` and, after backward, their gradients in `grads`."""

    def __init__(self, **params: Array) -> None:
        self.params = {name: np.array(value, np.float64) for name, value in params.items()}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Any:
        raise NotImplementedError

    def backward(self, dy: Array) -> Any:
        raise NotImplementedError

    def p(self, name: str) -> Array:
        return self.params[name].astype(np.float32)

    def zero_grad(self) -> None:
        self.grads = {}


class Dense(Base):
    def __init__(self, inputs: int, units: int, rng: Rng) -> None:
        super().__init__(W=rng.standard_normal((inputs, units)) / np.sqrt(inputs), b=0.1 * rng.standard_normal(units))

    def forward(self, x: Array) -> Array:
        self.x = single(x)
        return self.x @ self.p("W") + self.p("b")

    def backward(self, dy: Array) -> Array:
        dy = single(dy)
        flat, rows = dy.reshape(-1, dy.shape[-1]), self.x.reshape(-1, self.x.shape[-1])
        self.grads = {"W": rows.T @ flat, "b": flat.sum(axis=0)}
        return dy @ self.p("W").T


def sigmoid(z: Array) -> Array:
    return np.float32(1) / (np.float32(1) + np.exp(-z))


# Each is f and f' as a function of (z, f(z)).
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "relu": (lambda z: np.maximum(z, 0), lambda z, y: (z > 0).astype("f")),
    "leaky": (lambda z: np.where(z > 0, z, np.float32(0.1) * z), lambda z, y: np.where(z > 0, 1, 0.1).astype("f")),
    "abs": (np.abs, lambda z, y: np.sign(z)),
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z, y: (np.abs(z) < 1).astype("f")),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z, y: np.where(z > 0, np.float32(1), y + np.float32(1)),
    ),
    "tanh": (np.tanh, lambda z, y: 1 - y * y),
    "sigmoid": (sigmoid, lambda z, y: y * (1 - y)),
    "swish": (lambda z: z * sigmoid(z), lambda z, y: sigmoid(z) + y * (1 - sigmoid(z))),
    "softplus": (lambda z: np.logaddexp(z, np.float32(0)), lambda z, y: sigmoid(z)),
    "square": (lambda z: z * z, lambda z, y: 2 * z),
}


class Activation(Base):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.f, self.slope = ACTIVATIONS[kind]

    def forward(self, x: Array) -> Array:
        self.z = single(x)
        self.y = self.f(self.z)
        return self.y

    def backward(self, dy: Array) -> Array:
        return single(dy) * self.slope(self.z, self.y)


class Norm(Base):
    """Normalization over the last axis (layer norm) or the first (batch norm)."""

    def __init__(self, size: int, axis: int, rng: Rng) -> None:
        super().__init__(gamma=1 + 0.2 * rng.standard_normal(size), beta=0.2 * rng.standard_normal(size))
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = single(x)
        centered = x - x.mean(axis=self.axis, keepdims=True)
        self.scale = 1 / np.sqrt((centered**2).mean(axis=self.axis, keepdims=True) + np.float32(1e-5))
        self.xhat = centered * self.scale
        return self.xhat * self.p("gamma") + self.p("beta")

    def backward(self, dy: Array) -> Array:
        dy = single(dy)
        others = tuple(range(dy.ndim - 1))
        self.grads = {"gamma": (dy * self.xhat).sum(axis=others), "beta": dy.sum(axis=others)}
        d = dy * self.p("gamma")
        mean = d.mean(axis=self.axis, keepdims=True)
        along = (d * self.xhat).mean(axis=self.axis, keepdims=True)
        return self.scale * (d - mean - self.xhat * along)


class Softmax(Base):
    def forward(self, x: Array) -> Array:
        x = single(x)
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        dy = single(dy)
        return self.y * (dy - (dy * self.y).sum(axis=-1, keepdims=True))


class Conv(Base):
    """(n, h, w, c) -> (n, h - k + 1, w - k + 1, filters)."""

    def __init__(self, k: int, c: int, filters: int, rng: Rng) -> None:
        W = rng.standard_normal((k, k, c, filters)) / np.sqrt(k * k * c)
        super().__init__(W=W, b=0.1 * rng.standard_normal(filters))

    def forward(self, x: Array) -> Array:
        self.x, W, k = single(x), self.p("W"), self.params["W"].shape[0]
        _, h, w, _ = x.shape
        self.h, self.w = h - k + 1, w - k + 1
        return self.p("b") + sum(
            self.x[:, i : i + self.h, j : j + self.w] @ W[i, j] for i in range(k) for j in range(k)
        )

    def backward(self, dy: Array) -> Array:
        dy, W = single(dy), self.p("W")
        dx, dW = np.zeros_like(self.x), np.zeros_like(W)
        for i, j in np.ndindex(W.shape[:2]):
            part = self.x[:, i : i + self.h, j : j + self.w]
            dW[i, j] = np.tensordot(part, dy, axes=((0, 1, 2), (0, 1, 2)))
            dx[:, i : i + self.h, j : j + self.w] += dy @ W[i, j].T
        self.grads = {"W": dW, "b": dy.sum(axis=(0, 1, 2))}
        return dx


class MaxPool(Base):
    """The maximum over pairs of neighbors on the last axis."""

    def forward(self, x: Array) -> Array:
        x = single(x)
        pairs = x.reshape(*x.shape[:-1], -1, 2)
        self.first = pairs[..., :1] >= pairs[..., 1:]
        return pairs.max(axis=-1)

    def backward(self, dy: Array) -> Array:
        dy = single(dy)[..., None]
        return np.concatenate([dy * self.first, dy * ~self.first], axis=-1).reshape(*dy.shape[:-2], -1)


class LSTM(Base):
    """(n, steps, inputs) -> the last h, (n, units)."""

    def __init__(self, inputs: int, units: int, rng: Rng) -> None:
        super().__init__(
            W=rng.standard_normal((inputs, 4 * units)) / np.sqrt(inputs),
            U=rng.standard_normal((units, 4 * units)) / np.sqrt(units),
            b=0.1 * rng.standard_normal(4 * units),
        )

    def forward(self, x: Array) -> Array:
        x = single(x)
        W, U, b = self.p("W"), self.p("U"), self.p("b")
        h = c = np.zeros((len(x), U.shape[0]), np.float32)
        self.steps = []
        for t in range(x.shape[1]):
            zi, zf, zo, zg = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
            i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), np.tanh(zg)
            before, c = c, f * c + i * g
            self.steps.append((x[:, t], h, before, i, f, o, g, np.tanh(c)))
            h = o * np.tanh(c)
        return h

    def backward(self, dy: Array) -> Array:
        W, U = self.p("W"), self.p("U")
        dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(W.shape[1], np.float32)
        dh = single(dy)
        dc = np.zeros_like(dh)
        dx = []
        for x, h, before, i, f, o, g, tanh_c in reversed(self.steps):
            dc = dc + dh * o * (1 - tanh_c**2)
            gates = [dc * g * i * (1 - i), dc * before * f * (1 - f), dh * tanh_c * o * (1 - o), dc * i * (1 - g**2)]
            dz = np.concatenate(gates, axis=1)
            dW += x.T @ dz
            dU += h.T @ dz
            db += dz.sum(axis=0)
            dx.append(dz @ W.T)
            dh, dc = dz @ U.T, dc * f
        self.grads = {"W": dW, "U": dU, "b": db}
        return np.stack(dx[::-1], axis=1)


class Attention(Base):
    """One attention head on (n, steps, inputs)."""

    def __init__(self, inputs: int, units: int, rng: Rng) -> None:
        super().__init__(**{name: rng.standard_normal((inputs, units)) / np.sqrt(inputs) for name in "QKV"})
        self.softmax = Softmax()
        self.scale = np.float32(1 / np.sqrt(units))

    def forward(self, x: Array) -> Array:
        self.x = single(x)
        self.q, self.k, self.v = (self.x @ self.p(name) for name in "QKV")
        self.a = self.softmax.forward(self.scale * (self.q @ self.k.transpose(0, 2, 1)))
        return self.a @ self.v

    def backward(self, dy: Array) -> Array:
        dy = single(dy)
        ds = self.softmax.backward(dy @ self.v.transpose(0, 2, 1)) * self.scale
        parts = {"Q": ds @ self.k, "K": ds.transpose(0, 2, 1) @ self.q, "V": self.a.transpose(0, 2, 1) @ dy}
        self.grads = {name: np.tensordot(self.x, d, axes=((0, 1), (0, 1))) for name, d in parts.items()}
        return sum(d @ self.p(name).T for name, d in parts.items())


class Loss(Base):
    """A scalar loss against fixed targets."""

    def __init__(self, kind: str, targets: Array) -> None:
        super().__init__()
        self.kind, self.t = kind, single(targets)

    def forward(self, x: Array) -> Array:
        self.x, t = single(x), self.t
        if self.kind == "mse":
            return np.mean((self.x - t) ** 2, keepdims=True).ravel()
        if self.kind == "huber":
            e = np.abs(self.x - t)
            return np.mean(np.where(e < 1, e * e / 2, e - np.float32(0.5)), keepdims=True).ravel()
        if self.kind == "bce":
            return np.mean(np.logaddexp(0, self.x) - self.x * (t > 0), keepdims=True).ravel()
        shifted = self.x - self.x.max(axis=1, keepdims=True)
        self.log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.one_hot = single(t == t.max(axis=1, keepdims=True))
        return -np.sum(self.log_p * self.one_hot, keepdims=True).ravel() / np.float32(len(t))

    def backward(self, dy: Array) -> Array:
        d, t, size = single(dy).item(), self.t, self.x.size
        if self.kind == "mse":
            return d * 2 * (self.x - t) / np.float32(size)
        if self.kind == "huber":
            return d * np.clip(self.x - t, -1, 1) / np.float32(size)
        if self.kind == "bce":
            return d * (sigmoid(self.x) - (t > 0)) / np.float32(size)
        return d * (np.exp(self.log_p) - self.one_hot) / np.float32(len(t))


class Chain(Base):
    def __init__(self, *layers: Base) -> None:
        super().__init__()
        self.layers = layers
        self.params = {f"{k}.{name}": array for k, layer in enumerate(layers) for name, array in layer.params.items()}

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        self.grads = {
            f"{k}.{name}": array for k, layer in enumerate(self.layers) for name, array in layer.grads.items()
        }
        return dy


def stack(rng: Rng, size: int) -> Base:
    """Five blocks, each of a dense layer, sometimes a norm, and an activation."""
    layers: list[Base] = []
    for _ in range(5):
        width = int(rng.integers(4, 16))
        layers.append(Dense(size, width, rng))
        if rng.random() < 0.4:
            layers.append(Norm(width, -1, rng))
        layers.append(Activation(str(rng.choice(list(ACTIVATIONS)[:-1]))))
        size = width
    return Chain(*layers)


def drawn(kind: str, rng: Rng) -> tuple[Base, Array]:
    """A layer of this kind and its input, with random sizes and values."""
    n, d, m = (int(k) for k in rng.integers((2, 3, 2), (9, 20, 12)))
    x = rng.standard_normal((n, d)) * float(rng.choice([0.3, 1.0, 3.0]))
    if kind == "dense":
        return Dense(d, m, rng), x
    if kind == "activation":
        return Activation(str(rng.choice(list(ACTIVATIONS)))), x
    if kind == "dense and activation":
        return Chain(Dense(d, m, rng), Activation(str(rng.choice(list(ACTIVATIONS))))), x
    if kind == "layer norm":
        return Norm(d, -1, rng), x + float(rng.choice([0.0, 5.0]))
    if kind == "batch norm":
        return Norm(d, 0, rng), rng.standard_normal((n + 3, d)) * 2 + 1
    if kind == "softmax":
        return Softmax(), x
    if kind == "conv":
        c, h, w = (int(k) for k in rng.integers((1, 5, 5), (4, 10, 10)))
        return Conv(int(rng.integers(2, 4)), c, m, rng), rng.standard_normal((n, h, w, c))
    if kind == "conv net":
        layer = Chain(Conv(3, 2, 4, rng), Activation("relu"), MaxPool(), Conv(2, 2, 3, rng), Activation("leaky"))
        return layer, rng.standard_normal((n, 7, 6, 2))
    if kind == "lstm":
        return LSTM(d, m, rng), rng.standard_normal((n, int(rng.integers(2, 7)), d))
    if kind == "attention":
        return Attention(d, m, rng), rng.standard_normal((n, int(rng.integers(3, 8)), d))
    if kind == "stack of five":
        return stack(rng, d), x
    loss = Loss(str(rng.choice(["mse", "huber", "bce", "cross entropy"])), rng.standard_normal((n, d)))
    if kind == "loss":
        return loss, x
    return Chain(Dense(d, m, rng), Activation("relu"), Dense(m, d, rng), loss), x  # "network and loss"


KINDS = (
    "dense", "activation", "dense and activation", "layer norm", "batch norm", "softmax", "conv", "conv net", "lstm",
    "attention", "stack of five", "loss", "network and loss",
)  # fmt: skip


class Wrong(Base):
    """A right layer with one gradient spoiled by at least 1 % of its norm."""

    def __init__(self, layer: Base, name: str, spoil: Callable[[Array], Array], bug: str) -> None:
        super().__init__()
        self.layer, self.params, self.name, self.spoil, self.bug = layer, layer.params, name, spoil, bug

    def forward(self, x: Array) -> Array:
        return self.layer.forward(x)

    def backward(self, dy: Array) -> Array:
        dx = self.layer.backward(dy)
        self.grads = dict(self.layer.grads)
        if self.name == "x":
            return self.spoil(dx)
        self.grads[self.name] = self.spoil(self.grads[self.name])
        return dx


def spoiled(layer: Base, x: Array, dy: Array, rng: Rng) -> Wrong:
    """The layer with a bug in a random gradient that is not zero."""
    layer.forward(x)
    gradients = {"x": layer.backward(dy), **layer.grads}
    arrays = {"x": x, **layer.params}
    # A gradient that is 0 up to roundoff (of a bias before a norm, for example) cannot be spoiled by 1 %.
    names = [name for name, g in gradients.items() if np.linalg.norm(g) > 1e-4 * np.linalg.norm(gradients["x"])]
    while True:
        name = str(rng.choice(names))
        g, share = gradients[name], float(rng.uniform(0.01, 0.1))
        bug = str(rng.choice(["factor", "missing term", "wrong row", "row of zeros", "rows exchanged", "noise"]))
        axis = int(rng.integers(g.ndim))
        row, other = (int(k) for k in rng.integers(g.shape[axis], size=2))
        broken = partial(_broken, BUGS[bug], share, arrays[name].copy(), axis, row, other, rng.standard_normal(g.shape))
        if np.linalg.norm(broken(g) - g) >= 0.01 * np.linalg.norm(g):
            return Wrong(layer, name, broken, f"{bug} in d{name}")


def _broken(
    bug: Callable[..., None], share: float, array: Array, axis: int, row: int, other: int, noise: Array, g: Array
) -> Array:
    """The gradient with the bug in it; rows are counted along `axis`."""
    bad = np.moveaxis(g.copy(), axis, 0)
    bug(bad, share, np.moveaxis(array, axis, 0), row, other, np.moveaxis(noise, axis, 0))
    return np.moveaxis(bad, 0, axis)


def _rms(a: Array) -> float:
    return float(np.sqrt(np.mean(a * a)))


def _factor(g: Array, share: float, array: Array, row: int, other: int, noise: Array) -> None:
    g *= np.float32(1 + share)


def _missing_term(g: Array, share: float, array: Array, row: int, other: int, noise: Array) -> None:
    g -= single(share * _rms(g) * array / (_rms(array) or 1.0))


def _wrong_row(g: Array, share: float, array: Array, row: int, other: int, noise: Array) -> None:
    g[row] *= np.float32(1 + 5 * share)


def _row_of_zeros(g: Array, share: float, array: Array, row: int, other: int, noise: Array) -> None:
    g[row] = 0


def _rows_exchanged(g: Array, share: float, array: Array, row: int, other: int, noise: Array) -> None:
    g[[row, other]] = g[[other, row]]


def _noise(g: Array, share: float, array: Array, row: int, other: int, noise: Array) -> None:
    g += single(share * _rms(g) * noise)


BUGS = {
    "factor": _factor, "missing term": _missing_term, "wrong row": _wrong_row, "row of zeros": _row_of_zeros,
    "rows exchanged": _rows_exchanged, "noise": _noise,
}  # fmt: skip


def objective_of(layer: Base, x: Array, dy: Array) -> Objective:
    return Objective(Runner(layer, True, None), x.copy(), "x", dy)


def checked(layer: Base, x: Array, dy: Array, options: Options) -> dict[str, ArrayReport]:
    """The verdict on each array, without the rules of the layer contract."""
    layer.forward(x)
    gradients = {"x": layer.backward(dy), **layer.grads}
    objective = objective_of(layer, x, dy)
    oracle = SinglePrecision(objective, options)
    scene = Scene(objective, gradients, lambda dtype: layer, oracle.slope, oracle.base)
    rng = options.rng(4)
    with np.errstate(all="ignore"):
        return {name: probe_single(oracle, name, scene, options, rng) for name in objective.arrays}


def case(number: int, seed: int, wrong: bool) -> tuple[str, Base, Array, Array]:
    """The kind, the layer, its input and dy: every kind in turn."""
    rng, kind = np.random.default_rng([seed, number, wrong]), KINDS[number % len(KINDS)]
    layer, x = drawn(kind, rng)
    dy = rng.standard_normal(layer.forward(x).shape)
    return kind, spoiled(layer, x, dy, rng) if wrong else layer, x, dy


def summary(rows: dict[str, ArrayReport]) -> str:
    """ "passed", "WRONG", or the first verdict that is neither."""
    bad = [row.verdict for row in rows.values() if not row.passed]
    return WRONG if WRONG in bad else bad[0] if bad else "passed"
