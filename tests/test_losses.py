"""Losses: values and gradients against those recorded from PyTorch, and invalid input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy

GOLDEN = json.loads((Path(__file__).parent / "golden" / "losses.json").read_text())
LOSSES: dict[str, Any] = {"mse": MeanSquaredError, "bce": BinaryCrossEntropy, "ce": SoftmaxCrossEntropy}


def case_of(name: str) -> tuple[Loss, np.ndarray, np.ndarray, float, np.ndarray]:
    case = GOLDEN[name]
    arguments = {"label_smoothing": case["label_smoothing"]} if "label_smoothing" in case else {}
    loss = LOSSES[name.split("_")[0]](**arguments)
    return loss, np.array(case["y_pred"]), np.array(case["y_true"]), case["loss"], np.array(case["gradient"])


@pytest.mark.parametrize("name", GOLDEN)
def test_value_and_gradient(name: str) -> None:
    loss, y_pred, y_true, value, gradient = case_of(name)
    np.testing.assert_allclose(loss.forward(y_pred, y_true), value, rtol=1e-13)
    np.testing.assert_allclose(loss.backward(), gradient, rtol=1e-12, atol=1e-15, strict=True)


@pytest.mark.parametrize("name", GOLDEN)
def test_float32_stays_float32_and_close(name: str) -> None:
    loss, y_pred, y_true, value, gradient = case_of(name)
    assert type(loss.forward(y_pred.astype(np.float32), y_true)) is float
    np.testing.assert_allclose(loss.forward(y_pred.astype(np.float32), y_true), value, rtol=1e-5)
    dy = loss.backward()
    assert dy.dtype == np.float32
    np.testing.assert_allclose(dy, gradient, rtol=1e-4, atol=1e-7)


def test_all_logits_equal_give_the_log_of_the_number_of_classes() -> None:
    for classes in (2, 10, 1000):
        logits = np.full((3, classes), -7.0)
        assert SoftmaxCrossEntropy().forward(logits, np.array([0, 1, 1])) == pytest.approx(math.log(classes), rel=1e-14)
    assert BinaryCrossEntropy().forward(np.zeros((3, 1)), np.ones((3, 1))) == pytest.approx(math.log(2), rel=1e-14)


def test_the_three_ways_to_write_labels_agree() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(8, 5)), rng.integers(0, 5, 8)
    for smoothing in (0.0, 0.2):
        loss = SoftmaxCrossEntropy(smoothing)
        values, gradients = [], []
        for y in (labels, labels[:, None], labels.astype(float), np.eye(5)[labels]):
            values.append(loss.forward(logits, y))
            gradients.append(loss.backward())
        assert values == [values[0]] * 4
        for gradient in gradients:
            np.testing.assert_array_equal(gradient, gradients[0])


def test_a_class_ruled_out_by_a_logit_of_minus_infinity_adds_nothing() -> None:
    """0 log 0 counts as 0, without a warning: both p and the target of that class are exactly 0."""
    loss = SoftmaxCrossEntropy()
    for y in (np.array([2]), np.array([[0.0, 0.0, 1.0]])):
        value = loss.forward(np.array([[0.0, -np.inf, 1.0]]), y)
        assert value == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-14)
        np.testing.assert_allclose(loss.backward(), [[1 / (1 + math.e), 0, -1 / (1 + math.e)]], rtol=1e-14)


@pytest.mark.parametrize("name", ["mse", "bce_soft", "ce_soft"])
def test_the_mean_does_not_depend_on_how_often_the_batch_is_repeated(name: str) -> None:
    """The factor 1/N is applied in the loss."""
    loss, y_pred, y_true, value, gradient = case_of(name)
    twice = loss.forward(np.concatenate([y_pred] * 2), np.concatenate([y_true] * 2))
    assert twice == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(loss.backward(), np.concatenate([gradient] * 2) / 2, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("loss", [loss() for loss in LOSSES.values()], ids=repr)
def test_backward_before_forward_is_refused(loss: Loss) -> None:
    with pytest.raises(RuntimeError, match=f"{type(loss).__name__}: backward was called before forward"):
        loss.backward()


@pytest.mark.parametrize("loss", [MeanSquaredError(), BinaryCrossEntropy()], ids=repr)
def test_shapes_that_would_broadcast_are_refused(loss: Loss) -> None:
    for shapes in [((4, 3), (4, 1)), ((4, 3), (3,)), ((4, 1), (4,)), ((0, 3), (0, 3))]:
        y_pred, y_true = (np.zeros(shape) for shape in shapes)
        with pytest.raises(ValueError, match="must have the same shape and not be empty, got"):
            loss.forward(y_pred, y_true)


def test_targets_that_cannot_be_meant_are_refused() -> None:
    for loss, y, output_shape, message in [
        (
            MeanSquaredError(),
            np.zeros((4, 2)),
            (3,),
            r"targets must have the shape of the output, \(n, 3\), got \(4, 2\)",
        ),
        (MeanSquaredError(), np.array([0, 1, 2]), (3,), "use SoftmaxCrossEntropy for integer class labels"),
        (MeanSquaredError(), np.array([[0.0], [np.nan]]), (1,), "targets must be finite, got NaN or infinity in row 1"),
        (BinaryCrossEntropy(), np.array([[0.0], [2.0]]), (1,), r"targets must lie in \[0, 1\], got 0 to 2"),
        (BinaryCrossEntropy(), np.array([[-1.0], [1.0]]), (1,), r"targets must lie in \[0, 1\], got -1 to 1"),
        (SoftmaxCrossEntropy(), np.array([0, 3]), (3,), r"labels must lie in 0 .. 2 for 3 classes, got 0 .. 3"),
        (SoftmaxCrossEntropy(), np.array([-1, 0]), (3,), r"labels must lie in 0 .. 2 for 3 classes, got -1 .. 0"),
        (SoftmaxCrossEntropy(), np.array([0.5, 1.0]), (3,), "labels must be integers, got 0.5"),
        (SoftmaxCrossEntropy(), np.array([np.nan, 1.0]), (3,), "targets must be finite, got NaN or infinity in row 0"),
        (SoftmaxCrossEntropy(), np.array(["cat", "dog"]), (3,), "targets must be real numbers, got dtype <U3"),
        (MeanSquaredError(), np.array([[1j]]), (1,), "targets must be real numbers, got dtype complex128"),
        (SoftmaxCrossEntropy(), np.array([[0.5, 0.6, 0.0]]), (3,), "must be a distribution"),
        (SoftmaxCrossEntropy(), np.array([[1.5, -0.5, 0.0]]), (3,), "must be a distribution"),
        (
            SoftmaxCrossEntropy(),
            np.array([[np.inf, 0.0, 0.0]]),
            (3,),
            "targets must be finite, got NaN or infinity in row 0",
        ),
        (
            SoftmaxCrossEntropy(),
            np.zeros((2, 4)),
            (3,),
            r"targets must be labels \(n,\) or rows \(n, 3\), got \(2, 4\)",
        ),
        (
            SoftmaxCrossEntropy(),
            np.array([0]),
            (2, 3),
            r"must output rows of logits \(n, classes\), got \(n, 2, 3\)",
        ),
    ]:
        with pytest.raises(ValueError, match=f"^{type(loss).__name__}: .*{message}"):
            loss.check_targets(y, output_shape, np.float32)


def test_targets_are_returned_as_forward_takes_them() -> None:
    column = MeanSquaredError().check_targets([1, 2], (1,), np.float32)
    assert (column.shape, column.dtype) == ((2, 1), np.float32)
    labels = SoftmaxCrossEntropy().check_targets([[0], [2]], (3,), np.float32)
    assert (labels.tolist(), labels.dtype) == ([0, 2], np.int64)
    assert SoftmaxCrossEntropy().check_targets([0.0, 2.0], (3,), np.float32).dtype == np.int64
    assert SoftmaxCrossEntropy().check_targets([[0.5, 0.25, 0.25]], (3,), np.float32).dtype == np.float32


def test_a_different_number_of_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="SoftmaxCrossEntropy: expected 4 targets, one per row of logits, got 3"):
        SoftmaxCrossEntropy().forward(np.zeros((4, 2)), np.array([0, 1, 0]))
    with pytest.raises(ValueError, match=r"logits must have shape \(n, classes\)"):
        SoftmaxCrossEntropy().forward(np.zeros(4), np.array([0, 1, 0, 0]))


def test_a_bad_label_smoothing_is_refused() -> None:
    for smoothing in [-0.1, 1.0, np.nan, "0.1"]:
        with pytest.raises(ValueError, match="SoftmaxCrossEntropy: label_smoothing must be a finite number with 0 <= "):
            SoftmaxCrossEntropy(smoothing)


def test_repr_shows_the_arguments() -> None:
    assert repr(SoftmaxCrossEntropy(0.1)) == "SoftmaxCrossEntropy(label_smoothing=0.1)"
    assert repr(MeanSquaredError()) == "MeanSquaredError()"
