"""The result of one detector under one protocol: what autoencoders, PCA and the forest have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from kinds import found_by_group, fraud_groups
from numpy.typing import NDArray
from report import fraud_report
from splits import Split, book_split, honest_split

from tinydl.datasets.creditcard import Transactions

Scores = NDArray[np.float64]


@dataclass
class Run:
    """One detector, its scores on the test rows, and everything reported about it.

    history, reconstruction: losses by epoch, and the test rows as reproduced; empty and None for a detector without.
    """

    report: dict[str, Any]
    split: Split
    scores: Scores
    history: dict[str, list[float]] = field(default_factory=dict)
    reconstruction: NDArray[np.float32] | None = None

    @property
    def threshold(self) -> float | None:
        return self.report["threshold"]["threshold"] if "threshold" in self.report else None


@lru_cache(maxsize=1)  # detectors that are compared share their rows
def divide(
    data: Transactions, protocol: str, seed: int, train_fraction: float = 0.8, drop_duplicates: bool = False
) -> Split:
    """The rows of a protocol. A smaller train_fraction changes the book's test rows, but none of the honest rows."""
    if protocol == "book":
        return book_split(data, seed, train_fraction)
    return honest_split(data, seed, drop_duplicates=drop_duplicates)


def evaluate(data: Transactions, split: Split, score: Callable[[NDArray[np.float32]], Scores]) -> Run:
    """Score the test rows and, if there are any, the calibration rows, on which the threshold is chosen."""
    scores = score(split.x_test)
    calibration = None if split.x_calibration is None else score(split.x_calibration)
    run = Run(fraud_report(split.y_test, scores, split.y_calibration, calibration), split, scores)
    if run.threshold is not None:
        groups = fraud_groups(data, split.rows_test)
        run.report["found_by_group"] = found_by_group(groups, scores >= run.threshold)
    return run
