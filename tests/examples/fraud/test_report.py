from __future__ import annotations

import json

import numpy as np
import pytest
from report import PREVALENCES, fraud_report, summarise

from tinydl.detection import choose_threshold, confusion_at, detection_metrics

# Labels by falling score: fraud, fraud, normal, fraud, normal, normal, normal, fraud, normal, normal
Y = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0, 0])
S = np.array([10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1])


def sample(n: int = 3000, frauds: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.zeros(n, int)
    y[:frauds] = 1
    return y, rng.lognormal(2.0 * y, 1.0)


def test_report_goes_to_json() -> None:
    y, s = sample(seed=0)
    y_cal, s_cal = sample(seed=1)
    report = fraud_report(y, s, y_cal, s_cal, policy="precision", value=0.5)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    t = choose_threshold(y_cal, s_cal, "precision", 0.5)
    assert report["threshold"]["threshold"] == t, "the threshold must come from the calibration rows"
    (_, false), (_, found) = report["at_threshold"]["matrix"]
    assert report["at_threshold"]["matrix"] == confusion_at(y, s, t)["matrix"]
    assert (false, found) == (report["at_threshold"]["false_alarms"], report["at_threshold"]["found"])
    assert found == (s[y == 1] >= t).sum()
    assert report["calibration"] == detection_metrics(y_cal, s_cal, PREVALENCES)
    assert report["test"] == detection_metrics(y, s, PREVALENCES)
    natural = report["at_threshold"]["at_prevalence"]["0.00173"]
    assert natural["precision"] < report["at_threshold"]["precision"]


def test_report_chooses_its_threshold_at_the_prevalence_given() -> None:
    y, s = sample(seed=1)
    rare = fraud_report(Y, S, y, s, prevalence=0.00173)["threshold"]
    assert rare["prevalence"] == 0.00173
    assert rare["threshold"] == choose_threshold(y, s, "f1", prevalence=0.00173)
    assert rare["threshold"] > fraud_report(Y, S, y, s)["threshold"]["threshold"]


def test_report_without_calibration_rows_has_no_threshold() -> None:
    assert set(fraud_report(Y, S)) == {"test"}
    with pytest.raises(ValueError, match="together, or neither"):
        fraud_report(Y, S, Y)


def test_summarise() -> None:
    runs = [{"auc": a, "deep": {"ap": a / 2}, "policy": "f1", "matrix": [[1]]} for a in (0.8, 0.9, 1.0)]
    got = summarise(runs)
    assert got["auc"] == {"mean": pytest.approx(0.9), "std": pytest.approx(0.1), "values": [0.8, 0.9, 1.0]}
    assert got["deep"]["ap"]["mean"] == pytest.approx(0.45)
    assert set(got) == {"auc", "deep"}
    assert summarise(runs[:1])["auc"]["std"] == 0
    json.dumps(got, allow_nan=False)


def test_summarise_refuses() -> None:
    with pytest.raises(ValueError, match="at least one dict"):
        summarise([])
    with pytest.raises(ValueError, match="'a' is in the first report but not in all 2"):
        summarise([{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match="'a' must be a number in every report"):
        summarise([{"a": 1}, {"a": {"b": 1}}])
