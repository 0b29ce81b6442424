"""Metrics for `compile(metrics=...)`: functions metric(y_true, y_pred) -> float, given by name or as they are.

A metric is computed once from the targets and predictions of a whole epoch or data set. Averaging it over batches would
give another number: the mean of several F1 scores is not the F1 score of all rows.

    y_pred   what the last layer gives: logits, or probabilities if the network ends in Softmax or Sigmoid
    y_true   for classes, labels (n,) or one-hot rows (n, c); for yes-or-no outputs, 0/1 or -1/1 of the shape of y_pred

An output of one column is one yes-or-no question. With more columns, y_true decides: labels, or rows that are all
distributions (entries >= 0, sum 1), mean one class out of c; anything else means c separate yes-or-no questions.

    question              accuracy                precision, recall, f1     auc, average_precision
    one yes or no         y_pred > threshold      of the answer yes         of y_pred
    one of two classes    the larger output       of class 1                of the difference of the outputs
    one of c > 2 classes  the largest output      mean over the classes     mean over the classes, each against the
                                                                            rest, by softmax probabilities
    several yes or no     mean over all answers   mean over the questions   mean over the questions

These means are scikit-learn's average="macro". `threshold` is 0 for logits; pass 0.5 for probabilities (a Model does so
by itself if it ends in a sigmoid). precision, recall, f1, auc, average_precision and r2 are scikit-learn's values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Callable[..., float]
YesNo, Classes = "yes or no", "classes"  # the two kinds of questions


# --- classification ---------------------------------------------------------------------------------------------------


def accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.0) -> float:
    """The fraction of right answers: rows for classes, entries for one or several yes-or-no outputs."""
    kind, y, p = _question("accuracy", y_true, y_pred)
    return float(np.mean((p > threshold) == (y > 0.5) if kind == YesNo else p.argmax(axis=1) == y))


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.0) -> float:
    """The fraction of right entries, each a yes-or-no output, also if every row of y_true happens to be one-hot."""
    y, p = _same_shape("binary_accuracy", y_true, y_pred)
    return float(np.mean((p > threshold) == (_yes_or_no("binary_accuracy", y) > 0.5)))


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The fraction of rows whose largest output is that of the label, for labels or one-hot rows."""
    labels, p = _classes("categorical_accuracy", y_true, y_pred)
    return float(np.mean(p.argmax(axis=1) == labels))


def top_k_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> float:
    """The fraction of rows whose label is among the k largest outputs; of equal outputs, the first ones count.

    Raises ValueError unless 1 <= k < c, since k = c outputs always contain the label.
    """
    labels, p = _classes("top_k_accuracy", y_true, y_pred)
    if not 1 <= k < p.shape[1]:
        expected, mend = (
            f"1 .. {p.shape[1] - 1} for {p.shape[1]} classes",
            "pass a function that calls it with another k",
        )
        raise ValueError(f"top_k_accuracy: k must be in {expected}, got {k}: {mend}")
    best = np.argsort(-p, axis=1, kind="stable")[:, :k]
    return float(np.mean((best == labels[:, None]).any(axis=1)))


def precision(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.0) -> float:
    """The fraction of positive predictions that are right; 0 if there are none."""
    from sklearn.metrics import precision_score  # slow to import

    true, predicted, average = _decided("precision", y_true, y_pred, threshold)
    return float(precision_score(true, predicted, average=average, zero_division=0))


def recall(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.0) -> float:
    """The fraction of positive rows that are found; 0 if there are none."""
    from sklearn.metrics import recall_score

    true, predicted, average = _decided("recall", y_true, y_pred, threshold)
    return float(recall_score(true, predicted, average=average, zero_division=0))


def f1(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.0) -> float:
    """The harmonic mean of precision and recall; 0 without positive rows and positive predictions."""
    from sklearn.metrics import f1_score

    true, predicted, average = _decided("f1", y_true, y_pred, threshold)
    return float(f1_score(true, predicted, average=average, zero_division=0))


