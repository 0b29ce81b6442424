"""ModelCheckpoint: save the model between epochs."""

from __future__ import annotations

import math
import os
from string import Formatter
from typing import Any

from .. import arguments
from ..files import destination
from .base import Logs
from .monitor import Monitor


class ModelCheckpoint(Monitor):
    """Save the model after every epoch, or only after epochs that improve `monitor`.

    path                  may contain fields: "weights-{epoch:02d}-{val_loss:.4f}.safetensors" (epoch counts from 1)
    save_best_only        save only when `monitor` is better than at any earlier epoch of this run
    restore_best_weights  at the end of training, even after Ctrl-C, set the model's weights to those of its best epoch
                          (kept in memory)

    If Ctrl-C comes before the first save or during a save, the model is saved as it is. In a fit with `resume`, the
    best value so far comes from the file. In a fit with `initial_epoch` above 0, a reused object continues from its
    best value so far; a new object starts without a best value. An epoch
    without a figure that `path` contains, or without `monitor` if only the best is saved, saves nothing.
    Raises ValueError, before training, if `path` cannot be written or has a field other than epoch and the figures.
    """

    def __init__(
        self, path: str | os.PathLike[str], monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
        mode: str = "auto", restore_best_weights: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, 0.0, verbose)
        self.path = arguments.path("ModelCheckpoint", "path", path)
        self.save_best_only = arguments.flag("ModelCheckpoint", "save_best_only", save_best_only)
        self.restore_best_weights = arguments.flag("ModelCheckpoint", "restore_best_weights", restore_best_weights)

    def _path_before_training(self) -> str:
        return self.path.format(epoch=0, **dict.fromkeys(self.params["metrics"], 0.0))

    def check_run(self) -> None:
        if self.save_best_only or self.restore_best_weights:
            super().check_run()
        try:
            names = [name for _, name, _, _ in Formatter().parse(self.path) if name is not None]
            if unknown := [name for name in names if name not in ("epoch", *self.params["metrics"])]:
                raise KeyError(*unknown)
            path = self._path_before_training()
        except (LookupError, ValueError) as error:
            fields = ", ".join(["epoch", *self.params["metrics"]])
            raise ValueError(f"ModelCheckpoint: path may contain only {fields}, got {self.path!r}: {error!r}") from None
        try:
            destination(path)
        except OSError as error:
            raise ValueError(f"ModelCheckpoint: path must be writable: {error}") from None

    def on_train_begin(self) -> None:
        super().on_train_begin()
        self._unsaved = self._path_before_training() if self.params["initial_epoch"] == 0 else None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = logs.get(self.monitor, math.nan)
        better = self.improved(value)
        if self.save_best_only and not better:
            if self.monitor in logs:
                self.say(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
            return
        try:
            path = self.path.format(epoch=epoch + 1, **logs)
        except KeyError:  # a field of a figure that this epoch does not have
            return
        improvement = f"{self.monitor} improved from {self.best:.5f} to {value:.5f}, " if self.save_best_only else ""
        self.say(epoch, f"{improvement}saving model to {path}")
        weights = self.model.get_weights() if better and self.restore_best_weights else self._best_weights
        self.best, self._best_weights, self._unsaved = value if better else self.best, weights, path
        self._save(path)
        self._unsaved = None

    def _save(self, path: str) -> None:
        try:
            self.model.save(path)
        except OSError as error:
            mend = "free some space or choose another path; model.history holds the figures so far"
            raise OSError(f"ModelCheckpoint: the model could not be saved: {error}: {mend}") from error

    def on_train_end(self) -> None:
        if self._unsaved and self.model.interrupted:  # Ctrl-C came during a save or before the first save
            self._save(self._unsaved)
        super().on_train_end()

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "unsaved": self._unsaved is not None}

    def check_state(self, state: dict[str, Any]) -> None:
        super().check_state(state)
        arguments.flag("ModelCheckpoint", "unsaved", state["unsaved"])

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._unsaved = self._path_before_training() if state["unsaved"] else None
