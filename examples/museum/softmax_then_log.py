"""Softmax, then the logarithm: log(0) as soon as the true class's logit lies far below another.

As the gap between the logits grows, p_y = exp(-gap) loses precision and finally rounds to 0. Then log p_y is -inf and
the gradient's factor 1 / p_y is infinite, although the correct log p_y is simply -gap. The usual cure, log(p + 1e-7),
repairs only the loss: a row that is badly wrong then gets no gradient. The book takes softmax, then log. A loss on
logits computes log p without computing p first:

    python examples/museum/softmax_then_log.py

At moderate logits all three losses have correct derivatives, and the gradient checker passes them. It finds the
faults only at large logits.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.gradcheck import GradientCheckError, check_loss
from tinydl.layers import Dense
from tinydl.losses import Loss, SoftmaxCrossEntropy
from tinydl.optimizers import SGD

FARTHEST = 2000.0


class SoftmaxThenLog(SoftmaxCrossEntropy):
    """-log p_y for p = softmax(z), with backward through each step. Subtracting the maximum keeps exp finite."""

    epsilon = 0.0

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:  # type: ignore[override]  # without sample weights
        self.rows, self.y = np.arange(len(y_pred)), y_true
        e = np.exp(y_pred - y_pred.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return -float(np.log(self.p[self.rows, self.y] + self.epsilon).mean())

    def backward(self) -> NDArray:
        dp = np.zeros_like(self.p)
        dp[self.rows, self.y] = -1 / (self.p[self.rows, self.y] + self.epsilon) / len(dp)
        return self.p * (dp - (dp * self.p).sum(axis=1, keepdims=True))


class LogOfPlus(SoftmaxThenLog):
    """The usual cure: log(p + 1e-7)."""

    epsilon = 1e-7


def one_row(loss: Loss, gap: float, dtype: str) -> tuple[float, NDArray]:
    """The loss and its gradient for a row of two classes, with the true class's logit `gap` below the other."""
    value = loss.forward(np.array([[0, gap]], dtype), np.array([0]))
    return value, loss.backward()[0]


def first_bad_gap(loss: Loss, part: int, dtype: str) -> str:
    """The gap, to within 0.01, above which part 0 (the loss) or part 1 (the gradient) of one_row is not finite."""

    def good(gap: float) -> bool:
        return bool(np.isfinite(one_row(loss, gap, dtype)[part]).all())

    low, high = 0.0, FARTHEST
    if good(high):
        return f"> {FARTHEST:.0f}"
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return f"{high:.2f}"


def train(loss: Loss, steps: int, seed: int) -> tuple[int, float]:
    """Train softmax regression on digits with unscaled pixels; return the steps taken and the test accuracy."""
    data, test = digits.load()
    (x, y), (x_test, y_test) = data.take(slice(None)), test.take(slice(None))
    model = Model([Dense(10)], 64, seed)
    model.compile(SGD(1e-3), loss)
    rng = np.random.default_rng(seed)
    taken = 0
    with contextlib.suppress(FloatingPointError):  # raised when the loss becomes infinite
        while taken < steps:
            rows = rng.choice(len(x), 64, replace=False)
            model.train_on_batch(255 * x[rows].reshape(-1, 64), y[rows])
            taken += 1
    return taken, float(np.mean(model.predict(255 * x_test.reshape(-1, 64)).argmax(axis=1) == y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps on digits (default: 300)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.steps < 1 or args.seed < 0:
        parser.error("--steps must be >= 1, --seed >= 0")
    np.seterr(all="ignore")  # infinities are the subject here
    losses = {"softmax, log": SoftmaxThenLog(), "log(p + 1e-7)": LogOfPlus(), "on logits": SoftmaxCrossEntropy()}
    columns = losses.values()

    def row(name: str, cells: Iterable[str]) -> None:
        print(f"{name:<36}{''.join(f'{cell:>16}' for cell in cells)}")

    row("true logit below the other by", losses)
    for dtype in ("float32", "float64"):
        row(f"{dtype}: gradient not finite from", [first_bad_gap(loss, 1, dtype) for loss in columns])
        row(f"{dtype}: loss not finite from", [first_bad_gap(loss, 0, dtype) for loss in columns])
    for gap in (10, 100, 1000):
        row(f"float32: loss at {gap}", [f"{one_row(loss, gap, 'float32')[0]:.6g}" for loss in columns])
        row(f"float32: gradient at {gap}", [f"{one_row(loss, gap, 'float32')[1][0] + 0:.3g}" for loss in columns])
    trained = [train(loss, args.steps, args.seed) for loss in columns]
    row(f"unscaled digits: steps taken of {args.steps}", [str(taken) for taken, _ in trained])
    row("test accuracy after these steps", [f"{accuracy:.1%}" for _, accuracy in trained])

    logits = np.random.default_rng(args.seed).standard_normal((5, 3))
    for scale in (1, 1000):
        print(f"\nLogits of standard deviation {scale}, with every label the least likely class:")
        for loss in columns:
            try:
                print(check_loss(loss, scale * logits, logits.argmin(axis=1)))
            except GradientCheckError as error:
                print(error)


if __name__ == "__main__":
    main()
