"""`fit(resume=...)` continues a run to the bit, wherever it was stopped, and refuses what it cannot continue."""

from __future__ import annotations

import itertools
import json
import os
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from tensorboardX.proto import event_pb2

from tinydl import Model
from tinydl.batches import Batches
from tinydl.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    History,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
)
from tinydl.layers import BatchNorm, Dense, Dropout, MaskingNoise
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam
from tinydl.training.fingerprints import of_array

X = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32)
Y = X[:, ::-1].copy()
HELD = (X[:20] + 1, Y[:20])
EPOCHS, BATCH, STEPS = 9, 16, 5


class Killed(Exception):
    pass


class Killer(Callback):
    """Stop the run after some batches, as a crash would."""

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.batches -= 1
        if self.batches == 0:
            raise Killed


class Remembers(Callback):
    """A user's own callback: the losses of all batches, and a moving average of the weights."""

    def on_train_begin(self) -> None:
        self.losses: list[float] = []
        self.average = self.model.parameters.copy()
        self.begun = 0

    def on_epoch_begin(self, epoch: int) -> None:
        self.begun += 1
        self.average *= 0.9

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.losses.append(logs["loss"])
        self.average += 0.1 * self.model.parameters

    def get_state(self) -> dict[str, Any]:
        return {"losses": self.losses, "deep": {"average": self.average, "begun": np.int64(self.begun)}}

    def set_state(self, state: dict[str, Any]) -> None:
        self.losses, self.average, self.begun = state["losses"], state["deep"]["average"], state["deep"]["begun"]


def compiled(metrics: tuple[str, ...] = ("mae",)) -> Model:
    model = Model([MaskingNoise(0.3), Dense(8, "relu"), BatchNorm(), Dropout(0.2), Dense(4)], 4, seed=1)
    model.compile(Adam(0.1), "mse", metrics=metrics)
    return model


def fit(
    folder: Path, data: Any = None, batches: int = -1, checkpoint: Checkpoint | None = None, **options: Any
) -> tuple[Model, History | None, Remembers, EarlyStopping]:
    """A run with everything, killed after so many batches; the history is None if it was killed."""
    folder.mkdir(exist_ok=True)
    own, stop = Remembers(), EarlyStopping(patience=4, restore_best_weights=True)
    callbacks = [
        checkpoint or Checkpoint(folder / "run", every_batches=3), stop, ReduceLROnPlateau("loss", patience=1),
        ModelCheckpoint(folder / "best", save_best_only=True), CSVLogger(folder / "log.csv"), own,
        LearningRateScheduler(lambda epoch, lr: 0.99 * lr), TensorBoard(folder / "events", 4), Killer(batches),
    ]  # fmt: skip
    model = compiled()
    if (folder / "run").exists():
        model.parameters += 1  # a continued run must not depend on how its model begins
    settings = {
        "batch_size": BATCH if data is None else None, "epochs": EPOCHS, "validation_data": HELD, "callbacks": callbacks,
        "verbose": 0, "resume": folder / "run",
    }  # fmt: skip
    x, y = (X, Y) if data is None else (data, None)
    try:
        history = model.fit(x, y, **{**settings, **options})
    except Killed:
        history = None
    return model, history, own, stop


def same(one: Any, other: Any) -> None:
    """Assert that two finished runs have the same weights, history, stop, states and files."""
    (model, history, own, stop), (model2, history2, own2, stop2) = one, other
    np.testing.assert_array_equal(model.parameters, model2.parameters)
    assert history.history == history2.history
    assert (history.epoch, len(history.seconds)) == (history2.epoch, len(history2.seconds))
    assert (stop.stopped_epoch, stop.best) == (stop2.stopped_epoch, stop2.best)
    assert (own.losses, own.begun) == (own2.losses, own2.begun)
    np.testing.assert_array_equal(own.average, own2.average)


