"""Callbacks: the book's messages, saving and restoring, the progress bar, and Ctrl-C."""

from __future__ import annotations

import csv
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.callbacks.scripted import Scripted, X, autoencoder, run
from tinydl import Model
from tinydl.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    Monitor,
    TensorBoard,
)
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam
from tinydl.schedules import ExponentialDecay

# --- ModelCheckpoint --------------------------------------------------------------------------------------------------


def test_checkpoint_prints_the_books_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "best.safetensors"
    run([0.669031, 0.7, 0.5], ModelCheckpoint(path, "val_loss", verbose=1, save_best_only=True))
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 00001: val_loss improved from inf to 0.66903, saving model to {path}",
        "Epoch 00002: val_loss did not improve from 0.66903",
        f"Epoch 00003: val_loss improved from 0.66903 to 0.50000, saving model to {path}",
    ]


def test_checkpoint_keeps_and_restores_the_best(tmp_path: Path) -> None:
    path = tmp_path / "new" / "best.safetensors"
    model, _ = run([3, 1, 2, 1], ModelCheckpoint(path, save_best_only=True, restore_best_weights=True))
    assert set(model.parameters) == {1.0}
    assert set(Model.load(path).parameters) == {1.0}
    model, _ = run([3, 1, 2], ModelCheckpoint(path, save_best_only=True))
    assert set(model.parameters) == {2.0}


def test_checkpoint_of_every_epoch_with_fields_in_the_name(tmp_path: Path) -> None:
    template = tmp_path / "weights-{epoch:02d}-{val_loss:.2f}.safetensors"
    model, _ = run([3, 1, 2], ModelCheckpoint(template, restore_best_weights=True))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["weights-01-3.00.safetensors", "weights-02-1.00.safetensors", "weights-03-2.00.safetensors"]
    assert set(model.parameters) == {1.0}


