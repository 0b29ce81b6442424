"""Checkpoint: save a whole run, so that it can go on after a crash."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from .. import arguments
from ..files import destination
from .base import Callback, Logs

MOST_KEPT = 1000


class Checkpoint(Callback):
    """Save all that a run needs to go on as if it had never stopped: `fit(..., resume=path)` continues it to the bit.

        model.fit(x, y, epochs=30, callbacks=[..., Checkpoint("run.safetensors")], resume="run.safetensors")

    The same call starts the run and, after a crash, continues it. One file holds the model, the optimizer, all random
    generators, the place inside the epoch, the history, and what the other callbacks keep (see Callback.get_state). It
    is written after all other callbacks have seen the same epoch or batch, and when training ends; if there is no file
    yet, also when training begins.

    path           the newest file; older ones are called path.1, path.2 and so on
    every_epochs   save after every so many epochs; 1 if none of the three is given
    every_batches  save after every so many batches, also inside an epoch
    every_seconds  save after the first batch or epoch that ends so many seconds after the last save
    keep           the number of files to keep, at most 1,000. Files that an earlier run with a larger number kept stay

    A file made inside an epoch also holds the predictions made so far in this epoch if there are metrics, but no rows
    and no targets. If a file cannot be written, or would hold numbers that are not finite, one warning and one line in
    History's `notes` say so, training goes on, and the last good file stays.
    Raises ValueError, before training, if `path` cannot be written.
    """

    write: Callable[[str], None]
    """Writes the run to a path; set by the run."""

    def __init__(
        self, path: str | os.PathLike[str], every_epochs: int | None = None, every_batches: int | None = None,
        every_seconds: float | None = None, keep: int = 1,
    ) -> None:  # fmt: skip
        owner = "Checkpoint"
        self.path = arguments.path(owner, "path", path)
        if every_epochs is None and every_batches is None and every_seconds is None:
            every_epochs = 1
        for name, value in (("every_epochs", every_epochs), ("every_batches", every_batches)):
            if value is not None:
                arguments.positive_int(owner, name, value)
        if every_seconds is not None:
            arguments.positive(owner, "every_seconds", every_seconds)
        self.every_epochs, self.every_batches, self.every_seconds = every_epochs, every_batches, every_seconds
        self.keep = arguments.positive_int(owner, "keep", keep)
        if keep > MOST_KEPT:
            mend = "each save renames all older files"
            raise ValueError(f"Checkpoint: keep must be <= {MOST_KEPT:,}, got {arguments.brief(keep)}: {mend}")

    @property
    def every_batch(self) -> bool:  # type: ignore[override]
        return self.every_batches is not None

    def check_run(self) -> None:
        try:
            destination(self.path)
            for age in range(1, self.keep):
                destination(self._older(age))
        except OSError as error:
            raise ValueError(f"Checkpoint: path must be writable: {error}") from None

    def on_train_begin(self) -> None:
        self._saved = time.monotonic()
        self._failures, self._note = 0, ""
        if not os.path.lexists(self._older(0)):  # a restart before the next save then knows what the logs must lose
            self._save()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        last = batch + 1 == self.params["steps"]  # the end of the epoch, which comes next, saves more
        if not last and (self._counted() or self._late()):
            self._save()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        due = self.every_epochs is not None and (epoch + 1) % self.every_epochs == 0
        if due or self._counted() or self._late() or epoch + 1 >= self.params["epochs"] or self.model.stop_training:
            self._save()

    def _counted(self) -> bool:
        return self.every_batches is not None and self._optimizer.iterations % self.every_batches == 0

    def _late(self) -> bool:
        return self.every_seconds is not None and time.monotonic() - self._saved >= self.every_seconds

    def _save(self) -> None:
        self._saved = time.monotonic()
        try:
            file = destination(self.path)
            before = file.with_name(f".{file.name[:50]}.before")
            if self.keep > 1 and file.exists():
                _same_content(file, before)
            self.write(self.path)
            if self.keep > 1 and before.exists():
                for age in range(self.keep - 1, 1, -1):
                    if os.path.exists(self._older(age - 1)):
                        os.replace(self._older(age - 1), self._older(age))
                os.replace(before, self._older(1))
        except (OSError, FloatingPointError) as error:
            self._say(error)

    def _say(self, error: Exception) -> None:
        """Warn of the first failure; keep one note with their number."""
        self._failures += 1
        times = f" {self._failures} times, the last time" if self._failures > 1 else ""
        note = f"Checkpoint: {self.path} could not be written{times}: {error}"
        if self._note in self.notes:
            self.notes[self.notes.index(self._note)] = note
        else:
            self.notes.append(note)
            stays = ", and the last good file stays" if os.path.isfile(self._older(0)) else ""
            warnings.warn(f"{note}: training goes on{stays}", stacklevel=2)
        self._note = note

    def _older(self, age: int) -> str:
        return os.path.expanduser(f"{self.path}.{age}" if age else self.path)


def _same_content(file: Path, other: Path) -> None:
    """Give the file's content a second name, so that there is no moment without a file of the first name."""
    other.unlink(missing_ok=True)
    try:
        os.link(file, other)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, other)
