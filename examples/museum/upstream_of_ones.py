"""A gradient check with an upstream gradient of ones, for which the gradients of softmax and batch norm vanish.

Whatever the input is, the outputs of a softmax add up to 1, and those of a normalization to 0. So y.sum(), the first
objective that comes to mind for a check, is constant: its gradient is 0, and many wrong backwards also return 0:

    python examples/museum/upstream_of_ones.py

tinydl's checker draws the upstream gradient at random. If told to check y.sum(), it rejects the check, because when
every correct gradient is 0, a backward that returns zeros would pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_layer, numerical_gradient
from tinydl.layers import Layer

TOLERANCE = 1e-6

# y_j = exp(x_j) / sum_k exp(x_k)
SOFTMAX = {
    "right": lambda y, dy: y * (dy - (dy * y).sum(axis=1, keepdims=True)),
    "zeros": lambda y, dy: np.zeros_like(dy),
    "doubled": lambda y, dy: 2 * y * (dy - (dy * y).sum(axis=1, keepdims=True)),
    "plain mean": lambda y, dy: y * (dy - dy.mean(axis=1, keepdims=True)),  # the mean should be weighted by y
    "diagonal": lambda y, dy: y * (1 - y) * dy,  # lacks the gradient through the sum to the other classes
}
# y = (x - mean) / std over the rows: batch norm without its parameters
NORMALISE = {
    "right": lambda y, std, dy: (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / std,
    "std constant": lambda y, std, dy: (dy - dy.mean(axis=0)) / std,  # as if std did not depend on x
    "both constant": lambda y, std, dy: dy / std,  # as if std and mean did not depend on x
}


class Named(Layer):
    """A layer whose backward is chosen by name."""

    name: str
    backwards: dict[str, Callable[..., NDArray]]
    kept: tuple[NDArray, ...]  # stored by forward for backward; y first

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def backward(self, dy: NDArray) -> NDArray:
        return self.backwards[self.name](*self.kept, dy)


class Softmax(Named):
    """Each row turned into probabilities."""

    backwards = SOFTMAX

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.kept = (e / e.sum(axis=1, keepdims=True),)
        return self.kept[0]


class Normalise(Named):
    """Each column shifted to mean 0 and scaled to standard deviation 1."""

    backwards = NORMALISE

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        std = np.sqrt(x.var(axis=0) + x.dtype.type(1e-5))
        self.kept = ((x - x.mean(axis=0)) / std, std)
        return self.kept[0]


class SumOf(Layer):
    """The sum of a layer's outputs, as an objective."""

    def __init__(self, layer: Named) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return np.asarray(self.layer.forward(x).sum())

    def backward(self, dy: NDArray) -> NDArray:
        return self.layer.backward(np.full_like(self.layer.kept[0], dy))


def error_under_ones(layer: Named, x: NDArray) -> float:
    """The check as it is often written: the largest difference from the numerical gradient of y.sum()."""
    ones = np.ones_like(layer.forward(x))
    return float(np.abs(layer.backward(ones) - numerical_gradient(layer.forward, x, ones)).max())


def complaint(layer: Layer, x: NDArray) -> str:
    """The error message of tinydl's checker; empty if the layer passes."""
    try:
        check_layer(layer, x)
    except GradientCheckError as error:
        return str(error)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.seed < 0:
        parser.error("--seed must be >= 0")
    x = np.random.default_rng(args.seed).standard_normal((6, 4))
    complaints, passed = [], {"ones": 0, "random": 0}
    print(f"{'backward of':<28}{'error with ones':>18}{'ones':>10}{'random':>10}")
    layers: list[Named] = [*map(Softmax, SOFTMAX), *map(Normalise, NORMALISE)]
    for layer in layers:
        error, message = error_under_ones(layer, x), complaint(layer, x)
        passes = {"ones": error < TOLERANCE, "random": not message}
        words = "".join(f"{'passes' if verdict else 'fails':>10}" for verdict in passes.values())
        print(f"{f'{type(layer).__name__}, {layer.name}':<28}{error:>18.1e}{words}")
        if layer.name != "right":
            complaints.append(message)
            passed = {upstream: count + passes[upstream] for upstream, count in passed.items()}
    print(f"{f'passed, of {len(complaints)} wrong backwards':<46}{passed['ones']:>10}{passed['random']:>10}\n")
    print("\n\n".join(complaints))
    print(f"\nThe checker's answer when asked to check y.sum():\n{complaint(SumOf(Softmax('zeros')), x)}")


if __name__ == "__main__":
    main()
