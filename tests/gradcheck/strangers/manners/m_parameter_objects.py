"""Student repositories with parameter objects: .data and .grad, .value and .gradient, and lists that parameters() returns."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Parameter:
    __slots__ = ("data", "grad", "name")

    def __init__(self, data, name=""):
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = np.zeros_like(self.data)
        self.name = name


class Param:
    """ value/gradient pair """

    def __init__(self, value):
        self.value = value
        self.gradient = np.zeros_like(value)

    def zero(self):
        self.gradient = np.zeros_like(self.value)


class Module:
    def parameters(self):
        return [p for p in self.__dict__.values() if isinstance(p, Parameter)]

    def zero_grad(self):
        for p in self.parameters():
            p.grad[...] = 0

    def __call__(self, *a):
        return self.forward(*a)


class Linear(Module):
    def __init__(self, i, o):
        self.weight = Parameter(np.random.randn(o, i), "weight")
        self.bias = Parameter(np.random.randn(o), "bias")

    def forward(self, x):
        self._x = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, grad):
        self.weight.grad += grad.T @ self._x
        self.bias.grad += grad.sum(axis=0)
        return grad @ self.weight.data


class Conv1d(Module):
    def __init__(self, c_in, c_out, k, dilation=1):
        self.k, self.dilation = k, dilation
        self.weight = Parameter(np.random.randn(c_out, c_in, k))
        self.bias = Parameter(np.random.randn(c_out))

    def forward(self, x):
        self._x = x
        L = x.shape[2] - (self.k - 1) * self.dilation
        y = np.zeros((x.shape[0], self.weight.data.shape[0], L))
        for t in range(self.k):
            s = t * self.dilation
            y += np.einsum("ncl,oc->nol", x[:, :, s:s + L], self.weight.data[:, :, t])
        return y + self.bias.data[:, None]

    def backward(self, grad):
        L = grad.shape[2]
        dx = np.zeros_like(self._x)
        for t in range(self.k):
            s = t * self.dilation
            self.weight.grad[:, :, t] += np.einsum("nol,ncl->oc", grad, self._x[:, :, s:s + L])
            dx[:, :, s:s + L] += np.einsum("nol,oc->ncl", grad, self.weight.data[:, :, t])
        self.bias.grad += grad.sum(axis=(0, 2))
        return dx


class HighwayLayer:
    def __init__(self, n):
        rng = np.random.default_rng(0)
        self.Wh, self.Wt = Param(rng.normal(size=(n, n))), Param(rng.normal(size=(n, n)))
        self.bt = Param(-np.ones(n))

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.Wh.value)
        self.t = 1 / (1 + np.exp(-(x @ self.Wt.value + self.bt.value)))
        return self.t * self.h + (1 - self.t) * x

    def backward(self, d):
        dh = d * self.t * (1 - self.h**2)
        dt = d * (self.h - self.x) * self.t * (1 - self.t)
        self.Wh.gradient = self.x.T @ dh
        self.Wt.gradient = self.x.T @ dt
        self.bt.gradient = dt.sum(0)
        return d * (1 - self.t) + dh @ self.Wh.value.T + dt @ self.Wt.value.T


CASES = [
    Case("linear", lambda: check_layer(Linear(3, 2), x=(4, 3)), bugs=[
        Bug("self.weight.grad += grad.T @ self._x", "self.weight.grad += grad.T @ self._x / len(grad)", "weight", r"1/N|batch size|mean"),
        Bug("        self.bias.grad += grad.sum(axis=0)\n        return grad @ self.weight.data", "        self.bias.grad += 2 * grad.sum(axis=0)\n        return grad @ self.weight.data", "bias", r"2(\.0*)? times|twice|factor"),
        Bug("return grad @ self.weight.data", "return grad @ self.weight.grad", "x", r"grad|weight|stale|not.*forward|dW"),
        Bug("        self.weight.grad += grad.T @ self._x\n", "        grad.T @ self._x\n", "weight", r"zero|never|not (written|set)|missing"),
    ]),
    Case("dilated conv", lambda: check_layer(Conv1d(2, 3, 3, dilation=2), x=(2, 2, 8)), bugs=[
        Bug("            s = t * self.dilation\n            self.weight", "            s = t\n            self.weight", ("x", "weight"), r"dilat|strid|spacing|shift"),
        Bug("            dx[:, :, s:s + L] += np", "            dx[:, :, s:s + L] = np", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("self.bias.grad += grad.sum(axis=(0, 2))", "self.bias.grad += grad.sum(axis=0).mean(axis=-1)", "bias", r"1/|0\.25|mean|times"),
        Bug('grad, self.weight.data[:, :, t])', 'grad, self.weight.data[:, :, self.k - 1 - t])', "x", r"flip|revers"),
    ]),
    Case("highway", lambda: check_layer(HighwayLayer(4), (3, 4)), bugs=[
        Bug("return d * (1 - self.t) + dh", "return dh", "x", r"residual|skip|carry|road|term|missing"),
        Bug("dt = d * (self.h - self.x) * self.t", "dt = d * self.h * self.t", ("x", "Wt", "bt"), r"term|missing|\bx\b|carry|road"),
        Bug("dh = d * self.t * (1 - self.h**2)", "dh = d * (1 - self.h**2)", ("x", "Wh"), r"gate|\bt\b|factor|missing"),
        Bug("dt @ self.Wt.value.T", "dt @ self.Wt.value", "x", r"transpos|\.T|Wt"),
        Bug("self.bt.gradient = dt.sum(0)", "self.bt.gradient = -dt.sum(0)", "bt", r"sign|-1"),
    ]),
]
