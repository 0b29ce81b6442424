"""Numbers that are too large, or become NaN: the message names the argument, or the batch and the layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.callbacks import LambdaCallback, TensorBoard
from tinydl.layers import Dense, Layer, Sequential
from tinydl.losses import BinaryCrossEntropy, Loss, MaskedMeanSquaredError, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD

X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
Y = X[:, :2].copy()
LABELS = (X[:, 0] > 0).astype(int)
HUGE = np.longdouble("1e1000") if np.finfo(np.longdouble).maxexp > 4000 else 1e300
LARGE = X.copy()
LARGE[40, 1] = 3e38


def model(loss: Loss | None = None, layers: list[Layer] | None = None, **keywords: Any) -> Model:
    made = Model(layers or [Dense(8, "relu"), Dense(2)], 4)
    made.compile(SGD(0.01), loss or MeanSquaredError(), **keywords)
    return made


def with_entry(value: Any, dtype: Any = np.float64) -> Any:
    array = X.astype(dtype)
    array[3, 1] = value
    return array


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        (MeanSquaredError(), {"x": with_entry(1e300), "y": Y}, r"fit: x must be finite as float32, got 1e\+300 at \(3, 1\): scale"),
        (MeanSquaredError(), {"x": [[10**39, 0, 0, 0]], "y": [[0, 0]]}, r"fit: x must be finite as float32, got 1e\+39 at \(0, 0\)"),
        (MeanSquaredError(), {"x": [[10**400, 0, 0, 0]], "y": [[0, 0]]}, "fit: x must be .*int too large to convert to float"),
        (MeanSquaredError(), {"x": with_entry(np.nan), "y": Y}, r"fit: x must be finite, got NaN or infinity, first at \(3, 1\)"),
        (MeanSquaredError(), {"x": with_entry(HUGE, np.longdouble), "y": Y}, r"fit: x must be finite as float32, got 1e\+\d+ at"),
        (MeanSquaredError(), {"x": X, "y": with_entry(HUGE, np.longdouble)[:, :2]},
         r"targets must be finite as float32, got 1e\+\d+ in row 3: scale them"),
        (SoftmaxCrossEntropy(), {"x": X, "y": np.full(64, 2**63 - 1)}, r"got 9223372036854775807 \.\. \d+: number the classes, names"),
        (MeanSquaredError(), {"x": X, "y": with_entry(-1e300)[:, :2]},
         r"MeanSquaredError: targets must be finite as float32, got -1e\+300 in row 3: scale them"),
        (MeanSquaredError(), {"x": X, "y": [[10**400, 0]] * 64}, "targets must fit into float64, got a larger whole number"),
        (MaskedMeanSquaredError(), {"x": X, "y": with_entry(-1e300)[:, :2]}, r"targets must be finite as float32, got -1e\+300"),
        (SoftmaxCrossEntropy(), {"x": X, "y": np.full(64, 2**63, np.uint64)}, "labels must be integers below 2.*63, got 9223"),
        (SoftmaxCrossEntropy(), {"x": X, "y": np.full(64, 1e30)}, r"labels must be integers below 2\*\*63, got 1e\+30"),
        (SoftmaxCrossEntropy(), {"x": X, "y": [2**70] * 64}, r"labels must be integers below 2\*\*63, got 1.18"),
        (MeanSquaredError(), {"x": X, "y": Y, "sample_weight": np.full(64, 1e300)},
         r"fit: sample_weight must be finite as float32, got 1e\+300 in row 0"),
        (MeanSquaredError(), {"x": X, "y": Y, "sample_weight": [10**400] * 64}, "fit: sample_weight must fit into float64"),
        (SoftmaxCrossEntropy(), {"x": X, "y": LABELS, "class_weight": {0: 1e300}}, "class_weight and sample_weight must fit"),
        (SoftmaxCrossEntropy(), {"x": X, "y": LABELS, "class_weight": {0: 1e30}, "sample_weight": np.full(64, 1e30)},
         "fit: the products of class_weight and sample_weight must fit into float32, got a larger one in row"),
    ],
)  # fmt: skip
def test_numbers_too_large_for_their_type_are_named(loss: Loss, arguments: Any, message: str) -> None:
    made = model(loss)
    before = made.parameters.copy()
    with pytest.raises(ValueError, match=message):
        made.fit(**arguments, verbose=0)
    np.testing.assert_array_equal(made.parameters, before)


@pytest.mark.filterwarnings("error")
def test_weights_too_large_for_the_model_are_refused() -> None:
    made = model()
    before = made.parameters.copy()
    weights = made.get_weights()
    with pytest.raises(
        ValueError, match=r"set_weights: weights must fit into float32, got 1e\+300: use dtype='float64'"
    ):
        made.set_weights([*weights[:-1], np.full(2, 1e300)])
    np.testing.assert_array_equal(made.parameters, before)
    made.set_weights([*weights[:-1], np.full(2, np.inf)])  # asked for
    assert np.isinf(made.parameters).any()


def test_a_size_too_large_for_an_array_is_named_with_its_layer() -> None:
    with pytest.raises(
        ValueError, match=r"^dense_2 \(Dense\): Maximum allowed dimension exceeded \(it follows dense_1"
    ):
        Model([Dense(2), Dense(10**30)], 4)
    with pytest.raises(MemoryError, match=r"^dense_1 \(Dense\): Unable to allocate"):
        Model([Dense(10**14)], 4)
    with pytest.raises(
        ValueError, match=r"batch_size must be an integer >= 1, got a whole number of more than 4,300 digits"
    ):
        model().fit(X, Y, batch_size=-(10**5000))


def test_epochs_without_end_are_not_counted_first() -> None:
    history = model().fit(
        X, Y, epochs=10**30, validation_data=(X, Y), verbose=0,
        callbacks=[LambdaCallback(on_epoch_end=lambda epoch, logs: stop(epoch))],
    )  # fmt: skip
    assert history.interrupted


def stop(epoch: int) -> None:
    if epoch == 2:
        raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
def test_a_validation_loss_that_overflows_names_epoch_batch_and_cause() -> None:
    with pytest.raises(
        FloatingPointError, match=r"fit: epoch 1, validation batch 3: the loss became inf: .*this batch holds"
    ):
        model().fit(X, Y, validation_data=(LARGE, Y), validation_batch_size=16, verbose=0)
    made = model(layers=[Dense(4), Sequential([Dense(4, use_bias=False, name="a"), Dense(2, name="b")])])
    made.set_weights([weight * 0 + (1e9 if i == 2 else 1) for i, weight in enumerate(made.get_weights())])
    rows = np.repeat([[0.0], [1e30]], 4, 1)
    with pytest.warns(UserWarning, match=r"batch 2: the loss became .* not finite comes from a \(Dense\)"):
        made.evaluate(rows, Y[:2], batch_size=1)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
def test_evaluate_warns_of_the_first_batch_with_such_a_loss() -> None:
    for method in ("evaluate", "test_on_batch"):
        with pytest.warns(UserWarning, match=rf"^{method}: batch 1: the loss became inf: all outputs are finite"):
            assert getattr(model(), method)(np.repeat(LARGE[40:41], 3, 0), Y[:3]) == np.inf


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value", "ignore:evaluate. batch")
def test_a_metric_of_outputs_that_are_not_finite_names_their_batch() -> None:
    made = model(BinaryCrossEntropy(), [Dense(1)], metrics=["mean_absolute_error"])
    made.set_weights([np.full((4, 1), 1e38), np.zeros(1)])
    rows = np.zeros((20, 4))
    rows[10] = 10
    with pytest.warns(UserWarning, match=r"'mean_absolute_error' failed: .*outputs are not finite, first in batch 3\)"):
        made.evaluate(rows, np.ones(20), batch_size=4)


class Mean(Layer):
    """A user's layer that keeps a running mean, without using it in training."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.add_state("mean", np.zeros(input_shape, dtype))
        return super().build(input_shape, rng, dtype)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        if training:
            self.state["mean"] += x.sum(axis=0) * np.float32(1e30)
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:fit. x should hold")
def test_a_running_statistic_that_overflows_is_named_with_its_batch() -> None:
    made = model(layers=[Mean(), Dense(2)])
    x = np.ones((8, 4), np.float32)
    x[4:] = 1e9
    message = r"fit: epoch 1, batch 2: mean_1 \(Mean\)'s mean became NaN or infinite, but not the loss. The model is unchanged by this step"
    with pytest.raises(FloatingPointError, match=message):
        made.fit(x, np.zeros((8, 2)), batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(made.state["mean_1.mean"], 4e30, rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_weights_of_rows_that_are_too_large_are_the_cause() -> None:
    for loss, y in ((MeanSquaredError(), Y), (SoftmaxCrossEntropy(), LABELS)):
        message = (
            "fit: epoch 1, batch 1: the loss became inf: .*Scale the weights of the rows first: they reach 3.0e.38"
        )
        with pytest.raises(FloatingPointError, match=message):
            model(loss).fit(X, y, sample_weight=np.full(64, 3e38), verbose=0)


def test_rows_that_all_weigh_nothing_are_named() -> None:
    for weights in ({"sample_weight": np.zeros(64)}, {"class_weight": {0: 0.0, 1: 0.0}}):
        with pytest.warns(
            UserWarning, match="fit: sample_weight times class_weight should not be 0, got 0 for all rows"
        ) as said:
            model(SoftmaxCrossEntropy()).fit(X, LABELS, **weights, verbose=0)
        assert said[0].filename == __file__


def test_weights_must_be_numbers() -> None:
    made = model()
    before = made.parameters.copy()
    for odd in (None, "x", 1j):
        with pytest.raises(ValueError, match="set_weights: weights must be arrays of real numbers, got one of dtype"):
            made.set_weights([np.full(array.shape, odd) for array in made.get_weights()])
    np.testing.assert_array_equal(made.parameters, before)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_evaluate_with_an_infinite_weight_warns_once() -> None:
    made = model()
    made.parameters[0] = np.inf
    with pytest.warns(
        UserWarning, match="evaluate: batch 1: the loss became .*: the parameters dense_1.W are not finite"
    ) as said:
        made.evaluate(X, Y, batch_size=16)
    assert len(said) == 1


def test_a_metric_that_is_no_number_is_said_once_with_tensorboard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(y_true: Any, y_pred: Any) -> float:
        return np.nan

    with pytest.warns(UserWarning, match="the metric 'odd' is nan"):
        model(metrics=[odd]).fit(X, Y, callbacks=[TensorBoard(tmp_path)], verbose=0)
    assert caplog.records == []
