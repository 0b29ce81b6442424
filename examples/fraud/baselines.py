"""Two detectors without gradients, on the same rows as the autoencoders: PCA and an isolation forest.

Each has one setting, chosen as an autoencoder is: by average precision on the calibration rows. The book's protocol has
no such rows; there the test rows choose, which flatters these two.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from run import Run, Scores, evaluate
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score
from splits import Split

from tinydl.datasets.creditcard import Transactions

ROWS_PER_TREE = (256, 4096)  # 256 is scikit-learn's default


def pca(data: Transactions, split: Split, seed: int) -> Run:
    """Reconstruction error of the first k principal components of the training rows, for the best k.

    The components are orthonormal, so what k of them leave of a row is its coordinates on all others:
    error_k = sum_{j > k} ((x - mean) . component_j)^2 / features.
    """
    fitted = PCA().fit(split.x_train)
    features = fitted.n_features_in_

    def errors(x: NDArray[np.float32]) -> dict[int, Scores]:
        squares = np.square(np.asarray(fitted.transform(x), np.float64))
        left = (
            squares[:, ::-1].cumsum(axis=1)[:, ::-1] / features
        )  # column k: what components k + 1, k + 2, ... explain
        return {k: left[:, k] for k in range(1, features)}

    k = _best(split, errors(_rows_that_choose(split)[0]))
    run = evaluate(data, split, lambda x: errors(x)[k])
    coordinates = fitted.transform(split.x_test)
    run.reconstruction = (coordinates[:, :k] @ fitted.components_[:k] + fitted.mean_).astype(np.float32)
    run.report["components"] = k
    return run


def isolation_forest(data: Transactions, split: Split, seed: int) -> Run:
    """scikit-learn's isolation forest of 100 trees: a row that few random cuts isolate is suspicious.

    The number of training rows that each tree sees is the better one of `ROWS_PER_TREE`.
    """
    forests = {
        rows: IsolationForest(max_samples=min(rows, len(split.x_train)), random_state=seed).fit(split.x_train)
        for rows in ROWS_PER_TREE
    }
    x, _ = _rows_that_choose(split)
    rows = _best(split, {rows: -forest.score_samples(x) for rows, forest in forests.items()})
    run = evaluate(data, split, lambda x: -forests[rows].score_samples(x))
    run.report["rows_per_tree"] = rows
    return run


BASELINES = {"PCA": pca, "isolation forest": isolation_forest}


def _rows_that_choose(split: Split) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if split.x_calibration is None or split.y_calibration is None:
        return split.x_test, split.y_test
    return split.x_calibration, split.y_calibration


def _best(split: Split, scores: Mapping[int, Scores]) -> int:
    """The setting whose scores have the highest average precision on the rows that choose."""
    _, y = _rows_that_choose(split)
    return max(scores, key=lambda setting: average_precision_score(y, scores[setting]))
