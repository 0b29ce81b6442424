"""How well scores find frauds: scikit-learn's metrics, thresholds, and figures by prevalence.

A score says how suspicious a row is; a row is flagged where score >= threshold. Labels: 0 normal, 1 fraud.

Precision depends on how rare fraud is among the rows scored, so a figure without its prevalence means little,
and figures at two prevalences cannot be compared. `normal_row_weight` turns the one into the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import (
    auc,
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

BOOK_PREVALENCE = 0.00858  # 492 frauds in the 57,367 test rows of Liu & Mehta (2019)
NATURAL_PREVALENCE = 0.00173  # 492 frauds in all 284,807 rows

Policy = Literal["quantile", "f1", "precision", "cost"]
_SETTINGS: dict[str, tuple[str, ...]] = {
    "quantile": ("value",),
    "f1": (),
    "precision": ("value",),
    "cost": ("cost_false_negative", "cost_false_positive"),
}


class Predictor(Protocol):
    """Anything that reconstructs rows."""

    def predict(self, x: NDArray[Any], batch_size: int) -> NDArray[Any]: ...


def reconstruction_error(model: Predictor, x: NDArray[Any], batch_size: int = 8192) -> NDArray[np.float64]:
    """Mean squared reconstruction error of each row: e_i = mean_j (x_ij - model(x)_ij)^2, in float64.

    x (n, ...): rows of any shape. `batch_size` of them at a time, so that no second copy of x arises.

    ValueError: no rows, predictions of another shape than x, or errors that are NaN or infinite.
    """
    if len(x) == 0:
        raise ValueError(f"x must hold at least one row; got shape {x.shape}")
    errors = np.empty(len(x), dtype=np.float64)
    for start in range(0, len(x), batch_size):
        rows = x[start : start + batch_size]
        predicted = model.predict(rows, batch_size=batch_size)
        if predicted.shape != rows.shape:
            raise ValueError(f"model.predict must return its input's shape {rows.shape}; it returned {predicted.shape}")
        residual = np.subtract(predicted, rows, dtype=np.float64).reshape(len(rows), -1)
        errors[start : start + len(rows)] = np.square(residual).mean(axis=1)
    bad = np.flatnonzero(~np.isfinite(errors))
    if len(bad):
        raise ValueError(
            f"the reconstruction error of {len(bad)} rows is NaN or infinite, first of row {bad[0]}; "
            "check the rows and the model's weights"
        )
    return errors


def normal_row_weight(y_true: ArrayLike, prevalence: float) -> float:
    """The weight of a normal row under which frauds make up the share `prevalence` of all rows.

    With P frauds of weight 1 and N normal rows of weight w, the share of fraud is P / (P + w N). Set to pi:

        w = P (1 - pi) / (pi N)

    Recall and the ROC curve are ratios within one class and stay; precision becomes TP / (TP + w FP).

    ValueError: prevalence outside (0, 1), or rows of one class only.
    """
    y = np.asarray(y_true)
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie between 0 and 1, both excluded; got {prevalence}")
    frauds, normal = int((y == 1).sum()), int((y == 0).sum())
    if not frauds or not normal:
        raise ValueError(f"y_true must hold both classes; got {normal} normal rows and {frauds} frauds")
    return frauds * (1 - prevalence) / (prevalence * normal)


def detection_metrics(
    y_true: ArrayLike,
    scores: ArrayLike,
    prevalences: Sequence[float] = (BOOK_PREVALENCE, NATURAL_PREVALENCE),
) -> dict[str, Any]:
    """Figures that need no threshold, ready for JSON.

    roc_auc; average_precision (sum of (R_i - R_i-1) P_i); pr_area_trapezoid, the area under the
    precision-recall curve by the trapezoid rule, as the book reports it: it draws straight lines between
    points, which no threshold can reach; n_rows, n_frauds, prevalence. Under `at_prevalence`, both areas as
    they would be if frauds were the stated share of the rows.

    ValueError: lengths that differ, scores NaN or infinite, labels other than 0 and 1, one class only.
    """
    y, s = _checked(y_true, scores)
    return {
        "n_rows": len(y),
        "n_frauds": int(y.sum()),
        "prevalence": float(y.mean()),
        "roc_auc": float(roc_auc_score(y, s)),
        **_precision_areas(y, s, None),
        "at_prevalence": {f"{p:g}": _precision_areas(y, s, p) for p in prevalences},
    }


def _precision_areas(y: NDArray[np.int64], s: NDArray[np.float64], prevalence: float | None) -> dict[str, float]:
    weights = _weights(y, prevalence)
    precision, recall, _ = precision_recall_curve(y, s, sample_weight=weights)
    return {
        "average_precision": float(average_precision_score(y, s, sample_weight=weights)),
        "pr_area_trapezoid": float(auc(recall, precision)),
    }


def choose_threshold(
    y_true: ArrayLike,
    scores: ArrayLike,
    policy: Policy,
    value: float | None = None,
    *,
    cost_false_negative: float | None = None,
    cost_false_positive: float | None = None,
    prevalence: float | None = None,
) -> float:
    """The threshold a policy picks on calibration rows; never give it the rows the result is judged on.

    "quantile": the quantile `value` of the normal rows' scores; 0.995 flags one in 200. Needs no fraud.
    "f1": the best F1 = 2 P R / (P + R).
    "precision": the highest recall at a precision of `value` or more.
    "cost": the least cost_false_negative * FN + cost_false_positive * FP.

    prevalence: weigh normal rows so that frauds are this share of all; precision, F1 and cost depend on it.

    ValueError: unknown policy, a value it lacks or does not take, a precision never reached, rows without
    the classes the policy needs.
    """
    if policy not in _SETTINGS:
        raise ValueError(f"policy must be one of {', '.join(_SETTINGS)}; got {policy!r}")
    given = {
        "value": value,
        "cost_false_negative": cost_false_negative,
        "cost_false_positive": cost_false_positive,
    }
    settings: dict[str, float] = {}
    for name, number in given.items():
        if name not in _SETTINGS[policy] and number is not None:
            raise ValueError(f'policy "{policy}" takes no {name}; got {number}')
        if name in _SETTINGS[policy]:
            if number is None or not 0 < number <= (1 if name == "value" else np.inf):
                bounds = "above 0 and up to 1" if name == "value" else "above 0"
                raise ValueError(f'policy "{policy}" needs a {name} {bounds}; got {number}')
            settings[name] = float(number)

    y, s = _checked(y_true, scores, frauds_needed=policy != "quantile")
    if policy == "quantile":
        return float(np.quantile(s[y == 0], settings["value"]))
    weights = _weights(y, prevalence)
    if policy == "cost":
        return _cheapest(y, s, weights, **settings)

    # precision and recall end with one point more, (1, 0), which belongs to no threshold.
    precision, recall, thresholds = precision_recall_curve(y, s, sample_weight=weights)
    precision, recall = precision[:-1], recall[:-1]
    if policy == "f1":
        total = precision + recall
        f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
        return float(thresholds[np.argmax(f1)])
    reached = np.flatnonzero(precision >= settings["value"])
    if len(reached) == 0:
        raise ValueError(
            f"a precision of {value} is reached at no threshold; "
            f"the best on these rows is {precision.max():.4f}. Ask for less"
        )
    # Recall falls as the threshold rises; of equal recalls, the highest threshold has the highest precision.
    best = reached[recall[reached] == recall[reached[0]]]
    return float(thresholds[best[-1]])


def _cheapest(
    y: NDArray[np.int64],
    s: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    cost_false_negative: float,
    cost_false_positive: float,
) -> float:
    false_positive_rate, recall, thresholds = roc_curve(y, s, drop_intermediate=False)
    normal_weight = (len(y) - y.sum()) if weights is None else weights[y == 0].sum()
    missed, alarms = (1 - recall) * y.sum(), false_positive_rate * normal_weight
    cost = cost_false_negative * missed + cost_false_positive * alarms
    # The first threshold is infinite, to flag nothing; just above the top score does too, and fits in JSON.
    thresholds[0] = np.nextafter(s.max(), np.inf)
    return float(thresholds[np.argmin(cost)])


def confusion_at(
    y_true: ArrayLike, scores: ArrayLike, threshold: float, *, prevalence: float | None = None
) -> dict[str, Any]:
    """The confusion matrix of score >= threshold, with precision, recall and F1, ready for JSON.

    matrix: [[true negatives, false positives], [false negatives, true positives]], in rows counted.
    prevalence: precision and F1 as if frauds were this share of all rows. With nothing flagged they are 0.

    ValueError: as `detection_metrics`, or a threshold that is NaN.
    """
    y, s = _checked(y_true, scores)
    if np.isnan(threshold):
        raise ValueError("threshold must be a number; got NaN")
    flagged = (s >= threshold).astype(np.int64)
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, flagged, average="binary", zero_division=0.0, sample_weight=_weights(y, prevalence)
    )
    return {
        "threshold": float(threshold),
        "matrix": confusion_matrix(y, flagged, labels=(0, 1)).tolist(),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


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
    prevalences: Sequence[float] = (BOOK_PREVALENCE, NATURAL_PREVALENCE),
) -> dict[str, Any]:
    """Everything about one model's scores, ready for JSON.

    "test": `detection_metrics` of the test rows. With calibration rows, also "threshold": the policy and the
    threshold it picks on those rows, and "at_threshold": what that threshold does to the test rows
    (`confusion_at`), as counted and, under `at_prevalence`, with precision and F1 at the stated prevalences.
    The book's split has no calibration rows, and a threshold chosen on the test rows would flatter the
    figures, so there is none then.

    policy to prevalence: as `choose_threshold` takes them. prevalences: those to report figures at.

    ValueError: as the functions named; calibration labels without scores, or scores without labels.
    """
    report: dict[str, Any] = {"test": detection_metrics(y_test, test_scores, prevalences)}
    if y_calibration is None and calibration_scores is None:
        return report
    if y_calibration is None or calibration_scores is None:
        raise ValueError("give y_calibration and calibration_scores together, or neither")
    threshold = choose_threshold(
        y_calibration,
        calibration_scores,
        policy,
        value,
        cost_false_negative=cost_false_negative,
        cost_false_positive=cost_false_positive,
        prevalence=prevalence,
    )
    at_threshold = confusion_at(y_test, test_scores, threshold)
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

    reports: dicts of one form; dicts within are followed, anything but a number is left out. std is the
    sample standard deviation (n - 1), and 0 for a single run, which shows no spread.

    ValueError: no reports, or reports whose numbers differ in name.
    """
    if not reports:
        raise ValueError("reports must hold at least one dict; got none")
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


def _weights(y: NDArray[np.int64], prevalence: float | None) -> NDArray[np.float64] | None:
    if prevalence is None:
        return None
    return np.where(y == 1, 1.0, normal_row_weight(y, prevalence))


def _checked(
    y_true: ArrayLike, scores: ArrayLike, frauds_needed: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    y, s = np.asarray(y_true), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise ValueError(f"y_true and scores must be one-dimensional, of one length; got {y.shape} and {s.shape}")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"y_true must be 0 (normal) or 1 (fraud); got {np.unique(y)[:10]}")
    bad = np.flatnonzero(~np.isfinite(s))
    if len(bad):
        raise ValueError(f"scores must be finite; {len(bad)} are NaN or infinite, first at index {bad[0]}")
    frauds = int(y.sum())
    if frauds == len(y) or (frauds_needed and frauds == 0):
        wanted = "normal rows and frauds" if frauds_needed else "normal rows"
        raise ValueError(f"y_true must hold {wanted}; got {len(y) - frauds} normal rows and {frauds} frauds")
    return y.astype(np.int64), s
