"""UserItemBias: a rating is the mean, plus how generous the user is, plus how good the item is. The line to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from .base import Recommender

PASSES = 30  # each halves the distance to the minimum, or better


class UserItemBias(Recommender):
    """The regularized baseline: prediction mu + b_r + c_j for row r and column j of the table.

    Forward    p_rj = mu + b_r + c_j                      mu: the mean of all ratings
    Fitting    minimizes  sum over rated entries (y_rj - p_rj)^2 + regularization (sum_r b_r^2 + sum_j c_j^2)
               Its derivative in b_r is 0 where
                   b_r = sum_j (y_rj - mu - c_j) / (n_r + regularization)      over the n_r rated entries of row r
               so few ratings leave a bias near 0. The same holds for c_j. Alternating the two formulas lowers the sum
               in every step; 30 rounds are made
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
    mean = table[rated].mean(dtype=np.float64)
    y = np.where(rated, table - mean, 0)
    in_rows, in_columns = rated.sum(axis=1) + regularization, rated.sum(axis=0) + regularization
    of_rows, of_columns = y.sum(axis=1), y.sum(axis=0)
    b, c = np.zeros(len(table)), np.zeros(table.shape[1])
    for _ in range(PASSES):
        b = (of_rows - rated @ c) / in_rows
        c = (of_columns - b @ rated) / in_columns
    return (mean + b[:, np.newaxis] + c).astype(np.float32)