def same_files(one: Path, other: Path) -> None:
    for name in ("best", "log.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert events(one / "events") == events(other / "events")


def events(folder: Path) -> list[Any]:
    """The figures and histograms in the one file of events, without their times."""
    (file,) = folder.iterdir()
    content, found, at = file.read_bytes(), [], 0
    while at < len(content):  # length and checksum (12 bytes), the event, its checksum
        end = at + 12 + int.from_bytes(content[at : at + 8], "little")
        event = event_pb2.Event.FromString(content[at + 12 : end])
        found.append((event.step, event.summary.SerializeToString()))
        at = end + 4
    return found


class Noisy(Batches):
    """Changes rows as they are drawn, with the generator of the run."""

    def take(self, rows: Any, rng: np.random.Generator | None = None) -> Any:
        x, y = super().take(rows, rng)
        return x if rng is None else x + rng.normal(0, 0.1, x.shape), y


class Drawn(Batches):
    """Draws batches in its own way."""

    def draw(self, batch_size: int, rng: np.random.Generator | None = None, shuffle: bool = True) -> Iterator[Any]:
        for _ in range(STEPS):
            rows = np.arange(batch_size) if rng is None else rng.integers(0, len(self), batch_size)
            yield self.take(rows, rng)


class Lengthy:
    """Keras's Sequence: batches by number."""

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, k: int) -> Any:
        return X[k::STEPS], Y[k::STEPS]


def endless() -> Iterator[Any]:
    rng = np.random.default_rng(5)
    while True:
        rows = rng.integers(0, len(X), BATCH)
        yield X[rows], Y[rows]


