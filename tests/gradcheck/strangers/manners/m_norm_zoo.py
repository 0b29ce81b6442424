"""A paper reader's normalizations: RMS, instance, weight and L2 normalization, whitening of two features, all in one file."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class RMSNorm:
    def __init__(self, dim, eps=1e-6):
        self.eps = eps
        self.scale = np.ones(dim)
        self.g_scale = np.zeros(dim)

    def forward(self, x):
        self.x = x
        self.rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + self.eps)
        return self.scale * x / self.rms

    def backward(self, dout):
        self.g_scale = (dout * self.x / self.rms).reshape(-1, self.x.shape[-1]).sum(0)
        g = dout * self.scale
        return g / self.rms - self.x * np.mean(g * self.x, axis=-1, keepdims=True) / self.rms**3


class InstanceNorm2d:
    """NCHW, statistics of each image and channel"""

    def forward(self, x):
        ax = (2, 3)
        self.std = np.sqrt(x.var(axis=ax, keepdims=True) + 1e-5)
        self.xn = (x - x.mean(axis=ax, keepdims=True)) / self.std
        return self.xn

    def backward(self, d):
        ax = (2, 3)
        return (d - d.mean(axis=ax, keepdims=True) - self.xn * (d * self.xn).mean(axis=ax, keepdims=True)) / self.std


class WeightNormLinear:
    """w = g v / |v|, one norm a column"""

    def __init__(self, i, o):
        r = np.random.RandomState(5)
        self.v, self.g, self.b = r.randn(i, o), r.rand(o) + 0.5, np.zeros(o)

    def forward(self, x):
        self.x = x
        self.norm = np.linalg.norm(self.v, axis=0)
        self.w = self.g * self.v / self.norm
        return x @ self.w + self.b

    def backward(self, dy):
        dw = self.x.T @ dy
        unit = self.v / self.norm
        self.dg = (dw * unit).sum(axis=0)
        self.dv = self.g / self.norm * (dw - unit * self.dg)
        self.db = dy.sum(axis=0)
        return dy @ self.w.T


class L2Normalize:
    def forward(self, x):
        self.n = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
        self.u = x / self.n
        return self.u

    def backward(self, g):
        return (g - self.u * np.sum(self.u * g, axis=1, keepdims=True)) / self.n


class Centering:
    """subtracts the mean of the batch and multiplies by a learnt matrix"""

    def __init__(self, d):
        self.M = np.random.RandomState(6).randn(d, d)

    def forward(self, x):
        self.c = x - x.mean(axis=0)
        return self.c @ self.M

    def backward(self, dy):
        self.dM = self.c.T @ dy
        dc = dy @ self.M.T
        return dc - dc.mean(axis=0)


CASES = [
    Case("rms norm", lambda: check_layer(RMSNorm(5), x=(3, 5)), bugs=[
        Bug(" - self.x * np.mean(g * self.x, axis=-1, keepdims=True) / self.rms**3", "", "x", r"term|road|rms|norm|variance|missing"),
        Bug("keepdims=True) / self.rms**3", "keepdims=True) / self.rms", "x", r"power|rms|norm|variance|term"),
        Bug("g = dout * self.scale", "g = dout", "x", r"scale|gamma|factor|missing"),
        Bug("return g / self.rms - self.x * np.mean(g * self.x", "return g / self.rms - self.x * np.mean(dout * self.x", "x", r"scale|gamma|inside|outside|sum"),
        Bug(".reshape(-1, self.x.shape[-1]).sum(0)", ".reshape(-1, self.x.shape[-1]).mean(0)", "scale", r"1/N|batch size|mean"),
    ]),
    Case("instance norm", lambda: check_layer(InstanceNorm2d(), x=(2, 3, 3, 4)), bugs=[
        Bug("(d - d.mean(axis=ax, keepdims=True) - self", "(d - self", "x", r"mean"),
        Bug(" - self.xn * (d * self.xn).mean(axis=ax, keepdims=True))", ")", "x", r"variance"),
        Bug("        ax = (2, 3)\n        return (d", "        ax = (0, 2, 3)\n        return (d", "x", r"axis|axes|batch|mean|variance"),
        Bug("(d * self.xn).mean(axis=ax, keepdims=True)) / self.std", "(d * self.xn).mean(axis=ax, keepdims=True)) / self.std**2", "x", r"std|variance|twice|squar"),
    ]),
    Case("weight norm", lambda: check_layer(WeightNormLinear(4, 3), x=(5, 4)), bugs=[
        Bug("(dw - unit * self.dg)", "dw", "v", r"norm|term|road|missing|project"),
        Bug("self.dv = self.g / self.norm *", "self.dv = self.g *", "v", r"norm|factor|missing|divi"),
        Bug("self.dg = (dw * unit).sum(axis=0)", "self.dg = (dw * self.v).sum(axis=0)", ("g", "v"), r"norm|factor|unit|divi"),
        Bug("return dy @ self.w.T", "return dy @ self.v.T", "x", r"\bg\b|norm|\bv\b|\bw\b|factor"),
        Bug("self.db = dy.sum(axis=0)", "self.db = dy.mean(axis=0)", "b", r"1/N|batch size|mean"),
    ]),
    Case("l2 normalize", lambda: check_layer(L2Normalize(), x=(4, 3)), bugs=[
        Bug("(g - self.u * np.sum(self.u * g, axis=1, keepdims=True))", "g", "x", r"norm|term|road|missing|project"),
        Bug("np.sum(self.u * g, axis=1, keepdims=True)) / self.n", "np.sum(self.u * g, axis=1, keepdims=True))", "x", r"norm|divi|factor|missing"),
        Bug("np.sum(self.u * g, axis=1", "np.sum(self.u * g, axis=0", "x", r"axis"),
        Bug("(g - self.u * np", "(g + self.u * np", "x", r"sign|term|norm"),
    ]),
    Case("centering", lambda: check_layer(Centering(3), (5, 3)), bugs=[
        Bug("return dc - dc.mean(axis=0)", "return dc", "x", r"mean"),
        Bug("dc = dy @ self.M.T", "dc = dy @ self.M", "x", r"transpos|\bM\b|\.T"),
        Bug("self.dM = self.c.T @ dy", "self.dM = (self.c + 1).T @ dy", "M", r"cent|mean|term|extra|1"),
        Bug("return dc - dc.mean(axis=0)", "return dc - dc.sum(axis=0)", "x", r"mean|sum|1/N|batch"),
    ]),
]