def auc(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The area under the ROC curve; NaN unless every question has positive and negative rows."""
    from sklearn.metrics import roc_auc_score

    true, scores = _ranked("auc", y_true, y_pred)
    positives = true.sum(axis=0)
    if np.any(positives == 0) or np.any(positives == len(true)):
        return float("nan")
    return float(roc_auc_score(true, scores))


def average_precision(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The mean precision over the ranks of the positive rows; NaN unless every question has positive rows."""
    from sklearn.metrics import average_precision_score

    true, scores = _ranked("average_precision", y_true, y_pred)
    return float(average_precision_score(true, scores)) if np.all(true.any(axis=0)) else float("nan")


# --- regression -------------------------------------------------------------------------------------------------------


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The mean of |y_pred - y_true| over all entries."""
    y, p = _same_shape("mean_absolute_error", y_true, y_pred)
    return float(np.mean(np.abs(p - y)))


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The mean of (y_pred - y_true)^2 over all entries."""
    y, p = _same_shape("mean_squared_error", y_true, y_pred)
    return float(np.mean(np.square(p - y)))


def root_mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The root of the mean over all entries, as in Keras (scikit-learn takes one root per column, then the mean)."""
    y, p = _same_shape("root_mean_squared_error", y_true, y_pred)
    return float(np.sqrt(np.mean(np.square(p - y))))


def r2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """1 - sum (y - p)^2 / sum (y - mean(y))^2 of each column, then the mean; NaN for one row."""
    from sklearn.metrics import r2_score

    y, p = _same_shape("r2", y_true, y_pred)
    return float(r2_score(y, p)) if len(y) > 1 else float("nan")


# --- by name ----------------------------------------------------------------------------------------------------------

METRICS: dict[str, Metric] = {
    metric.__name__: metric
    for metric in (
        accuracy, binary_accuracy, categorical_accuracy, top_k_accuracy, auc, average_precision, precision, recall, f1,
        r2, mean_absolute_error, mean_squared_error, root_mean_squared_error,
    )
}  # fmt: skip
OF_QUESTIONS = (accuracy, precision, recall, f1, auc, average_precision)
ALIASES = {  # names in Keras, and "roc_auc" in scikit-learn
    "acc": "accuracy", "BinaryAccuracy": "binary_accuracy", "CategoricalAccuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "categorical_accuracy", "SparseCategoricalAccuracy": "categorical_accuracy",
    "top_k_categorical_accuracy": "top_k_accuracy", "TopKCategoricalAccuracy": "top_k_accuracy",
    "sparse_top_k_categorical_accuracy": "top_k_accuracy", "SparseTopKCategoricalAccuracy": "top_k_accuracy",
    "AUC": "auc", "roc_auc": "auc", "Precision": "precision", "Recall": "recall", "F1Score": "f1", "f1_score": "f1",
    "R2Score": "r2", "r2_score": "r2", "mae": "mean_absolute_error", "MAE": "mean_absolute_error",
    "MeanAbsoluteError": "mean_absolute_error", "mse": "mean_squared_error", "MSE": "mean_squared_error",
    "MeanSquaredError": "mean_squared_error", "rmse": "root_mean_squared_error", "RMSE": "root_mean_squared_error",
    "RootMeanSquaredError": "root_mean_squared_error",
}  # fmt: skip
FALLING = {"loss", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error"}
OTHER_DIRECTIONS = {  # scikit-learn's functions, given to compile as they are
    **dict.fromkeys(
        ("accuracy_score", "average_precision_score", "balanced_accuracy_score", "cohen_kappa_score",
         "explained_variance_score", "jaccard_score", "matthews_corrcoef", "precision_score", "recall_score",
         "roc_auc_score", "top_k_accuracy_score"), "max",
    ),
    **dict.fromkeys(
        ("brier_score_loss", "hamming_loss", "hinge_loss", "log_loss", "max_error", "mean_absolute_percentage_error",
         "mean_pinball_loss", "mean_squared_log_error", "median_absolute_error", "zero_one_loss"), "min",
    ),
}  # fmt: skip


def of_questions(metric: Metric, y_true: ArrayLike, y_pred: ArrayLike, **options: float) -> float:
    """The metric, with each column of y_true read as a yes-or-no question of its own, also if all rows are one-hot."""
    return metric(np.where(np.asarray(y_true) > 0.5, 1, -1), y_pred, **options)  # no row of -1 and 1 is one-hot


def named(metric: str | Metric) -> tuple[str, Metric]:
    """Return the name of a metric's figure and its function. A figure has the name that the caller wrote, as in Keras.

    Raises ValueError or TypeError for unknown names and for objects that are no functions of (y_true, y_pred).
    """
    if isinstance(metric, str):
        if metric not in METRICS and metric not in ALIASES:
            near = get_close_matches(metric, (*METRICS, *ALIASES), n=3)
            mend = f": did you mean {' or '.join(map(repr, near))}?" if near else ": pass a function"
            known = ", ".join(map(repr, METRICS))
            expected = f"one of {known}, one of Keras's names for them, or a function (y_true, y_pred) -> float"
            raise ValueError(f"compile: metrics must be {expected}, got {metric!r}{mend}")
        return metric, METRICS[ALIASES.get(metric, metric)]
    if inspect.isclass(metric) or not callable(metric) or hasattr(metric, "update_state") or hasattr(metric, "compute"):
        mend = 'pass a name, such as "auc", or a function'
        raise TypeError(
            f"compile: metrics must be names or functions (y_true, y_pred) -> float, got {metric!r}: {mend}"
        )
    if hasattr(metric, "_score_func"):
        expected, mend = "functions of (y_true, y_pred)", f"pass its function, {metric._score_func.__name__}"
        raise TypeError(f"compile: metrics must be {expected}, got the scorer {metric!r}, which takes a model: {mend}")
    function: Any = getattr(metric, "func", metric)  # functools.partial
    return getattr(function, "__name__", type(function).__name__), metric


def direction(figure: str) -> str | None:
    """Whether lower ("min") or higher ("max") values of a figure are better; None if it is not known.

    "val_" in front and a number behind ("auc_1") do not matter.
    """
    name = figure.removeprefix("val_")
    stem, _, number = name.rpartition("_")
    for candidate in (name, stem if number.isdigit() else name):
        metric = ALIASES.get(candidate, candidate)
        if metric in FALLING:
            return "min"
        if metric in METRICS:
            return "max"
        if metric in OTHER_DIRECTIONS:
            return OTHER_DIRECTIONS[metric]
    return None


# --- what y_true and y_pred mean --------------------------------------------------------------------------------------


def _predictions(name: str, y_pred: ArrayLike) -> NDArray:
    """The predictions as a floating-point array with at least two dimensions."""
    p = np.asarray(y_pred)
    p = p if p.dtype.kind == "f" else p.astype(np.float64)
    if p.size == 0 or not np.isfinite(p).all():
        raise ValueError(f"{name}: y_pred must be finite and not empty, got {'NaN or infinity' if p.size else p.shape}")
    return p if p.ndim > 1 else p.reshape(-1, 1)


def _same_shape(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray, NDArray]:
    """Targets and predictions as rows (n, k) in float64; only axes of length 1 may differ in their shapes."""
    p, y = _predictions(name, y_pred), np.asarray(y_true)
    if [size for size in y.shape if size != 1] != [size for size in p.shape if size != 1]:
        mend = ": labels need accuracy, or another metric for classes" if y.ndim == 1 and len(y) == len(p) else ""
        raise ValueError(f"{name}: y_true must have the shape of y_pred, {p.shape}, got {y.shape}{mend}")
    shape = (len(p), -1)
    return y.astype(np.float64).reshape(shape), p.astype(np.float64).reshape(shape)


def _yes_or_no(name: str, y: NDArray) -> NDArray:
    """The targets y, checked: 0/1 (or probabilities), or -1/1."""
    if not (y.min() >= 0 and y.max() <= 1) and not np.all(np.abs(y) == 1):
        wrong = y[(y < -1) | (y > 1) | np.isnan(y)]
        got = f"{wrong[0]:g}" if wrong.size else f"values from {y.min():g} to {y.max():g}"
        mend = "for numbers use mean_absolute_error or r2"
        raise ValueError(f"{name}: y_true must hold labels, one-hot rows, 0/1 or -1/1, got {got}: {mend}")
    return y


def _labels(name: str, y: NDArray, classes: int) -> NDArray:
    if np.any((y != np.floor(y)) | (y < 0) | (y >= classes)):
        raise ValueError(f"{name}: labels must be integers in 0 .. {classes - 1}, got {y.min():g} to {y.max():g}")
    return y.astype(np.int64)


def _question(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[str, NDArray, NDArray]:
    """The kind of question, the targets, and the predictions (n, k).

    The targets are labels (n,) for classes, and answers (n, k) for yes-or-no questions; see the top of this file.
    """
    p, y = _predictions(name, y_pred), np.asarray(y_true)
    columns = p.shape[-1]
    if columns > 1 and y.size == p.size // columns:
        return Classes, _labels(name, y.reshape(-1), columns), p.reshape(-1, columns)
    y, p = _same_shape(name, y, p)
    y, p = y.reshape(-1, columns), p.reshape(-1, columns)
    if columns > 1 and y.min() >= 0 and np.abs(y.sum(axis=1) - 1).max() <= 1e-3:
        return Classes, y.argmax(axis=1), p
    return YesNo, _yes_or_no(name, y), p


def _classes(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray, NDArray]:
    """Labels (n,) and predictions (n, c); raise for yes-or-no questions."""
    kind, y, p = _question(name, y_true, y_pred)
    if kind == YesNo:
        expected = "labels (n,) or one-hot rows (n, c) with c > 1 classes"
        raise ValueError(f"{name}: y_true must hold {expected}, got yes-or-no answers {y.shape}: use binary_accuracy")
    return y, p


def _decided(name: str, y_true: ArrayLike, y_pred: ArrayLike, threshold: float) -> tuple[NDArray, NDArray, str]:
    """True and predicted answers, and scikit-learn's `average` for them."""
    kind, y, p = _question(name, y_true, y_pred)
    if kind == Classes:
        return y, p.argmax(axis=1), "binary" if p.shape[1] == 2 else "macro"
    true, predicted = (y > 0.5).astype(int), (p > threshold).astype(int)
    return (true[:, 0], predicted[:, 0], "binary") if p.shape[1] == 1 else (true, predicted, "macro")


@np.errstate(under="ignore")
def _ranked(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray, NDArray]:
    """0/1 targets (n, k) and a score for each: the higher, the more likely it is 1."""
    kind, y, p = _question(name, y_true, y_pred)
    if kind == YesNo:
        return (y > 0.5).astype(int), p
    if p.shape[1] == 2:
        return y[:, None], (p[:, 1] - p[:, 0])[:, None]
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:  # logits
        e = np.exp(p - p.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
    return (y[:, None] == np.arange(p.shape[1])).astype(int), p
