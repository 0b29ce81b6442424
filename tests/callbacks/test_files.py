"""The files of CSVLogger, TensorBoard and ModelCheckpoint: whole, under the right headings, where the user meant."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.callbacks.scripted import X, autoencoder, run
from tinydl import Model
from tinydl.callbacks import Callback, CSVLogger, ModelCheckpoint, TensorBoard
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def train(logger: Callback, metrics: tuple[str, ...], validate: bool = False) -> None:
    model = Model([Dense(3)], 3)
    model.compile(SGD(), MeanSquaredError(), metrics=metrics)
    model.fit(X, X, validation_data=(X, X) if validate else None, callbacks=[logger], verbose=0)


def test_the_header_decides_where_figures_go(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    train(CSVLogger(path), ("mae", "r2"))
    train(CSVLogger(path, append=True), ("r2", "mae"))
    first, second = rows(path)
    assert list(first) == ["epoch", "loss", "mae", "r2", "learning_rate"]
    assert {name: float(value) for name, value in second.items()} == pytest.approx(
        {name: float(value) for name, value in first.items()}
    )


@pytest.mark.parametrize(("metrics", "validate"), [(("mae",), True), ((), False), (("mae", "r2"), False)])
def test_other_columns_are_refused_before_training(tmp_path: Path, metrics: tuple[str, ...], validate: bool) -> None:
    path = tmp_path / "log.csv"
    train(CSVLogger(path), ("mae",))
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"CSVLogger: the header of .* must be epoch,loss,.*, got 'epoch,loss,mae,lea"):
        train(CSVLogger(path, append=True), metrics, validate)
    assert path.read_bytes() == content
    train(CSVLogger(path), metrics, validate)  # append=False replaces the file
    assert len(rows(path)) == 1


def test_a_file_of_other_content_is_refused(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\x00binary", b"epoch;loss\r\n", b"\n", b"epoch,los"):
        path = tmp_path / "other"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="CSVLogger: the header of"):
            train(CSVLogger(path, append=True), ())
        assert path.read_bytes() == content


def test_a_row_cut_by_a_kill_is_not_glued_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    train(CSVLogger(path), ())
    whole = path.read_bytes()
    for cut in (3, 1):  # inside the last number, and between its "\r" and "\n"
        path.write_bytes(whole[:-cut])
        train(CSVLogger(path, append=True), ())
        first, second = rows(path)
        assert first["epoch"] == second["epoch"] == "0"
        assert second["learning_rate"] == "0.01"


def test_an_empty_file_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.touch()
    train(CSVLogger(path, append=True), ())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as a spreadsheet program saves it
    train(CSVLogger(path, append=True), ())
    assert len(rows(path)) == 2


class Adds(Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["mine"] = 1.0


def test_a_figure_without_a_column_is_said_once(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="mine in logs has no column") as said:
        run([3, 2], Adds(), CSVLogger(tmp_path / "log.csv"))
    assert len(said) == 1


def test_epochs_without_validation_leave_cells_empty(tmp_path: Path) -> None:
    class First(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            if epoch == 0:
                del logs["val_loss"]

    run([3, 2], First(), CSVLogger(tmp_path / "log.csv"))
    assert [row["val_loss"] for row in rows(tmp_path / "log.csv")] == ["", "2"]


@pytest.mark.parametrize("separator", ["", ";;", "\n", None])
def test_separators_that_cannot_work_are_refused(separator: Any) -> None:
    with pytest.raises(ValueError, match="CSVLogger: separator must be one character"):
        CSVLogger("log.csv", separator)


def test_two_fits_within_a_second_keep_their_events(tmp_path: Path) -> None:
    for value in (3.0, 2.0):
        run([value], TensorBoard(tmp_path, histogram_freq=0))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    assert all("tfevents" in file.name and b"val_loss" in file.read_bytes() for file in files)


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(here)
    run([1], CSVLogger("~/l.csv"), TensorBoard("~/tb"), ModelCheckpoint("~/m"))
    run([1], CSVLogger("~/l.csv", append=True))
    assert sorted(path.name for path in home.iterdir()) == ["l.csv", "m", "tb"]
    assert len(rows(home / "l.csv")) == 2
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "callback",
    [
        CSVLogger("n" * 256), CSVLogger("new/" + "n" * 256 + "/l.csv"), CSVLogger(""), CSVLogger("folder"),
        CSVLogger("file/l.csv"), CSVLogger("a\0b"), TensorBoard("n" * 256), TensorBoard("file"), TensorBoard("file/tb"),
        ModelCheckpoint("n" * 256, "loss"), ModelCheckpoint("new/" * 1100 + "m", "loss"), ModelCheckpoint(".", "loss"),
        ModelCheckpoint("new/" + "n" * 256, "loss"), ModelCheckpoint("locked", "loss"), ModelCheckpoint("file/m", "loss"),
    ],
)  # fmt: skip
def test_paths_that_cannot_work_are_refused_before_training(
    callback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").touch(0o444)
    model = autoencoder()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=f"{type(callback).__name__}: (path|log_dir) must "):
        model.fit(X, X, callbacks=[callback], verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "locked"]


def test_the_longest_names_that_work_are_accepted(tmp_path: Path) -> None:
    run([1], CSVLogger(tmp_path / ("n" * 255)), ModelCheckpoint(tmp_path / ("m" * 255)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m" * 255, "n" * 255]
