"""Layers that must be told their sizes first: init_params(n), build(shape), initialize_weights, lazy creation in the first forward."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class FullyConnected:
    def __init__(self, units):
        self.units = units

    def init_params(self, n_in, seed=0):
        rng = np.random.default_rng(seed)
        self.params = {"w": rng.normal(size=(n_in, self.units)), "b": rng.normal(size=self.units)}

    def forward(self, x):
        self.last_in = x
        return x @ self.params["w"] + self.params["b"]

    def backward(self, up):
        self.derivatives = {"w": self.last_in.T @ up, "b": up.sum(axis=0)}
        return up @ self.params["w"].T


class LazyDense:
    """ The weights appear at the first call """

    def __init__(self, units):
        self.units = units
        self.kernel = None

    def forward(self, x):
        if self.kernel is None:
            r = np.random.RandomState(1)
            self.kernel = r.uniform(-1, 1, (x.shape[-1], self.units))
            self.bias = np.zeros(self.units)
        self.x = x
        self.pre = x @ self.kernel + self.bias
        return np.exp(-self.pre ** 2)

    def backward(self, gradient):
        g = gradient * -2 * self.pre * np.exp(-self.pre ** 2)
        self.kernel_gradient = self.x.T @ g
        self.bias_gradient = g.sum(axis=0)
        return g @ self.kernel.T


class RBF:
    def __init__(self, centers, beta=0.5):
        self.n = centers
        self.beta = beta

    def setup(self, dim):
        self.c = np.random.RandomState(0).randn(self.n, dim)
        return self

    def forward(self, x):
        self.diff = x[:, None, :] - self.c[None]
        self.y = np.exp(-self.beta * (self.diff ** 2).sum(axis=2))
        return self.y

    def backward(self, dy):
        g = (dy * self.y)[:, :, None] * (2 * self.beta) * self.diff
        self.dc = g.sum(axis=0)
        return -g.sum(axis=1)


def ready():
    fc = FullyConnected(4)
    fc.init_params(3)
    return fc


CASES = [
    Case("init_params", lambda: check_layer(ready(), x=(5, 3)), bugs=[
        Bug('"b": up.sum(axis=0)}', '"b": up.mean(axis=0)}', "b", r"1/N|batch size|mean"),
        Bug('{"w": self.last_in.T @ up,', '{"w": self.last_in.T @ up * 0.1,', "w", r"0\.1 times|factor"),
        Bug('return up @ self.params["w"].T', 'return up @ self.derivatives["w"].T', "x", r"derivative|grad|\bw\b|stale"),
        Bug('{"w": self.last_in.T @ up, "b"', '{"b"', "w", r"never|no gradient|not (written|set|found)|missing"),
    ]),
    Case("lazy dense", lambda: check_layer(LazyDense(4), x=(5, 3)), bugs=[
        Bug("g = gradient * -2 * self.pre *", "g = gradient * -2 *", ("x", "kernel", "bias"), r"derivative|factor|missing|pre|inner"),
        Bug("g = gradient * -2 * self.pre *", "g = gradient * 2 * self.pre *", ("x", "kernel", "bias"), r"sign|-1"),
        Bug("self.bias_gradient = g.sum(axis=0)", "self.bias_gradient = gradient.sum(axis=0)", "bias", r"derivative|factor|missing|activation"),
        Bug("return g @ self.kernel.T", "return g @ self.kernel.T / self.units", "x", r"0\.25|1/4|times|units"),
    ]),
    Case("rbf", lambda: check_layer(RBF(4).setup(3), x=(5, 3)), bugs=[
        Bug("return -g.sum(axis=1)", "return g.sum(axis=1)", "x", r"sign|-1"),
        Bug("(2 * self.beta)", "self.beta", ("x", "c"), r"0\.5 times|half|factor"),
        Bug("self.dc = g.sum(axis=0)", "self.dc = g.mean(axis=0)", "c", r"1/N|batch size|mean"),
        Bug("g = (dy * self.y)[:, :, None]", "g = dy[:, :, None]", ("x", "c"), r"exp|factor|missing|output|\by\b"),
    ]),
]
