"""Height in place of width: a mistake that is invisible on square images.

A max pool stores the position of each maximum as one number: row * width + column. On a square image,
row * height + column is the same number; on a wide image, it sends the gradient to the wrong pixels, without an error:

    python examples/museum/height_and_width.py

The network still learns, but a little worse. The gradient checker can find only mistakes that affect its input: it
passes this one on images of 4 x 4 and catches it on 4 x 6. Always check with a height that differs from the width.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import GradientCheckError, check_layer
from tinydl.layer import Shape
from tinydl.layers import Conv2D, Dense, Flatten, Layer
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam


class MaxPool(Layer):
    """Max pooling over 2 x 2 windows, storing each maximum's position as one number."""

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        height, width, channels = super().build(input_shape, rng, dtype)
        self.output_shape = (height // 2, width // 2, channels)
        return self.output_shape

    def row_length(self, height: int, width: int) -> int:
        """The increase of the stored position from one row to the next."""
        return width

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        n, height, width, channels = self.shape = x.shape
        windows = x.reshape(n, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4)
        windows = windows.reshape(*windows.shape[:4], 4)
        row_in_window, column_in_window = np.divmod(windows.argmax(axis=-1), 2)
        row = 2 * np.arange(height // 2)[:, None, None] + row_in_window
        column = 2 * np.arange(width // 2)[:, None] + column_in_window
        self.place = row * self.row_length(height, width) + column
        return windows.max(axis=-1)

    def backward(self, dy: NDArray) -> NDArray:
        n, height, width, channels = self.shape
        dx = np.zeros((n, height * width, channels), dy.dtype)
        i, _, _, c = np.indices(dy.shape)
        dx[i, self.place, c] = dy  # windows do not overlap, so no pixel is written twice
        return dx.reshape(self.shape)


class MaxPoolByHeight(MaxPool):
    """The mistake: height in place of width."""

    def row_length(self, height: int, width: int) -> int:
        return height


def picture(pool: MaxPool, x: NDArray) -> list[str]:
    """Draw as text which pixels the gradient reaches, for an upstream gradient of ones."""
    dx = pool.backward(np.ones_like(pool.forward(x)))[0, :, :, 0]
    return ["".join(" #" if value else " ." for value in row) for row in dx]


def train(pool: MaxPool, height: int, epochs: int, seed: int) -> tuple[float, float]:
    """Train on digits cropped to `height` rows; return the training loss and the test accuracy."""
    rows = slice((8 - height) // 2, (8 + height) // 2)
    (x, y), (x_test, y_test) = (data.take(slice(None)) for data in digits.load())
    model = Model(
        [Conv2D(8, 3, padding="same", activation="relu"), pool, Conv2D(16, 3, padding="same", activation="relu"),
         Flatten(), Dense(10)], (height, 8, 1), seed,
    )  # fmt: skip
    model.compile(Adam(2e-3), SoftmaxCrossEntropy(), metrics=["accuracy"])
    model.fit(x[:, rows], y, epochs=epochs, batch_size=32, verbose=0)
    return model.evaluate(x[:, rows], y)[0], model.evaluate(x_test[:, rows], y_test)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5, help="default: 5")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each kind to train (default: 3)")
    args = parser.parse_args()
    if args.epochs < 1 or args.seeds < 1:
        parser.error("--epochs and --seeds must be >= 1")
    kinds = (MaxPoolByHeight, MaxPool)
    x = np.random.default_rng(0).standard_normal((1, 4, 6, 1))
    print("4 x 6 pixels: the largest of each window, and the pixels that its gradient reaches")
    pooled = MaxPool().forward(x)[0, :, :, 0].repeat(2, axis=0).repeat(2, axis=1)
    largest = ["".join(" #" if value else " ." for value in row) for row in x[0, :, :, 0] == pooled]
    print(f"{'largest':<18}{''.join(f'{kind.__name__:<18}' for kind in kinds)}")
    for cells in zip(largest, *(picture(kind(), x) for kind in kinds), strict=True):
        print("".join(f"{cell:<18}" for cell in cells).rstrip())

    print(f"\n{f'digits, {args.seeds} seeds each':<24}{''.join(f'{kind.__name__:>18}' for kind in kinds)}")
    for height in (8, 6):
        results = [
            np.mean([train(kind(), height, args.epochs, seed) for seed in range(args.seeds)], axis=0) for kind in kinds
        ]
        for k, (name, form) in enumerate((("training loss", ".4f"), ("test accuracy", ".1%"))):
            print(f"{f'{height} x 8: {name}':<24}{''.join(f'{result[k]:>18{form}}' for result in results)}")

    for kind in kinds:
        for height, width in ((4, 4), (4, 6)):
            print(f"\n{height} x {width}: ", end="")
            try:
                print(check_layer(kind(), x=(2, height, width, 3)))
            except GradientCheckError as error:
                print(error)


if __name__ == "__main__":
    main()
