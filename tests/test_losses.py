"""Losses: values and gradients against those recorded from PyTorch and Keras, sample weights, and invalid input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import losses
from tinydl.gradcheck import GradientCheckError, check_loss
from tinydl.losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MaskedMeanSquaredError,
    MeanAbsoluteError,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    takes_sample_weight,
)

FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "losses.json").read_text())
WEIGHTED = json.loads((FOLDER / "losses_weighted.json").read_text())  # with and without weights, by Keras and PyTorch
EVERY = [
    BinaryCrossEntropy(), Hinge(), Huber(), KLDivergence(), MaskedMeanSquaredError(), MeanAbsoluteError(),
    MeanSquaredError(), SoftmaxCrossEntropy(),
]  # fmt: skip
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


def weighted_case(name: str) -> tuple[Loss, np.ndarray, np.ndarray, np.ndarray | None]:
    case = WEIGHTED[name]
    weights = case["sample_weight"]
    loss = getattr(losses, case["class"])(**case["arguments"])
    y_true = np.array(case["y_true"])
    if y_true.dtype == object:  # null marks a gap
        y_true = y_true.astype(float)
    return loss, np.array(case["y_pred"]), y_true, None if weights is None else np.array(weights)


@pytest.mark.parametrize("name", WEIGHTED)
def test_values_of_keras_and_pytorch_with_and_without_weights(name: str) -> None:
    loss, y_pred, y_true, weights = weighted_case(name)
    sources = [WEIGHTED[name][source] for source in ("keras", "torch") if source in WEIGHTED[name]]
    assert sources
    for source in sources:
        assert loss.forward(y_pred, y_true, sample_weight=weights) == pytest.approx(source["loss"], rel=1e-13)
        np.testing.assert_allclose(loss.backward(), source["gradient"], rtol=1e-12, atol=1e-16, strict=True)
    y_pred, y_true = y_pred.astype(np.float32), y_true.astype(np.float32)
    assert loss.forward(y_pred, y_true, weights) == pytest.approx(sources[0]["loss"], rel=2e-6)
    assert loss.backward().dtype == np.float32
    np.testing.assert_allclose(loss.backward(), sources[0]["gradient"], rtol=1e-4, atol=1e-6)


def test_every_loss_is_compared_with_keras_and_with_pytorch() -> None:
    kinds = {type(loss).__name__ for loss in EVERY}
    assert kinds == {name for name in losses.__all__ if name not in ("Loss", "takes_sample_weight")}
    for source in ("keras", "torch"):
        assert kinds == {case["class"] for case in WEIGHTED.values() if source in case and case["sample_weight"]}


@pytest.mark.parametrize("name", [name for name in WEIGHTED if name.endswith(", weighted")])
def test_a_weight_of_two_counts_as_two_rows(name: str) -> None:
    loss, y_pred, y_true, _ = weighted_case(name)
    n = len(y_pred)
    times = np.array([2, 0, 1, 3, 1])[:n]
    value = loss.forward(y_pred, y_true, times)
    gradient = loss.backward()
    repeated = loss.forward(np.repeat(y_pred, times, axis=0), np.repeat(y_true, times, axis=0)) * times.sum() / n
    assert value == pytest.approx(repeated, rel=1e-13)
    ones = loss.forward(y_pred, y_true, np.ones(n))
    each = loss.backward()
    assert ones == pytest.approx(loss.forward(y_pred, y_true), rel=1e-14)
    np.testing.assert_array_equal(each, loss.backward())
    np.testing.assert_array_equal(gradient, each * times.reshape(-1, *[1] * (y_pred.ndim - 1)))


@pytest.mark.parametrize("loss", EVERY, ids=repr)
def test_weights_that_cannot_be_meant_are_refused(loss: Loss) -> None:
    y_pred, y_true = np.eye(3), np.eye(3)
    value = loss.forward(y_pred, y_true)
    gradient = loss.backward()
    for weights, message in [
        (
            np.ones(2),
            r"sample_weight must be one number per row, shape \(3,\), got \(2,\): give each row of x one weight$",
        ),
        (np.ones((3, 1)), r"shape \(3,\), got \(3, 1\): pass sample_weight\[:, 0\]"),
        (1.0, r"shape \(3,\), got \(\)"),
        ([1, -1, 1], "sample_weight must be >= 0, got -1 in row 1"),
        ([1, 1, np.nan], "sample_weight must be finite, got NaN or infinity in row 2"),
        ([[1], [1, 1], [1]], "sample_weight must be an array, got rows of different lengths"),
        (["a", "b", "c"], "sample_weight must be real numbers, got dtype <U1"),
        ([1j, 1, 1], "sample_weight must be real numbers, got dtype complex128"),
        (
            np.ma.masked_array(np.ones(3), [True, False, False]),
            "sample_weight must be plain numbers, got a masked array",
        ),
    ]:
        with pytest.raises(ValueError, match=f"^{type(loss).__name__}: .*{message}"):
            loss.forward(y_pred, y_true, weights)
        np.testing.assert_array_equal(loss.backward(), gradient)  # of the last forward that worked
    with pytest.raises(ValueError, match=r"sample_weight must be finite as float32, got 1e.300 in row 0"):
        loss.forward(y_pred.astype(np.float32), y_true, [1e300, 1, 1])
    assert loss.forward(y_pred, y_true, [True, True, True]) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i8", "?", "f2", "f4", "f8", ">f4", ">f8", "g", "list"])
@pytest.mark.parametrize("loss", EVERY, ids=repr)
def test_predictions_and_targets_of_any_type_give_the_same_numbers(loss: Loss, dtype: str) -> None:
    """Differences of uint8 would wrap around, and the gradients of integers would be rounded to 0."""
    y_pred, y_true = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for p, y in [(y_pred, y_true), (y_pred[1:], y_true[1:])]:
        given = (
            (p.astype(int).tolist(), y.astype(int).tolist()) if dtype == "list" else (p.astype(dtype), y.astype(dtype))
        )
        value, gradient = loss.forward(p, y), loss.backward()
        assert loss.forward(*given) == pytest.approx(value, rel=1e-6)
        assert loss.backward().dtype == (np.float32 if dtype in ("f2", "f4", ">f4") else np.float64)
        np.testing.assert_allclose(loss.backward(), gradient, rtol=1e-6)
        assert loss.forward(p, given[1]) == value
        np.testing.assert_array_equal(loss.backward(), gradient)


def test_small_whole_numbers_do_not_wrap_around() -> None:
    loss = MeanSquaredError()
    assert loss.forward(np.array([[1]], np.uint8), np.array([[3]], np.uint8)) == 4
    assert loss.backward().tolist() == [[-4.0]]
    assert MeanAbsoluteError().forward(np.array([[100]], np.int8), np.array([[-100]], np.int8)) == 200


@pytest.mark.parametrize("loss", EVERY, ids=repr)
def test_predictions_that_are_no_numbers_are_refused(loss: Loss) -> None:
    class Sparse:
        def toarray(self) -> np.ndarray:
            return np.eye(3)

    masked = np.ma.masked_array(np.eye(3), np.eye(3))
    for given, message in [
        (np.full((3, 3), "a"), "must be real numbers, got dtype <U1"),
        (masked, "must be plain numbers, got a masked array, whose mask would be lost"),
        (Sparse(), "must be a dense array, got Sparse: pass "),
    ]:
        with pytest.raises(ValueError, match=f"^{type(loss).__name__}: predictions {message}"):
            loss.forward(given, np.eye(3))
        with pytest.raises(ValueError, match=f"^{type(loss).__name__}: targets {message}"):
            loss.forward(np.eye(3), given)


def test_whether_a_loss_takes_sample_weights() -> None:
    class Old(Loss):
        def forward(self, y_pred: Any, y_true: Any) -> float:  # type: ignore[override]
            return 0.0

    class Keywords(Loss):
        def forward(self, y_pred: Any, y_true: Any, **more: Any) -> float:
            return 0.0

    assert [takes_sample_weight(loss) for loss in (*EVERY, Keywords(), Old())] == [True] * 9 + [False]


def test_slopes_at_the_kinks() -> None:
    loss = MeanAbsoluteError()
    loss.forward(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    assert loss.backward().tolist() == [[0, -0.5]]
    loss = Hinge()
    loss.forward(np.array([[1.0, -1.0, 0.5]]), np.array([[1.0, -1.0, 1.0]]))
    assert loss.backward().tolist() == [[0, 0, -1 / 3]]


def test_nan_is_not_hidden() -> None:
    """`fit` stops at a loss that is not finite, so no loss may turn NaN into a number."""
    for loss in EVERY:
        assert math.isnan(loss.forward(np.array([[np.nan, 0.5], [0.5, 0.5]]), np.eye(2)))


def test_entries_without_targets_do_not_count() -> None:
    loss, gap = MaskedMeanSquaredError(), np.nan
    p, y = np.array([[1.0, 7.0], [2.0, 3.0]]), np.array([[3.0, gap], [2.0, 4.0]])
    assert loss.forward(p, y) == (4 + 0 + 1) / 4  # all four entries count in N
    assert loss.backward().tolist() == [[-1, 0], [0, -0.5]]
    assert loss.forward(p, np.array([[gap, gap], [2.0, 4.0]])) == 1 / 4
    assert loss.forward(p, np.full((2, 2), gap)) == 0
    assert loss.backward().tolist() == [[0, 0], [0, 0]]
    full = p[::-1]
    assert loss.forward(p, full) == MeanSquaredError().forward(p, full)
    assert math.isnan(loss.forward(np.array([[np.nan, 7.0], [2.0, 3.0]]), y))


def test_batches_of_a_table_with_gaps_add_up_to_the_table() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.normal(size=(6, 5)), np.where(rng.uniform(size=(6, 5)) < 0.6, np.nan, rng.normal(size=(6, 5)))
    loss = MaskedMeanSquaredError()
    whole = loss.forward(p, y)
    gradient = loss.backward()
    parts = [(loss.forward(p[rows], y[rows]), loss.backward()) for rows in (slice(2), slice(2, 4), slice(4, 6))]
    assert np.mean([value for value, _ in parts]) == pytest.approx(whole, rel=1e-14)
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]) / 3, gradient, rtol=1e-14)


def test_targets_with_gaps_are_checked() -> None:
    loss, gap = MaskedMeanSquaredError(), np.nan
    assert np.isnan(loss.check_targets([[1, gap]], (2,), np.float32)).tolist() == [[False, True]]
    for y, message in [
        ([[1.0, gap], [np.inf, 2.0]], "targets must be finite, or NaN for gaps, got infinity in row 1"),
        ([[gap, gap]], "targets must hold numbers, got only NaN"),
        (
            [[1.0, 2.0, 3.0]],
            r"targets must have the shape of the output, \(n, 2\), got \(1, 3\): give the last layer 3",
        ),
    ]:
        with pytest.raises(ValueError, match=f"^MaskedMeanSquaredError: {message}"):
            loss.check_targets(y, (2,), np.float32)
    infinite = np.array([[1.0, gap], [np.inf, 2.0]])
    for p in (np.zeros((2, 2)), infinite):
        with (
            np.errstate(invalid="ignore"),
            pytest.raises(ValueError, match=r"targets must be finite, .* in row 1: rem"),
        ):
            loss.forward(p, infinite)
    masked = np.ma.masked_array([[1, 2]], [[False, True]])
    message = r"a masked array, whose mask would be lost: write targets.astype\(float\).filled\(numpy.nan\)"
    for call in (lambda y: loss.check_targets(y, (2,), np.float32), lambda y: loss.forward(np.ones((1, 2)), y)):
        with pytest.raises(ValueError, match=f"^MaskedMeanSquaredError: targets must be plain numbers, got {message}"):
            call(masked)
        with pytest.raises(
            ValueError, match=r"got dtype object: pandas.NA marks gaps: .*targets.to_numpy\(float, na_va"
        ):
            call(np.array([[1.0, type("NAType", (), {})()]], object))


def test_a_gradient_check_takes_targets_with_gaps() -> None:
    y = np.array([[1.0, np.nan], [2.0, 0.5]])
    assert check_loss(MaskedMeanSquaredError(), (2, 2), y).passed
    with pytest.raises(GradientCheckError, match="forward gives NaN or infinity for this input"):
        check_loss(MeanSquaredError(), (2, 2), y)
    with pytest.raises(ValueError, match=r"y_true has 1 NaN or infinite entries, the first at \[0, 1\]"):
        check_loss(MaskedMeanSquaredError(), (2, 2), np.where(np.isnan(y), np.inf, y))
    with pytest.raises(ValueError, match="y_pred has 1 NaN or infinite entries"):
        check_loss(MaskedMeanSquaredError(), y, np.ones((2, 2)))


def test_hinge_refuses_targets_that_are_not_two_classes() -> None:
    for y, got in [([[2.0], [1.0]], "2"), ([[0.5], [1.0]], "0.5"), ([[-1.0], [0.0]], "-1, 0 and 1")]:
        message = f"^Hinge: targets must be -1 and 1, or all 0 and 1, got {got}: convert them to -1 and 1"
        with pytest.raises(ValueError, match=message):
            Hinge().check_targets(y, (1,), np.float64)
        with pytest.raises(ValueError, match=message):
            Hinge().forward(np.zeros((2, 1)), np.array(y))
    assert Hinge().check_targets([0, 1], (1,), np.float32).tolist() == [[-1], [1]]


def test_kl_divergence_refuses_what_is_not_a_distribution() -> None:
    loss, good = KLDivergence(), np.full((2, 4), 0.25)
    for bad in (2 * good, -good, good + np.array([0.5, -0.5, 0.5, -0.5])):
        with pytest.raises(ValueError, match=r"targets must be distributions .*, got entries from "):
            loss.check_targets(bad, (4,), np.float64)
        with pytest.raises(ValueError, match=r"targets must be distributions .*, got entries from "):
            loss.forward(good, bad)
        with pytest.raises(ValueError, match=r"predictions must be distributions .*: end the model with Softmax"):
            loss.forward(bad, good)
    with pytest.raises(ValueError, match=r"predictions must be rows \(n, ..., classes\), got \(4,\)"):
        loss.forward(good[0], good[0])
    assert loss.check_targets(good, (4,), np.float32).dtype == np.float32


def test_bad_arguments_of_losses_are_refused() -> None:
    for delta in (0, -1.0, np.inf, "1"):
        with pytest.raises(ValueError, match=r"^Huber: delta must be"):
            Huber(delta)
    for smoothing in (-0.1, 1.0, None):
        with pytest.raises(
            ValueError, match=r"^BinaryCrossEntropy: label_smoothing must be a finite number with 0 <= "
        ):
            BinaryCrossEntropy(smoothing)
    for classes in ({0: 1.0}, {0: 1.0, 2: 1.0}, [1.0, 2.0], "balanced", {"no": 1.0, "yes": 2.0}):
        with pytest.raises(ValueError, match=r"class_weight must be \{0: weight of no, 1: weight of yes\}, got"):
            BinaryCrossEntropy(class_weight=classes)
    with pytest.raises(ValueError, match=r"class_weight\[1\] must be a finite number with 0 <= .*, got -1"):
        BinaryCrossEntropy(class_weight={0: 1.0, 1: -1})


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


def test_underflow_is_harmless_by_hand_too() -> None:
    z = np.array([[-1000.0, -500.0, 0.0]], np.float32)
    for loss, y in ((SoftmaxCrossEntropy(), np.array([2])), (BinaryCrossEntropy(), np.zeros((1, 3)))):
        with np.errstate(all="raise"):
            loss.forward(z, y)
            gradient = loss.backward()
        assert gradient[0, 0] == 0


@pytest.mark.parametrize("name", ["mse", "bce_soft", "ce_soft"])
def test_the_mean_does_not_depend_on_how_often_the_batch_is_repeated(name: str) -> None:
    """The factor 1/N is applied in the loss."""
    loss, y_pred, y_true, value, gradient = case_of(name)
    twice = loss.forward(np.concatenate([y_pred] * 2), np.concatenate([y_true] * 2))
    assert twice == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(loss.backward(), np.concatenate([gradient] * 2) / 2, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("loss", EVERY, ids=repr)
def test_backward_before_forward_is_refused(loss: Loss) -> None:
    with pytest.raises(RuntimeError, match=f"{type(loss).__name__}: backward needs a forward pass"):
        type(loss)().backward()


@pytest.mark.parametrize("loss", EVERY[:-1], ids=repr)
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
        (
            BinaryCrossEntropy(),
            np.array([[1.0], [2.0]]),
            (1,),
            r"targets must lie in \[0, 1\], got 1 to 2: pass y - 1$",
        ),
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
    assert repr(BinaryCrossEntropy(0.1, {"0": 1, "1": 2})) == (
        "BinaryCrossEntropy(label_smoothing=0.1, class_weight={0: 1.0, 1: 2.0})"
    )
    assert repr(Huber()) == "Huber(delta=1.0)"
    assert repr(MeanSquaredError()) == "MeanSquaredError()"
