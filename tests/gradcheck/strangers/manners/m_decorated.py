"""An engineer's layers: decorated forwards (timed, logged, shape-checked), properties, class attributes, an abstract base class."""
import functools
import time
from abc import ABC, abstractmethod

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer

TIMES = {}


def timed(f):
    @functools.wraps(f)
    def wrapper(self, *args, **kwargs):
        start = time.perf_counter()
        try:
            return f(self, *args, **kwargs)
        finally:
            TIMES.setdefault(type(self).__name__, []).append(time.perf_counter() - start)

    return wrapper


def log_shapes(method):
    def inner(*a):
        out = method(*a)
        print(method.__name__, [np.shape(v) for v in a[1:]], "->", np.shape(out))
        return out

    return inner


class BaseLayer(ABC):
    @abstractmethod
    def forward(self, x): ...

    @abstractmethod
    def backward(self, dy): ...

    @property
    def parameters(self):
        return {}


class Scale(BaseLayer):
    def __init__(self, n):
        self._gain = np.linspace(0.5, 1.5, n)
        self._gain_gradient = np.zeros(n)

    @property
    def parameters(self):
        return {"gain": (self._gain, self._gain_gradient)}

    @timed
    def forward(self, x):
        self._x = x
        return x * self._gain

    @timed
    def backward(self, dy):
        self._gain_gradient[:] = (dy * self._x).sum(axis=0)
        return dy * self._gain


class AveragePool1D(BaseLayer):
    width = 2

    @log_shapes
    def forward(self, x):
        n, t, c = x.shape
        return x.reshape(n, t // self.width, self.width, c).mean(axis=2)

    @log_shapes
    def backward(self, dy):
        return np.repeat(dy, self.width, axis=1) / self.width


class Template(BaseLayer):
    """subclasses fill in _f and _df"""

    @log_shapes
    def forward(self, x):
        self.cache = x
        return self._f(x)

    def backward(self, dy):
        return dy * self._df(self.cache)


class HardTanh(Template):
    def _f(self, x):
        return np.clip(x, -1, 1)

    def _df(self, x):
        return (abs(x) < 1).astype(float)


class Cauchy(Template):
    def _f(self, x):
        return 1 / (1 + x ** 2)

    def _df(self, x):
        return -2 * x / (1 + x ** 2) ** 2


CASES = [
    Case("timed scale", lambda: check_layer(Scale(4), x=(5, 4)), bugs=[
        Bug("(dy * self._x).sum(axis=0)", "(dy * self._x).mean(axis=0)", "_gain", r"1/N|batch size|mean"),
        Bug("return dy * self._gain", "return dy", "x", r"gain|factor|missing"),
        Bug("(dy * self._x).sum(axis=0)", "dy.sum(axis=0)", "_gain", r"factor|missing|\bx\b"),
        Bug("self._gain_gradient[:] = (dy", "self._gain_gradient[:] = -(dy", "_gain", r"sign|-1"),
    ]),
    Case("logged pool", lambda: check_layer(AveragePool1D(), x=(2, 6, 3)), bugs=[
        Bug("np.repeat(dy, self.width, axis=1) / self.width", "np.repeat(dy, self.width, axis=1)", "x", r"2(\.0*)? times|twice|width|factor"),
        Bug("np.repeat(dy, self.width, axis=1) / self.width", "np.tile(dy, (1, self.width, 1)) / self.width", "x", r"order|repeat|tile|permut|interleav"),
        Bug("np.repeat(dy, self.width, axis=1) / self.width", "np.repeat(dy, self.width, axis=1) / self.width ** 2", "x", r"0\.5 times|half|width|factor"),
        Bug("return np.repeat(dy, self.width, axis=1)", "return np.repeat(dy[:, ::-1], self.width, axis=1)", "x", r"flip|revers"),
    ]),
    Case("hard tanh", lambda: check_layer(HardTanh(), x=(4, 6)), bugs=[
        Bug("return (abs(x) < 1).astype(float)", "return (abs(x) > 1).astype(float)", "x", r"mask|invert|opposite"),
        Bug("return (abs(x) < 1).astype(float)", "return np.ones_like(x)", "x", r"mask|clip|missing|forgot"),
        Bug("return (abs(x) < 1).astype(float)", "return (x < 1).astype(float)", "x", r"mask|abs|negative|lower"),
        Bug("return dy * self._df(self.cache)", "return self._df(self.cache)", "x", r"dy|ignore|upstream"),
    ]),
    Case("cauchy", lambda: check_layer(Cauchy(), x=(4, 3)), bugs=[
        Bug("return -2 * x / (1 + x ** 2) ** 2", "return 2 * x / (1 + x ** 2) ** 2", "x", r"sign|-1"),
        Bug("return -2 * x / (1 + x ** 2) ** 2", "return -1 / (1 + x ** 2) ** 2", "x", r"inner|chain|factor|\bx\b"),
        Bug("return -2 * x / (1 + x ** 2) ** 2", "return -2 * x / (1 + x ** 2)", "x", r"squar|power|factor|output"),
        Bug("return -2 * x / (1 + x ** 2) ** 2", "return -x / (1 + x ** 2) ** 2", "x", r"0\.5 times|half|factor"),
    ]),
]
