"""Functional networks: parameters in a dict that is handed to every function, gradients in a dict of the same keys."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def init(seed=0):
    rng = np.random.default_rng(seed)
    return {"W1": rng.normal(size=(3, 5)), "b1": rng.normal(size=5), "W2": rng.normal(size=(5, 2)), "b2": rng.normal(size=2)}


def forward_prop(X, W1, b1, W2, b2):
    Z1 = X @ W1 + b1
    A1 = np.where(Z1 > 0, Z1, 0.01 * Z1)
    Z2 = A1 @ W2 + b2
    return Z2, {"X": X, "Z1": Z1, "A1": A1, "W2": W2, "W1": W1}


def backward_prop(dZ2, cache):
    dA1 = dZ2 @ cache["W2"].T
    dZ1 = dA1 * np.where(cache["Z1"] > 0, 1, 0.01)
    return {
        "X": dZ1 @ cache["W1"].T,
        "W1": cache["X"].T @ dZ1,
        "b1": dZ1.sum(0),
        "W2": cache["A1"].T @ dZ2,
        "b2": dZ2.sum(0),
    }


class Net:
    """keeps the dict, calls the functions"""

    def __init__(self):
        self.params = init(3)

    def forward(self, X):
        y, self.cache = forward_prop(X, **self.params)
        return y

    def backward(self, dy):
        self.grads = backward_prop(dy, self.cache)
        return self.grads.pop("X")


def mixture(x, mu, log_sigma, logits):
    """log density of a mixture of normal distributions, x (n,), the rest (k,)"""
    z = (x[:, None] - mu) / np.exp(log_sigma)
    lw = logits - np.log(np.exp(logits).sum())
    joint = lw - 0.5 * z**2 - log_sigma
    top = joint.max(axis=1, keepdims=True)
    out = np.log(np.exp(joint - top).sum(axis=1)) + top[:, 0]
    return out, (z, lw, log_sigma, np.exp(joint - out[:, None]))


def mixture_grad(dy, cache):
    z, lw, log_sigma, r = cache
    s = np.exp(log_sigma)
    w = dy[:, None] * r
    dmu = (w * z / s).sum(axis=0)
    dsig = (w * (z**2 - 1)).sum(axis=0)
    dlogits = w.sum(axis=0) - np.exp(lw) * dy.sum()
    return -(w * z / s).sum(axis=1), dmu, dsig, dlogits


CASES = [
    Case("dict of gradients", lambda: check_function(forward_prop, backward_prop, (4, 3), (3, 5), (5,), (5, 2), (2,)), bugs=[
        Bug('"b1": dZ1.sum(0),', '"b1": dA1.sum(0),', "b1", r"relu|mask|derivative|missing"),
        Bug('"W1": cache["X"].T @ dZ1,', '"W1": cache["X"].T @ dZ1 / len(dZ1),', "W1", r"1/N|batch size|mean"),
        Bug("dZ1 = dA1 * np.where(cache[\"Z1\"] > 0, 1, 0.01)", "dZ1 = dA1 * np.where(cache[\"Z1\"] > 0, 1, 0)", ("X", "W1", "b1"), r"leak|negative|0\.01|relu|mask"),
        Bug('"W2": cache["A1"].T @ dZ2,', '"W2": cache["Z1"].T @ dZ2,', "W2", r"Z1|A1|activation|relu"),
    ]),
    Case("net around them", lambda: check_layer(Net(), x=(4, 3)), bugs=[
        Bug('"b2": dZ2.sum(0),', '"b2": dZ2.mean(0),', "b2", r"1/N|batch size|mean"),
        Bug('"W2": cache["A1"].T @ dZ2,', '"W2": -cache["A1"].T @ dZ2,', "W2", r"sign|-1"),
        Bug('dA1 = dZ2 @ cache["W2"].T', 'dA1 = 2 * dZ2 @ cache["W2"].T', ("x", "W1", "b1"), r"2(\.0*)? times|twice|factor"),
        Bug('"X": dZ1 @ cache["W1"].T,', '"X": dA1 @ cache["W1"].T,', "x", r"relu|mask|derivative|missing"),
    ]),
    Case("mixture density", lambda: check_function(mixture, mixture_grad, (5,), (3,), (3,), (3,)), bugs=[
        Bug("dlogits = w.sum(axis=0) - np.exp(lw) * dy.sum()", "dlogits = w.sum(axis=0)", "logits", r"softmax|normali|term|missing|road"),
        Bug("dsig = (w * (z**2 - 1)).sum(axis=0)", "dsig = (w * z**2).sum(axis=0)", "log_sigma", r"term|missing|- ?1|road"),
        Bug("dmu = (w * z / s).sum(axis=0)", "dmu = (w * z).sum(axis=0)", "mu", r"sigma|\bs\b|factor|missing|divi"),
        Bug("return -(w * z / s).sum(axis=1)", "return (w * z / s).sum(axis=1)", "x", r"sign|-1"),
        Bug("w = dy[:, None] * r", "w = dy[:, None] * np.exp(lw)", ("x", "mu", "log_sigma", "logits"), r"responsib|weight|softmax|posterior|factor"),
    ]),
]
