from __future__ import annotations

import numpy as np
import pytest
from generator import KINDS, generate
from report import NATURAL_PREVALENCE
from scipy.stats import kurtosis
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neural_network import MLPRegressor
from splits import honest_split
from threadpoolctl import threadpool_limits

from tinydl.datasets.creditcard import FEATURE_NAMES, Transactions
from tinydl.detection import detection_metrics


@pytest.fixture(scope="module")
def data() -> Transactions:
    return generate(60_000, 300, seed=0)


def test_size_and_prevalence() -> None:
    data = generate()
    assert data.features.shape == (284_807, 29)
    assert data.n_frauds == 492
    assert data.prevalence == pytest.approx(0.001727, abs=1e-6)


def test_says_that_it_is_synthetic(data: Transactions) -> None:
    assert data.source.startswith("SYNTHETIC")
    assert data.is_synthetic
    assert data.feature_names == FEATURE_NAMES
    assert "SYNTHETIC" in honest_split(data, 0).describe()


def test_seeds_decide() -> None:
    one, same, other = generate(2000, 20, seed=1), generate(2000, 20, seed=1), generate(2000, 20, seed=2)
    np.testing.assert_array_equal(one.features, same.features)
    np.testing.assert_array_equal(one.labels, same.labels)
    assert (one.features != other.features).any(axis=1).mean() > 0.99


@pytest.mark.slow
def test_looks_like_principal_components(data: Transactions) -> None:
    normal = data.features[data.labels == 0]
    spread = normal[:, :28].std(axis=0)
    np.testing.assert_allclose(spread, np.geomspace(1.96, 0.33, 28), rtol=0.12)
    correlation = np.corrcoef(normal[:, :28], rowvar=False)
    assert np.abs(correlation - np.eye(28)).max() < 0.15


def test_tails_are_heavy(data: Transactions) -> None:
    excess = kurtosis(data.features[data.labels == 0])
    assert np.median(excess[:28]) > 2
    assert excess[28] > 50


def test_time_and_amount(data: Transactions) -> None:
    assert data.time is not None
    assert (np.diff(data.time) >= 0).all()
    assert data.time[0] >= 0
    assert data.time[-1] < 2 * 86_400
    hour = (data.time // 3600) % 24
    assert ((hour >= 13) & (hour < 17)).sum() > 5 * ((hour >= 1) & (hour < 5)).sum()
    amount = data.features[:, 28]
    assert (amount >= 0).all()
    np.testing.assert_array_equal(amount, np.round(amount, 2))


def test_kinds_of_fraud(data: Transactions) -> None:
    assert data.kinds is not None
    np.testing.assert_array_equal(data.kinds != "", data.labels == 1)
    assert set(data.kinds[data.labels == 1]) == set(KINDS)
    amount = data.features[:, 28]
    normal = np.median(amount[data.labels == 0])
    assert amount[data.kinds == "card testing"].max() <= 2
    assert np.median(amount[data.kinds == "bust-out"]) > 3 * normal
    assert data.time is not None
    gaps = np.diff(data.time[data.kinds == "card testing"])
    assert np.median(gaps) < 120, "card testing must come in bursts"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_detection_is_neither_trivial_nor_hopeless(seed: int) -> None:
    split = honest_split(generate(60_000, 300, seed=seed), seed=seed)
    pca = PCA(10).fit(split.x_train)
    error = ((pca.inverse_transform(pca.transform(split.x_test)) - split.x_test) ** 2).mean(axis=1)
    figures = detection_metrics(split.y_test, error, [NATURAL_PREVALENCE])
    assert 0.88 < figures["roc_auc"] < 0.98
    assert 0.15 < figures["at_prevalence"]["0.00173"]["average_precision"] < 0.65


def test_kinds_differ_in_difficulty(data: Transactions) -> None:
    x, kinds = data.features[:, :28], data.kinds
    assert kinds is not None
    pca = PCA(10).fit(x[data.labels == 0])
    error = ((pca.inverse_transform(pca.transform(x)) - x) ** 2).mean(axis=1)
    auc = {}
    for kind in KINDS:
        some = (kinds == "") | (kinds == kind)
        auc[kind] = roc_auc_score(kinds[some] == kind, error[some])
    assert auc.pop("mimicry") < 0.75
    assert min(auc.values()) > 0.9


def test_mimicry_is_hard_to_find_yet_no_normal_payment() -> None:
    data = generate(20_000, 8_000, seed=0)  # about 800 cases of mimicry, so the AUC is accurate to 0.01
    x, kinds = data.features[:, :28], data.kinds
    assert kinds is not None
    pca = PCA(10).fit(x[kinds == ""])
    error = ((pca.inverse_transform(pca.transform(x)) - x) ** 2).mean(axis=1)
    some = (kinds == "") | (kinds == "mimicry")
    assert 0.6 < roc_auc_score(kinds[some] == "mimicry", error[some]) < 0.75


def test_there_is_structure_that_only_a_nonlinear_model_finds(data: Transactions) -> None:
    split = honest_split(data, 0, scale="all")
    pca = PCA(6).fit(split.x_train)
    linear = ((pca.inverse_transform(pca.transform(split.x_val)) - split.x_val) ** 2).mean()
    net = MLPRegressor(
        hidden_layer_sizes=(64, 6, 64), batch_size=500, learning_rate_init=3e-3, max_iter=6, random_state=0
    )
    with threadpool_limits(1), pytest.warns(UserWarning, match="Maximum iterations"):  # small products
        net.fit(split.x_train, split.x_train)
    bent = ((net.predict(split.x_val) - split.x_val) ** 2).mean()
    assert bent < 0.85 * linear
    error = ((net.predict(split.x_test) - split.x_test) ** 2).mean(axis=1)
    assert average_precision_score(split.y_test, error) < 0.95


def test_without_fraud_and_refusals() -> None:
    assert generate(100, 0).n_frauds == 0
    assert generate(3, 3).n_frauds == 3
    for n_rows, n_frauds in ((0, 0), (10, 11), (10, -1)):
        with pytest.raises(ValueError, match="expected n_rows >= 1 and 0 <= n_frauds <= n_rows"):
            generate(n_rows, n_frauds)
