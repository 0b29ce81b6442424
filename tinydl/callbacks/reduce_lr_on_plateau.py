"""ReduceLROnPlateau: a smaller learning rate whenever a figure no longer improves."""

from __future__ import annotations

from typing import Any

from .. import arguments
from .base import Logs
from .monitor import Monitor


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when `monitor` has not improved for `patience` epochs.

    min_delta  the change that counts as an improvement
    cooldown   the number of epochs after a reduction in which no wait begins
    min_lr     the rate never falls below this value

    The rates are the same as in Keras (tests/golden/make_keras_callbacks.py). Raises ValueError, before training, if
    the optimizer's learning rate is a schedule.
    """

    def __init__(
        self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0, mode: str = "auto",
        min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta, verbose)
        self.factor = arguments.positive("ReduceLROnPlateau", "factor", factor, 1)
        self.patience = arguments.whole("ReduceLROnPlateau", "patience", patience)
        self.cooldown = arguments.whole("ReduceLROnPlateau", "cooldown", cooldown)
        self.min_lr = arguments.number("ReduceLROnPlateau", "min_lr", min_lr, 0)
        self._waited = self._cooling = 0

    def check_run(self) -> None:
        super().check_run()
        self._refuse_schedule()

    def on_train_begin(self) -> None:
        super().on_train_begin()
        if self.params["initial_epoch"] == 0:
            self._waited = self._cooling = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.monitor not in logs:
            return
        if self._cooling:
            self._cooling -= 1
            self._waited = 0
        if self.improved(logs[self.monitor]):
            self.best, self._waited = logs[self.monitor], 0
        elif not self._cooling:
            self._waited += 1
            rate = self._optimizer.current_learning_rate
            if self._waited >= self.patience and rate > self.min_lr:
                self._optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self._waited, self._cooling = 0, self.cooldown
                self.say(epoch, f"reducing the learning rate to {self._optimizer.current_learning_rate:g}")

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "waited": self._waited, "cooling": self._cooling}

    def check_state(self, state: dict[str, Any]) -> None:
        super().check_state(state)
        for name in ("waited", "cooling"):
            arguments.whole("ReduceLROnPlateau", name, state[name])

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._waited, self._cooling = state["waited"], state["cooling"]
