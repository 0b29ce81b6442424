"""The report on a run: all figures of one model, and the mean and spread over several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinydl.detection import Policy, choose_threshold, confusion_at, detection_metrics

BOOK_PREVALENCE = 0.00858  # 492 frauds in the 57,367 test rows of Liu & Mehta (2019)
NATURAL_PREVALENCE = 0.00173  # 492 frauds in all 284,807 rows
PREVALENCES = (BOOK_PREVALENCE, NATURAL_PREVALENCE)


def fraud_report(
    y_test: ArrayLike,
    test_scores: ArrayLike,
    y_calibration: ArrayLike | None = None,
    calibration_scores: ArrayLike | None = None,
    *,
    policy: Policy = "f1",
    value: float | None = None,
    cost_false_negative: float | None = None,
    cost_false_positive: float | None = None,
    prevalence: float | None = None,
    prevalences: Sequence[float] = PREVALENCES,
) -> dict[str, Any]:
    """All figures for one model's scores, as a dict ready for JSON.

    "test": `detection_metrics` of the test rows. With calibration rows, also "calibration": the same of these rows,
    "threshold": the policy and the threshold that it picks on them, and "at_threshold": the result of this threshold on
    the test rows (`confusion_at`), as counted and, under `at_prevalence`, with precision and F1 at the stated
    prevalences.
    Without calibration rows, as in the book's split, there is no threshold, since one chosen on the test rows
    would flatter the figures.

    policy to prevalence: see `choose_threshold`. prevalences: the prevalences at which figures are reported.

    ValueError: as for the functions named above; calibration labels without scores, or scores without labels.
    """
    report: dict[str, Any] = {"test": detection_metrics(y_test, test_scores, prevalences)}
    if y_calibration is None and calibration_scores is None:
        return report
    if y_calibration is None or calibration_scores is None:
        raise ValueError("expected y_calibration and calibration_scores together, or neither")
    threshold = choose_threshold(
        y_calibration,
        calibration_scores,
        policy,
        value,
        cost_false_negative=cost_false_negative,
        cost_false_positive=cost_false_positive,
        prevalence=prevalence,
    )
    report["calibration"] = detection_metrics(y_calibration, calibration_scores, prevalences)
    at_threshold = confusion_at(y_test, test_scores, threshold)
    (_, at_threshold["false_alarms"]), (_, at_threshold["found"]) = at_threshold["matrix"]
    at_threshold["at_prevalence"] = {}
    for p in prevalences:
        weighted = confusion_at(y_test, test_scores, threshold, prevalence=p)
        at_threshold["at_prevalence"][f"{p:g}"] = {name: weighted[name] for name in ("precision", "f1")}
    report["threshold"] = {
        "policy": policy,
        "value": value,
        "cost_false_negative": cost_false_negative,
        "cost_false_positive": cost_false_positive,
        "prevalence": prevalence,
        "threshold": threshold,
    }
    report["at_threshold"] = at_threshold
    return report


def summarise(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and spread over runs, e.g. over seeds: every number becomes {"mean", "std", "values"}.

    reports: dicts of equal structure, possibly nested; values that are not numbers are left out. std is the
    sample standard deviation (n - 1), and 0 for a single run, which has no spread.

    ValueError: there are no reports, or their numbers have different names.
    """
    if not reports:
        raise ValueError("reports must hold at least one dict, got none")
    names = [name for name, entry in reports[0].items() if _is_number(entry) or isinstance(entry, Mapping)]
    summary: dict[str, Any] = {}
    for name in names:
        if any(name not in report for report in reports):
            raise ValueError(f"{name!r} is in the first report but not in all {len(reports)}")
        entries = [report[name] for report in reports]
        if all(isinstance(entry, Mapping) for entry in entries):
            summary[name] = summarise(entries)
        elif all(_is_number(entry) for entry in entries):
            values = [float(entry) for entry in entries]
            std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            summary[name] = {"mean": float(np.mean(values)), "std": std, "values": values}
        else:
            raise ValueError(f"{name!r} must be a number in every report, or a dict in every one")
    return summary


def _is_number(entry: Any) -> bool:
    return isinstance(entry, Real) and not isinstance(entry, bool)
