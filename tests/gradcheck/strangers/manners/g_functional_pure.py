"""Functional programmers: dataclasses, NamedTuples, closures and pullbacks, nothing mutated."""
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


@dataclass
class Linear:
    W: np.ndarray
    b: np.ndarray
    d_W: np.ndarray = field(default=None, repr=False)
    d_b: np.ndarray = field(default=None, repr=False)
    _x: np.ndarray = field(default=None, repr=False)

    def __call__(self, x):
        self._x = x
        return x @ self.W.T + self.b

    def grad(self, d_out):
        self.d_W = d_out.T @ self._x
        self.d_b = d_out.sum(0)
        return d_out @ self.W


class GateParams(NamedTuple):
    Wf: np.ndarray
    Wg: np.ndarray
    bias: np.ndarray


class Residuals(NamedTuple):
    x: np.ndarray
    f: np.ndarray
    g: np.ndarray


def gated_unit(params: GateParams, x):
    f = np.tanh(x @ params.Wf)
    g = 1 / (1 + np.exp(-(x @ params.Wg + params.bias)))
    return f * g, (params, Residuals(x, f, g))


def gated_unit_bwd(ct, saved):
    params, res = saved
    df = ct * res.g * (1 - res.f ** 2)
    dg = ct * res.f * res.g * (1 - res.g)
    grads = GateParams(Wf=res.x.T @ df, Wg=res.x.T @ dg, bias=dg.sum(axis=0))
    return grads, df @ params.Wf.T + dg @ params.Wg.T


def make_cosine_layer(prototypes, eps=1e-8):
    """Cosine similarity with learned prototypes; the state lives in a closure."""
    saved = {}

    def forward(x):
        nx = np.sqrt((x ** 2).sum(1, keepdims=True) + eps)
        npr = np.sqrt((prototypes ** 2).sum(1, keepdims=True) + eps)
        xh, ph = x / nx, prototypes / npr
        saved.update(nx=nx, npr=npr, xh=xh, ph=ph)
        return xh @ ph.T

    def backward(dy):
        xh, ph = saved["xh"], saved["ph"]
        dxh, dph = dy @ ph, dy.T @ xh
        dx = (dxh - xh * (dxh * xh).sum(1, keepdims=True)) / saved["nx"]
        dprototypes = (dph - ph * (dph * ph).sum(1, keepdims=True)) / saved["npr"]
        return dx, dprototypes

    return forward, backward


def softplus_with_pullback(x, beta):
    """Returns the value and a function that pulls a cotangent back to (x, beta)."""
    z = beta * x
    sp = np.logaddexp(0.0, z)

    def pullback(ct):
        s = 1 / (1 + np.exp(-z))
        return ct * s, np.sum(ct * (s * x / beta - sp / beta ** 2), axis=0)

    return sp / beta, pullback


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer  # noqa: E402

CASES = [
    Case("pure_dataclass_linear", lambda: check_layer(Linear(np.random.randn(3, 3), np.random.randn(3)), x=(6, 3)), bugs=[
        Bug("self.d_W = d_out.T @ self._x", "self.d_W = self._x.T @ d_out", "W", r"transpos"),
        Bug("return d_out @ self.W", "return d_out @ self.W.T", "x", r"transpos"),
    ]),
    Case("pure_gated_unit", lambda: check_function(
            gated_unit, gated_unit_bwd, GateParams(np.random.randn(4, 3), np.random.randn(4, 3), np.random.randn(3)), (5, 4)),
         bugs=[
        Bug("df @ params.Wf.T + dg @ params.Wg.T", "df @ params.Wf.T", "x", r"path|branch|missing|term|sum"),
        Bug("dg = ct * res.f * res.g * (1 - res.g)", "dg = ct * res.g * (1 - res.g)", ("x", "params[1]", "params[2]"), r"factor|missing"),
    ]),
    Case("pure_cosine_closure", lambda: check_function(*make_cosine_layer(np.random.randn(3, 4)), x=(5, 4)), bugs=[
        Bug("(dxh - xh * (dxh * xh).sum(1, keepdims=True))", "dxh", "x", r"norm|term|missing|constant"),
        Bug(" / saved[\"npr\"]", "", "prototypes", r"norm|row|scale|divi|factor"),
    ]),
    Case("pure_softplus_pullback", lambda: check_layer(softplus_with_pullback, x=(5, 3),
                                                       beta=np.random.default_rng(0).uniform(0.5, 2.0, size=3)), bugs=[
        Bug("s * x / beta - sp / beta ** 2", "s * x / beta", "beta", r"term|missing|quotient|product rule"),
        Bug("return ct * s,", "return ct * s * beta,", "x", r"beta|factor|column|scale"),
    ]),
]
