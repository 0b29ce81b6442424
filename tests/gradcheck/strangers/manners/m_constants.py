"""Layers that read constant arrays beside their weights: a window, positional codes, a mask of weights, a filter bank."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class PositionalEncoding:
    def __init__(self, d_model, max_len=20):
        pe = np.zeros((max_len, d_model))
        position = np.arange(max_len)[:, None]
        div = np.exp(np.arange(0, d_model, 2) * -(np.log(10000.0) / d_model))
        pe[:, 0::2] = np.sin(position * div)
        pe[:, 1::2] = np.cos(position * div)
        self.pe = pe[None]

    def forward(self, x):
        return x + self.pe[:, :x.shape[1]]

    def backward(self, dy):
        return dy


class Window:
    def __init__(self, n):
        self.window = np.hanning(n + 2)[1:-1]

    def forward(self, frames):
        return frames * self.window

    def backward(self, dy):
        return dy * self.window


class Standardize:
    """with the training set's statistics"""

    def __init__(self):
        self.mean = np.array([0.5, -1.0, 2.0])
        self.std = np.array([1.5, 0.7, 2.2])

    def forward(self, x):
        return (x - self.mean) / self.std

    def backward(self, dy):
        return dy / self.std


class MaskedDense:
    """an autoregressive layer: W is learnt, M is given"""

    def __init__(self, n):
        self.W = np.random.randn(n, n)
        self.M = np.triu(np.ones((n, n)), 1)

    def forward(self, x):
        self.x = x
        return x @ (self.W * self.M)

    def backward(self, dy):
        self.dW = (self.x.T @ dy) * self.M
        return dy @ (self.W * self.M).T


class FixedFilters:
    def __init__(self):
        self.bank = np.array([[1.0, 0.0, -1.0], [1.0, 2.0, 1.0], [-1.0, 2.0, -1.0]])
        self.gain = np.array([1.0, 0.5, 0.25])

    def forward(self, x):
        L = x.shape[1] - 2
        self.patches = np.stack([x[:, i:i + L] for i in range(3)], axis=2)
        return (self.patches @ self.bank.T) * self.gain

    def backward(self, dy):
        self.dgain = (dy * (self.patches @ self.bank.T)).sum(axis=(0, 1))
        dp = (dy * self.gain) @ self.bank
        L = dy.shape[1]
        dx = np.zeros((len(dy), L + 2))
        for i in range(3):
            dx[:, i:i + L] += dp[:, :, i]
        return dx


class GraphConv:
    def __init__(self, n_in, n_out):
        A = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]], float)
        d = A.sum(1) ** -0.5
        self.A_hat = d[:, None] * A * d
        self.W = np.random.randn(n_in, n_out)

    def forward(self, X):
        self.AX = self.A_hat @ X
        return np.tanh(self.AX @ self.W)

    def backward(self, dy):
        g = dy * (1 - np.tanh(self.AX @ self.W) ** 2)
        self.dW = self.AX.T @ g
        return self.A_hat.T @ g @ self.W.T


class RandomFeatures:
    def __init__(self, d, n):
        r = np.random.RandomState(0)
        self.omega = r.randn(d, n)
        self.phase = r.uniform(0, 6, n)
        self.n = n

    def forward(self, x):
        self.z = x @ self.omega + self.phase
        return np.sqrt(2 / self.n) * np.cos(self.z)

    def backward(self, dy):
        return (-np.sqrt(2 / self.n) * dy * np.sin(self.z)) @ self.omega.T


class WeightedSum:
    def __init__(self):
        self.class_weights = np.array([0.2, 0.5, 0.3])

    def forward(self, x):
        self.x = x
        return (x ** 2 * self.class_weights).sum(axis=1)

    def backward(self, dy):
        return 2 * self.x * self.class_weights * dy[:, None]


