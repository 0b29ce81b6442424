"""A contractive penalty that does not contract: the sigmoid's derivative on a relu encoder, and a copy of W.

A contractive autoencoder penalizes the Jacobian of its encoder, |J|^2 = sum_ij (dh_j/dx_i)^2 = sum_j f'(a_j)^2
sum_i W_ij^2. The book's encoder uses relu, but its penalty uses h (1 - h), the sigmoid's f', and a copy of W made
before training:

    python examples/museum/contractive_penalty.py

Each backward is the correct derivative of a wrong penalty, so the gradient checker passes it. The mistakes show in
|J|^2, measured by finite differences of the encoder. The checker does catch a backward that treats W as constant when
the penalty does not.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import GradientCheckError, check_layer
from tinydl.layer import Layer, Shape
from tinydl.layers import ContractivePenalty, Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam

FACTOR = 1e-2


class SigmoidsDerivative(ContractivePenalty):
    """The penalty with d = h (1 - h), whatever the activation is, and its exact gradient."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self.h = super().forward(x, training)
        return self.h

    def penalty(self) -> float:
        d, s = self.h * (1 - self.h), (self.encoder.params["W"] ** 2).sum(axis=0)
        return self.factor * float((d**2 @ s).mean())

    def backward(self, dy: NDArray) -> NDArray:
        W = self.encoder.params["W"]
        d, s = self.h * (1 - self.h), (W**2).sum(axis=0)
        scale = 2 * self.factor / len(dy)
        self.encoder.grads["W"] += scale * (d**2).sum(axis=0) * W
        return self.encoder.backward(dy + scale * d * (1 - 2 * self.h) * s)


class ConstantW(ContractivePenalty):
    """The correct penalty, but backward treats W as constant. With relu, f' is also constant, so nothing is added."""

    def backward(self, dy: NDArray) -> NDArray:
        return self.encoder.backward(dy)


class FrozenCopy(ConstantW):
    """The penalty of a copy of W, made only once; in Keras: K.variable(encoder.get_weights()[0])."""

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self.copy = self.encoder.params["W"].copy()
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self.h = super().forward(x, training)
        return self.h

    def penalty(self) -> float:
        return self.factor * float(((self.h > 0) @ (self.copy**2).sum(axis=0)).mean())


def squared_jacobian(encoder: Layer, x: NDArray, step: float = 1e-5) -> float:
    """The mean of |J|^2 over the rows, computed from forward alone."""
    total = 0.0
    for direction in step * np.eye(x.shape[1]):
        slopes = (encoder.forward(x + direction) - encoder.forward(x - direction)) / (2 * step)
        total += float((slopes**2).sum())
    return total / len(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16, help="default: 16")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.epochs < 1 or args.seed < 0:
        parser.error("--epochs must be >= 1, --seed >= 0")
    x = digits.load().train.take(slice(None))[0].reshape(-1, 64)
    x64 = x.astype(np.float64)
    kinds = {"no penalty": ContractivePenalty, "h (1 - h)": SigmoidsDerivative, "frozen copy": FrozenCopy,
             "right": ContractivePenalty}  # fmt: skip
    shown = sorted({0, *(args.epochs * k // 4 for k in range(1, 5))})
    rows: dict[str, list[str]] = {f"true |J|^2, epoch {epoch}": [] for epoch in shown}
    rows |= {"the penalty's own value": [], "reconstruction MSE": []}
    weights = {}
    for kind, penalty in kinds.items():
        factor = 0.0 if kind == "no penalty" else FACTOR
        model = Model([penalty(Dense(40, "relu"), factor), Dense(64)], 64, args.seed)
        model.compile(Adam(2e-3), MeanSquaredError())
        for epoch in range(args.epochs + 1):
            if epoch:
                model.fit(x, x, epochs=epoch, initial_epoch=epoch - 1, batch_size=64, verbose=0)
            if epoch in shown:
                rows[f"true |J|^2, epoch {epoch}"].append(
                    f"{squared_jacobian(model.astype('float64').layers[0], x64):.2f}"
                )
        error = float(np.mean((model.forward(x) - x) ** 2))
        rows["the penalty's own value"].append(f"{model.penalty() / factor:.2f}" if factor else "-")
        rows["reconstruction MSE"].append(f"{error:.4f}")
        weights[kind] = model.parameters
    print(f"{'encoder 64 - 40 relu':<24}{''.join(f'{kind:>14}' for kind in kinds)}")
    for name, cells in rows.items():
        print(f"{name:<24}{''.join(f'{cell:>14}' for cell in cells)}")
    gap = np.abs(weights["frozen copy"] - weights["no penalty"]).max()
    print(f"Largest difference in a weight between no penalty and the frozen copy: {gap:g}")

    for layer in (SigmoidsDerivative, FrozenCopy, ConstantW, ContractivePenalty):
        print()
        try:
            print(check_layer(layer(Dense(4, "relu"), 0.1), x=(6, 5)))
        except GradientCheckError as error:
            print(error)


if __name__ == "__main__":
    main()
