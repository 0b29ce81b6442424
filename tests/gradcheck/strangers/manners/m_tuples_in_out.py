"""A functional library: forward(inputs) -> outputs, both tuples; backward(grad_outputs) -> grad_inputs, also with retained indexes."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_out, n_in)
        self.b = np.random.randn(n_out)

    def forward(self, inputs):
        self.retained = inputs
        x, = inputs
        return x.dot(self.W.T) + self.b,

    def backward(self, grad_outputs):
        x, = self.retained
        gy, = grad_outputs
        self.gW = gy.T.dot(x)
        self.gb = gy.sum(axis=0)
        return gy.dot(self.W),


class SplitAxis:
    """two halves of the columns"""

    def forward(self, inputs):
        x, = inputs
        self.k = x.shape[1] // 2
        return x[:, :self.k], x[:, self.k:]

    def backward(self, grad_outputs):
        g1, g2 = grad_outputs
        return (np.concatenate([g1, g2], axis=1),)


class MeanAndVariance:
    def forward(self, inputs):
        x, = inputs
        self.x = x
        return x.mean(axis=0), x.var(axis=0)

    def backward(self, grad_outputs):
        gm, gv = grad_outputs
        n = len(self.x)
        return (gm / n + 2 * (self.x - self.x.mean(axis=0)) * gv / n,)


def rotate(a, b):
    """two outputs that share both inputs"""
    return a * np.cos(b), a * np.sin(b)


def rotate_backward(dp, dq, a, b):
    da = dp * np.cos(b) + dq * np.sin(b)
    db = a * (dq * np.cos(b) - dp * np.sin(b))
    return da, db


CASES = [
    Case("linear", lambda: check_layer(Linear(3, 2), x=(4, 3)), bugs=[
        Bug("self.gb = gy.sum(axis=0)", "self.gb = gy.mean(axis=0)", "b", r"1/N|batch size|mean"),
        Bug("self.gW = gy.T.dot(x)", "self.gW = 2 * gy.T.dot(x)", "W", r"2(\.0*)? times|twice|factor"),
        Bug("return gy.dot(self.W),", "return gy.dot(self.W * self.W),", "x", r"squar|\bW\b|factor"),
        Bug("self.gW = gy.T.dot(x)", "self.gW = gy[:1].T.dot(x[:1])", "W", r"first|row|sum|batch"),
    ]),
    Case("split", lambda: check_layer(SplitAxis(), x=(3, 6)), bugs=[
        Bug("np.concatenate([g1, g2], axis=1)", "np.concatenate([g2, g1], axis=1)", "x", r"swap|order|shift|roll|second output|exchang"),
        Bug("np.concatenate([g1, g2], axis=1)", "np.concatenate([g1, 0 * g2], axis=1)", "x", r"second output|ignor|zero|missing|half"),
        Bug("np.concatenate([g1, g2], axis=1)", "np.concatenate([g1, g2[:, ::-1]], axis=1)", "x", r"flip|revers|order"),
        Bug("np.concatenate([g1, g2], axis=1)", "np.concatenate([g1, 0.5 * g2], axis=1)", "x", r"0\.5|half|second output|columns"),
    ]),
    Case("mean and variance", lambda: check_layer(MeanAndVariance(), x=(5, 3)), bugs=[
        Bug("gm / n + 2", "gm + 2", "x", r"mean|1/N|5|first output|term"),
        Bug("gm / n + 2", "2", "x", r"mean|first output|road|missing|ignor"),
        Bug("(self.x - self.x.mean(axis=0)) * gv", "self.x * gv", "x", r"mean|cent|road|missing"),
        Bug("* gv / n", "* gv / (n - 1)", "x", r"n - 1|variance|ddof|1\.25|second output"),
    ]),
    Case("rotate", lambda: check_function(rotate, rotate_backward, (3, 4), (3, 4)), bugs=[
        Bug("da = dp * np.cos(b) + dq * np.sin(b)", "da = dp * np.cos(b)", "a", r"second output|road|missing|term|ignor"),
        Bug("dq * np.cos(b) - dp * np.sin(b)", "dq * np.cos(b) + dp * np.sin(b)", "b", r"sign|term|first output"),
        Bug("db = a * (dq", "db = (dq", "b", r"factor|\ba\b|missing"),
        Bug("da = dp * np.cos(b) + dq * np.sin(b)", "da = dq * np.cos(b) + dp * np.sin(b)", "a", r"swap|exchang|order|outputs"),
    ]),
]
