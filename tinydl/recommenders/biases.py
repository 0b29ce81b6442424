"""UserItemBias: a rating is the mean, plus how generous the user is, plus how good the item is. The line to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from .base import Recommender

PASSES = 100


class UserItemBias(Recommender):
    """The regularized baseline: prediction mu + b_r + c_j for row r and column j of the table.

    Forward    p_rj = mu + b_r + c_j                      mu: the mean of all ratings
    Fitting    minimizes  sum over rated entries (y_rj - p_rj)^2 + regularization (sum_r b_r^2 + sum_j c_j^2)
               Its derivative in b_r is 0 where
                   b_r = sum_j (y_rj - mu - c_j) / (n_r + regularization)      over the n_r rated entries of row r
               so few ratings leave a bias near 0. The same holds for c_j. Each formula lowers the sum, which is convex,
               so alternating them leads to its minimum; 100 rounds are made
    Reference  Koren 2010, "Factor in the Neighbors", section 2.1

    regularization  how many ratings equal to the mean each user and item is given, >= 0
    The other arguments are those of Recommender; nothing here is random, and based_on makes no difference.

    Raises ValueError for invalid arguments; fit as in Recommender.
    """

    def __init__(
        self, regularization: float = 5.0, *, scale: Sequence[float] = (1.0, 5.0), based_on: str = "item",
        random_state: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(scale=scale, based_on=based_on, random_state=random_state)
        self.regularization = arguments.number("UserItemBias", "regularization", regularization, 0)

    def _fit(self, table: NDArray[np.float32], rated: NDArray[np.bool_], verbose: int | str) -> None:
        self._baseline = baseline(table, rated, self.regularization)
        self._record()

    def _predict_table(self) -> NDArray[np.floating[Any]]:
        return self._baseline


def baseline(table: NDArray[np.float32], rated: NDArray[np.bool_], regularization: float) -> NDArray[np.float32]:
    """The predictions (rows, columns) of UserItemBias. Each row and column needs a rating if regularization is 0."""
    rows, columns = np.nonzero(rated)
    ratings = table[rated].astype(np.float64)
    mean = ratings.mean()
    b, c = np.zeros(len(table)), np.zeros(table.shape[1])
    in_rows = rated.sum(axis=1) + regularization
    in_columns = rated.sum(axis=0) + regularization
    for _ in range(PASSES):
        b = np.bincount(rows, ratings - mean - c[columns], len(b)) / in_rows
        c = np.bincount(columns, ratings - mean - b[rows], len(c)) / in_columns
    return (mean + b[:, np.newaxis] + c).astype(np.float32)
