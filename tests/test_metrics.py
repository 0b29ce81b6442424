"""Metrics: the values of scikit-learn and Keras, what y_true may be, names, directions, and errors."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from tinydl import Model, metrics
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD

RNG = np.random.default_rng(0)
KERAS = json.loads((Path(__file__).parent / "golden" / "metrics_keras.json").read_text())
ONE, YES = RNG.normal(size=(50, 1)), RNG.integers(0, 2, 50)
LOGITS, LABELS = RNG.normal(size=(80, 7)), np.arange(80) % 7
PAIR = RNG.normal(size=(50, 2))
SEVERAL, ANSWERS = RNG.normal(size=(50, 3)), RNG.integers(0, 2, (50, 3))
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("case", KERAS, ids=[f"{k}-{case[0]}" for k, case in enumerate(KERAS)])
def test_values_of_keras(case: list[Any]) -> None:
    name, y_true, y_pred, value = case
    assert metrics.METRICS[name](np.array(y_true), np.array(y_pred)) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "score"), [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]
)
def test_decisions_have_scikit_learns_values(name: str, score: Any) -> None:
    metric = metrics.METRICS[name]
    sigmoid = 1 / (1 + np.exp(-ONE))
    assert metric(YES, ONE) == metric(YES[:, None], ONE) == score(YES, ONE[:, 0] > 0)
    assert metric(YES, sigmoid, threshold=0.5) == metric(2 * YES - 1, ONE) == metric(YES, ONE)
    assert metric(YES, PAIR) == score(YES, PAIR.argmax(axis=1))
    expected = score(LABELS, LOGITS.argmax(axis=1), average="macro", zero_division=0)
    assert metric(LABELS, LOGITS) == metric(np.eye(7)[LABELS], LOGITS) == metric(LABELS, P, threshold=0.5) == expected
    assert metric(ANSWERS, SEVERAL) == score(ANSWERS, SEVERAL > 0, average="macro")


@pytest.mark.parametrize(
    ("name", "score"), [("auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)]
)
def test_rankings_have_scikit_learns_values(name: str, score: Any) -> None:
    metric = metrics.METRICS[name]
    assert metric(YES, ONE) == score(YES, ONE[:, 0])
    assert metric(YES, 1 / (1 + np.exp(-ONE))) == metric(YES, ONE)
    assert metric(YES, PAIR) == score(YES, PAIR[:, 1] - PAIR[:, 0])
    assert metric(ANSWERS, SEVERAL) == score(ANSWERS, SEVERAL, average="macro")
    expected = pytest.approx(score(np.eye(7)[LABELS], P, average="macro"), rel=1e-12)
    assert metric(LABELS, LOGITS) == metric(LABELS, P) == metric(np.eye(7)[LABELS], LOGITS) == expected
    assert metrics.auc(LABELS, LOGITS) == pytest.approx(sk.roc_auc_score(LABELS, P, multi_class="ovr"), rel=1e-12)


def test_top_k_has_scikit_learns_values_and_counts_k_of_equal_outputs() -> None:
    for k in (1, 3, 5):
        assert metrics.top_k_accuracy(LABELS, LOGITS, k) == sk.top_k_accuracy_score(LABELS, LOGITS, k=k)
    assert metrics.top_k_accuracy(LABELS, LOGITS, 1) == metrics.accuracy(LABELS, LOGITS)
    # tensorflow/tensorflow#13005: equal outputs would all count, and a dead network would be right in every row
    assert metrics.top_k_accuracy(np.arange(70) % 7, np.zeros((70, 7))) == 5 / 7
    with pytest.raises(ValueError, match=r"top_k_accuracy: k must be in 1 .. 1 for 2 classes, got 5: pass a function"):
        metrics.top_k_accuracy(YES, PAIR)


def test_regression_has_scikit_learns_values() -> None:
    y, p = RNG.normal(size=(30, 4)), RNG.normal(size=(30, 4))
    assert metrics.r2(y, p) == sk.r2_score(y, p)
    assert metrics.mean_absolute_error(y, p) == pytest.approx(sk.mean_absolute_error(y, p), rel=1e-12)
    assert metrics.mean_squared_error(y, p) == pytest.approx(sk.mean_squared_error(y, p), rel=1e-12)
    root = metrics.root_mean_squared_error
    assert root(y[:, 0], p[:, :1]) == pytest.approx(sk.root_mean_squared_error(y[:, 0], p[:, 0]), rel=1e-12)
    assert root(y, p) == pytest.approx(np.sqrt(sk.mean_squared_error(y, p)), rel=1e-12)


def test_a_column_and_a_vector_are_compared_entry_by_entry() -> None:
    """(n,) minus (n, 1) would be an (n, n) table."""
    for name in ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error"):
        assert metrics.METRICS[name](np.arange(4.0), np.arange(4.0)[:, None]) == 0
    assert metrics.r2(np.arange(4.0), np.arange(4.0)[:, None]) == 1


def test_whole_numbers_do_not_wrap_around() -> None:
    y, p = np.array([[3], [250]], np.uint8), np.array([[5], [1]], np.uint8)
    assert metrics.mean_absolute_error(y, p) == 125.5
    assert metrics.mean_squared_error(y, p) == (4 + 249**2) / 2
    with np.errstate(over="raise"):
        assert metrics.mean_squared_error(np.float32([[1e30]]), np.float32([[0]])) == pytest.approx(1e60, rel=1e-6)


# --- what y_true means ------------------------------------------------------------------------------------------------


def test_accuracy_of_several_yes_or_no_outputs_is_by_sign() -> None:
    answers = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert metrics.accuracy(answers, np.where(answers, 2.0, -3.0)) == 1
    assert metrics.accuracy(answers, np.where(answers, 0.9, 0.2), threshold=0.5) == 1
    assert metrics.accuracy(answers, np.full((3, 3), -1.0)) == 5 / 9


def test_binary_and_categorical_accuracy_do_not_depend_on_the_data() -> None:
    one_hot, p = np.eye(3), np.array([[2.0, 1, -1], [-1, -1, -2], [-1, -1, 3]])
    assert metrics.accuracy(one_hot, p) == metrics.categorical_accuracy(one_hot, p) == 2 / 3
    assert metrics.binary_accuracy(one_hot, p) == 7 / 9
    with pytest.raises(ValueError, match=r"categorical_accuracy: y_true must hold labels .n,. or one-hot rows"):
        metrics.categorical_accuracy(ANSWERS, SEVERAL)


def test_accuracy_accepts_labels_in_a_column_soft_rows_and_images() -> None:
    assert metrics.accuracy(LABELS[:, None], LOGITS) == metrics.accuracy(LABELS, LOGITS)
    assert metrics.accuracy(0.9 * np.eye(7)[LABELS] + 0.1 / 7, LOGITS) == metrics.accuracy(LABELS, LOGITS)
    pixels = RNG.integers(0, 2, (2, 4, 5, 1))
    assert metrics.accuracy(pixels, pixels - 0.5) == 1
    classes = RNG.integers(0, 3, (2, 4, 5))
    assert metrics.accuracy(classes, np.eye(3)[classes]) == metrics.f1(classes, np.eye(3)[classes]) == 1


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "message"),
    [
        ("accuracy", [[0.5], [3.5]], [[0.4], [3.4]],
         r"accuracy: y_true must hold labels, .*, got 3.5: for numbers use mean_absolute_error or r2"),
        ("f1", [0, 3], [[1.0, 2, 3], [1, 2, 3]], r"f1: labels must be integers in 0 .. 2, got 0 to 3"),
        ("auc", [0, 1, 1], [[1.0], [2.0]], r"auc: y_true must have the shape of y_pred, \(2, 1\), got \(3,\)"),
        ("mean_absolute_error", [0, 1], [[1.0, 2], [3, 4]], r"y_pred, \(2, 2\), got \(2,\): labels need accuracy"),
        ("recall", [0, 1], [[math.nan], [2.0]], "recall: y_pred must be finite and not empty, got NaN or infinity"),
        ("r2", np.zeros((0, 1)), np.zeros((0, 1)), r"r2: y_pred must be finite and not empty, got \(0, 1\)"),
    ],
)  # fmt: skip
def test_errors_name_the_metric(name: str, y_true: Any, y_pred: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        metrics.METRICS[name](y_true, y_pred)
    assert "learning rate" not in str(caught.value)


def test_degenerate_cases() -> None:
    none, some = np.zeros(4, int), np.array([0, 1, 1, 0])
    scores = np.array([[-2.0], [-1.0], [-3.0], [-1.0]])
    assert math.isnan(metrics.auc(none, scores))
    assert math.isnan(metrics.auc(none + 1, scores))
    assert math.isnan(metrics.average_precision(none, scores))
    assert math.isnan(metrics.auc([0, 1, 0, 1], LOGITS[:4]))  # five of the seven classes have no rows
    assert metrics.precision(some, scores) == metrics.f1(some, scores) == 0  # no positive predictions
    assert metrics.recall(none, scores) == metrics.f1(none, -scores) == 0
    assert math.isnan(metrics.r2([1.0], [[2.0]]))
    assert metrics.r2([1.0, 1.0], [[1.0], [1.0]]) == 1


# --- names ------------------------------------------------------------------------------------------------------------


def test_every_name_has_a_direction() -> None:
    falling = {"mean_absolute_error", "mean_squared_error", "root_mean_squared_error"}
    for name in (*metrics.METRICS, *metrics.ALIASES):
        expected = "min" if metrics.ALIASES.get(name, name) in falling else "max"
        assert [metrics.direction(figure) for figure in (name, f"val_{name}", f"val_{name}_1")] == [expected] * 3, name
        assert metrics.named(name) == (name, metrics.METRICS[metrics.ALIASES.get(name, name)])
    assert [metrics.direction(name) for name in ("loss", "val_loss", "val_log_loss")] == ["min"] * 3
    assert [metrics.direction(name) for name in ("val_roc_auc_score", "val_auc_12")] == ["max"] * 2
    for unknown in ("val_gain", "auc_per_class", "accuracy_", "val_", "top_5_error", "learning_rate"):
        assert metrics.direction(unknown) is None, unknown


KERAS_NAMES = [
    "AUC", "auc", "BinaryAccuracy", "binary_accuracy", "CategoricalAccuracy", "categorical_accuracy", "F1Score",
    "f1_score", "MAE", "mae", "MSE", "mse", "MeanAbsoluteError", "mean_absolute_error", "MeanSquaredError",
    "mean_squared_error", "Precision", "precision", "R2Score", "r2_score", "Recall", "recall", "RootMeanSquaredError",
    "root_mean_squared_error", "SparseCategoricalAccuracy", "sparse_categorical_accuracy",
    "SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy", "TopKCategoricalAccuracy",
    "top_k_categorical_accuracy", "accuracy", "acc",
]  # fmt: skip


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_keras_strings_are_known(name: str) -> None:
    assert metrics.named(name)[0] == name


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("acuracy", r"compile: metrics must be one of 'accuracy', .*, got 'acuracy': did you mean 'accuracy'"),
        ("f1_macro", "did you mean .*'f1_score'"),
        ("MeanIoU", "got 'MeanIoU'"),
        (sk.make_scorer(sk.f1_score), "got the scorer .*, which takes a model: pass its function, f1_score"),
        (MeanSquaredError, "metrics must be names or functions .*, got <class .*MeanSquaredError"),
        (3, "metrics must be names or functions .*, got 3"),
    ],
)
def test_what_is_no_metric_is_refused(wrong: Any, message: str) -> None:
    model = Model([Dense(3)], 3)
    with pytest.raises((ValueError, TypeError), match=message):
        model.compile(SGD(), MeanSquaredError(), metrics=[wrong])


def test_keras_metric_objects_are_refused_since_they_add_up_over_calls() -> None:
    class Accumulates:
        def update_state(self) -> None: ...

        def __call__(self, y_true: Any, y_pred: Any) -> float:
            return 0.5

    with pytest.raises(TypeError, match='pass a name, such as "auc", or a function'):
        metrics.named(Accumulates())


def test_functions_keep_their_names() -> None:
    assert metrics.named(sk.log_loss) == ("log_loss", sk.log_loss)
    three = functools.partial(metrics.top_k_accuracy, k=3)
    assert metrics.named(three) == ("top_k_accuracy", three)
    model = Model([Dense(7)], 7)
    model.compile(SGD(), SoftmaxCrossEntropy(), metrics=["acc", "sparse_top_k_categorical_accuracy", three])
    assert list(model.metrics) == ["acc", "sparse_top_k_categorical_accuracy", "top_k_accuracy"]


def test_only_metrics_that_need_scikit_learn_import_it() -> None:
    script = """
import sys
from tinydl import metrics
for name in ("accuracy", "top_k_accuracy", "binary_accuracy", "categorical_accuracy"):
    metrics.METRICS[name]([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], [[3.0, 1, 0, 0, 0, 0], [2, 0, 0, 0, 0, 1]])
for name in ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error"):
    metrics.METRICS[name]([1.0], [2.0])
sys.exit("sklearn" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
