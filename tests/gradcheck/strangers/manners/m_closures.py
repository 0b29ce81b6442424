"""A functional programmer's layers: factories that return (forward, backward) as closures over weights, caches and gradients."""
from functools import partial

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def make_dense(n_in, n_out, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_in, n_out))
    bias = rng.normal(size=n_out)
    saved, grads = {}, {}

    def forward(x):
        saved["x"] = x
        return x @ weights + bias

    def backward(dy):
        grads["weights"] = saved["x"].T @ dy
        grads["bias"] = dy.sum(axis=0)
        return dy @ weights.T

    return forward, backward


def make_rnn(d, h):
    rng = np.random.default_rng(1)
    U, W, b = rng.normal(size=(d, h)), rng.normal(size=(h, h)), rng.normal(size=h)
    history = []
    g = {}

    def forward(xs):
        history.clear()
        state = np.zeros((xs.shape[0], h))
        for t in range(xs.shape[1]):
            new = np.tanh(xs[:, t] @ U + state @ W + b)
            history.append((xs[:, t], state, new))
            state = new
        return state

    def backward(dstate):
        g["U"], g["W"], g["b"] = np.zeros_like(U), np.zeros_like(W), np.zeros_like(b)
        dxs = []
        for x, old, new in reversed(history):
            da = dstate * (1 - new**2)
            g["U"] += x.T @ da
            g["W"] += old.T @ da
            g["b"] += da.sum(axis=0)
            dxs.insert(0, da @ U.T)
            dstate = da @ W.T
        return np.stack(dxs, axis=1)

    return forward, backward


def compose(*pairs):
    forwards, backwards = zip(*pairs)

    def forward(x):
        for f in forwards:
            x = f(x)
        return x

    def backward(dy):
        for b in backwards[::-1]:
            dy = b(dy)
        return dy

    return forward, backward


def scaled(x, alpha, shift=0.0):
    return np.sin(alpha * x) + shift


def scaled_grad(dy, x, alpha, shift=0.0):
    return dy * alpha * np.cos(alpha * x)


CASES = [
    Case("dense pair", lambda: check_layer(make_dense(3, 2), x=(4, 3)), bugs=[
        Bug('grads["bias"] = dy.sum(axis=0)', 'grads["bias"] = dy.mean(axis=0)', "bias", r"1/N|batch size|mean"),
        Bug('grads["weights"] = saved["x"].T @ dy', 'grads["weights"] = 99 * saved["x"].T @ dy', "weights", r"99"),
        Bug("return dy @ weights.T", "return dy @ weights.T - dy @ weights.T / 2", "x", r"0\.5 times|half|factor"),
        Bug('        grads["bias"] = dy.sum(axis=0)\n', "", "bias", r"never|no gradient|not (written|set|found)|missing"),
    ]),
    Case("dense functions", lambda: check_function(*make_dense(4, 3), (5, 4)), bugs=[
        Bug('grads["weights"] = saved["x"].T @ dy', 'grads["weights"] = -saved["x"].T @ dy', "weights", r"sign|-1"),
        Bug("return dy @ weights.T", "return dy @ np.abs(weights).T", "x", r"abs|sign|weights"),
        Bug('grads["bias"] = dy.sum(axis=0)', 'grads["bias"] = dy.sum(axis=0) + bias', "bias", r"bias|added|extra|term|decay"),
        Bug('grads["weights"] = saved["x"].T @ dy', 'grads["weights"] = saved["x"].T @ np.ones_like(dy)', "weights", r"dy|ignore|upstream|ones"),
    ]),
    Case("rnn", lambda: check_function(*make_rnn(3, 4), (2, 5, 3)), bugs=[
        Bug("dstate = da @ W.T", "dstate = da @ W", ("xs", "U", "W", "b"), r"transpos|\bW\b|\.T"),
        Bug("da = dstate * (1 - new**2)", "da = dstate * (1 - old**2)", ("xs", "U", "W", "b"), r"tanh|old|previous|step"),
        Bug('g["W"] += old.T @ da', 'g["W"] += new.T @ da', "W", r"new|old|wrong h|state|time|step|output"),
        Bug('g["U"] += x.T @ da', 'g["U"] = x.T @ da', "U", r"overwrit|accumulat|\+=|last|first|one step"),
        Bug("dxs.insert(0, da @ U.T)", "dxs.append(da @ U.T)", "xs", r"revers|order|flip|time"),
    ]),
    Case("partials", lambda: check_function(partial(scaled, alpha=0.7), partial(scaled_grad, alpha=0.7), (3, 4)), bugs=[
        Bug("return dy * alpha * np.cos(alpha * x)", "return dy * np.cos(alpha * x)", "x", r"alpha|0\.7|1\.4|chain|inner"),
        Bug("return dy * alpha * np.cos(alpha * x)", "return dy * alpha * np.cos(x)", "x", r"alpha|cos|argument|derivative|inner"),
        Bug("return dy * alpha * np.cos(alpha * x)", "return -dy * alpha * np.cos(alpha * x)", "x", r"sign|-1"),
        Bug("return dy * alpha * np.cos(alpha * x)", "return dy * alpha * np.sin(alpha * x)", "x", r"sin|cos|derivative"),
    ]),
    Case("composition", lambda: check_layer(compose(make_dense(3, 4), make_dense(4, 2, seed=1)), (5, 3)), bugs=[
        Bug("        for b in backwards[::-1]:\n            dy = b(dy)\n        return dy", "        for b in backwards[::-1]:\n            dy = 2 * b(dy)\n        return dy", ("x", "weights", "bias"), r"2(\.0*)? times|4(\.0*)? times|twice|factor"),
        Bug("return dy @ weights.T", "return dy.mean() * np.ones((len(dy), 1)) @ weights.sum(axis=1)[None]", ("x", "weights", "bias"), r"mean|dy|broadcast|spread"),
        Bug('grads["weights"] = saved["x"].T @ dy', 'grads["weights"] = saved["x"].T @ dy / len(dy)', "weights", r"1/N|batch size|mean"),
        Bug('grads["bias"] = dy.sum(axis=0)', 'grads["bias"] = dy[-1]', "bias", r"last|row|sum"),
    ]),
]
