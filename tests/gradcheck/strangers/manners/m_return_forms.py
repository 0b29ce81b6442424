"""Students' choices of what backward gives back: a dict by name, a list, a tuple with the weights' gradients, a tuple and a dict."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class ReturnsDict:
    def __init__(self):
        self.theta = np.random.randn(3, 2)
        self.offset = np.random.randn(2)

    def forward(self, x):
        self.x = x
        return x @ self.theta + self.offset

    def backward(self, dy):
        return {"x": dy @ self.theta.T, "theta": self.x.T @ dy, "offset": dy.sum(axis=0)}


class ReturnsTriple:
    def __init__(self):
        self.W = np.random.randn(3, 2)
        self.b = np.random.randn(2)

    def forward(self, x):
        self.a = x
        self.z = x @ self.W + self.b
        return self.z ** 2

    def backward(self, grad):
        dz = 2 * self.z * grad
        dW = self.a.T @ dz
        db = dz.sum(axis=0)
        dx = dz @ self.W.T
        return dx, dW, db


class ReturnsPairWithDict:
    def __init__(self):
        self.params = {"scale": np.random.randn(3), "shift": np.random.randn(3)}

    def forward(self, x):
        self.memory = x
        return np.sin(x) * self.params["scale"] + self.params["shift"]

    def backward(self, dy):
        grads = {"scale": (dy * np.sin(self.memory)).sum(0), "shift": dy.sum(0)}
        dx = dy * np.cos(self.memory) * self.params["scale"]
        return dx, grads


class ReturnsList:
    def __init__(self):
        self.W = np.random.randn(3, 4)

    def forward(self, x):
        self.x = x
        return np.maximum(x @ self.W, 0)

    def backward(self, dy):
        mask = (self.x @ self.W) > 0
        self.dW = self.x.T @ (dy * mask)
        return [(dy * mask) @ self.W.T]


CASES = [
    Case("dict", lambda: check_layer(ReturnsDict(), x=(4, 3)), bugs=[
        Bug('"offset": dy.sum(axis=0)}', '"offset": dy.mean(axis=0)}', "offset", r"1/N|batch size|mean"),
        Bug('"theta": self.x.T @ dy,', '"theta": 2 * self.x.T @ dy,', "theta", r"2(\.0*)? times|twice|factor"),
        Bug('{"x": dy @ self.theta.T,', '{"x": dy @ self.theta.T + self.offset[0],', "x", r"offset|extra|added|term|constant|bias"),
        Bug('"theta": self.x.T @ dy, ', '', "theta", r"never|no gradient|not (given|returned|found)|missing"),
    ]),
    Case("triple", lambda: check_layer(ReturnsTriple(), x=(4, 3)), bugs=[
        Bug("dz = 2 * self.z * grad", "dz = self.z * grad", ("x", "W", "b"), r"0\.5 times|half|factor|\b2\b"),
        Bug("dW = self.a.T @ dz", "dW = self.a.T @ grad", "W", r"derivative|factor|missing|\bz\b"),
        Bug("db = dz.sum(axis=0)", "db = dz.sum(axis=0) / dz.size", "b", r"1/|mean|0\.125|times"),
        Bug("dx = dz @ self.W.T", "dx = dz @ dW.T", "x", r"dW|\bW\b|grad"),
    ]),
    Case("pair with dict", lambda: check_layer(ReturnsPairWithDict(), (4, 3)), bugs=[
        Bug('"shift": dy.sum(0)}', '"shift": dy.sum(0) * self.params["scale"]}', "shift", r"scale|factor|extra"),
        Bug('{"scale": (dy * np.sin(self.memory)).sum(0),', '{"scale": (dy * self.memory).sum(0),', "scale", r"sin|xhat|factor|input"),
        Bug('dx = dy * np.cos(self.memory) * self.params["scale"]', 'dx = dy * np.cos(self.memory)', "x", r"scale|factor|missing"),
        Bug("dx = dy * np.cos(self.memory)", "dx = dy * np.sin(self.memory)", "x", r"cos|sin|derivative"),
    ]),
    Case("list", lambda: check_layer(ReturnsList(), (4, 3)), bugs=[
        Bug("self.dW = self.x.T @ (dy * mask)", "self.dW = self.x.T @ dy", "W", r"mask|relu|missing|forgot"),
        Bug("return [(dy * mask) @ self.W.T]", "return [dy @ self.W.T]", "x", r"mask|relu|missing|forgot"),
        Bug("mask = (self.x @ self.W) > 0", "mask = (self.x @ self.W) < 0", ("x", "W"), r"mask|invert|opposite"),
        Bug("return [(dy * mask) @ self.W.T]", "return [(dy * mask) @ self.W.T / 2]", "x", r"0\.5 times|half|factor"),
    ]),
]
