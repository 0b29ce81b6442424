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


# The rows as they were before autoencoders were compared with PCA and a forest on them. For each kind: number of rows,
# mean size and mean square of V1..V28 (their signs depend on LAPACK), mean and median amount, mean time.
FROZEN = {
    0: {
        "": (284315, 0.699454452, 1.08082199, 116.125813, 44.34, 94634.2588),
        "takeover": (177, 3.97156096, 47.6249969, 99.1008475, 40.2, 84771.2881),
        "card testing": (145, 2.51968378, 12.6655055, 1.01248276, 0.93, 120140.269),
        "bust-out": (111, 3.38739132, 33.181221, 732.432793, 233.43, 85224.6847),
        "mimicry": (59, 0.771436936, 1.20438143, 90.4240678, 70.28, 100415.034),
    },
    1: {
        "": (284315, 0.699378285, 1.08389165, 116.992352, 44.48, 94634.5664),
        "takeover": (167, 3.5116062, 30.764342, 130.464431, 41.01, 86229.976),
        "card testing": (155, 2.27754295, 10.3097904, 1.00148387, 0.92, 95443.8581),
        "bust-out": (125, 3.84615069, 38.8480132, 681.0048, 242.46, 83219.976),
        "mimicry": (45, 0.909228851, 1.82452588, 121.702889, 34.17, 104251.556),
    },
    2: {
        "": (284315, 0.699344925, 1.08028458, 116.655456, 44.32, 94750.3614),
        "takeover": (144, 4.38104314, 57.0296302, 108.763194, 38.795, 80819.4722),
        "card testing": (160, 2.24800761, 11.1752841, 0.94775, 0.845, 64718.45),
        "bust-out": (143, 3.54952454, 31.2644495, 1927.88133, 228.32, 90198.8951),
        "mimicry": (45, 0.849754154, 1.41659716, 53.1926667, 30.53, 96865.6222),
    },
}


@pytest.mark.parametrize("seed", FROZEN)
def test_rows_and_kinds_of_fraud_are_frozen(seed: int) -> None:
    """Never record these figures anew to make a model win: results on other rows are other results."""
    data = generate(seed=seed)
    assert data.kinds is not None
    assert data.time is not None
    for kind, (rows, *expected) in FROZEN[seed].items():
        some = data.kinds == kind
        v, amount = data.features[some, :28], data.features[some, 28]
        got = [np.abs(v).mean(), np.square(v).mean(), amount.mean(), np.median(amount), data.time[some].mean()]
        assert some.sum() == rows
        np.testing.assert_allclose(got, expected, rtol=1e-6, err_msg=kind)


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
