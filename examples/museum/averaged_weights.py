"""A restricted Boltzmann machine whose weight gradient is averaged over the wrong axis.

The book multiplies transposed rows by probabilities, v.T @ p, which sums over the batch, and then takes the mean over
axis 0. The batch is gone by then: axis 0 is the visible units. One number is left for each hidden unit, and it is added
to that unit's weights from all visible units:

    dW[i, j] = mean_i sum_m (v_mi p_mj - v'_mi p'_mj)           for every i the same
    dW[i, j] = sum_m (v_mi p_mj - v'_mi p'_mj) / batch size     right

    python examples/museum/averaged_weights.py

No shape is wrong, because the missing axis is broadcast, and training prints no loss that would be too high. But a
hidden unit's weights all move by the same amount, so that the unit can only ever tell how much ink there is; and the
sum over the batch makes these steps as many times too long as the batch has rows.

Contrastive divergence is no gradient, so that no gradient check applies to it. But with the exact expectation in place
of the chain's, possible for few units, it becomes the gradient of the log-likelihood, which the checker can check. On
the trained machine, a look at the weights is enough: are those of different visible units different?
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tinydl.datasets import digits
from tinydl.datasets.images import Images
from tinydl.gradcheck import GradientCheckError, check_function
from tinydl.unsupervised import BernoulliRBM

HIDDEN, BATCH, RATE = 16, 64, 0.1


def averaged(dW: NDArray) -> NDArray:
    """The book's gradient; dW (hidden, visible) is the mean over the batch."""
    return BATCH * averaged_twice(dW)


def averaged_twice(dW: NDArray) -> NDArray:
    """The same, divided by the batch size, in case that the size of the step matters most."""
    return np.broadcast_to(dW.mean(axis=1, keepdims=True), dW.shape)


def right(dW: NDArray) -> NDArray:
    return dW


class Figures(NamedTuple):
    """What is measured of a trained machine."""

    likelihood: float  # of test rows
    spread: float  # of the weights of a hidden unit over the visible units
    accuracy: float  # of logistic regression on the hidden units


def black_or_white(images: Images) -> tuple[NDArray, NDArray]:
    """Rows of 64 pixels, 0 or 1, and labels."""
    x, y = images.take(slice(None))
    return (x.reshape(len(x), -1) > 0.5).astype(np.float64), y


def train(change: Callable[[NDArray], NDArray], rows: NDArray, epochs: int, seed: int) -> BernoulliRBM:
    """CD-1 with a changed weight gradient."""
    rbm = BernoulliRBM(HIDDEN, n_iter=0, random_state=seed).fit(rows)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for at in range(0, len(rows), BATCH):
            gradient = rbm.gradient(rows[order[at : at + BATCH]])
            rbm.components_ += RATE * change(gradient["dW"])
            rbm.intercept_visible_ += RATE * gradient["db"]
            rbm.intercept_hidden_ += RATE * gradient["dc"]
    return rbm


def measure(rbm: BernoulliRBM, train_rows: tuple[NDArray, NDArray], test_rows: tuple[NDArray, NDArray]) -> Figures:
    x, y = train_rows
    classifier = LogisticRegression(max_iter=2000).fit(rbm.transform(x), y)
    accuracy = classifier.score(rbm.transform(test_rows[0]), test_rows[1])
    return Figures(rbm.log_likelihood(test_rows[0]).value, float(rbm.components_.std(axis=1).mean()), accuracy)


def check(change: Callable[[NDArray], NDArray]) -> None:
    """Check a weight gradient on a machine of 6 + 4 units, with the exact expectation in the negative phase."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (5, 6))  # of integers, which the checker does not try to differentiate
    rbm = BernoulliRBM(4, n_iter=0, random_state=0).fit(rows)

    def log_likelihood(W: NDArray, b: NDArray, c: NDArray) -> NDArray:
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = W, b, c
        return np.asarray(rbm.log_likelihood(rows).value)

    def backward(dy: NDArray, W: NDArray, b: NDArray, c: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = W, b, c
        gradient = rbm.exact_gradient(rows)
        return dy * change(gradient["dW"]), dy * gradient["db"], dy * gradient["dc"]

    try:
        print(check_function(log_likelihood, backward, (4, 6), (6,), (4,)))
    except GradientCheckError as error:
        print(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="passes over the digits (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.epochs < 1 or args.seed < 0:
        parser.error("--epochs must be >= 1, --seed >= 0")
    sets = [black_or_white(each) for each in digits.load()]
    columns = {"untrained": measure(BernoulliRBM(HIDDEN, n_iter=0, random_state=args.seed).fit(sets[0][0]), *sets)}
    for name, change in (("averaged", averaged), ("averaged twice", averaged_twice), ("right", right)):
        columns[name] = measure(train(change, sets[0][0], args.epochs, args.seed), *sets)
    print(f"{'':<48}" + "".join(f"{name:>16}" for name in columns))
    for label, field, form in (
        ("log-likelihood of a test row, nats", "likelihood", ".2f"),
        ("spread of a unit's weights over visible units", "spread", ".3f"),
        ("accuracy of logistic regression on features", "accuracy", ".1%"),
    ):
        print(f"{label:<48}" + "".join(f"{getattr(column, field):>16{form}}" for column in columns.values()))
    print("\nThe log-likelihood's gradient, with the exact expectation in place of the chain's:")
    check(averaged)
    print()
    check(right)


if __name__ == "__main__":
    main()