SOURCES: dict[str, Any] = {
    "arrays": dict,
    "arrays in order": lambda: {"shuffle": False},
    "arrays, shorter epochs": lambda: {"steps_per_epoch": 4},
    "arrays, longer epochs": lambda: {"steps_per_epoch": 7},
    "augmented rows": lambda: {"data": Noisy(X, Y), "batch_size": BATCH},
    "augmented rows, longer epochs": lambda: {"data": Noisy(X, Y), "batch_size": BATCH, "steps_per_epoch": 7},
    "an own order": lambda: {"data": Drawn(X, Y), "batch_size": BATCH},
    "a sequence": lambda: {"data": Lengthy()},
    "a list": lambda: {"data": [(X[k : k + BATCH], Y[k : k + BATCH]) for k in range(0, 70, BATCH)]},
    "a generator": lambda: {"data": endless(), "steps_per_epoch": STEPS},
    "validation from a generator": lambda: {"validation_data": endless(), "validation_steps": 2},
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_killed_run_is_the_same_run(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = fit(tmp_path / "whole", **SOURCES[name]())
    for batches in (2, 5, 11, 3, 4):  # before the first file, in an epoch, at its end, with no new file, ...
        assert fit(tmp_path / "killed", batches=batches, **SOURCES[name]())[1] is None
    same(whole, fit(tmp_path / "killed", **SOURCES[name]()))
    same_files(tmp_path / "whole", tmp_path / "killed")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "every", [{"every_epochs": 2}, {"every_seconds": 1e-9}, {"every_batches": 4, "every_epochs": 1}]
)
def test_whenever_it_is_saved(every: dict[str, Any], tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", checkpoint=Checkpoint(tmp_path / "whole" / "run", **every))
    for batches in (13, 9, 14):
        fit(tmp_path / "killed", batches=batches, checkpoint=Checkpoint(tmp_path / "killed" / "run", **every))
    same(whole, fit(tmp_path / "killed", checkpoint=Checkpoint(tmp_path / "killed" / "run", **every)))
    same_files(tmp_path / "whole", tmp_path / "killed")


def test_every_batch_can_be_the_last(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", checkpoint=Checkpoint(tmp_path / "whole" / "run", every_batches=1))
    steps = STEPS * len(whole[1].epoch)  # type: ignore[union-attr]
    for _ in range(steps):
        fit(tmp_path / "killed", batches=2, checkpoint=Checkpoint(tmp_path / "killed" / "run", every_batches=1))
    same(whole, fit(tmp_path / "killed"))
    same_files(tmp_path / "whole", tmp_path / "killed")


def test_epochs_count_from_the_first_run(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", epochs=4)
    fit(tmp_path / "parts", epochs=2)
    same(whole, fit(tmp_path / "parts", epochs=4))
    same_files(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_is_read_again(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.delenv("TINYDL_QUIET", raising=False)
    whole = fit(tmp_path, epochs=50)
    assert whole[3].stopped_epoch is not None
    kept = (tmp_path / "log.csv").read_bytes()
    capfd.readouterr()
    same(whole, fit(tmp_path, epochs=50))
    done = f"is finished, with {whole[3].stopped_epoch + 1} epochs, the last by a callback's wish"
    assert done in capfd.readouterr().err
    same(whole, fit(tmp_path, epochs=60))
    assert (tmp_path / "log.csv").read_bytes() == kept


def test_a_run_that_has_no_file_yet_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.delenv("TINYDL_QUIET", raising=False)
    compiled().fit(X, Y, verbose=0, resume=tmp_path / "none")
    assert f"fit: there is no {tmp_path / 'none'} yet: training starts at the beginning\n" in capfd.readouterr().err


# --- what a callback keeps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [{"a": object()}, {"a": {1: 2}}, {"a": np.array(["x"])}, 3, {"__array__": 1}])
def test_a_state_that_no_file_can_hold_is_refused_before_training(state: Any, tmp_path: Path) -> None:
    class Own(Remembers):
        def get_state(self) -> Any:
            return state

    model = compiled()
    before = model.parameters.copy()
    with pytest.raises(TypeError, match=r"Own: .*must .*, got "):
        model.fit(X, Y, callbacks=[Own(), Checkpoint(tmp_path / "run")], verbose=0)
    np.testing.assert_array_equal(model.parameters, before)


def test_half_a_protocol_is_refused() -> None:
    class Own(Callback):
        def get_state(self) -> dict[str, Any]:
            return {}

    with pytest.raises(TypeError, match="Own: get_state and set_state must come together, got only get_state: define"):
        compiled().fit(X, Y, callbacks=[Own()], verbose=0)


def test_figures_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    class Odd(Remembers):
        def get_state(self) -> dict[str, Any]:
            return {"values": [np.nan, -np.inf, np.float32(np.inf), 1e300, None, True, "é"]}

        def set_state(self, state: dict[str, Any]) -> None:
            self.found = state["values"]

    for _ in range(2):
        odd = Odd()
        compiled().fit(X, Y, callbacks=[odd, Checkpoint(tmp_path / "run")], verbose=0, resume=tmp_path / "run")
    np.testing.assert_equal(odd.found, [np.nan, -np.inf, np.inf, 1e300, None, True, "é"])


def test_a_long_run_does_not_fill_the_header(tmp_path: Path) -> None:
    """The header has at most 16 MB: with the figures in it, a run would end after some 140,000 epochs."""

    kept: list[Any] = [
        "é" * 100, [1] * 99 + [2**62], [2**70] * 100, [0.1] * 100 + [np.nan, np.inf], [1, 0.5] * 50, [True] * 100, [],
    ]  # fmt: skip

    class Long(Callback):
        found: Any = None

        def get_state(self) -> dict[str, Any]:
            return {"kept": kept, "epochs": [0] * self.model.epoch}

        def set_state(self, state: dict[str, Any]) -> None:
            self.found = state["kept"]

    path, sizes = tmp_path / "run", []
    for epochs in (100, 200):
        long = Long()
        callbacks = [CSVLogger(tmp_path / "log"), long, Checkpoint(path, every_epochs=100)]
        history = compiled().fit(X, Y, batch_size=70, epochs=epochs, callbacks=callbacks, verbose=0, resume=path)
        sizes.append(int.from_bytes(path.read_bytes()[:8], "little"))
    assert sizes[1] - sizes[0] < 100
    np.testing.assert_equal(long.found, kept)
    assert [type(each[0]) for each in long.found[:-1]] == [str, int, int, float, int, bool]
    assert history.epoch == list(range(200))
    assert len((tmp_path / "log").read_text().splitlines()) == 201
    whole = compiled().fit(X, Y, batch_size=70, epochs=200, callbacks=[CSVLogger(tmp_path / "whole")], verbose=0)
    assert history.history == whole.history
    assert (tmp_path / "log").read_bytes() == (tmp_path / "whole").read_bytes()


def test_callbacks_that_come_and_go_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run"
    compiled().fit(X, Y, callbacks=[EarlyStopping("loss"), Checkpoint(path)], verbose=0)
    with pytest.warns(UserWarning, match="fit: ") as said:
        compiled().fit(X, Y, epochs=2, callbacks=[CSVLogger(tmp_path / "log.csv")], verbose=0, resume=path)
    new, gone = (str(each.message) for each in said)
    assert f"fit: {path} holds no state of CSVLogger: they begin anew" in new
    assert f"fit: {path} holds the state of EarlyStopping, which callbacks=[...] lacks" in gone
    assert {each.filename for each in said} == {__file__}
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


def test_the_log_is_cut_and_completed(tmp_path: Path) -> None:
    """Rows after the checkpoint go; rows that a power cut has taken come back; those of earlier runs stay."""
    path, log = tmp_path / "run", tmp_path / "log.csv"
    earlier = b"epoch,loss,mae,learning_rate\r\n7,1,1,1\r\n"
    for change in (lambda text: text + b"9,9,9,9\r\n3,", lambda text: text[: len(earlier) + 5], lambda text: text):
        path.unlink(missing_ok=True)
        log.write_bytes(earlier)
        compiled().fit(X, Y, epochs=2, callbacks=[CSVLogger(log, append=True), Checkpoint(path)], verbose=0)
        two = log.read_bytes()
        log.write_bytes(change(two))
        compiled().fit(X, Y, epochs=3, callbacks=[CSVLogger(log, append=True)], verbose=0, resume=path)
        assert log.read_bytes().startswith(two)
        assert [line[:2] for line in log.read_text().splitlines()] == ["ep", "7,", "0,", "1,", "2,"]
    log.write_bytes(earlier[:5])
    with pytest.raises(
        ValueError, match=r"CSVLogger: .*log.csv must hold the \d+ bytes that earlier runs wrote, got 5"
    ):
        compiled().fit(X, Y, epochs=4, callbacks=[CSVLogger(log, append=True)], verbose=0, resume=path)
    assert log.read_bytes() == earlier[:5]


def test_a_long_log_of_earlier_runs_is_not_read(tmp_path: Path) -> None:
    path, log = tmp_path / "run", tmp_path / "log.csv"
    header = b"epoch,loss,mae,learning_rate\r\n"
    log.write_bytes(header)
    os.truncate(log, size := 300_000_000)  # a hole, which needs no room on the disk
    tracemalloc.start()
    for epochs in (2, 3):
        compiled().fit(
            X, Y, epochs=epochs, callbacks=[CSVLogger(log, append=True), Checkpoint(path)], verbose=0, resume=path
        )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    with log.open("rb") as file:
        assert file.read(len(header)) == header
        file.seek(size)
        assert [line[:2] for line in file.read().split(b"\r\n")] == [b"", b"0,", b"1,", b"2,", b""]


# --- the files --------------------------------------------------------------------------------------------------------


def loads(path: Path) -> int:
    """The epoch of a checkpoint."""
    model = compiled()
    model.load_checkpoint(path)
    return model.epoch


def test_older_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "run"
    compiled().fit(X, Y, epochs=5, callbacks=[Checkpoint(path, keep=3)], verbose=0)
    assert {file.name: loads(file) for file in tmp_path.iterdir()} == {"run": 5, "run.1": 4, "run.2": 3}
    path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"resume must be the newest file of a Checkpoint, got no such file, but"
    ):
        compiled().fit(X, Y, epochs=6, verbose=0, resume=path)
    assert len(compiled().fit(X, Y, epochs=6, verbose=0, resume=tmp_path / "run.1").epoch) == 6


def test_a_checkpoint_is_a_model_and_an_old_checkpoint_can_be_continued(tmp_path: Path) -> None:
    model = compiled()
    model.fit(X, Y, epochs=2, callbacks=[Checkpoint(tmp_path / "run")], verbose=0)
    model.save_checkpoint(tmp_path / "old")
    np.testing.assert_array_equal(Model.load(tmp_path / "run").predict(X), model.predict(X))
    model.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    other = compiled()
    with pytest.warns(UserWarning, match="old holds no state of History, EarlyStopping: they begin anew"):
        history = other.fit(X, Y, epochs=4, callbacks=[EarlyStopping("loss")], verbose=0, resume=tmp_path / "old")
    assert history.epoch == [2, 3]
    np.testing.assert_array_equal(other.parameters, model.parameters)


def test_a_disk_that_fails_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    checkpoint = Checkpoint(path, keep=2)
    writes = itertools.count()

    class Full(Callback):
        def on_train_begin(self) -> None:
            write = checkpoint.write

            def failing(file: str) -> None:
                if next(writes) in (2, 3):
                    raise OSError("no space left on device")
                write(file)

            monkeypatch.setattr(checkpoint, "write", failing)

    said_once = "run could not be written: no space left on device: training goes on, and the last good file stays"
    with pytest.warns(UserWarning, match=said_once) as said:
        history = compiled().fit(X, Y, epochs=4, callbacks=[checkpoint, Full()], verbose=0)
    assert len(said) == 1
    assert history.notes == [f"Checkpoint: {path} could not be written 2 times, the last time: no space left on device"]
    assert compiled().fit(X, Y, epochs=4, verbose=0, resume=path).notes == history.notes
    assert (loads(path), loads(tmp_path / "run.1")) == (4, 1)


def test_no_file_is_promised_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("tinydl.training.resume.save", fails)
    with pytest.warns(UserWarning, match="could not be written: no space left on device: training goes on$") as said:
        history = compiled().fit(X, Y, epochs=2, callbacks=[Checkpoint(tmp_path / "run", every_batches=1)], verbose=0)
    assert len(said) == len(history.notes) == 1
    assert "could not be written 7 times, the last time" in history.notes[0]


def test_weights_that_are_not_finite_are_a_warning_and_then_the_error_of_fit(tmp_path: Path) -> None:
    path = tmp_path / "run"

    class Wrong(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            if self.model.optimizer.iterations == 5:  # type: ignore[union-attr]
                self.model.parameters[:] = np.inf

    with pytest.warns(UserWarning, match=r"Checkpoint: .*must hold finite numbers.*the last good file stays"):  # noqa: SIM117
        with pytest.raises(FloatingPointError, match="fit: epoch 2, batch 3: "):
            compiled().fit(X, Y, epochs=3, callbacks=[Wrong(), Checkpoint(path, every_batches=1)], verbose=0)
    assert loads(path) == 1


def test_no_rows_are_stored(tmp_path: Path) -> None:
    data = np.full((40, 4), 0.123, np.float32)
    model = compiled()
    with pytest.raises(Killed):
        model.fit(data, data, callbacks=[Killer(2), Checkpoint(tmp_path / "run", every_batches=1)], verbose=0)
    assert np.float32(0.123).tobytes() not in (tmp_path / "run").read_bytes()


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a run that was killed in its second epoch."""
    path = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Killed):
        compiled().fit(
            X, Y, batch_size=BATCH, epochs=3, verbose=0,
            callbacks=[EarlyStopping("loss"), Killer(9), Checkpoint(path, every_batches=2)],
        )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 8}, r"fit: batch_size must be 16, as in .*run, got 8: call compile and fit as before"),
        ({"steps_per_epoch": 4}, "fit: steps must be 5, as in .*run, got 4"),
        ({"validation_data": HELD}, r"fit: metrics must be \['loss', 'mae'\], as in .*run, got \['loss', 'mae', 'val_l"),
        ({"x": X[:66], "y": Y[:66]}, r"fit: x must be 'float32 \(70, 4\), checksum \w+', as in .*run, got 'float32 \(66, 4"),
        ({"x": X[::-1]}, "fit: x must be .*, as in .*run, got .*: call compile and fit as before, or give a new run a path"),
        ({"callbacks": [EarlyStopping("mae"), Checkpoint("a")]}, "EarlyStopping: monitor must be 'loss', as in the file, got"),
        ({"initial_epoch": 1}, "fit: initial_epoch must be left out beside resume, got both"),
        ({"x": Batches(X, -Y), "y": None}, "fit: y must be .*, as in .*run, got "),
        ({"shuffle": False}, "fit: shuffle must be True, as in .*run, got False"),
        ({"sample_weight": np.ones(70)}, "fit: sample_weight times class_weight must be None, as in .*run, got 'float32"),
        ({"epochs": 1}, "fit: epochs must be >= 2, since .*run was made after batch 3 of epoch 2, got 1: raise it, or"),
    ],
)  # fmt: skip
def test_another_run_is_refused_before_anything_changes(
    begun: Path, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = compiled()
    before, state = model.parameters.copy(), model.rng.bit_generator.state
    usual = {
        "x": X, "y": Y, "batch_size": BATCH, "epochs": 3, "verbose": 0, "resume": begun,
        "callbacks": [EarlyStopping("loss"), Checkpoint("a")],
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        model.fit(**{**usual, **options})
    np.testing.assert_array_equal(model.parameters, before)
    assert model.rng.bit_generator.state == state
    assert list(tmp_path.iterdir()) == []


OTHERS: dict[str, dict[str, Any]] = {
    "y": {"y": X}, "y, of a stream's batches": {"x": [(X, Y), (X, Y)], "y": None, "class_weight": {0: 2.0}},
    "sample_weight": {"sample_weight": np.arange(70)}, "validation x": {"validation_data": (X[:20], Y[:20])},
    "validation y": {"validation_data": (HELD[0], HELD[0])}, "validation_batch_size": {"validation_batch_size": 7},
    "validation sample_weight": {"validation_data": (*HELD, np.arange(20))}, "validation_steps": {"validation_steps": 1},
}  # fmt: skip


@pytest.mark.parametrize("metrics", [("mae",), ()])
@pytest.mark.parametrize("name", OTHERS)
def test_other_data_are_refused_between_epochs(
    name: str,
    metrics: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("TINYDL_QUIET", raising=False)
    path = tmp_path / "run"
    usual = {"x": X, "y": Y, "epochs": 2, "verbose": 0, "batch_size": 16, "validation_data": HELD}
    compiled(metrics).fit(**{**usual, "callbacks": [Checkpoint(path)]})
    for epochs in (2, 4):  # also to read a finished run: it may be another fold's
        model = compiled(metrics)
        before = model.parameters.copy()
        given = {**usual, **OTHERS[name], "epochs": epochs, "resume": path}
        if given["y"] is None:
            del given["batch_size"]
        with pytest.raises(ValueError, match=rf"fit: .* must be .*, as in {path}, got "):
            model.fit(**given)
        np.testing.assert_array_equal(model.parameters, before)
    assert "is finished" not in capfd.readouterr().err


def test_classes_that_count_otherwise_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    labels = np.arange(70) % 4
    batches = [(X[:40], labels[:40]), (X[40:], labels[40:])]
    for given in ({"x": X, "y": labels}, {"x": batches}):
        path.unlink(missing_ok=True)
        for weights in ({0: 2.0}, {0: 3.0}, None):
            model = Model([Dense(4)], 4)
            model.compile("adam", SoftmaxCrossEntropy())
            if not path.exists():
                model.fit(**given, class_weight=weights, callbacks=[Checkpoint(path)], verbose=0)
                continue
            with pytest.raises(ValueError, match=r"fit: .*class_weight must be .*, as in .*run, got "):
                model.fit(**given, class_weight=weights, resume=path, verbose=0)


@pytest.mark.parametrize("shape", [(70, 4), (200_000, 29), (1000, 50_000), (300_000,), (1, 10), (0, 4)])
def test_a_checksum_covers_rows_everywhere(shape: tuple[int, ...]) -> None:
    """At most a megabyte, but parts of 64 rows or more: the first rows of two folds are often the same."""
    array = np.zeros(shape, np.float32)
    known = {of_array(array)}
    starts = {len(array) * k // 12 for k in range(12)} if len(array) else set()
    for start in starts:
        array[start : start + len(array) // 64 + 1] += 1
        tracemalloc.start()
        known.add(of_array(array))
        assert tracemalloc.get_traced_memory()[1] < 1.1 * 2**20
        tracemalloc.stop()
    assert len(known) == 1 + len(starts)
    assert of_array(np.zeros(shape)) not in known


class Reshuffled:
    """Keras's Sequence, which shuffles its rows after each epoch."""

    def __init__(self) -> None:
        self.rng, self.rows = np.random.default_rng(0), np.arange(70)

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, k: int) -> Any:
        rows = self.rows[k * 14 : (k + 1) * 14]
        return X[rows], Y[rows]

    def on_epoch_end(self) -> None:
        self.rng.shuffle(self.rows)


class Counted:
    """An iterable whose order depends on how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        return ((X[rows], Y[rows]) for rows in np.random.default_rng(self.begun).permutation(70).reshape(5, 14))


@pytest.mark.parametrize("metrics", [("mae",), ()])
@pytest.mark.parametrize("source", [Reshuffled, Counted])
def test_a_source_that_reshuffles_itself_is_refused(source: Any, metrics: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "run"
    warning = f"Checkpoint: x should give the same batches in the same order after a restart, got a {source.__name__}"
    with pytest.raises(Killed), pytest.warns(UserWarning, match=warning):
        compiled(metrics).fit(source(), epochs=4, callbacks=[Killer(13), Checkpoint(path, every_batches=3)], verbose=0)
    message = f"fit: the {source.__name__} must give the batches that the run in .* was trained on, got others: pass"
    with pytest.raises(ValueError, match=message):
        compiled(metrics).fit(source(), epochs=4, verbose=0, resume=path)


def test_another_loss_is_refused(begun: Path) -> None:
    model = compiled()
    assert model.optimizer is not None
    model.compile(model.optimizer, "mae", metrics=["mae"])
    with pytest.raises(ValueError, match=r"fit: loss must be .*MeanSquaredError.*, as in .*, got .*MeanAbsoluteError"):
        model.fit(X, Y, batch_size=BATCH, epochs=3, callbacks=[EarlyStopping("loss")], verbose=0, resume=begun)


def test_no_checkpoint_at_all_is_refused(tmp_path: Path) -> None:
    compiled().save(tmp_path / "model")
    with pytest.raises(ValueError, match="expected a checkpoint, got a saved model without training state"):
        compiled().fit(X, Y, verbose=0, resume=tmp_path / "model")
    with pytest.raises(IsADirectoryError):
        compiled().fit(X, Y, verbose=0, resume=tmp_path)
    with pytest.raises(TypeError, match="fit: resume must be a path or None, got True: pass the path of a Checkpoint"):
        compiled().fit(X, Y, verbose=0, resume=True)  # type: ignore[arg-type]


def test_another_dtype_is_refused(begun: Path) -> None:
    for dtype in ("float32", "float64"):
        model = compiled().astype(dtype)
        model.compile(Adam(0.1), "mse", metrics=["mae"])
        if dtype == "float64":
            with pytest.raises(
                ValueError, match=r"run: this checkpoint needs a model of dtype 'float32', got a float64"
            ):
                model.fit(X, Y, batch_size=BATCH, verbose=0, resume=begun)
            continue
        with pytest.warns(UserWarning, match="EarlyStopping"):
            model.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0, resume=begun)


def test_a_metric_that_is_added_inside_an_epoch_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Killed):
        compiled(()).fit(X, Y, callbacks=[Killer(3), Checkpoint(path, every_batches=1)], verbose=0)
    with pytest.raises(ValueError, match=r"fit: metrics must be \['loss'\], as in .*run, got \['loss', 'mae'\]"):
        compiled().fit(X, Y, verbose=0, resume=path)


def test_a_scheduler_that_is_added_or_left_out_is_named(tmp_path: Path) -> None:
    path, scheduler = tmp_path / "run", LearningRateScheduler(lambda epoch: 0.1)
    for before, after in (([], [scheduler]), ([scheduler], [])):
        path.unlink(missing_ok=True)
        compiled().fit(X, Y, callbacks=[*before, Checkpoint(path)], verbose=0)
        with pytest.warns(UserWarning, match=r"fit: .*run holds (no|the) state of LearningRateScheduler"):
            compiled().fit(X, Y, epochs=2, callbacks=after, verbose=0, resume=path)


def test_files_of_the_former_format_go_on(begun: Path, tmp_path: Path) -> None:
    """They hold neither checksums of the data nor of the last batch, and nothing of a LearningRateScheduler."""
    path, ends = tmp_path / "run", []
    former = ("batch_size", "steps", "metrics", "loss")
    for change in (
        lambda run: None,
        lambda run: run.pop("last") and run.update(settings={name: run["settings"][name] for name in former}),
    ):
        rewrite(begun, path, change)
        model = compiled()
        model.fit(X, Y, batch_size=BATCH, epochs=3, verbose=0, resume=path, callbacks=[EarlyStopping("loss")])
        ends.append(model.parameters)
    np.testing.assert_array_equal(*ends)


def rewrite(source: Path, path: Path, change: Any) -> None:
    """Write a checkpoint anew, with a changed description of the run and without checksums, as an older version did."""
    with safe_open(source, framework="numpy") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = json.loads(file.metadata()["tinydl"])
    change(metadata["run"])
    del metadata["checksums"]
    save_file(tensors, path, {"tinydl": json.dumps(metadata)})


CHANGES: list[Any] = [
    lambda run: run.clear(), lambda run: run.update(epoch=-1), lambda run: run.update(batches="2"),
    lambda run: run.update(total=[]), lambda run: run.update(rows=None), lambda run: run.update(stopped=1),
    lambda run: run.update(begun={}), lambda run: run.update(feed={"begun": None, "drawn": -1}),
    lambda run: run.update(callbacks=3), lambda run: run["callbacks"][0].pop("state"),
    lambda run: run["callbacks"][0]["state"].clear(), lambda run: run["callbacks"][1]["state"].update(best="x"),
    lambda run: run["callbacks"][1]["state"].update(best_weights=[]), lambda run: run.update(settings=[]),
    lambda run: run["callbacks"][0]["state"].update(history={"__array__": "none"}),
    lambda run: run.update(begun=None), lambda run: run.update(epoch=10**20), lambda run: run.update(rows=10**400),
    lambda run: run["callbacks"][0]["state"].update(elapsed=[]), lambda run: run["callbacks"][1].pop("class"),
    lambda run: run["callbacks"][1].update({"class": 5}), lambda run: run["callbacks"][0]["state"].update(elapsed="x"),
    lambda run: run["callbacks"][0]["state"].update(seconds=["x"]), lambda run: run.update(last=3),
    lambda run: run["callbacks"][0]["state"].update(elapsed=10**400),
    lambda run: run["callbacks"][0]["state"].update(epoch={"__list__": 3}),
    lambda run: run["callbacks"][0]["state"].update(epoch={"__text__": "none"}),
    lambda run: run.update(batches=6), lambda run: run.update(targets=None),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_run_is_refused(begun: Path, change: Any, tmp_path: Path) -> None:
    path = tmp_path / "run"
    rewrite(begun, path, change)
    model = compiled()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"run") as raised:
        model.fit(
            X, Y, batch_size=BATCH, epochs=3, verbose=0, resume=path,
            callbacks=[EarlyStopping("loss"), Checkpoint(tmp_path / "other")],
        )  # fmt: skip
    assert not re.search(r"Error:|: '\w+'$", str(raised.value))  # Python's errors alone say little
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every_epochs": 0}, "Checkpoint: every_epochs must be an integer >= 1, got 0"),
        ({"every_batches": 1.5}, "Checkpoint: every_batches must be an integer >= 1, got 1.5"),
        ({"every_seconds": 0}, "Checkpoint: every_seconds must be above 0, got 0"),
        ({"keep": 0}, "Checkpoint: keep must be an integer >= 1, got 0"),
        ({"keep": 1001}, "Checkpoint: keep must be <= 1,000, got 1001: each save renames all older files"),
    ],
)
def test_arguments_of_a_checkpoint(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Checkpoint("run", **arguments)


def test_paths_that_cannot_work_are_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "run.1").mkdir()
    for checkpoint in (Checkpoint(tmp_path), Checkpoint(tmp_path / ("n" * 256)), Checkpoint(tmp_path / "run", keep=2)):
        with pytest.raises(ValueError, match="Checkpoint: path must be writable"):
            compiled().fit(X, Y, callbacks=[checkpoint], verbose=0)


def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for path in ("x\0y", tmp_path / ("n" * 300), tmp_path / "loop"):
        with pytest.raises(
            OSError, match=r"fit: resume must be the path of a Checkpoint: .*, got one that cannot be used"
        ):
            compiled().fit(X, Y, verbose=0, resume=path)
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(OSError, match=r"expected a file that save wrote, got a pipe or a device"):
            compiled().fit(X, Y, verbose=0, resume=path)
    assert capfd.readouterr().err == ""


def test_a_link_to_a_file_that_does_not_exist_yet_starts_a_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYDL_QUIET", raising=False)
    path = tmp_path / "a\x1b[31m\nb"
    path.symlink_to(tmp_path / "real")
    for epochs in (2, 3):
        compiled().fit(X, Y, epochs=epochs, callbacks=[Checkpoint(path)], verbose=0, resume=path)
    assert path.is_symlink()
    assert loads(tmp_path / "real") == 3
    assert r"a\x1b[31m\nb yet: training starts" in capfd.readouterr().err


def test_arguments_that_are_no_paths() -> None:
    for kind in (Checkpoint, CSVLogger, ModelCheckpoint, TensorBoard):
        for value in (None, 5, b"run"):
            with pytest.raises(
                TypeError, match=rf"{kind.__name__}: \w+ must be a string or a pathlib.Path, got {value}"
            ):
                kind(value)
