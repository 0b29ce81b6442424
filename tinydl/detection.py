"""Evaluate an anomaly detector: scores, thresholds, and metrics at any prevalence.

A score measures how suspicious a row is; a row is flagged if score >= threshold. Labels: 0 normal, 1 anomaly.

Precision depends on how rare anomalies are among the scored rows, so a precision without its prevalence means
little, and precisions at different prevalences cannot be compared: first reweight with `normal_row_weight`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics

__all__ = [
    "Policy", "Predictor", "choose_threshold", "confusion_at", "detection_metrics", "normal_row_weight",
    "reconstruction_error",
]  # fmt: skip

Policy = Literal["quantile", "f1", "precision", "cost"]
_COSTS = ("cost_false_negative", "cost_false_positive")
_SETTINGS: dict[str, tuple[str, ...]] = {"quantile": ("value",), "f1": (), "precision": ("value",), "cost": _COSTS}


class Predictor(Protocol):
    """Any object whose `predict` reconstructs rows."""

    def predict(self, x: NDArray[Any], batch_size: int) -> NDArray[Any]: ...


def reconstruction_error(model: Predictor, x: NDArray[Any], batch_size: int = 8192) -> NDArray[np.float64]:
    """Mean squared reconstruction error of each row: e_i = mean_j (x_ij - model(x)_ij)^2, in float64.

    x (n, ...): rows of any shape, processed `batch_size` at a time so that x is never copied whole.

    ValueError: no rows, predictions whose shape is not that of x, or errors that are NaN or infinite.
    """
    if len(x) == 0:
        raise ValueError(f"x must hold at least one row, got shape {x.shape}")
    errors = np.empty(len(x), dtype=np.float64)
    for start in range(0, len(x), batch_size):
        rows = x[start : start + batch_size]
        predicted = model.predict(rows, batch_size=batch_size)
        if predicted.shape != rows.shape:
            raise ValueError(f"model.predict must return the shape of its input, {rows.shape}, got {predicted.shape}")
        residual = np.subtract(predicted, rows, dtype=np.float64).reshape(len(rows), -1)
        errors[start : start + len(rows)] = np.square(residual).mean(axis=1)
    bad = np.flatnonzero(~np.isfinite(errors))
    if len(bad):
        got = f"NaN or infinity in {len(bad)} rows, first in row {bad[0]}: check the rows and the model's weights"
        raise ValueError(f"reconstruction errors must be finite, got {got}")
    return errors


def normal_row_weight(y_true: ArrayLike, prevalence: float) -> float:
    """The weight per normal row that makes anomalies the share `prevalence` of the total weight.

    With P anomalies of weight 1 and N normal rows of weight w, the share of anomalies is P / (P + w N), which is pi for

        w = P (1 - pi) / (pi N)

    Recall and the ROC curve depend on ratios within a class and stay the same; precision becomes TP / (TP + w FP).

    ValueError: prevalence outside (0, 1), or rows of one class only.
    """
    y = np.asarray(y_true)
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must be above 0 and below 1, got {prevalence}")
    anomalies, normal = int((y == 1).sum()), int((y == 0).sum())
    if not anomalies or not normal:
        raise ValueError(f"y_true must hold both classes, got {normal} normal rows and {anomalies} anomalies")
    return anomalies * (1 - prevalence) / (prevalence * normal)


def detection_metrics(y_true: ArrayLike, scores: ArrayLike, prevalences: Sequence[float] = ()) -> dict[str, Any]:
    """Metrics that need no threshold, ready for JSON.

    The keys are n_rows, n_anomalies, prevalence, roc_auc, average_precision (the sum of (R_i - R_i-1) P_i) and
    pr_area_trapezoid, the area under the precision-recall curve by the trapezoid rule, whose straight lines between
    points pass through values that no threshold attains. `at_prevalence` holds both areas for each of `prevalences`,
    as if anomalies were that share of the rows: {"0.01": {"average_precision": ...}, ...}.

    ValueError: unequal lengths, scores that are NaN or infinite, labels other than 0 and 1, or only one class.
    """
    y, s = _checked(y_true, scores)
    return {
        "n_rows": len(y), "n_anomalies": int(y.sum()), "prevalence": float(y.mean()),
        "roc_auc": float(metrics.roc_auc_score(y, s)), **_precision_areas(y, s, None),
        "at_prevalence": {f"{p:g}": _precision_areas(y, s, p) for p in prevalences},
    }  # fmt: skip


def _precision_areas(y: NDArray[np.int64], s: NDArray[np.float64], prevalence: float | None) -> dict[str, float]:
    weights = _weights(y, prevalence)
    precision, recall, _ = metrics.precision_recall_curve(y, s, sample_weight=weights)
    average = float(metrics.average_precision_score(y, s, sample_weight=weights))
    return {"average_precision": average, "pr_area_trapezoid": float(metrics.auc(recall, precision))}


def choose_threshold(
    y_true: ArrayLike, scores: ArrayLike, policy: Policy, value: float | None = None, *,
    cost_false_negative: float | None = None, cost_false_positive: float | None = None, prevalence: float | None = None,
) -> float:  # fmt: skip
    """Choose a threshold by a policy, on calibration rows; never use the rows on which it will be evaluated.

    "quantile": the `value` quantile of the normal rows' scores (0.995 flags one normal row in 200); needs no anomalies.
    "f1": the highest F1 = 2 P R / (P + R).
    "precision": the highest recall with a precision of at least `value`.
    "cost": the lowest cost_false_negative * FN + cost_false_positive * FP.

    prevalence: weight normal rows so that anomalies are this share of the total; this affects precision, F1 and cost.

    ValueError: an unknown policy, a missing or superfluous setting, a precision that no threshold reaches, or rows
    without the classes that the policy needs.
    """
    if policy not in _SETTINGS:
        raise ValueError(f"policy must be one of {', '.join(_SETTINGS)}, got {policy!r}")
    given = {"value": value, "cost_false_negative": cost_false_negative, "cost_false_positive": cost_false_positive}
    settings: dict[str, float] = {}
    for name, number in given.items():
        if name in _SETTINGS[policy]:
            if number is None or not 0 < number <= (1 if name == "value" else np.inf):
                bounds = "above 0 and up to 1" if name == "value" else "above 0"
                raise ValueError(f'policy "{policy}" needs a {name} {bounds}, got {number}')
            settings[name] = float(number)
        elif number is not None:
            raise ValueError(f'policy "{policy}" takes no {name}, got {number}')

    y, s = _checked(y_true, scores, anomalies_needed=policy != "quantile")
    if policy == "quantile":
        return float(np.quantile(s[y == 0], settings["value"]))
    weights = _weights(y, prevalence)
    if policy == "cost":
        false_positive_rate, recall, thresholds = metrics.roc_curve(y, s, drop_intermediate=False)
        normal_weight = (len(y) - y.sum()) if weights is None else weights[y == 0].sum()
        missed, alarms = (1 - recall) * y.sum(), false_positive_rate * normal_weight
        cost = settings["cost_false_negative"] * missed + settings["cost_false_positive"] * alarms
        # The first threshold, infinity, flags nothing; so does a value just above the top score, which fits in JSON.
        thresholds[0] = np.nextafter(s.max(), np.inf)
        return float(thresholds[np.argmin(cost)])
    # precision and recall end with one extra point, (1, 0), which belongs to no threshold.
    precision, recall, thresholds = metrics.precision_recall_curve(y, s, sample_weight=weights)
    precision, recall = precision[:-1], recall[:-1]
    if policy == "f1":
        total = precision + recall
        f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
        return float(thresholds[np.argmax(f1)])
    reached = np.flatnonzero(precision >= settings["value"])
    if len(reached) == 0:
        best = f"got at most {precision.max():.4f}"
        raise ValueError(f"expected a precision of {value} at some threshold, {best}: choose a lower value")
    # Recall falls as the threshold rises; among equal recalls, the highest threshold has the highest precision.
    return float(thresholds[recall == recall[reached[0]]][-1])


def confusion_at(
    y_true: ArrayLike, scores: ArrayLike, threshold: float, *, prevalence: float | None = None
) -> dict[str, Any]:
    """The confusion matrix of score >= threshold, with precision, recall and F1, ready for JSON.

    matrix: [[true negatives, false positives], [false negatives, true positives]], counted in unweighted rows.
    prevalence: compute precision and F1 as if anomalies were this share of all rows; if no row is flagged, both are 0.

    ValueError: as for `detection_metrics`, or a threshold that is NaN.
    """
    y, s = _checked(y_true, scores)
    if np.isnan(threshold):
        raise ValueError("threshold must be a number, got NaN")
    flagged = (s >= threshold).astype(np.int64)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y, flagged, average="binary", zero_division=0.0, sample_weight=_weights(y, prevalence)
    )
    matrix = metrics.confusion_matrix(y, flagged, labels=(0, 1)).tolist()
    rates = {"precision": float(precision), "recall": float(recall), "f1": float(f1)}
    return {"threshold": float(threshold), "matrix": matrix, **rates}


def _weights(y: NDArray[np.int64], prevalence: float | None) -> NDArray[np.float64] | None:
    return None if prevalence is None else np.where(y == 1, 1.0, normal_row_weight(y, prevalence))


def _checked(
    y_true: ArrayLike, scores: ArrayLike, anomalies_needed: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    y, s = np.asarray(y_true), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise ValueError(f"y_true and scores must be one-dimensional and of equal length, got {y.shape} and {s.shape}")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"y_true must be 0 (normal) or 1 (anomaly), got {np.unique(y)[:10]}")
    bad = np.flatnonzero(~np.isfinite(s))
    if len(bad):
        raise ValueError(f"scores must be finite, got {len(bad)} NaN or infinite scores, first at index {bad[0]}")
    anomalies = int(y.sum())
    if anomalies == len(y) or (anomalies_needed and anomalies == 0):
        wanted = "normal rows and anomalies" if anomalies_needed else "normal rows"
        raise ValueError(f"y_true must hold {wanted}, got {len(y) - anomalies} normal rows and {anomalies} anomalies")
    return y.astype(np.int64), s
