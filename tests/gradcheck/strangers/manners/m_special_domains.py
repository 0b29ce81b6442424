"""Numerical people's layers: a Cholesky factor, sorted inputs, points on a sphere, products, norms, and the asserts that go with them."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def logdet(A):
    """of a symmetric positive definite matrix"""
    L = np.linalg.cholesky(A)
    return 2 * np.log(np.diag(L)).sum(), (A, L)


def logdet_backward(g, cache):
    A, L = cache
    # cholesky reads the lower triangle only
    inv = np.linalg.inv(A)
    low = np.tril(inv, -1) * 2 + np.diag(np.diag(inv))
    return g * low


def trapezoid(t, f):
    """integral of f over the sorted times t"""
    if np.any(np.diff(t) <= 0):
        raise ValueError("t must be increasing")
    return np.sum(np.diff(t) * (f[1:] + f[:-1]) / 2)


def trapezoid_backward(g, t, f):
    h = np.diff(t)
    m = (f[1:] + f[:-1]) / 2
    dt, df = np.zeros_like(t), np.zeros_like(f)
    dt[1:] += m
    dt[:-1] -= m
    df[1:] += h / 2
    df[:-1] += h / 2
    return g * dt, g * df


class Prod:
    def forward(self, x):
        self.x, self.y = x, x.prod(axis=1)
        return self.y

    def backward(self, dy):
        return dy[:, None] * self.y[:, None] / self.x


class Norm:
    def forward(self, x):
        self.x = x
        self.n = np.sqrt((x ** 2).sum(axis=1))
        return self.n

    def backward(self, dy):
        return dy[:, None] * self.x / self.n[:, None]


class LogProbs:
    def forward(self, p):
        assert np.all(p > 0), "probabilities"
        self.p = p
        return np.log(p).sum(axis=-1)

    def backward(self, dy):
        return dy[..., None] / self.p


class MaxOverRow:
    def forward(self, x):
        self.x = x
        return x.max(axis=1)

    def backward(self, dy):
        hit = self.x == self.x.max(axis=1, keepdims=True)
        return dy[:, None] * hit / hit.sum(axis=1, keepdims=True)


M = np.random.RandomState(1).randn(4, 4)
spd = M @ M.T + 4 * np.eye(4)
times = np.array([0.0, 0.4, 1.1, 1.3, 2.0])
probabilities = np.random.RandomState(2).dirichlet(np.ones(3) * 4, size=4)

CASES = [
    Case("log det", lambda: check_function(logdet, logdet_backward, spd), bugs=[
        Bug("return g * low", "return g * low / 2", "A", r"0\.5 times|half|factor"),
        Bug("return g * low", "return g * A", "A", r"invers|inv"),
        Bug("inv = np.linalg.inv(A)", "inv = np.linalg.inv(L)", "A", r"invers|inv|\bL\b"),
        Bug("return g * low", "return -g * low", "A", r"sign|-1"),
    ]),
    Case("sorted times", lambda: check_function(trapezoid, trapezoid_backward, times, (5,)), bugs=[
        Bug("    dt[:-1] -= m\n", "", "t", r"road|term|missing|neighbou?r"),
        Bug("    dt[:-1] -= m\n", "    dt[:-1] += m\n", "t", r"sign|term"),
        Bug("    df[:-1] += h / 2\n", "    df[:-1] = h / 2\n", "f", r"overwrit|accumulat|\+=|last|term"),
        Bug("    df[1:] += h / 2\n", "    df[1:] += h\n", "f", r"half|0\.5|\b2\b|term|factor"),
    ]),
    Case("prod", lambda: check_layer(Prod(), x=(3, 4)), bugs=[
        Bug("dy[:, None] * self.y[:, None] / self.x", "dy[:, None] * self.y[:, None]", "x", r"divi|factor|\bx\b|missing"),
        Bug("dy[:, None] * self.y[:, None] / self.x", "dy[:, None] / self.x", "x", r"factor|prod|output|missing|\by\b"),
        Bug("dy[:, None] * self.y[:, None] / self.x", "self.y[:, None] / self.x", "x", r"dy|ignore|upstream"),
        Bug("dy[:, None] * self.y[:, None] / self.x", "dy[:, None] * self.y[:, None] / np.abs(self.x)", "x", r"abs|sign"),
    ]),
    Case("norm", lambda: check_layer(Norm(), x=(3, 4)), bugs=[
        Bug("self.x / self.n[:, None]", "self.x", "x", r"norm|divi|factor|\bn\b|missing"),
        Bug("self.x / self.n[:, None]", "2 * self.x / self.n[:, None]", "x", r"2(\.0*)? times|twice|factor"),
        Bug("self.x / self.n[:, None]", "self.x / self.n[:, None] ** 2", "x", r"norm|squar|twice|\bn\b"),
        Bug("self.x / self.n[:, None]", "np.abs(self.x) / self.n[:, None]", "x", r"abs|sign"),
    ]),
    Case("log of probabilities", lambda: check_layer(LogProbs(), x=probabilities), bugs=[
        Bug("return dy[..., None] / self.p", "return dy[..., None] * self.p", "x", r"divi|invers|multipl|1/"),
        Bug("return dy[..., None] / self.p", "return dy[..., None] / self.p ** 2", "x", r"squar|twice|divi"),
        Bug("return dy[..., None] / self.p", "return dy[..., None] * np.log(self.p)", "x", r"log|derivative|1/"),
        Bug("return dy[..., None] / self.p", "return 1 / self.p", "x", r"dy|ignore|upstream"),
    ]),
    Case("max that shares ties", lambda: check_layer(MaxOverRow(), x=(4, 5)), bugs=[
        Bug("hit = self.x == self.x.max(axis=1, keepdims=True)", "hit = self.x == self.x.min(axis=1, keepdims=True)", "x", r"mask|min|max|wrong (entry|place)|inverted"),
        Bug("return dy[:, None] * hit / hit.sum(axis=1, keepdims=True)", "return dy[:, None] * hit * self.x", "x", r"\bx\b|factor|extra|max"),
        Bug("return dy[:, None] * hit", "return hit", "x", r"dy|ignore|upstream"),
        Bug("hit = self.x == self.x.max(axis=1, keepdims=True)", "hit = self.x == self.x.max(axis=0, keepdims=True)\n        hit[0] |= ~hit.any(axis=1)[0]\n        hit = hit | (hit.sum(axis=1, keepdims=True) == 0)", "x", r"axis|mask"),
    ]),
]
