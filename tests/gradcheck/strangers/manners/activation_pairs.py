"""Everybody's: pairs of functions f and f_prime, some in a dict, and one with a flag `deriv`."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def gelu(x):
    """The approximation with tanh."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_derivative(x):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2)


def relu(x):
    return x * (x > 0)


def relu_backward(dout, x):
    return dout * (x > 0)


ACTIVATIONS = {
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "arctan": (np.arctan, lambda x: 1 / (1 + x**2)),
}


def nonlin(x, deriv=False):
    """With deriv=True, x is already the output of the function."""
    if deriv == True:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


CASES = [
    Case(
        "sigmoid and prime",
        lambda: check_function(sigmoid, sigmoid_prime, z=(4, 3)),
        bugs=[
            Bug("return sigmoid(z) * (1 - sigmoid(z))", "return z * (1 - z)", "z", r"input|output|sigmoid|derivative"),
            Bug("return sigmoid(z) * (1 - sigmoid(z))", "return 1 - sigmoid(z) ** 2", "z", r"tanh|sigmoid|derivative"),
            Bug("return sigmoid(z) * (1 - sigmoid(z))", "return sigmoid(z) * (sigmoid(z) - 1)", "z", r"sign|-1"),
            Bug("return sigmoid(z) * (1 - sigmoid(z))", "return 1 - sigmoid(z)", "z", r"sigmoid|factor|derivative"),
        ],
    ),
    Case(
        "gelu and derivative",
        lambda: check_function(gelu, gelu_derivative, x=(4, 3)),
        bugs=[
            Bug("(1 + 3 * 0.044715 * x**2)", "(1 + 0.044715 * x**2)", "x", r"derivative|coefficient"),
            Bug("return 0.5 * (1 + t) + 0.5 * x", "return 0.5 * (1 + t) + x", "x", r"half|0\.5|factor|derivative|term"),
            Bug(
                "return 0.5 * (1 + t) + 0.5 * x * (1 - t**2)",
                "return 0.5 * x * (1 - t**2)",
                "x",
                r"term|missing|product rule|derivative",
            ),
            Bug("x * (1 - t**2) * c * (1 +", "x * (1 - t**2) * (1 +", "x", r"sqrt|factor|derivative|term"),
        ],
    ),
    Case(
        "relu and backward",
        lambda: check_function(relu, relu_backward, x=(4, 3)),
        bugs=[
            Bug("return dout * (x > 0)", "return dout * (x < 0)", "x", r"mask|invert|sign|relu"),
            Bug("return dout * (x > 0)", "return dout * (dout > 0)", "x", r"mask|dout|relu|sign"),
            Bug("return dout * (x > 0)", "return dout * x * (x > 0)", "x", r"input|factor"),
            Bug("return dout * (x > 0)", "return (x > 0).astype(float)", "x", r"dout|upstream|incoming|ignor"),
        ],
    ),
    Case(
        "softsign of a dict",
        lambda: check_function(*ACTIVATIONS["softsign"], x=(4, 3)),
        bugs=[
            Bug("lambda x: 1 / (1 + np.abs(x)) ** 2", "lambda x: 1 / (1 + np.abs(x))", "x", r"square|power|derivative"),
            Bug(
                "lambda x: 1 / (1 + np.abs(x)) ** 2",
                "lambda x: np.sign(x) / (1 + np.abs(x)) ** 2",
                "x",
                r"sign|absolute",
            ),
            Bug("lambda x: 1 / (1 + np.abs(x)) ** 2", "lambda x: 1 / (1 + x) ** 2", "x", r"negative|sign"),
            Bug(
                "lambda x: 1 / (1 + np.abs(x)) ** 2",
                "lambda x: 1 / (1 + np.abs(x) ** 2)",
                "x",
                r"square|power|derivative",
            ),
        ],
    ),
    Case(
        "arctan of a dict",
        lambda: check_function(*ACTIVATIONS["arctan"], (4, 3)),
        bugs=[
            Bug(
                "(np.arctan, lambda x: 1 / (1 + x**2))",
                "(np.arctan, lambda x: 1 / (1 - x**2))",
                "x",
                r"sign|derivative",
            ),
            Bug(
                "(np.arctan, lambda x: 1 / (1 + x**2))",
                "(np.arctan, lambda x: 1 / np.sqrt(1 + x**2))",
                "x",
                r"sqrt|square|derivative|power",
            ),
            Bug(
                "(np.arctan, lambda x: 1 / (1 + x**2))",
                "(np.arctan, lambda x: 1 / (1 + np.arctan(x) ** 2))",
                "x",
                r"output|input|derivative",
            ),
            Bug(
                "(np.arctan, lambda x: 1 / (1 + x**2))",
                "(np.arctan, lambda x: -2 * x / (1 + x**2) ** 2)",
                "x",
                r"second derivative|twice|derivative",
            ),
        ],
    ),
    Case(
        "nonlin with a flag",
        lambda: check_function(nonlin, x=(4, 3)),
        expect="refused",
        adapter=lambda: check_function(
            lambda x: (nonlin(x), nonlin(x)), lambda dout, cache: dout * nonlin(cache, deriv=True), x=(4, 3)
        ),
        bugs=[
            Bug("return x * (1 - x)", "return 1 - x**2", "x", r"tanh|sigmoid|derivative"),
            Bug("return x * (1 - x)", "return x * (1 + x)", "x", r"sign|sigmoid|derivative"),
            Bug(
                "return x * (1 - x)", "return np.exp(-x) / (1 + np.exp(-x)) ** 2", "x", r"twice|output|input|derivative"
            ),
            Bug("return x * (1 - x)", "return x - 1", "x", r"derivative|sigmoid|factor"),
        ],
    ),
]
