"""Textbooks' tables of activations: pairs (f, f'), classes with a static fn and prime, backward as dy * f'."""
import numpy as np

import tinydl.gradcheck as gradcheck
from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dsigmoid(x):
    s = sigmoid(x)
    return s * (1 - s)


def mish(x):
    return x * np.tanh(np.log1p(np.exp(x)))


def mish_derivative(x):
    t = np.tanh(np.log1p(np.exp(x)))
    return t + x * sigmoid(x) * (1 - t ** 2)


ACTIVATIONS = {
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "gaussian": (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x)),
}


class Activation:
    def __init__(self, name):
        self.f, self.df = ACTIVATIONS[name]

    def forward(self, x):
        self.x = x
        return self.f(x)

    def backward(self, dy):
        return dy * self.df(self.x)


class Sinusoid:
    @staticmethod
    def fn(z):
        return np.sin(30 * z) / 30

    @staticmethod
    def prime(z):
        return np.cos(30 * z)


def swish(z, beta):
    return z * sigmoid(beta * z)


def swish_backward(dy, z, beta):
    s = sigmoid(beta * z)
    return dy * (s + beta * z * s * (1 - s)), np.sum(dy * z * z * s * (1 - s))


CASES = [
    Case("sigmoid", lambda: gradcheck.check_derivative(sigmoid, dsigmoid, (4, 3)), bugs=[
        Bug("    return s * (1 - s)\n\n\ndef mish(", "    return 1 - s ** 2\n\n\ndef mish(", "x", r"tanh|sigmoid|derivative|1 \+ s"),
        Bug("    return s * (1 - s)\n\n\ndef mish(", "    return x * (1 - x)\n\n\ndef mish(", "x", r"output|input|sigmoid"),
        Bug("    return s * (1 - s)\n\n\ndef mish(", "    return s\n\n\ndef mish(", "x", r"factor|missing|sigmoid|1 - s"),
        Bug("    return s * (1 - s)\n\n\ndef mish(", "    return s * (1 - s) / 2\n\n\ndef mish(", "x", r"0\.5 times|half|factor"),
    ]),
    Case("mish", lambda: gradcheck.check_derivative(mish, mish_derivative, np.linspace(-3, 3, 13)), bugs=[
        Bug("return t + x * sigmoid(x)", "return x * sigmoid(x)", "x", r"term|product|missing"),
        Bug("return t + x * sigmoid(x) * (1 - t ** 2)", "return t + x * (1 - t ** 2)", "x", r"inner|chain|factor|sigmoid|term"),
        Bug("return t + x * sigmoid(x) * (1 - t ** 2)", "return t + x * sigmoid(x) * (1 - t)", "x", r"tanh|term|derivative"),
        Bug("return t + x * sigmoid(x)", "return t - x * sigmoid(x)", "x", r"sign|term"),
    ]),
    Case("sinusoid", lambda: gradcheck.check_derivative(Sinusoid.fn, Sinusoid.prime, (5,)), bugs=[
        Bug("return np.cos(30 * z)", "return 30 * np.cos(30 * z)", "x", r"30(\.0*)? times|factor"),
        Bug("return np.cos(30 * z)", "return -np.cos(30 * z)", "x", r"sign|-1"),
        Bug("return np.cos(30 * z)", "return np.cos(z)", "x", r"cos|30|argument|derivative"),
        Bug("return np.cos(30 * z)", "return np.sin(30 * z)", "x", r"sin|cos|derivative"),
    ]),
    Case("softsign layer", lambda: check_layer(Activation("softsign"), x=(4, 3)), bugs=[
        Bug("lambda x: 1 / (1 + abs(x)) ** 2", "lambda x: 1 / (1 + abs(x))", "x", r"squar|power|derivative|factor"),
        Bug("lambda x: 1 / (1 + abs(x)) ** 2", "lambda x: 1 / (1 + x) ** 2", "x", r"abs|negative|sign"),
        Bug("return dy * self.df(self.x)", "return self.df(self.x)", "x", r"dy|ignore|upstream"),
        Bug("return dy * self.df(self.x)", "return dy * self.f(self.x)", "x", r"derivative|f itself|output|f'|instead"),
    ]),
    Case("gaussian layer", lambda: check_layer(Activation("gaussian"), x=(4, 3)), bugs=[
        Bug("lambda x: -2 * x * np.exp(-x * x)", "lambda x: 2 * x * np.exp(-x * x)", "x", r"sign|-1"),
        Bug("lambda x: -2 * x * np.exp(-x * x)", "lambda x: -x * np.exp(-x * x)", "x", r"0\.5 times|half|factor"),
        Bug("lambda x: -2 * x * np.exp(-x * x)", "lambda x: -2 * np.exp(-x * x)", "x", r"factor|missing|\bx\b|inner"),
        Bug("lambda x: -2 * x * np.exp(-x * x)", "lambda x: np.exp(-x * x)", "x", r"chain|inner|derivative|factor"),
    ]),
    Case("swish with beta", lambda: check_function(swish, swish_backward, (4, 3), np.array(1.5)), bugs=[
        Bug("(s + beta * z * s * (1 - s))", "(s + z * s * (1 - s))", "z", r"beta|1\.5|term|factor"),
        Bug("(s + beta * z * s * (1 - s))", "s", "z", r"term|product|missing"),
        Bug("np.sum(dy * z * z * s * (1 - s))", "np.mean(dy * z * z * s * (1 - s))", "beta", r"mean|1/12|sum"),
        Bug("np.sum(dy * z * z * s * (1 - s))", "np.sum(dy * z * s * (1 - s))", "beta", r"factor|\bz\b|missing"),
    ]),
]
