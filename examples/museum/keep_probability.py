"""Dropout's argument read the wrong way: 0.8, meant as "keep 80 %", drops 80 %.

In TensorFlow 1 the argument is the probability of keeping a unit; in Keras, PyTorch and tinydl it is the rate, the
probability of dropping a unit. Only 0.5, the book's value, means the same for both. The book also measured accuracy
with dropout on:

    python examples/museum/keep_probability.py

The gradient checker replays the mask, and each backward is the correct derivative of its forward, so every variant
passes. The right test compares values: dropout must turn a share `rate` of many ones into 0 and keep their mean at 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import check_layer
from tinydl.layers import Dense, Dropout, Flatten, Layer
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.metrics import accuracy
from tinydl.optimizers import Adam


class MaskInverted(Dropout):
    """A hand-written dropout with < in place of >=: it keeps the units that it should drop, with the wrong scale."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        mask = self.generator().random(x.shape) < self.rate
        self.mask = (mask / (1 - self.rate) if training else np.ones(x.shape)).astype(x.dtype)
        return x * self.mask

    def backward(self, dy: NDArray) -> NDArray:
        return dy * self.mask


def zeros_and_mean(layer: Layer) -> tuple[float, float]:
    """Apply dropout to a million ones; return the share of zeros and the mean."""
    layer.build((1000,), np.random.default_rng(0), np.float64)
    y = layer.forward(np.ones((1000, 1000)), training=True)
    return float(np.mean(y == 0)), float(y.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=float, default=0.8, help="the share of units to keep (default: 0.8)")
    parser.add_argument("--epochs", type=int, default=10, help="default: 10")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not 0 < args.keep < 1 or args.epochs < 1 or args.seed < 0:
        parser.error("--keep must be above 0 and below 1, --epochs >= 1, --seed >= 0")
    keep, rate = args.keep, round(1 - args.keep, 12)
    train, test = digits.load()
    x, y = test.take(slice(None))
    meant: dict[str, Callable[[], Layer]] = {
        f"Dropout({keep:g})": lambda: Dropout(keep),
        f"MaskInverted({rate:g})": lambda: MaskInverted(rate),
        f"Dropout({rate:g})": lambda: Dropout(rate),
    }
    print(f"{f'to keep {keep:.0%}':<20}{'zeros':>10}{'mean of y':>12}{'accuracy':>12}{'with dropout on':>18}")
    for name, dropout in meant.items():
        layers = [Flatten(), Dense(64, "relu"), dropout(), Dense(64, "relu"), dropout(), Dense(10)]
        model = Model(layers, train.sample_shape, args.seed)
        model.compile(Adam(2e-3), SoftmaxCrossEntropy())
        model.fit(train, epochs=args.epochs, batch_size=32, verbose=0)
        zeros, mean = zeros_and_mean(dropout())
        off, on = (accuracy(y, model.forward(x, training=training)) for training in (False, True))
        print(f"{name:<20}{zeros:>10.1%}{mean:>12.3f}{off:>12.1%}{on:>18.1%}")
    zeros, mean = zeros_and_mean(MaskInverted(0.5))
    print(f"{'MaskInverted(0.5)':<20}{zeros:>10.1%}{mean:>12.3f}{'-':>12}{'-':>18}")
    for dropout in meant.values():
        print(f"\n{check_layer(dropout(), x=(5, 8))}")


if __name__ == "__main__":
    main()
