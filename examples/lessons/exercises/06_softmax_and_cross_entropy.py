"""Exercise 6: cross-entropy of a batch, and its gradient.

z has one row of scores for each example, shape (n, classes), and y is one-hot, of the same shape. For one row,

    L = -z[c] + log(sum over j of exp(z[j])),    c the right class          dz = p - y

The loss of the batch is the mean over its n rows. Write it so that scores of 1000 do no harm:

1. s, the scores with the largest of each row subtracted. (keepdims=True makes shapes fit.)
2. log_p, the logarithm of softmax, from s.
3. The loss, from log_p and y: one number.
4. The gradient of this loss with respect to z.

Then run

    python examples/lessons/exercises/06_softmax_and_cross_entropy.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_loss


def cross_entropy(z, y):
    """The loss and its gradient dz."""
    s = ...  # your code, (n, classes)
    log_p = ...  # your code, (n, classes)
    loss = ...  # your code, a number
    dz = ...  # your code, (n, classes)
    return loss, dz


def check():
    z, y = np.log([[4.0, 3.0, 1.0], [1.0, 8.0, 1.0]]), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    p = np.array([[4.0, 3.0, 1.0], [1.0, 8.0, 1.0]]) / [[8.0], [10.0]]
    right, s = -np.log([3 / 8, 1 / 10]), z - z.max(axis=1, keepdims=True)

    def wrong_sum(scores, axis):
        return -np.sum(y * (scores - np.log(np.exp(scores).sum(axis=axis)))) / 2

    by_columns = z - z.max(axis=0)
    wrong_max = -np.sum(y * (by_columns - np.log(np.exp(by_columns).sum(axis=1, keepdims=True)))) / 2
    with np.errstate(all="ignore"):
        loss, dz = call(cross_entropy, z, y, returns="loss, dz")
        scores = np.array([[1000.0, 0.0, -1000.0], [-999.0, -999.0, -2000.0]])
        large, _ = call(cross_entropy, scores, np.eye(3)[[2, 0]], returns="loss, dz")
    compare("loss", loss, right.mean(), {
        "the loss of the batch is the mean over its rows, not the sum": right.sum(),
        "the loss of the batch is the mean over n rows, not over all n * classes entries": right.sum() / 6,
        "the sign: the logarithm of a probability is negative, and a loss is its opposite": -right.mean(),
        "each row has its own sum: sum over axis=1, not over all entries": wrong_sum(s, None),
        "each row has its own sum: sum over axis=1, not axis=0": wrong_sum(s, 0),
        "each row has its own sum: sum over axis=1, not axis=0, and subtract the row's largest score": wrong_sum(z, 0),
        "each row has its own largest score: the maximum over axis=1, not axis=0": wrong_max,
        "log_p is the logarithm of p, and this is p": -np.sum(y * p) / 2,
        "log_p is the logarithm of softmax(z), not of s": np.nan,
        "in log_p, the sum of the exponentials stands in a logarithm": -np.sum(y * (s - np.exp(s).sum(1)[:, None])) / 2,
        "y is missing: the loss looks only at the right class of each row": -np.log(p).mean(),
        "y is missing: the loss looks only at the right class of each row (and not all entries)": -np.log(p).sum() / 2,
        "add up the entries of a row, and take the mean over the rows: one number for the batch": right / 2,
        "add up all entries, so that one number is left": -y * np.log(p) / 2,
        "this is dz: return loss first, then dz": (p - y) / 2,
    })  # fmt: skip
    overflow = (
        "exp of a large score is inf, and the logarithm of a tiny one -inf: use s, not z, in exp, subtract the largest "
        "score of each row (axis=1), and do not take the logarithm of p"
    )
    compare("loss of scores of 1000", large, (2000 + np.log(2)) / 2, {overflow: np.nan, f"{overflow} (inf)": np.inf})
    compare("dz", dz, (p - y) / 2, {
        "the mean over n rows divides the loss, so it divides its gradient, too": p - y,
        "the right class is missing: subtract y": p / 2,
        "1 is subtracted only at the right class: subtract y": (p - 1) / 2,
        "1 is subtracted only at the right class: subtract y (and divide by n)": p - 1,
        "dz is p - y, not log_p - y; and it is divided by n": np.log(p) - y,
        "all scores get a gradient: y is subtracted, it is no factor": (p - y) * y / 2,
        "the sign: dz is p - y; and the mean over n rows divides it": y - p,
        "dz is p - y: log_p is the logarithm of p, and exp undoes it": (np.log(p) - y) / 2,
        "exp(s) does not add up to 1: p is exp(log_p)": (np.exp(s) - y) / 2,
        "the sign: the score of the right class must be pushed up, so its gradient is negative": (y - p) / 2,
    })  # fmt: skip
    rng = np.random.default_rng(0)
    nudge(check_loss, cross_entropy, rng.normal(size=(4, 3)), np.eye(3)[[0, 2, 1, 1]])


if __name__ == "__main__":
    run(check)
