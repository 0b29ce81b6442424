"""CSVLogger: the figures of each epoch in a file of comma-separated values."""

from __future__ import annotations

import csv
import io
import os
import warnings
from pathlib import Path
from typing import Any

from .. import arguments
from .base import Logs
from .file_log import FileLog, append
from .paths import check_file


class CSVLogger(FileLog):
    """Write each epoch's figures to a CSV file when the epoch ends; `append=True` continues an existing file.

    The columns are epoch, this run's figures and learning_rate. In a file that is continued they keep the order of its
    header. An epoch without validation (fit's validation_freq) leaves the cells of its "val_" figures empty.
    If writing fails during the run, a warning and History's `notes` say so, and training goes on without this log.
    Raises ValueError, before training, if `path` cannot be written, or if the header names other columns.
    """

    def __init__(self, path: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.path, self.separator = Path(arguments.path("CSVLogger", "path", path)), separator
        self.append = arguments.flag("CSVLogger", "append", append)

    @property
    def _file_path(self) -> Path:
        return self.path.expanduser()

    def check_run(self) -> None:
        check_file("CSVLogger", str(self.path))
        self._columns = ["epoch", *self.params["metrics"], "learning_rate"]
        self._before = self._file_path.stat().st_size if self.append and self._file_path.exists() else 0
        if self._before and not self.params["resumed"]:
            self._columns = self._columns_of_the_file(self._columns)

    def _columns_of_the_file(self, columns: list[str]) -> list[str]:
        with self._file_path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            header = next(csv.reader([file.readline(1 << 16)], delimiter=self.separator), [])
        if sorted(header) != sorted(columns):
            expected, got = self.separator.join(columns), self.separator.join(header)[:300]
            mend = "write this run to another file, or pass append=False to replace this one"
            raise ValueError(f"CSVLogger: the header of {self.path} must be {expected}, got {got!r}: {mend}")
        return header

    def on_train_begin(self) -> None:
        super().on_train_begin()
        self._told = False
        self._text = (
            ""  # what this run writes after the `_before` bytes of earlier runs, or would if the log had not ended
        )
        if not self.params["resumed"]:  # else set_state writes the file
            self._try(self._begin)
            if not self._before:
                self._append(dict(zip(self._columns, self._columns, strict=True)))

    def _begin(self) -> None:
        self._file_path.parent.mkdir(parents=True, exist_ok=True)
        if not self._before:
            self._file_path.write_bytes(b"")
            return
        with self._file_path.open("rb") as file:
            file.seek(self._before - 1)
            last = file.read()
        if last != b"\n":  # a kill may have cut the last row
            self._write("\r\n")

    def _append(self, row: dict[str, Any]) -> None:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self._columns, delimiter=self.separator, extrasaction="ignore").writerow(row)
        self._write(text.getvalue())

    def _write(self, text: str) -> None:
        self._text += text
        self._try(lambda: append(self._file_path, text.encode()))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if (others := [name for name in logs if name not in self._columns]) and not self._told:
            self._told = True
            mend = "only the loss and the metrics passed to compile have one"
            warnings.warn(f"CSVLogger: {', '.join(others)} in logs has no column in {self.path}: {mend}", stacklevel=2)
        row = {"epoch": epoch, **logs, "learning_rate": self._optimizer.current_learning_rate}
        self._append(row)

    def get_state(self) -> dict[str, Any]:
        return {"columns": self._columns, "before": self._before, "text": self._text}

    def check_state(self, state: dict[str, Any]) -> None:
        if sorted(state["columns"]) != sorted(self._columns) or not isinstance(state["text"], str):
            raise ValueError(f"CSVLogger: the columns must be {state['columns']}, as in the file, got {self._columns}")
        before = arguments.whole("CSVLogger", "before", state["before"])
        size = self._file_path.stat().st_size if self._file_path.exists() else 0
        if size < before:
            expected, mend = (
                f"the {before} bytes that earlier runs wrote",
                "bring the file back, or leave this callback",
            )
            raise ValueError(f"CSVLogger: {self.path} must hold {expected}, got {size}: {mend}")

    def set_state(self, state: dict[str, Any]) -> None:
        self._columns, self._before, self._text = state["columns"], state["before"], state["text"]
        self._try(self._put_back)

    def _put_back(self) -> None:
        """Let the file end as it did: rows of later epochs go, and rows that a power cut has taken come back.

        What earlier runs wrote may be long and is not read. After a kill in here, the next restart writes all again.
        """
        self._file_path.parent.mkdir(parents=True, exist_ok=True)
        with self._file_path.open("r+b" if self._file_path.exists() else "wb") as file:
            file.seek(self._before)
            file.write(self._text.encode())
            file.truncate()
