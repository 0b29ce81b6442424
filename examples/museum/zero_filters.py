"""The book's first mistake, observed: filters that start at zero never learn.

The same small network is trained on digits twice, with filters that start at zero and with He et al.'s initialization:

    python examples/museum/zero_filters.py

With zero filters every feature is 0, whatever the image is. So no weight gets a gradient: dW of the layer above is a
product with the features, and the gradient of the filters is multiplied by relu'(0) = 0. Only the last bias learns: it
fits the class frequencies, and the loss stays at ln 10 = 2.3026, that of guessing among 10 classes.

The backward is correct, and the gradient checker finds no mistake; still, it rejects the check, because all gradients
are zero. The right test is to look at the size of each array's gradient and to compare the loss with that of guessing.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import GradientCheckError, check_model
from tinydl.layers import Conv2D, Dense, Flatten, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam

BATCH_SIZE = 64


def build(start: str, shape: tuple[int, ...], seed: int) -> Model:
    """A small version of the book's network: convolutions without bias, then dense layers."""

    def conv(filters: int) -> Conv2D:
        return Conv2D(filters, 3, padding="same", activation="relu", use_bias=False, kernel_initializer=start)

    return Model([conv(8), MaxPool2D(2), conv(16), MaxPool2D(2), Flatten(), Dense(32, "relu"), Dense(10)], shape, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="optimizer steps (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.steps < 1 or args.seed < 0:
        parser.error("--steps must be >= 1, --seed >= 0")
    train, test = digits.load()
    x, y = train.take(slice(None))
    gradients: dict[str, dict[str, float]] = {}
    losses: dict[str, list[float]] = {}
    accuracy: dict[str, float] = {}
    for start in ("zeros", "he_normal"):
        model = build(start, train.sample_shape, args.seed)
        model.compile(Adam(1e-3), SoftmaxCrossEntropy(), metrics=["accuracy"])
        rng = np.random.default_rng(args.seed)
        losses[start] = []
        for _ in range(args.steps):
            rows = rng.choice(len(x), BATCH_SIZE, replace=False)
            losses[start].append(model.train_on_batch(x[rows], y[rows]))
        gradients[start] = {name: float(np.abs(gradient).max()) for name, gradient in model.grads.items()}
        accuracy[start] = model.evaluate(test)[1]

    print(f"{'loss at step':<22}{'zeros':>12}{'he_normal':>12}")
    for step in sorted({1, *(max(1, args.steps * k // 4) for k in range(1, 5))}):
        print(f"{step:<22}{losses['zeros'][step - 1]:>12.4f}{losses['he_normal'][step - 1]:>12.4f}")
    print(f"{'accuracy on test rows':<22}{accuracy['zeros']:>12.1%}{accuracy['he_normal']:>12.1%}\n")
    print(f"{'largest |gradient|':<22}{'zeros':>12}{'he_normal':>12}")
    for name, largest in gradients["zeros"].items():
        print(f"{name:<22}{largest:>12.2g}{gradients['he_normal'][name]:>12.2g}")
    alive = [name for name, largest in gradients["zeros"].items() if largest > 0]
    print(f"\nWith zero filters the loss stays at ln 10 = {math.log(10):.4f} (a mean of "
          f"{np.mean(losses['zeros']):.4f} over {args.steps} steps).")  # fmt: skip
    print(f"The only gradient that is not zero: {', '.join(alive)}, the last bias.")

    for start in ("zeros", "he_normal"):
        model = build(start, train.sample_shape, args.seed)
        print(f"\nFilters initialized by {start}, before training:")
        try:
            print(check_model(model, (4, *train.sample_shape), y[:4], loss=SoftmaxCrossEntropy()))
        except GradientCheckError as error:
            print(error)


if __name__ == "__main__":
    main()
