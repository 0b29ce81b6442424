from __future__ import annotations

import numpy as np
import pytest
from baselines import ROWS_PER_TREE, isolation_forest, pca
from generator import generate
from run import Run, divide
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from tinydl.datasets.creditcard import Transactions


@pytest.fixture(scope="module")
def data() -> Transactions:
    return generate(6000, 200)


@pytest.mark.parametrize("protocol", ["honest", "book"])
def test_pca_is_scored_by_its_reconstruction_error_with_the_best_number_of_components(
    data: Transactions, protocol: str
) -> None:
    split = divide(data, protocol, 0)
    run = pca(data, split, 0)
    x, y = split.x_calibration, split.y_calibration
    if x is None or y is None:
        x, y = split.x_test, split.y_test
    best = {}
    for k in range(1, 29):
        model = PCA(k).fit(split.x_train)
        best[k] = average_precision_score(y, np.square(x - model.inverse_transform(model.transform(x))).mean(axis=1))
    k = run.report["components"]
    assert best[k] == pytest.approx(max(best.values()), abs=1e-6)
    model = PCA(k).fit(split.x_train)
    rebuilt = model.inverse_transform(model.transform(split.x_test))
    np.testing.assert_allclose(run.reconstruction, rebuilt, atol=1e-4)
    np.testing.assert_allclose(run.scores, np.square(split.x_test - rebuilt).mean(axis=1), rtol=1e-3, atol=1e-5)


def test_the_forest_is_scikit_learns_with_the_better_number_of_rows_per_tree(data: Transactions) -> None:
    split = divide(data, "honest", 0)
    run = isolation_forest(data, split, 3)
    scores = {}
    for rows in ROWS_PER_TREE:
        forest = IsolationForest(max_samples=min(rows, len(split.x_train)), random_state=3).fit(split.x_train)
        scores[rows] = average_precision_score(split.y_calibration, -forest.score_samples(split.x_calibration))
        if rows == run.report["rows_per_tree"]:
            np.testing.assert_array_equal(run.scores, -forest.score_samples(split.x_test))
    assert scores[run.report["rows_per_tree"]] == max(scores.values())
    assert run.report["calibration"]["average_precision"] == pytest.approx(max(scores.values()), rel=1e-12)


def test_detectors_are_reported_alike(data: Transactions) -> None:
    honest: list[Run] = [detector(data, divide(data, "honest", 0), 0) for detector in (pca, isolation_forest)]
    assert honest[0].split is honest[1].split
    for run in honest:
        assert {"test", "calibration", "threshold", "at_threshold", "found_by_group"} <= set(run.report)
        groups = run.report["found_by_group"].values()
        assert sum(group["found"] for group in groups) == run.report["at_threshold"]["found"]
        assert sum(group["frauds"] for group in groups) == run.split.y_test.sum()
    book = pca(data, divide(data, "book", 0), 0)
    assert set(book.report) == {"test", "components"}
    assert book.threshold is None
