"""Logs on a disk that fails: the run goes on, one warning says so, and the log holds no half of a row."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.callbacks.scripted import X, autoencoder
from tinydl.callbacks import CSVLogger, History, ProgressBar, TensorBoard, csv_logger, file_log, tensorboard
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
