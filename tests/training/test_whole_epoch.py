"""Metrics look at a whole epoch or data set, and one that has no value does not end the run."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tinydl import Model
from tinydl.layers import Dense
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError
from tinydl.optimizers import SGD

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (np.arange(40) % 7 == 0).astype(float)[:, None]  # most batches of 4 rows have no positive


def compiled(metrics: list, rate: float = 0.0) -> Model:
    model = Model([Dense(1)], 3, dtype="float64")
    model.compile(SGD(rate), BinaryCrossEntropy(), metrics)
    return model


def test_average_precision_is_that_of_all_rows_whatever_the_batches() -> None:
    model = compiled(["average_precision"])
    right = average_precision_score(Y[:, 0], model.predict(X)[:, 0])
    history = model.fit(X, Y, batch_size=4, verbose=0, validation_data=(X, Y)).history
    assert history["average_precision"] == history["val_average_precision"] == [pytest.approx(right, rel=1e-12)]
    assert model.evaluate(X, Y, batch_size=3)[1] == pytest.approx(right, rel=1e-12)


def test_a_metric_gets_the_targets_in_the_order_of_the_predictions() -> None:
    pairs = []

    def kept(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        pairs.append((y_true, y_pred))
        return 0.0

    model = Model([Dense(3)], 3, dtype="float64")
    model.compile(SGD(0.0), MeanSquaredError(), [kept])
    model.fit(X, X, batch_size=7, verbose=0)
    (y_true, y_pred), *more = pairs
    assert not more
    assert not np.array_equal(y_true, X)
    np.testing.assert_allclose(model.predict(y_true), y_pred, rtol=1e-12)


def failing(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    raise ZeroDivisionError("no positives")


def without_value(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float("nan")


@pytest.mark.parametrize(
    ("metric", "said"), [(failing, "failed: ZeroDivisionError: no positives"), (without_value, "nan")]
)
def test_a_metric_without_a_value_is_named_and_the_run_goes_on(metric: object, said: str) -> None:
    model = compiled([metric], rate=0.1)
    name = metric.__name__  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match=rf"fit: the metric '{name}' .*{said}"):
        history = model.fit(X, Y, epochs=3, verbose=0).history
    assert np.isnan(history[name]).all()
    assert len(history["loss"]) == 3
    assert np.isfinite(history["loss"]).all()
