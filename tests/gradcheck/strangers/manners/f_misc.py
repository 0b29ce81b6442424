"""float32 only: a game programmer's small layers, with constants and caches of np.float32 everywhere."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss

ONE, TWO, HALF = np.float32(1), np.float32(2), np.float32(0.5)


class Gelu:
    def forward(self, x):
        self.x = x.astype("float32")
        self.s = (ONE / (ONE + np.exp(np.float32(-1.702) * self.x))).astype("float32")
        return self.x * self.s

    def backward(self, g):
        return (g * (self.s + np.float32(1.702) * self.x * self.s * (ONE - self.s))).astype("float32")


class RMSNorm:
    def __init__(self, n):
        self.g = np.ones(n, "float32")

    def forward(self, x):
        self.x = x.astype("float32")
        self.r = ONE / np.sqrt((self.x ** 2).mean(axis=-1, keepdims=True) + np.float32(1e-6))
        return (self.x * self.r * self.g).astype("float32")

    def backward(self, dy):
        dy = dy.astype("float32")
        self.dg = (dy * self.x * self.r).sum(axis=0).astype("float32")
        d = dy * self.g
        return (self.r * d - self.x * self.r ** 3 * (d * self.x).mean(axis=-1, keepdims=True)).astype("float32")


class Mse:
    def loss(self, p, t):
        return np.float32(np.mean((p.astype("float32") - t.astype("float32")) ** 2))

    def grad(self, p, t):
        return TWO * (p.astype("float32") - t.astype("float32")) / np.float32(p.size)


class Quaternion:
    """product with a learnt quaternion"""

    def __init__(self):
        self.q = np.array([0.9, 0.3, -0.2, 0.25], "float32")

    def matrix(self):
        a, b, c, d = self.q
        return np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]], "float32")

    def forward(self, p):
        self.p = p.astype("float32")
        return self.p @ self.matrix().T

    def backward(self, dy):
        G = dy.astype("float32").T @ self.p
        self.dq = np.array([
            G[0, 0] + G[1, 1] + G[2, 2] + G[3, 3],
            -G[0, 1] + G[1, 0] - G[2, 3] + G[3, 2],
            -G[0, 2] + G[1, 3] + G[2, 0] - G[3, 1],
            -G[0, 3] - G[1, 2] + G[2, 1] + G[3, 0],
        ], "float32")
        return dy.astype("float32") @ self.matrix()


class Smooth:
    """3 x^2 - 2 x^3 between 0 and 1"""

    def forward(self, x):
        self.x = np.clip(x, 0, 1).astype(np.float32)
        return self.x * self.x * (np.float32(3) - TWO * self.x)

    def backward(self, dy):
        return np.float32(6) * self.x * (ONE - self.x) * dy.astype(np.float32)


goal = np.random.RandomState(3).randn(4, 3)
inside = np.random.RandomState(4).uniform(0.1, 0.9, (4, 5))

CASES = [
    Case("gelu", lambda: check_layer(Gelu(), x=(4, 5)), bugs=[
        Bug("(self.s + np.float32(1.702) * self.x", "(self.s + self.x", "x", r"1\.702|inner|chain|term|factor"),
        Bug("(self.s + np.float32(1.702) * self.x * self.s * (ONE - self.s))", "self.s", "x", r"term|product|missing"),
        Bug("(self.s + np.float32(1.702)", "(self.s + np.float32(1.75)", "x", r"1\.702|inner|term|factor"),
        Bug("return (g * (self.s", "return (HALF * g * (self.s", "x", r"0\.5 times|half|factor"),
    ]),
    Case("rms norm", lambda: check_layer(RMSNorm(6), x=(4, 6)), bugs=[
        Bug(" - self.x * self.r ** 3 * (d * self.x).mean(axis=-1, keepdims=True)", "", "x", r"term|road|missing|norm|variance"),
        Bug("self.r ** 3", "self.r ** 2", "x", r"power|norm|variance|term"),
        Bug("(dy * self.x * self.r).sum(axis=0)", "(dy * self.x * self.r).mean(axis=0)", "g", r"1/N|batch size|mean"),
        Bug("(d * self.x).mean(axis=-1, keepdims=True)", "(d * self.x).sum(axis=-1, keepdims=True)", "x", r"mean|term|6|size|road"),
    ]),
    Case("mse", lambda: check_loss(Mse(), (4, 3), goal), bugs=[
        Bug("return TWO * (p", "return (p", "y_pred", r"0\.5 times|half|factor|\b2\b"),
        Bug("/ np.float32(p.size)", "/ np.float32(len(p))", "y_pred", r"3(\.0*)? times|size|columns"),
        Bug("return TWO * (p", "return -TWO * (p", "y_pred", r"sign|-1"),
        Bug("return TWO * (p", "return np.float32(2.05) * (p", "y_pred", r"1\.02|factor|times"),
    ]),
    Case("quaternion", lambda: check_layer(Quaternion(), x=(3, 4)), bugs=[
        Bug("-G[0, 1] + G[1, 0] - G[2, 3] + G[3, 2]", "G[0, 1] + G[1, 0] - G[2, 3] + G[3, 2]", "q", r"sign|term|q\[1\]", (1,)),
        Bug('dy.astype("float32") @ self.matrix()', 'dy.astype("float32") @ self.matrix().T', "x", r"transpos|\.T|matrix"),
        Bug("G[0, 0] + G[1, 1] + G[2, 2] + G[3, 3]", "G[0, 0]", "q", r"term|missing|sum|q\[0\]", (0,)),
        Bug("-G[0, 3] - G[1, 2] + G[2, 1] + G[3, 0]", "-G[3, 0] - G[2, 1] + G[1, 2] + G[0, 3]", "q", r"sign|transpos|q\[3\]", (3,)),
    ]),
    Case("smoothstep", lambda: check_layer(Smooth(), x=inside), bugs=[
        Bug("np.float32(6) * self.x * (ONE - self.x)", "np.float32(3) * self.x * (ONE - self.x)", "x", r"0\.5 times|half|factor"),
        Bug("np.float32(6) * self.x * (ONE - self.x)", "np.float32(6) * self.x", "x", r"factor|missing|1 - x|term"),
        Bug("np.float32(6) * self.x * (ONE - self.x)", "np.float32(6.1) * self.x * (ONE - self.x)", "x", r"1\.01|factor|times"),
        Bug("(ONE - self.x) * dy.astype(np.float32)", "(ONE - self.x) * ONE", "x", r"dy|ignore|upstream"),
    ]),
]
