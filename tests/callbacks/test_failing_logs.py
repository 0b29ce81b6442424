"""Logs on a disk that fails: the run goes on, one warning says so, and the log holds no half of a row."""

from __future__ import annotations

import errno
import shutil
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.callbacks.scripted import X, autoencoder
from tinydl import Model
from tinydl.callbacks import (
    Checkpoint,
    CSVLogger,
    History,
    ModelCheckpoint,
    ProgressBar,
    TensorBoard,
    csv_logger,
    file_log,
    tensorboard,
)
from tinydl.callbacks.file_log import FileLog


def fails(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def train(log: FileLog, epochs: int = 3) -> tuple[History, np.ndarray]:
    model = autoencoder()
    return model.fit(X, X, epochs=epochs, callbacks=[log], verbose=0), model.parameters


def expect_a_quiet_end(log: FileLog, epochs: int = 3) -> None:
    plain = autoencoder()
    plain.fit(X, X, epochs=epochs, verbose=0)
    with pytest.warns(UserWarning, match=r"the log could not be written and ends here: .*Training goes on") as said:
        history, parameters = train(log, epochs)
    assert len(said) == 1
    assert history.epoch == list(range(epochs))
    assert not history.interrupted
    assert len(history.notes) == 1
    assert history.notes[0].startswith(f"{type(log).__name__}: the log could not be written and ends here: ")
    assert history.notes[0] in repr(history)
    np.testing.assert_array_equal(parameters, plain.parameters)


LOGS: dict[str, Callable[[Path], FileLog]] = {
    "CSVLogger": lambda folder: CSVLogger(folder / "l.csv"),
    "TensorBoard": lambda folder: TensorBoard(folder / "tb"),
}


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("place", range(4))
def test_each_write_may_fail(name: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    def append(path: Path, content: bytes) -> None:
        nonlocal count
        count += 1
        if count > place:
            fails()
        file_log.append(path, content)

    for module in (csv_logger, tensorboard):
        monkeypatch.setattr(module, "append", append)
    expect_a_quiet_end(LOGS[name](tmp_path))
    assert count == place + 1  # quiet after the first failure
    log = LOGS[name](tmp_path)
    monkeypatch.undo()
    assert train(log)[0].notes == []  # the next run logs again


@pytest.mark.parametrize("name", LOGS)
def test_a_folder_that_disappears(name: str, tmp_path: Path) -> None:
    log = LOGS[name](tmp_path / "runs")
    epoch_end = log.on_epoch_end

    def remove_first(epoch: int, logs: dict[str, float]) -> None:
        if epoch == 1:
            shutil.rmtree(tmp_path / "runs")
        epoch_end(epoch, logs)

    log.on_epoch_end = remove_first  # type: ignore[method-assign]
    expect_a_quiet_end(log)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk() -> None:
    expect_a_quiet_end(CSVLogger("/dev/full"))
    full = open("/dev/full", "w")  # noqa: SIM115 (closing it fails)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        expect_a_quiet_end(ProgressBar())
    with pytest.raises(OSError, match="No space left"):  # for the line that it still holds
        full.close()


def test_a_bar_that_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        encoding = "utf-8"
        flush = write = staticmethod(fails)

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    expect_a_quiet_end(ProgressBar())


def test_half_a_row_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "l.csv"
    file_log.append(path, b"whole\r\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # a file of 10 bytes at most
    try:
        with pytest.raises(OSError, match="File too large"):
            file_log.append(path, b"another\r\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"whole\r\n"
    file_log.append(path, b"another\r\n")
    assert path.read_bytes() == b"whole\r\nanother\r\n"


@pytest.mark.parametrize("earlier", [b"", b"epoch,loss,learning_rate\r\n7,1,1"])
@pytest.mark.parametrize("first", range(4))
def test_rows_that_a_full_disk_has_swallowed_come_back_with_resume(
    first: int, earlier: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(name: str, epochs: int) -> None:
        log, run = tmp_path / name, tmp_path / f"{name} run"
        callbacks = [CSVLogger(log, append=bool(earlier)), Checkpoint(run)]
        autoencoder().fit(X, X, epochs=epochs, callbacks=callbacks, verbose=0, resume=run)

    for name in ("whole", "cut"):
        (tmp_path / name).write_bytes(earlier)
    fit("whole", 4)
    writes = iter(range(99))
    monkeypatch.setattr(csv_logger, "append", lambda *row: fails() if next(writes) >= first else file_log.append(*row))
    with pytest.warns(UserWarning, match="the log could not be written and ends here"):
        fit("cut", 3)
    monkeypatch.undo()
    fit("cut", 4)
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_model_that_cannot_be_saved_ends_the_run_and_its_figures_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, save = autoencoder(), Model.save
    assert model.history is None
    monkeypatch.setattr(Model, "save", lambda self, path: fails() if self.epoch == 3 else save(self, path))
    message = r"ModelCheckpoint: the model could not be saved: .*No space left.*model.history holds the figures so far"
    with pytest.raises(OSError, match=message):
        model.fit(X, X, epochs=5, callbacks=[ModelCheckpoint(tmp_path / "model")], verbose=0)
    assert model.history is not None
    assert model.history.epoch == [0, 1, 2]
    assert len(model.history.history["loss"]) == 3
    seen = weakref.ref(model)
    del model
    assert seen() is None  # no circle keeps a model, and its arrays, in memory
