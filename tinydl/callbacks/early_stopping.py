"""EarlyStopping: end a run whose figure no longer improves."""

from __future__ import annotations

from typing import Any

from .. import arguments
from .base import Logs
from .monitor import Monitor


class EarlyStopping(Monitor):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    baseline              a value that improvements must also beat: only those restart the wait of `patience` epochs
    restore_best_weights  at the end, set the model's weights to those of its best epoch (kept in memory), even if that
                          epoch does not reach `baseline`
    start_from_epoch      the number of epochs at the beginning of the run that are not watched

    The epoch in which a run stops is the same as in Keras (tests/golden/make_keras_callbacks.py).
    """

    def __init__(
        self, monitor: str = "val_loss", min_delta: float = 0.0, patience: int = 0, verbose: int = 0,
        mode: str = "auto", baseline: float | None = None, restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience = arguments.whole("EarlyStopping", "patience", patience)
        self.baseline = None if baseline is None else arguments.number("EarlyStopping", "baseline", baseline)
        self.restore_best_weights = arguments.flag("EarlyStopping", "restore_best_weights", restore_best_weights)
        self.start_from_epoch = arguments.whole("EarlyStopping", "start_from_epoch", start_from_epoch)
        self.stopped_epoch: int | None = None
        self._waited = 0

    def on_train_begin(self) -> None:
        super().on_train_begin()
        self.stopped_epoch = None
        if self.params["initial_epoch"] == 0:
            self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.monitor not in logs or epoch < self.start_from_epoch:
            return
        value = logs[self.monitor]
        better = self.improved(value)
        beats_baseline = better and (self.baseline is None or self.improved(value, self.baseline))
        if self.restore_best_weights and (better or self._best_weights is None):
            self._best_weights = self.model.get_weights()
        self.best = value if better else self.best
        self._waited = 0 if beats_baseline else self._waited + 1
        if not better and self._waited >= self.patience:
            self.stopped_epoch, self.model.stop_training = epoch, True
            self.say(epoch, f"early stopping, best {self.monitor} {self.best:.5f}")

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "waited": self._waited, "stopped_epoch": self.stopped_epoch}

    def check_state(self, state: dict[str, Any]) -> None:
        super().check_state(state)
        arguments.whole("EarlyStopping", "waited", state["waited"])
        arguments.whole("EarlyStopping", "stopped_epoch", state["stopped_epoch"] or 0)

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._waited, self.stopped_epoch = state["waited"], state["stopped_epoch"]
