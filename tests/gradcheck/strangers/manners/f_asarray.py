"""float32 only: a phone-app developer's layers, which begin with np.asarray(x, "f")."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Dense32:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m).astype("f")
        self.b = np.zeros(m, "f")

    def forward(self, x):
        self.x = np.asarray(x, "f")
        return self.x @ np.asarray(self.W, "f") + np.asarray(self.b, "f")

    def backward(self, dy):
        dy = np.asarray(dy, "f")
        self.dW = self.x.T @ dy
        self.db = dy.sum(0)
        return dy @ np.asarray(self.W, "f").T


class Sigmoid32:
    def forward(self, x):
        x = np.asarray(x, "f")
        self.y = np.float32(1) / (np.float32(1) + np.exp(-x))
        return self.y

    def backward(self, dy):
        return np.asarray(dy, "f") * self.y * (1 - self.y)


class Tanh32:
    def forward(self, x):
        self.y = np.tanh(np.asarray(x, "f"))
        return self.y

    def backward(self, dy):
        g = np.asarray(dy, "f") * (1 - self.y * self.y)
        return g


class Softmax32:
    def forward(self, x):
        x = np.asarray(x, "f")
        e = np.exp(x - x.max(-1, keepdims=True))
        self.p = e / e.sum(-1, keepdims=True)
        return self.p

    def backward(self, dy):
        dy = np.asarray(dy, "f")
        inner = (dy * self.p).sum(-1, keepdims=True)
        return self.p * (dy - inner)


class LayerNorm32:
    def __init__(self, n):
        self.gamma = np.ones(n, "f")
        self.beta = np.zeros(n, "f")

    def forward(self, x):
        x = np.asarray(x, "f")
        self.inv = 1 / np.sqrt(x.var(-1, keepdims=True) + np.float32(1e-5))
        self.xhat = (x - x.mean(-1, keepdims=True)) * self.inv
        return self.xhat * np.asarray(self.gamma, "f") + np.asarray(self.beta, "f")

    def backward(self, dy):
        dy = np.asarray(dy, "f")
        self.dgamma = (dy * self.xhat).sum(0)
        self.dbeta = dy.sum(0)
        d = dy * np.asarray(self.gamma, "f")
        return self.inv * (d - d.mean(-1, keepdims=True) - self.xhat * (d * self.xhat).mean(-1, keepdims=True))


CASES = [
    Case("dense", lambda: check_layer(Dense32(4, 3), x=(5, 4)), bugs=[
        Bug("self.dW = self.x.T @ dy", "self.dW = np.float32(1.02) * (self.x.T @ dy)", "W", r"1\.02|factor|times"),
        Bug("self.db = dy.sum(0)", "self.db = dy.mean(0)", "b", r"1/N|batch size|mean"),
        Bug("return dy @ np.asarray(self.W, \"f\").T", "return dy @ np.asarray(self.W, \"f\").T * np.float32(0.97)", "x", r"0\.97|factor|times"),
        Bug("self.dW = self.x.T @ dy", "self.dW = 2 * self.x.T @ dy", "W", r"2(\.0*)? times|twice|factor"),
    ]),
    Case("sigmoid", lambda: check_layer(Sigmoid32(), x=(5, 4)), bugs=[
        Bug("* self.y * (1 - self.y)", "* self.y * (np.float32(1.01) - self.y)", "x", r"sigmoid|derivative|term"),
        Bug("* self.y * (1 - self.y)", "* (1 - self.y)", "x", r"sigmoid|derivative|factor|missing"),
        Bug("* self.y * (1 - self.y)", "* self.y * (1 + self.y)", "x", r"sign|sigmoid|derivative"),
        Bug("return np.asarray(dy, \"f\") * self.y", "return self.y", "x", r"dy|ignore|upstream"),
    ]),
    Case("tanh", lambda: check_layer(Tanh32(), x=(5, 4)), bugs=[
        Bug("(1 - self.y * self.y)\n", "(1 - self.y)\n", "x", r"tanh|derivative"),
        Bug("        return g\n", "        return g * np.float32(1.03)\n", "x", r"1\.03|factor|times"),
        Bug("        return g\n", "        return -g\n", "x", r"sign|-1"),
        Bug("(1 - self.y * self.y)\n", "(1 - np.float32(0.97) * self.y * self.y)\n", "x", r"tanh|derivative|0\.97"),
    ]),
    Case("softmax", lambda: check_layer(Softmax32(), x=(4, 5)), bugs=[
        Bug("return self.p * (dy - inner)", "return self.p * dy", "x", r"softmax|term|missing|sum"),
        Bug("return self.p * (dy - inner)", "return self.p * (1 - self.p) * dy", "x", r"softmax|sigmoid|diagonal|Jacobian"),
        Bug("return self.p * (dy - inner)", "return np.float32(1.02) * self.p * (dy - inner)", "x", r"1\.02|factor|times"),
        Bug("inner = (dy * self.p).sum(-1, keepdims=True)", "inner = (dy * self.p).sum(0, keepdims=True)", "x", r"axis"),
    ]),
    Case("layer norm", lambda: check_layer(LayerNorm32(6), x=(4, 6)), bugs=[
        Bug("(d - d.mean(-1, keepdims=True) - self", "(d - self", "x", r"mean"),
        Bug(" - self.xhat * (d * self.xhat).mean(-1, keepdims=True))", ")", "x", r"variance"),
        Bug("self.dgamma = (dy * self.xhat).sum(0)", "self.dgamma = (dy * self.xhat).mean(0)", "gamma", r"1/N|batch size|mean"),
        Bug("self.dbeta = dy.sum(0)", "self.dbeta = dy.sum(0) * np.float32(1.05)", "beta", r"1\.05|factor|times"),
    ]),
]