CASES = [
    Case("positional codes", lambda: check_layer(PositionalEncoding(4), x=(2, 5, 4)), expect="not checked", arrays=("pe",), bugs=[
        Bug("        return dy\n", "        return dy * 2\n", "x", r"2(\.0*)? times|twice|factor"),
        Bug("        return dy\n", "        return dy + self.pe[:, :dy.shape[1]]\n", "x", r"pe|extra|added|term"),
        Bug("        return dy\n", "        return dy[:, ::-1]\n", "x", r"flip|revers"),
        Bug("        return dy\n", "        return -dy\n", "x", r"sign|-1"),
    ]),
    Case("window", lambda: check_layer(Window(6), x=(3, 6)), expect="not checked", arrays=("window",), bugs=[
        Bug("return dy * self.window", "return dy", "x", r"window|factor|missing"),
        Bug("return dy * self.window", "return dy / self.window", "x", r"window|divi|invers"),
        Bug("return dy * self.window", "return dy * self.window ** 2", "x", r"window|twice|squar"),
        Bug("return dy * self.window", "return self.window + 0 * dy", "x", r"dy|ignore|upstream"),
    ]),
    Case("standardize", lambda: check_layer(Standardize(), x=(5, 3)), expect="not checked", arrays=("mean", "std"), bugs=[
        Bug("return dy / self.std", "return dy * self.std", "x", r"std|divi|multipl|invers"),
        Bug("return dy / self.std", "return (dy - self.mean) / self.std", "x", r"mean|extra|term|dy"),
        Bug("return dy / self.std", "return dy", "x", r"std|factor|missing"),
        Bug("return dy / self.std", "return dy / self.std ** 2", "x", r"std|twice|squar"),
    ]),
    Case("masked dense", lambda: check_layer(MaskedDense(4), x=(5, 4)), expect="not checked", arrays=("M",), bugs=[
        Bug("self.dW = (self.x.T @ dy) * self.M", "self.dW = self.x.T @ dy", "W", r"mask|\bM\b|missing|forgot"),
        Bug("return dy @ (self.W * self.M).T", "return dy @ self.W.T", "x", r"mask|\bM\b|missing|forgot"),
        Bug("self.dW = (self.x.T @ dy) * self.M", "self.dW = (self.x.T @ dy) * self.M.T", "W", r"mask|transpos|\bM\b"),
        Bug("self.dW = (self.x.T @ dy) * self.M", "self.dW = (self.x.T @ dy) * (1 - self.M)", "W", r"mask|invert|opposite"),
    ]),
    Case("filter bank", lambda: check_layer(FixedFilters(), x=(2, 7)), expect="not checked", arrays=("bank",), bugs=[
        Bug("dx[:, i:i + L] += dp[:, :, i]", "dx[:, i:i + L] = dp[:, :, i]", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("dx[:, i:i + L] += dp[:, :, i]", "dx[:, i:i + L] += dp[:, :, 2 - i]", "x", r"flip|revers"),
        Bug("dp = (dy * self.gain) @ self.bank", "dp = dy @ self.bank", "x", r"gain|factor|missing"),
        Bug(".sum(axis=(0, 1))", ".mean(axis=(0, 1))", "gain", r"mean|1/10|0\.1|times"),
    ]),
    Case("graph convolution", lambda: check_layer(GraphConv(3, 2), x=(4, 3)), expect="not checked", arrays=("A_hat",), bugs=[
        Bug("return self.A_hat.T @ g @ self.W.T", "return g @ self.W.T", "x", r"A_hat|adjacen|missing|factor"),
        Bug("self.dW = self.AX.T @ g", "self.dW = self.AX.T @ dy", "W", r"tanh|derivative|missing"),
        Bug("g = dy * (1 - np.tanh(self.AX @ self.W) ** 2)", "g = dy * (1 - np.tanh(self.AX @ self.W))", ("x", "W"), r"tanh|derivative"),
        Bug("return self.A_hat.T @ g @ self.W.T", "return self.A_hat.T @ self.A_hat @ g @ self.W.T", "x", r"A_hat|twice|extra"),
    ]),
    Case("random features", lambda: check_layer(RandomFeatures(3, 5), x=(4, 3)), expect="not checked", arrays=("omega", "phase"), bugs=[
        Bug("return (-np.sqrt(2 / self.n) * dy", "return (np.sqrt(2 / self.n) * dy", "x", r"sign|-1"),
        Bug("return (-np.sqrt(2 / self.n) * dy", "return (-dy", "x", r"1\.58|sqrt|factor|scale"),
        Bug("dy * np.sin(self.z)", "dy * np.cos(self.z)", "x", r"sin|cos|derivative"),
        Bug("return (-np.sqrt(2 / self.n) * dy * np.sin(self.z))", "return (-np.sqrt(2 / self.n) * dy * self.z)", "x", r"sin|derivative"),
    ]),
    Case("class weights", lambda: check_layer(WeightedSum(), x=(4, 3)), expect="not checked", arrays=("class_weights",), bugs=[
        Bug("return 2 * self.x * self.class_weights", "return 2 * self.x", "x", r"weight|factor|missing"),
        Bug("return 2 * self.x * self.class_weights", "return self.x * self.class_weights", "x", r"0\.5 times|half|factor"),
        Bug("return 2 * self.x * self.class_weights", "return 2 * self.class_weights", "x", r"factor|missing|\bx\b"),
        Bug("self.class_weights * dy[:, None]", "self.class_weights * dy.sum()", "x", r"sum|dy|row|broadcast"),
    ]),
]
