"""Parameters that are single numbers: Python floats, 0-d arrays, arrays of one entry, written by people who fit curves."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


class PReLU:
    def __init__(self, alpha=0.25):
        self.alpha = np.array([alpha])
        self.dalpha = np.zeros(1)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dy):
        neg = self.x <= 0
        self.dalpha[0] = np.sum(dy * self.x * neg)
        return np.where(neg, self.alpha * dy, dy)


class Temperature:
    """softmax(x / T) with a learnt T of shape ()"""

    def __init__(self, T=1.7):
        self.T = np.array(T)

    def forward(self, x):
        self.z = x / self.T
        e = np.exp(self.z - self.z.max(axis=-1, keepdims=True))
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.p

    def backward(self, dp):
        dz = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True))
        self.dT = -np.sum(dz * self.z) / self.T
        return dz / self.T


def line(x, slope, intercept):
    return slope * x + intercept


def line_backward(dy, x, slope, intercept):
    return dy * slope, np.sum(dy * x), np.sum(dy)


class Oscillator:
    """fits a * sin(w t + phi)"""

    def __init__(self):
        self.params = {"a": np.array(1.2), "w": np.array(0.8), "phi": np.array(0.3)}
        self.grads = {}

    def forward(self, t):
        p = self.params
        self.t = t
        self.arg = p["w"] * t + p["phi"]
        return p["a"] * np.sin(self.arg)

    def backward(self, dy):
        p = self.params
        c = dy * p["a"] * np.cos(self.arg)
        self.grads = {"a": np.sum(dy * np.sin(self.arg)), "w": np.sum(c * self.t), "phi": np.sum(c)}
        return c * p["w"]


CASES = [
    Case("prelu", lambda: check_layer(PReLU(), x=(4, 5)), bugs=[
        Bug("np.sum(dy * self.x * neg)", "np.sum(dy * self.x)", "alpha", r"mask|negative|missing|forgot"),
        Bug("np.sum(dy * self.x * neg)", "np.mean(dy * self.x * neg)", "alpha", r"mean|0\.05|1/20|sum"),
        Bug("np.where(neg, self.alpha * dy, dy)", "np.where(neg, 0, dy)", "x", r"leak|alpha|negative|relu|mask"),
        Bug("np.where(neg, self.alpha * dy, dy)", "np.where(neg, dy, self.alpha * dy)", "x", r"mask|invert|opposite|swap"),
    ]),
    Case("temperature", lambda: check_layer(Temperature(), x=(3, 4)), bugs=[
        Bug("return dz / self.T\n", "return dz\n", "x", r"1\.7|\bT\b|factor|missing"),
        Bug("self.dT = -np.sum(dz * self.z) / self.T", "self.dT = np.sum(dz * self.z) / self.T", "T", r"sign|-1"),
        Bug("self.dT = -np.sum(dz * self.z) / self.T", "self.dT = -np.sum(dz * self.z)", "T", r"1\.7|\bT\b|factor|missing"),
        Bug("self.dT = -np.sum(dz * self.z) / self.T", "self.dT = -np.mean(dz * self.z) / self.T", "T", r"mean|1/12|0\.083|sum"),
    ]),
    Case("line", lambda: check_function(line, line_backward, (6,), np.array(2.5), np.array(-0.5)), bugs=[
        Bug("np.sum(dy * x), np.sum(dy)", "np.sum(dy * x), np.mean(dy)", "intercept", r"mean|1/6|0\.16|batch"),
        Bug("np.sum(dy * x), np.sum(dy)", "np.sum(dy) * np.sum(x), np.sum(dy)", "slope", r"sum|product|dy"),
        Bug("return dy * slope,", "return dy,", "x", r"slope|2\.5|0\.4|factor|missing"),
        Bug("np.sum(dy * x), np.sum(dy)", "np.sum(dy * x * slope), np.sum(dy)", "slope", r"slope|2\.5|factor|extra"),
    ]),
    Case("oscillator", lambda: check_layer(Oscillator(), x=(7,)), bugs=[
        Bug('"w": np.sum(c * self.t),', '"w": np.sum(c),', "w", r"factor|\bt\b|missing|\bx\b"),
        Bug('return c * p["w"]', 'return c', "x", r"0\.8|\bw\b|1\.25|factor|missing"),
        Bug('c = dy * p["a"] * np.cos(self.arg)', 'c = dy * np.cos(self.arg)', ("x", "w", "phi"), r"1\.2|\ba\b|0\.83|factor|missing"),
        Bug('"phi": np.sum(c)}', '"phi": -np.sum(c)}', "phi", r"sign|-1"),
    ]),
]
