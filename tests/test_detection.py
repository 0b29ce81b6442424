from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from tinydl.detection import (
    choose_threshold,
    confusion_at,
    detection_metrics,
    normal_row_weight,
    reconstruction_error,
)

# Labels by falling score: fraud, fraud, normal, fraud, normal, normal, normal, fraud, normal, normal
Y = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0, 0])
S = np.array([10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1])


def sample(n: int = 3000, frauds: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.zeros(n, int)
    y[:frauds] = 1
    return y, rng.lognormal(2.0 * y, 1.0)


class Half:
    """A model that returns half of its input and records the calls of predict."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def predict(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        self.asked.append((len(x), batch_size))
        return x / 2


def test_reconstruction_error_in_chunks() -> None:
    x = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)
    model = Half()
    error = reconstruction_error(model, x, batch_size=10)
    assert model.asked == [(10, 10), (10, 10), (5, 10)]
    assert error.dtype == np.float64
    np.testing.assert_allclose(error, (x.astype(float) ** 2).mean(axis=1) / 4, rtol=1e-12)
    image = reconstruction_error(model, x.reshape(25, 2, 2, 1))
    np.testing.assert_array_equal(image, error)


def test_reconstruction_error_refuses() -> None:
    class Narrow:
        def predict(self, x: np.ndarray, batch_size: int) -> np.ndarray:
            return x[:, :1]

    x = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"shape of its input, \(3, 4\), got \(3, 1\)"):
        reconstruction_error(Narrow(), x)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match="got NaN or infinity in 1 rows, first in row 1"):
        reconstruction_error(Half(), x)
    with pytest.raises(ValueError, match="at least one row"):
        reconstruction_error(Half(), x[:0])


def test_metrics_by_hand() -> None:
    got = detection_metrics(Y, S)
    # Pairs in the right order: the frauds rank above 6, 6, 5 and 2 of the 6 normal rows.
    assert got["roc_auc"] == pytest.approx(19 / 24, rel=1e-12)
    # Precision at each fraud found: 1/1, 2/2, 3/4, 4/8.
    assert got["average_precision"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 8) / 4, rel=1e-12)
    # Trapezoids between recalls 0, 1/4, 1/2, 3/4 and 1: precision just before each fraud, then at the fraud.
    assert got["pr_area_trapezoid"] == pytest.approx((1 + 1 + (2 / 3 + 3 / 4) / 2 + (3 / 7 + 1 / 2) / 2) / 4)
    assert (got["n_rows"], got["n_anomalies"], got["prevalence"]) == (10, 4, 0.4)
    assert got["at_prevalence"] == {}, "no prevalence was requested"


@pytest.mark.parametrize("prevalence", [0.00858, 0.00173, 0.5])
def test_weight_gives_the_prevalence(prevalence: float) -> None:
    w = normal_row_weight(Y, prevalence)
    assert 4 / (4 + 6 * w) == pytest.approx(prevalence, rel=1e-12)


def test_weighting_equals_repeating_normal_rows() -> None:
    y, s = sample()
    repeats = np.where(y == 1, 1, 7)
    many_y, many_s = np.repeat(y, repeats), np.repeat(s, repeats)
    got = detection_metrics(y, s, prevalences=[many_y.mean()])
    (at,) = got["at_prevalence"].values()
    repeated = detection_metrics(many_y, many_s)
    assert at["average_precision"] == pytest.approx(average_precision_score(many_y, many_s), rel=1e-9)
    assert at["pr_area_trapezoid"] == pytest.approx(repeated["pr_area_trapezoid"], rel=1e-9)
    assert at["average_precision"] < got["average_precision"] - 0.05
    assert got["roc_auc"] == pytest.approx(repeated["roc_auc"], rel=1e-12)
    counted = confusion_at(many_y, many_s, 3.0)
    weighted = confusion_at(y, s, 3.0, prevalence=many_y.mean())
    for name in ("precision", "recall", "f1"):
        assert weighted[name] == pytest.approx(counted[name], rel=1e-9)


def test_confusion_flags_scores_at_the_threshold() -> None:
    got = confusion_at(Y, S, 7.0)
    assert got["matrix"] == [[5, 1], [1, 3]]
    assert (got["precision"], got["recall"], got["f1"]) == pytest.approx((3 / 4, 3 / 4, 3 / 4))
    assert confusion_at(Y, S, np.nextafter(7, 8))["matrix"] == [[5, 1], [2, 2]]
    nothing = confusion_at(Y, S, 11.0)
    assert nothing["matrix"] == [[6, 0], [4, 0]]
    assert (nothing["precision"], nothing["f1"]) == (0, 0)


def test_f1_policy() -> None:
    assert choose_threshold(Y, S, "f1") == 7.0
    y, s = sample(600, 30)
    best = choose_threshold(y, s, "f1")
    tried = [f1_score(y, s >= t) for t in s]
    assert f1_score(y, s >= best) == max(tried)


def test_precision_policy() -> None:
    assert choose_threshold(Y, S, "precision", 1.0) == 9.0
    assert choose_threshold(Y, S, "precision", 0.75) == 7.0
    assert choose_threshold(Y, S, "precision", 0.5) == 3.0
    assert choose_threshold(Y, S, "precision", 0.01) == 3.0, "at equal recall, the higher precision must win"
    with pytest.raises(ValueError, match=r"0.9 at some threshold, got at most 0.5000"):
        choose_threshold([0, 1, 0, 1], [4.0, 3, 2, 1], "precision", 0.9)


def test_quantile_policy() -> None:
    normal = np.arange(1001.0)
    assert choose_threshold(np.zeros(1001, int), normal, "quantile", 0.995) == pytest.approx(995)
    y, s = np.append(np.zeros(1001, int), [1, 1]), np.append(normal, [1e9, 1e9])
    assert choose_threshold(y, s, "quantile", 0.995) == pytest.approx(995), "frauds must not affect the quantile"


@pytest.mark.parametrize("prevalence", [None, 0.02])
def test_cost_policy_is_the_cheapest_of_all(prevalence: float | None) -> None:
    y, s = sample(200, 20)
    w = 1.0 if prevalence is None else normal_row_weight(y, prevalence)

    def cost(t: float) -> float:
        (_, false_positives), (false_negatives, _) = confusion_at(y, s, t)["matrix"]
        return 20 * false_negatives + 3 * w * false_positives

    best = choose_threshold(y, s, "cost", cost_false_negative=20, cost_false_positive=3, prevalence=prevalence)
    assert cost(best) == pytest.approx(min(map(cost, [*s, s.max() + 1])), rel=1e-12)


def test_cost_policy_may_flag_nothing() -> None:
    y, s = [1, 0, 0], [1.0, 2.0, 3.0]
    t = choose_threshold(y, s, "cost", cost_false_negative=1, cost_false_positive=10)
    assert np.isfinite(t)
    assert confusion_at(y, s, t)["matrix"] == [[2, 0], [1, 0]]


def test_prevalence_moves_the_threshold() -> None:
    y, s = sample()
    assert choose_threshold(y, s, "f1", prevalence=0.00173) > choose_threshold(y, s, "f1")


@pytest.mark.parametrize(
    ("policy", "settings", "message"),
    [
        ("best", {}, "policy must be one of quantile, f1, precision, cost, got 'best'"),
        ("quantile", {}, 'policy "quantile" needs a value above 0 and up to 1, got None'),
        ("precision", {"value": 95}, 'policy "precision" needs a value above 0 and up to 1, got 95'),
        ("f1", {"value": 0.5}, 'policy "f1" takes no value, got 0.5'),
        ("f1", {"cost_false_negative": 1}, 'policy "f1" takes no cost_false_negative'),
        ("cost", {"cost_false_negative": 1}, 'policy "cost" needs a cost_false_positive above 0, got None'),
        ("f1", {"prevalence": 1.5}, "prevalence must be above 0 and below 1"),
    ],
)
def test_policies_refuse_wrong_settings(policy: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_threshold(Y, S, policy, **settings)


@pytest.mark.parametrize("policy", ["f1", "precision", "cost"])
def test_policies_that_need_fraud_say_so(policy: Any) -> None:
    settings: dict[str, Any] = {
        "f1": {},
        "precision": {"value": 0.5},
        "cost": {"cost_false_negative": 1, "cost_false_positive": 1},
    }
    with pytest.raises(ValueError, match="got 10 normal rows and 0 anomalies"):
        choose_threshold(0 * Y, S, policy, **settings[policy])


@pytest.mark.parametrize(
    ("y", "s", "message"),
    [
        (Y, np.where(S == 7, np.nan, S), "got 1 NaN or infinite scores, first at index 3"),
        (Y, np.where(S == 1, np.inf, S), "first at index 9"),
        (Y, S[:-1], r"of equal length, got \(10,\) and \(9,\)"),
        (Y[:, None], S[:, None], "one-dimensional"),
        (0 * Y, S, "got 10 normal rows and 0 anomalies"),
        (0 * Y + 1, S, "got 0 normal rows and 10 anomalies"),
        (Y + 1, S, "must be 0 .normal. or 1 .anomaly."),
    ],
)
def test_bad_scores_and_labels_are_refused(y: np.ndarray, s: np.ndarray, message: str) -> None:
    for call in (detection_metrics, lambda y, s: confusion_at(y, s, 3.0)):
        with pytest.raises(ValueError, match=message):
            call(y, s)
