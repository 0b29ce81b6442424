"""FileLog: what CSVLogger, TensorBoard and ProgressBar share. A log on a failing disk ends, but not the run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .base import Callback


class FileLog(Callback):
    """The base class of callbacks that write a log, to a file of their own or to the standard output.

    If writing fails, for example on a full disk, a warning says so, the rest of this run goes unlogged, and training
    goes on. The warning's text is also in History's `notes`.
    """

    _ended = False

    def on_train_begin(self) -> None:
        self._ended = False

    def _try(self, write: Callable[[], None]) -> None:
        """Call a function that writes to the log, unless the log has ended."""
        if self._ended:
            return
        try:
            write()
        except Exception as error:  # whatever the cause, a log is not worth a run
            self._end(error)

    def _end(self, error: Exception) -> None:
        self._ended = True
        note = f"{type(self).__name__}: the log could not be written and ends here: {type(error).__name__}: {error}"
        self.notes.append(note)
        warnings.warn(f"{note}. Training goes on", stacklevel=2)


def append(path: Path, content: bytes) -> None:
    """Append to a file, or leave it as it was: a full disk keeps no half of a row."""
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
        except BaseException:
            with suppress(OSError):
                file.truncate(size)
            raise
