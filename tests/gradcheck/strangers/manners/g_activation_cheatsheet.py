"""A cheat sheet of activations: function and _prime pairs, a registry, and activations that learn a parameter."""
import numpy as np


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def gelu_prime(x):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * x ** 3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * c * (1 + 3 * 0.044715 * x ** 2)


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def mish_prime(x):
    w = np.tanh(np.log1p(np.exp(x)))
    return w + x * (1 - w ** 2) / (1 + np.exp(-x))


class PReLU:
    """One slope for each channel of (N, C, L)."""

    def __init__(self, channels, init=0.25):
        self.a = np.full((1, channels, 1), init)

    def __call__(self, x):
        self.x = x
        return np.maximum(x, 0) + self.a * np.minimum(x, 0)

    def backward(self, dy):
        self.da = (dy * np.minimum(self.x, 0)).sum(axis=(0, 2), keepdims=True)
        return np.where(self.x > 0, dy, self.a * dy)


class SwishBeta:
    trainable = ("beta",)

    def __init__(self, size, beta=1.0):
        self.beta = beta * np.ones(size)
        self.grad = {}

    def fprop(self, x):
        self._s = 1 / (1 + np.exp(-self.beta * x))
        self._x = x
        return x * self._s

    def bprop(self, g):
        ds = self._s * (1 - self._s)
        self.grad["beta"] = (g * self._x ** 2 * ds).sum(axis=0)
        return g * (self._s + self._x * self.beta * ds)


class Sparsemax:
    """Projection of each row on the simplex."""

    def forward(self, z):
        s = -np.sort(-z, axis=1)
        k = np.arange(1, z.shape[1] + 1)
        cssv = np.cumsum(s, axis=1) - 1
        rho = (s * k > cssv).sum(axis=1)
        tau = cssv[np.arange(len(z)), rho - 1] / rho
        self.out = np.maximum(z - tau[:, None], 0)
        return self.out

    def backward(self, dp):
        support = self.out > 0
        mean = (dp * support).sum(axis=1) / support.sum(axis=1)
        return support * (dp - mean[:, None])


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_derivative, check_layer  # noqa: E402

CASES = [
    Case("activation_gelu", lambda: check_derivative(gelu, gelu_prime, np.linspace(-3, 3, 13)), bugs=[
        Bug(" * c * (1 + 3 * 0.044715 * x ** 2)", " * c", "x", r"inner|chain|derivative|term|factor"),
        Bug("0.5 * (1 + t) + 0.5 * x", "0.5 * x", "x", r"product|term|missing"),
    ]),
    Case("activation_mish", lambda: check_derivative(mish, mish_prime, np.linspace(-2, 2, 9)), bugs=[
        Bug("return w + x * (1 - w ** 2)", "return x * (1 - w ** 2)", "x", r"product|term|missing"),
        Bug("(1 - w ** 2) / (1 + np.exp(-x))", "(1 - w ** 2)", "x", r"inner|chain|sigmoid|term|factor"),
    ]),
    Case("activation_prelu", lambda: check_layer(PReLU(3), x=(4, 3, 5)), bugs=[
        Bug("(dy * np.minimum(self.x, 0))", "(dy * self.x)", "a", r"mask|negative|positive|slope|relu|branch"),
        Bug("np.where(self.x > 0, dy, self.a * dy)", "np.where(self.x > 0, dy, 0)", "x", r"negative|slope|leaky|relu|zero"),
    ]),
    Case("activation_swish_beta", lambda: check_layer(SwishBeta(3), x=(5, 3)), bugs=[
        Bug("(g * self._x ** 2 * ds)", "(g * self._x * ds)", "beta", r"x|factor|power|square"),
        Bug("self._s + self._x * self.beta * ds", "self._x * self.beta * ds", "x", r"product|term|missing"),
    ]),
    Case("activation_sparsemax", lambda: check_layer(Sparsemax(), z=(5, 4)), bugs=[
        Bug("support * (dp - mean[:, None])", "support * dp", "z", r"mean|term|missing|constant|sum"),
        Bug("/ support.sum(axis=1)", "/ support.shape[1]", "z", r"mean|count|term|row|support|size"),
    ]),
]
