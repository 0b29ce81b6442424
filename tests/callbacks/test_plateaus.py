"""EarlyStopping and ReduceLROnPlateau against Keras's records, and the direction of figures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.callbacks.scripted import Scripted, X, autoencoder, run
from tinydl import Model
from tinydl.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    Monitor,
    ReduceLROnPlateau,
)
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD
from tinydl.schedules import ExponentialDecay

KERAS = json.loads((Path(__file__).parents[1] / "golden" / "callbacks_keras.json").read_text())
STOPS = [case[1:] for case in KERAS if case[0] == "EarlyStopping"]
REDUCTIONS = [case[1:] for case in KERAS if case[0] == "ReduceLROnPlateau"]


class Rates(Callback):
    """The learning rate after each epoch; a callback before it may have changed the rate."""

    def on_train_begin(self) -> None:
        self.rates: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.rates.append(self._optimizer.current_learning_rate)


def line(rate: float = 0.5) -> Model:
    model = Model([Dense(1)], 3)
    model.compile(SGD(rate), MeanSquaredError())
    return model


def rates(figures: list[float], callback: Callback) -> list[float]:
    noted, model = Rates(), line()
    data: Any = {"validation_data": (X, X[:, :1]), "epochs": len(figures), "verbose": 0}
    model.fit(X, X[:, :1], callbacks=[Scripted(figures), callback, noted], **data)
    return noted.rates


def test_early_stopping_stops_where_keras_does_and_restores_the_same_epoch() -> None:
    assert len(STOPS) > 50
    for arguments, figures, epochs, weight in STOPS:
        model, history = run(figures, EarlyStopping(restore_best_weights=True, **arguments))
        assert (len(history.epoch), model.parameters[0]) == (epochs, weight), (arguments, figures)


def test_reduce_lr_on_plateau_gives_the_rates_of_keras() -> None:
    assert len(REDUCTIONS) > 50
    for arguments, figures, expected in REDUCTIONS:
        assert rates(figures, ReduceLROnPlateau(**arguments)) == expected, (arguments, figures)


def test_reduce_lr_on_plateau_waits_again_after_each_reduction() -> None:
    """Reductions in every epoch after the first one (keras-team/keras#3991) would leave no rate to learn with."""
    assert rates([1.0] * 7, ReduceLROnPlateau(patience=3, factor=0.5)) == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_reduce_lr_on_plateau_is_silent_at_min_lr(capsys: pytest.CaptureFixture[str]) -> None:
    """tensorflow/tensorflow#39462: it went on saying that it reduces the rate."""
    rates([1.0] * 6, ReduceLROnPlateau(patience=1, factor=0.1, min_lr=0.05, verbose=1))
    assert capsys.readouterr().out.splitlines() == ["Epoch 00002: reducing the learning rate to 0.05"]


@pytest.mark.parametrize("callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)])
def test_a_schedule_in_the_optimizer_is_not_switched_off(callback: Callback) -> None:
    model = Model([Dense(1)], 3)
    model.compile(SGD(ExponentialDecay(0.1, 10, 0.5)), MeanSquaredError())
    before = model.parameters.copy()
    message = (
        r"the optimizer's learning_rate must be a number, got ExponentialDecay\(.*: use either the schedule or this"
    )
    with pytest.raises(ValueError, match=message):
        model.fit(X, X[:, :1], callbacks=[callback], verbose=0)
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"factor": 0}, {"patience": -1}, {"min_lr": -1}, {"cooldown": 0.5}])
def test_reduce_lr_on_plateau_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"ReduceLROnPlateau: {next(iter(wrong))} must be"):
        ReduceLROnPlateau(**wrong)


@pytest.mark.parametrize("wrong", [{"patience": 1.5}, {"baseline": math.nan}, {"start_from_epoch": -1}])
def test_early_stopping_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"EarlyStopping: {next(iter(wrong))} must be"):
        EarlyStopping(**wrong)


def test_nan_is_never_the_best_value() -> None:
    """In Keras 3 a first NaN becomes the best value, which no later value is less than."""
    model, history = run([math.nan, 3, 2, math.nan, 2.5], EarlyStopping(patience=2, restore_best_weights=True))
    assert (len(history.epoch), model.parameters[0]) == (5, 2)


def test_best_weights_come_back_without_an_early_stop_and_with_a_baseline_out_of_reach() -> None:
    """keras-team/keras#12511 and tensorflow/tensorflow#45187."""
    model, _ = run([3, 1, 2], EarlyStopping(patience=9, restore_best_weights=True))
    assert model.parameters[0] == 1
    model, _ = run([3, 1, 2], EarlyStopping(patience=9, baseline=-5, restore_best_weights=True))
    assert model.parameters[0] == 1


# --- the direction of figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("figure", ["val_f1", "val_recall", "val_acc", "val_r2", "val_AUC", "val_average_precision"])
def test_auto_maximises_what_should_rise(figure: str) -> None:
    """keras-team/keras#15138, #18798, #21118: it minimised them, and kept the worst epoch."""
    for monitor in (EarlyStopping(figure), ModelCheckpoint("m", figure), ReduceLROnPlateau(figure)):
        assert monitor.best == -math.inf
        assert monitor.improved(0.5)


def test_auto_refuses_a_figure_whose_direction_it_does_not_know(tmp_path: Path) -> None:
    def gain(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return 0.5

    model = Model([Dense(1)], 3)
    model.compile(SGD(), MeanSquaredError(), metrics=[gain])
    before = model.parameters.copy()
    unsure: list[Monitor] = [
        EarlyStopping("gain"),
        ReduceLROnPlateau("gain"),
        ModelCheckpoint(tmp_path / "m", "gain", save_best_only=True),
    ]
    for callback in unsure:
        message = f"{type(callback).__name__}: mode must be 'max' or 'min', .* pass mode='max' or 'min'"
        with pytest.raises(ValueError, match=message):
            model.fit(X, X[:, :1], callbacks=[callback], verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    model.fit(X, X[:, :1], callbacks=[EarlyStopping("gain", mode="max")], verbose=0)
    model.fit(X, X[:, :1], callbacks=[ModelCheckpoint(tmp_path / "every", "gain")], verbose=0)  # does not need it


def test_a_wrong_name_is_not_blamed_on_missing_validation_data() -> None:
    with pytest.raises(ValueError, match=r"figures, loss, val_loss, got 'val_acc': give it to compile"):
        autoencoder().fit(X, X, validation_data=(X, X), callbacks=[EarlyStopping("val_acc")], verbose=0)


class SomeEpochs(Callback):
    """Removes the validation figures of every second epoch, as validation_freq=2 does."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if epoch % 2 == 0:
            del logs["val_loss"]


def test_epochs_without_the_figure_are_skipped(tmp_path: Path) -> None:
    noted = Rates()
    callbacks: list[Callback] = [
        SomeEpochs(), EarlyStopping(patience=3), ReduceLROnPlateau(patience=1, factor=0.5), noted,
        ModelCheckpoint(tmp_path / "best", save_best_only=True), ModelCheckpoint(tmp_path / "m-{epoch}-{val_loss:.0f}"),
    ]  # fmt: skip
    _, history = run([9, 1, 9, 1, 9, 1, 9, 1, 9, 1], *callbacks)
    assert len(history.epoch) == 8
    assert noted.rates == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025, 0.00125]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "m-2-1", "m-4-1", "m-6-1", "m-8-1"]
    assert set(Model.load(tmp_path / "best").parameters) == {1.0}