def test_checkpoint_mode_max_and_auto(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    model, _ = run([1, 3, 2], ModelCheckpoint(path, mode="max", save_best_only=True, restore_best_weights=True))
    assert set(model.parameters) == {1.0}
    improves = {"val_accuracy": 1.0, "val_auc": 1.0, "val_loss": -1.0}
    assert {name: Monitor(name, "auto", 0, 0)._sign for name in improves} == improves


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "best.safetensors"
    model = autoencoder()
    model.save(path)
    content = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["best.safetensors"]


def test_monitor_that_does_not_exist_is_refused_before_training(tmp_path: Path) -> None:
    model = autoencoder()
    before = model.parameters.copy()
    with pytest.raises(
        ValueError,
        match=r"monitor must be one of this run's figures, loss, got 'val_loss': pass validation_data to fit",
    ):
        model.fit(X, X, callbacks=[ModelCheckpoint(tmp_path / "m", save_best_only=True)], verbose=0)
    with pytest.raises(ValueError, match=r"EarlyStopping: monitor must be one of this run's figures, loss, got 'los'"):
        model.fit(X, X, callbacks=[EarlyStopping("los")], verbose=0)
    with pytest.raises(ValueError, match=r"mode must be one of 'auto', 'min', 'max', got 'mim'"):
        ModelCheckpoint(tmp_path / "m", mode="mim")
    np.testing.assert_array_equal(model.parameters, before)


def test_nan_in_training_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Poison(Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            if epoch == 1:
                self.model.parameters[0] = np.nan

    path = tmp_path / "best.safetensors"
    with pytest.raises(
        FloatingPointError, match=r"fit: epoch 2, batch 1: the loss became nan: the parameters dense_1.W"
    ):
        autoencoder().fit(
            X, X, epochs=3, callbacks=[ModelCheckpoint(path, "loss", save_best_only=True), Poison()], verbose=0
        )
    assert np.isfinite(Model.load(path).parameters).all()


def test_the_best_weights_come_back_even_if_every_epoch_overwrites_the_file(tmp_path: Path) -> None:
    model, _ = run([3, 1, 2], ModelCheckpoint(tmp_path / "m", restore_best_weights=True))
    assert set(model.parameters) == {1.0}
    assert set(Model.load(tmp_path / "m").parameters) == {2.0}


@pytest.mark.parametrize("path", ["{nonsense}", "{val_los:.2f}", "{0}", "", "folder", "file/m", "{epoch"])
def test_paths_that_cannot_work_are_refused_before_training(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    log = tmp_path / "log.csv"
    log.write_text("kept")
    model = autoencoder()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match="ModelCheckpoint: "):
        model.fit(X, X, callbacks=[CSVLogger(log), ModelCheckpoint(path, "loss")], verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    assert log.read_text() == "kept"


def test_a_run_that_goes_on_remembers_its_best(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path / "m", save_best_only=True)
    stopper = EarlyStopping(patience=3)
    model = autoencoder()
    values = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    model.fit(X, X, epochs=3, validation_data=(X, X), callbacks=[Scripted(values), checkpoint, stopper], verbose=0)
    history = model.fit(
        X,
        X,
        epochs=6,
        validation_data=(X, X),
        callbacks=[Scripted(values), checkpoint, stopper],
        verbose=0,
        initial_epoch=3,
    )
    assert history.epoch == [3, 4]
    assert set(Model.load(tmp_path / "m").parameters) == {1.0}


# --- other callbacks --------------------------------------------------------------------------------------------------


def test_early_stopping_waits_and_restores() -> None:
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    model, history = run([5, 3, 4, 3.5, 1, 0], stopper)
    assert history.epoch == [0, 1, 2, 3]
    assert stopper.stopped_epoch == 3
    assert set(model.parameters) == {1.0}


def test_early_stopping_min_delta() -> None:
    _, history = run([5, 4.95, 4.9, 4.85], EarlyStopping(min_delta=0.1, patience=2))
    assert history.epoch == [0, 1, 2]


def test_early_stopping_object_can_be_used_again() -> None:
    stopper = EarlyStopping(patience=1)
    for _ in range(2):
        _, history = run([1, 2, 3], stopper)
        assert history.epoch == [0, 1]


@pytest.mark.parametrize("schedule", [lambda epoch: 0.1 / (epoch + 1), lambda epoch, rate: 0.1 / (epoch + 1)])
def test_learning_rate_scheduler(schedule: object, capsys: pytest.CaptureFixture[str]) -> None:
    rates: list[float] = []

    class Note(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            rates.append(self.model.optimizer.current_learning_rate)  # type: ignore[union-attr]

    run([1, 1, 1], LearningRateScheduler(schedule, verbose=1), Note())  # type: ignore[arg-type]
    assert rates == [0.1, 0.1 / 2, 0.1 / 3]
    assert capsys.readouterr().out.splitlines()[1] == "Epoch 00002: learning rate is 0.05"


def test_csv_logger(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.csv"
    _, history = run([3, 2], CSVLogger(path))
    run([1], CSVLogger(path, append=True))
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["val_loss"] for line in lines] == ["3", "2", "1"]
    assert float(lines[0]["loss"]) == history.history["loss"][0]
    assert {line["learning_rate"] for line in lines} == {"0.01"}


def test_tensorboard_writes_figures_and_histograms(tmp_path: Path) -> None:
    run([3, 2], TensorBoard(tmp_path / "run"))
    (events,) = (tmp_path / "run").iterdir()
    content = events.read_bytes()
    for tag in (b"loss", b"val_loss", b"learning_rate", b"weights/dense_1.W", b"gradients/dense_2.b"):
        assert tag in content, tag
    run([3, 2], TensorBoard(tmp_path / "plain", histogram_freq=0))
    (events,) = (tmp_path / "plain").iterdir()
    assert b"weights/" not in events.read_bytes()


def test_tensorboard_without_tensorboardx_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        run([1], TensorBoard(tmp_path))


def test_batch_events_and_stop() -> None:
    class Count(Callback):
        batches = 0

        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            self.batches += 1
            assert logs["loss"] > 0

        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            self.model.stop_training = True

    count, model = Count(), autoencoder()
    model.fit(X, X, epochs=5, batch_size=8, callbacks=[count], verbose=0)
    assert count.batches == 3


def test_a_schedule_of_steps_reaches_the_optimizer() -> None:
    model = Model([Dense(3)], 3)
    model.compile(SGD(ExponentialDecay(1.0, 1, 0.5)), MeanSquaredError())
    model.fit(X, X, batch_size=5, verbose=0)
    assert model.optimizer is not None
    assert model.optimizer.current_learning_rate == 1 / 16


# --- output -----------------------------------------------------------------------------------------------------------


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    run([3, 2], verbose=1)
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("Epoch 2/2 - 0.0s - loss: ")
    assert lines[1].endswith(" - val_loss: 2")
    assert captured.err == ""
    run([1], verbose=0)
    assert capsys.readouterr().out == ""


TRAIN = """
import numpy as np, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would inherit SIGINT as ignored
from tinydl import Model
from tinydl.callbacks import ModelCheckpoint
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam
x = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
model = Model([Dense(4, "relu"), Dense(3)], 3)
model.compile(Adam(), MeanSquaredError())
history = model.fit(x, x, epochs=int(sys.argv[2]), batch_size=8, validation_data=(x, x),
                    callbacks=[ModelCheckpoint(sys.argv[1], save_best_only=True, restore_best_weights=True)])
print("interrupted" if history.interrupted else "finished", len(history.epoch), model.evaluate(x, x))
"""


def test_a_bar_with_figures_and_time_left_on_a_terminal(tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "m.safetensors"), "3"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(main, 65536):
            shown += chunk
    except OSError:  # Linux raises this when the other end is closed
        pass
    os.close(main)
    text = shown.decode()
    last = text.split("\r")[-2]
    assert re.fullmatch(r"Epoch 3/3 100% \|█+\| 00:0\d<00:00, loss=0\.\d+, val_loss=0\.\d+", last.strip()), last


def test_ctrl_c_ends_cleanly_with_the_best_model_saved(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", TRAIN, str(path), "100000"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        try:
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    last = rest.splitlines()[-1].split()
    assert last[0] == "interrupted"
    assert int(last[1]) >= 3
    x = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    saved = Model.load(path)
    saved.compile(Adam(), MeanSquaredError())
    assert saved.evaluate(x, x) == float(last[2])


def test_ctrl_c_in_the_first_epoch_saves_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupt(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            raise KeyboardInterrupt

    path = tmp_path / "first-{epoch}-{val_loss:.1f}.safetensors"
    model = autoencoder()
    history = model.fit(
        X, X, epochs=3, validation_data=(X, X), callbacks=[ModelCheckpoint(path, save_best_only=True), Interrupt()]
    )
    assert history.interrupted
    assert history.history == {}
    assert "Interrupted after 0 finished epochs" in capsys.readouterr().out
    np.testing.assert_array_equal(Model.load(tmp_path / "first-0-0.0.safetensors").parameters, model.parameters)
