"""An activity penalty summed over the batch: its weight grows with the batch size.

Keras 2.2 summed L1 penalties on activations over all rows of a batch, while the loss is a mean over rows.
So the same factor has a different effect at every batch size:

    python examples/museum/summed_activity_penalty.py

Backward is correct for the summed penalty, so the gradient checker passes it, as it passes the averaged penalty. The
right test: a penalty must not change when every row of the batch is duplicated. The checker does catch a penalty and a
backward that disagree, one summed and the other averaged, and it reports the factor between them.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import GradientCheckError, check_layer
from tinydl.layers import ActivityL1, Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam

BATCH_SIZES = (16, 64, 256)
SUMMED = 3e-5  # the book's factor, for batches of 64
AVERAGED = 64 * SUMMED  # has the same effect for batches of 64


class SummedL1(ActivityL1):
    """factor sum_n sum_j |x_nj|, and its gradient."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self.x = super().forward(x, training)
        return self.x

    def penalty(self) -> float:
        return self.factor * float(np.abs(self.x).sum())

    def backward(self, dy: NDArray) -> NDArray:
        return dy + self.factor * np.sign(self.x)


class SummedThenAveraged(SummedL1):
    """The penalty is a sum, but its gradient is that of a mean."""

    def backward(self, dy: NDArray) -> NDArray:
        return dy + self.factor / len(dy) * np.sign(self.x)


def share_of_active_units(layer: ActivityL1, x: NDArray, batch_size: int, steps: int, seed: int) -> float:
    """Train an autoencoder with this penalty; return the share of its 80 hidden units that are not 0."""
    model = Model([Dense(80, "relu"), layer, Dense(64)], 64, seed)
    model.compile(Adam(2e-3), MeanSquaredError())
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = x[rng.choice(len(x), batch_size, replace=False)]
        model.train_on_batch(rows, rows)
    return float(np.mean(model.layers[0].forward(x) > 0))


def growth(layer: ActivityL1, x: NDArray) -> float:
    """The growth of the penalty when every row is duplicated: 1 if the penalty does not depend on the batch size."""
    layer.forward(x)
    once = layer.penalty()
    layer.forward(np.concatenate([x, x]))
    return layer.penalty() / once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400, help="optimizer steps for every batch size (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.steps < 1 or args.seed < 0:
        parser.error("--steps must be >= 1, --seed >= 0")
    x = digits.load().train.take(slice(None))[0].reshape(-1, 64)

    print(f"{'L1 of the activations':<32}{f'sum, {SUMMED:g}':>16}{f'mean, {AVERAGED:g}':>16}")
    for batch_size in BATCH_SIZES:
        summed = share_of_active_units(SummedL1(SUMMED), x, batch_size, args.steps, args.seed)
        averaged = share_of_active_units(ActivityL1(AVERAGED), x, batch_size, args.steps, args.seed)
        print(f"{f'active units, batches of {batch_size}':<32}{summed:>16.1%}{averaged:>16.1%}")
    summed, averaged = growth(SummedL1(SUMMED), x[:64]), growth(ActivityL1(AVERAGED), x[:64])
    print(f"{'penalty, every row duplicated':<32}{f'x {summed:.2f}':>16}{f'x {averaged:.2f}':>16}")

    for kind in (SummedL1, ActivityL1, SummedThenAveraged):
        print()
        try:
            print(check_layer(kind(0.1), x=(5, 3)))
        except GradientCheckError as error:
            print(error)


if __name__ == "__main__":
    main()
