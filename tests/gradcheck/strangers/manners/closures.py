"""A functional programmer's: no classes; a forward function returns its pullback, or a maker returns two closures."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def affine(x, W, b):
    y = x @ W + b

    def pullback(dy):
        return dy @ W.T, x.T @ dy, dy.sum(0)

    return y, pullback


def attention(q, k, v):
    """Scaled dot-product attention, (T, d)."""
    scale = 1 / np.sqrt(q.shape[-1])
    s = q @ k.T * scale
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    out = p @ v

    def pullback(dout):
        dv = p.T @ dout
        dp = dout @ v.T
        ds = p * (dp - (dp * p).sum(-1, keepdims=True))
        dq = ds @ k * scale
        dk = ds.T @ q * scale
        return dq, dk, dv

    return out, pullback


def make_softplus(beta=2.0):
    saved = {}

    def forward(x):
        saved["x"] = x
        return np.log1p(np.exp(beta * x)) / beta

    def backward(dy):
        return dy / (1 + np.exp(-beta * saved["x"]))

    return forward, backward


def make_dense(n_in, n_out):
    W = np.random.randn(n_in, n_out)
    b = np.random.randn(n_out)
    memory = []

    def forward(x):
        memory.append(x)
        return np.tanh(x @ W + b)

    def backward(dy):
        x = memory.pop()
        y = np.tanh(x @ W + b)
        da = dy * (1 - y**2)
        return da @ W.T

    return forward, backward


CASES = [
    Case(
        "affine with a pullback",
        lambda: check_function(affine, x=(4, 3), W=(3, 2), b=(2,)),
        bugs=[
            Bug(
                "return dy @ W.T, x.T @ dy, dy.sum(0)",
                "return dy @ W.T, x.T @ dy, dy.mean(0)",
                "b",
                r"mean|0\.25|1/N|batch",
            ),
            Bug(
                "return dy @ W.T, x.T @ dy, dy.sum(0)",
                "return dy @ W.T, x.T @ dy * 2, dy.sum(0)",
                "W",
                r"2 times|twice|factor",
            ),
            Bug("return dy @ W.T, x.T @ dy, dy.sum(0)", "return -dy @ W.T, x.T @ dy, dy.sum(0)", "x", r"sign|-1"),
            Bug(
                "return dy @ W.T, x.T @ dy, dy.sum(0)",
                "return y @ W.T, x.T @ dy, dy.sum(0)",
                "x",
                r"\bdy\b|upstream|incoming|output|ignor",
            ),
        ],
    ),
    Case(
        "attention with a pullback",
        lambda: check_function(attention, q=(4, 3), k=(5, 3), v=(5, 2)),
        bugs=[
            Bug(
                "ds = p * (dp - (dp * p).sum(-1, keepdims=True))",
                "ds = p * (1 - p) * dp",
                ("q", "k"),
                r"softmax|diagonal|jacobian|sigmoid",
            ),
            Bug("dq = ds @ k * scale", "dq = ds @ k", "q", r"scale|sqrt|1\.73|factor|times"),
            Bug("dk = ds.T @ q * scale", "dk = ds.T @ q * scale**2", "k", r"scale|sqrt|0\.577|factor|times"),
            Bug("(dp * p).sum(-1, keepdims=True)", "(dp * p).mean(-1, keepdims=True)", ("q", "k"), r"mean|sum|softmax"),
            Bug(
                "dv = p.T @ dout", "dv = (s / s.sum(-1, keepdims=True)).T @ dout", "v", r"softmax|before|scores|weights"
            ),
        ],
    ),
    Case(
        "softplus of two closures",
        lambda: check_function(*make_softplus(), x=(4, 3)),
        bugs=[
            Bug(
                'return dy / (1 + np.exp(-beta * saved["x"]))',
                'return dy / (1 + np.exp(-saved["x"]))',
                "x",
                r"beta|chain|derivative",
            ),
            Bug(
                'return dy / (1 + np.exp(-beta * saved["x"]))',
                'return beta * dy / (1 + np.exp(-beta * saved["x"]))',
                "x",
                r"2 times|beta|factor|twice",
            ),
            Bug(
                'return dy / (1 + np.exp(-beta * saved["x"]))',
                'return dy / (1 + np.exp(beta * saved["x"]))',
                "x",
                r"sign|sigmoid|derivative",
            ),
            Bug(
                'return dy / (1 + np.exp(-beta * saved["x"]))',
                'return dy * (saved["x"] > 0)',
                "x",
                r"relu|derivative|kink",
            ),
        ],
    ),
    Case(
        "dense of two closures",
        lambda: check_function(*make_dense(4, 3), x=(5, 4)),
        expect="not checked",  # backward gives the gradient of x alone
        arrays=("W", "b"),
        bugs=[
            Bug("da = dy * (1 - y**2)", "da = dy * (1 - y)", "x", r"tanh|derivative|square"),
            Bug("x = memory.pop()", "x = memory[0]", "x", r"stale|first|earlier|old|call"),
            Bug("return da @ W.T", "return dy @ W.T", "x", r"tanh|derivative|activation"),
            Bug("return da @ W.T", "return da @ W.T / n_in", "x", r"0\.25|1/4|factor|times"),
        ],
    ),
]
