"""Callbacks as Keras's users write them: either they run as in Keras, or they are refused before training."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

from tests.callbacks.scripted import X, autoencoder
from tinydl.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)


def refused(callbacks: Any, error: type[Exception], message: str) -> None:
    model = autoencoder()
    before = model.parameters.copy()
    with pytest.raises(error, match=message):
        model.fit(X, X, callbacks=callbacks, verbose=0)
    np.testing.assert_array_equal(model.parameters, before)


def test_methods_written_for_keras_run() -> None:
    seen: list[Any] = []

    class Keras(Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append(("train", logs))

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(("epoch", epoch, logs))

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(("batch", batch))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(("batch end", batch, list(logs)))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(("epoch end", epoch, list(logs)))

        def on_train_end(self, logs: Any = None) -> None:
            seen.append(("end", self.params["epochs"], self.params["steps"], self.params["batch_size"]))

    autoencoder().fit(X, X, batch_size=10, callbacks=[Keras()], verbose=0)
    assert seen == [
        ("train", None), ("epoch", 0, None), ("batch", 0), ("batch end", 0, ["loss"]), ("batch", 1),
        ("batch end", 1, ["loss"]), ("epoch end", 0, ["loss"]), ("end", 1, 2, 10),
    ]  # fmt: skip


def subclass(**methods: Any) -> Callback:
    return type("Mine", (Callback,), methods)()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("on_test_begin", "got on_test_begin, which no run calls: validation runs before on_epoch_end"),
        ("on_batch_end", r"on_batch_end, which no run calls: write on_train_batch_end\(self, batch, logs\)"),
        ("on_predict_begin", "on_predict_begin, which no run calls"),
        ("on_epoch_start", r"on_epoch_start, .*: write on_epoch_begin\(self, epoch\)"),
        ("on_train_epoch_end", r"on_train_epoch_end, .*: write on_epoch_end\(self, epoch, logs\)"),
        ("on_epoch_ends", "on_epoch_ends, .*: did you mean on_epoch_end.* rename it to _on_epoch_ends"),
        ("set_model", "set_model, .*: on_train_begin may read self.model"),
    ],
)
def test_methods_that_no_run_calls_are_refused(method: str, message: str) -> None:
    refused([subclass(**{method: lambda self, *_: None})], TypeError, f"Mine: methods must be of .*{message}")


@pytest.mark.parametrize(
    ("method", "function", "message"),
    [
        ("on_train_begin", lambda self, logs: None, r"take \(self\), .* write on_train_begin\(self, logs=None\)"),
        ("on_epoch_begin", lambda self, epoch, logs: None, r"write on_epoch_begin\(self, epoch, logs=None\)"),
        ("on_epoch_end", lambda self: None, r"must take \(self, epoch, logs\), got \(self\): write"),
        ("on_epoch_end", None, "Mine: on_epoch_end must be a method, got None"),
        ("on_train_end", lambda: None, r"on_train_end must take \(self\), got \(\): write"),
    ],
)
def test_methods_that_cannot_be_called_are_refused(method: str, function: Any, message: str) -> None:
    refused([subclass(**{method: function})], TypeError, message)


def test_other_methods_and_attributes_are_the_users_own() -> None:
    mine = subclass(once=lambda self: None, on_disk="a string", _on_plot=lambda self: None)
    autoencoder().fit(X, X, callbacks=[mine], verbose=0)


def test_classes_objects_of_other_libraries_and_the_same_object_twice_are_refused() -> None:
    foreign = type("EarlyStopping", (), {})()
    refused([EarlyStopping], TypeError, r"must be Callback objects, got <class .*: pass tinydl.callbacks.EarlyStopping")
    refused([foreign], TypeError, r"must be Callback objects, got .*: pass tinydl.callbacks.EarlyStopping\(...\)")
    stop = EarlyStopping("loss")
    refused([stop, Callback(), stop], ValueError, "must be different objects, got the same EarlyStopping twice")


def test_a_scheduler_that_undoes_every_reduction_is_refused() -> None:
    plateau = ReduceLROnPlateau("loss")
    refused(
        [plateau, LearningRateScheduler(lambda epoch: 0.1)], ValueError, r"undoes each reduction.* schedule\(epoch, lr"
    )
    autoencoder().fit(X, X, callbacks=[plateau, LearningRateScheduler(lambda epoch, lr: lr)], verbose=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(restore_best_weights="no"), lambda: ModelCheckpoint("m", save_best_only=1),
        lambda: CSVLogger("l.csv", append="a"),
    ],
)  # fmt: skip
def test_flags_are_not_guessed(make: Any) -> None:
    with pytest.raises(ValueError, match="must be True or False"):
        make()


# --- LambdaCallback ---------------------------------------------------------------------------------------------------


def test_lambda_callback_calls_with_the_arguments_of_keras() -> None:
    seen: list[Any] = []
    callback = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append((epoch, logs)),
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))),
        on_train_begin=lambda logs: seen.append(logs), on_train_end=lambda logs: seen.append("end"),
        on_train_batch_begin=lambda batch, logs: seen.append((batch, logs)),
        on_train_batch_end=lambda batch, logs=None: seen.append((batch, sorted(logs))),
    )  # fmt: skip
    autoencoder().fit(X, X, callbacks=[callback], verbose=0)
    assert seen == [{}, (0, {}), (0, {}), (0, ["loss"]), (0, ["loss"]), "end"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_train_end": lambda: None}, r"on_train_end must take \(logs\), got \(\): lambda logs"),
        ({"on_epoch_end": lambda epoch: None}, r"on_epoch_end must take \(epoch, logs\), got \(epoch\)"),
        ({"on_epoch_end": "print"}, r"on_epoch_end must be a function of \(epoch, logs\), got 'print'"),
    ],
)
def test_lambda_callback_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"LambdaCallback: {message}"):
        LambdaCallback(**arguments)


# --- LearningRateScheduler --------------------------------------------------------------------------------------------


class Halves:
    def __call__(self, epoch: int, lr: float) -> float:
        return lr / 2


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (lambda epoch, base=0.1: base / (epoch + 1), [0.1, 0.05]),
        (lambda epoch, lr=0.1: lr / 2, [0.005, 0.0025]),
        (lambda epoch, learning_rate=None: learning_rate, [0.01, 0.01]),
        (lambda epoch, current: current / 2, [0.005, 0.0025]),
        (lambda *given: 0.5 ** len(given), [0.5, 0.5]),
        (Halves(), [0.005, 0.0025]),
        (functools.partial(lambda epoch, base, power: base * power**epoch, base=0.2, power=0.5), [0.2, 0.1]),
        ([0.3, 0.2].__getitem__, [0.3, 0.2]),
        ({0: 0.3, 1: 0.2}.get, [0.3, 0.2]),
        (math.exp, [1.0, math.e]),
        (float, [0.0, 1.0]),
        (np.float32, [0.0, 1.0]),
        (np.exp, [1.0, math.e]),
        (iter([0.4, 0.3]).__next__, None),
    ],
)
def test_schedules_get_the_rate_only_if_they_ask_for_it(schedule: Any, expected: list[float] | None) -> None:
    if expected is None:
        with pytest.raises(TypeError, match=r"schedule must take the arguments \(epoch\) or \(epoch, learning_rate\)"):
            LearningRateScheduler(schedule)
        return
    rates: list[float] = []
    model = autoencoder()

    def note(epoch: int, logs: Any) -> None:
        assert model.optimizer is not None
        rates.append(model.optimizer.current_learning_rate)

    model.fit(X, X, epochs=2, callbacks=[LearningRateScheduler(schedule), LambdaCallback(note)], verbose=0)
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("schedule", [lambda: 0.1, lambda epoch, rate, logs: 0.1, lambda epoch, *, base: base])
def test_schedules_that_cannot_be_called_are_refused(schedule: Any) -> None:
    with pytest.raises(TypeError, match="LearningRateScheduler: schedule must take the arguments"):
        LearningRateScheduler(schedule)
