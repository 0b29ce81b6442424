"""History: the record of a run."""

from __future__ import annotations

import time
from typing import Any

from .. import arguments
from .base import Callback, Logs


class History(Callback):
    """The record that `fit` returns: `history.history` maps the name of each figure to a list of its values by epoch.

    `seconds` holds each epoch's duration; `interrupted` is true if Ctrl-C ended the run. `notes` holds a line for each
    thing that went wrong without ending the run, such as a log on a full disk. `loss` is the name of the loss in words.
    """

    def __init__(self, loss: str | None = None) -> None:
        self.loss = loss
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.seconds: list[float] = []
        self.interrupted = False
        self.notes = []

    def on_epoch_begin(self, epoch: int) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def get_state(self) -> dict[str, Any]:
        begun = getattr(self, "_start", None)
        elapsed = None if begun is None else time.perf_counter() - begun  # used only inside an epoch
        figures = {"history": self.history, "epoch": self.epoch, "seconds": self.seconds}
        return {**figures, "elapsed": elapsed, "notes": self.notes}

    def check_state(self, state: dict[str, Any]) -> None:
        columns = [state["epoch"], state["seconds"], state["notes"], *state["history"].values()]
        if not all(isinstance(column, list) for column in columns) or len(state["seconds"]) != len(state["epoch"]):
            raise ValueError("History: the file must hold lists of figures")
        arguments.number("History", "elapsed", 0 if state["elapsed"] is None else state["elapsed"])
        if not all(isinstance(figure, int | float) for figure in state["epoch"] + state["seconds"]):
            raise ValueError("History: the file's epochs and seconds must be numbers")

    def set_state(self, state: dict[str, Any]) -> None:
        self.history, self.epoch, self.seconds = state["history"], state["epoch"], state["seconds"]
        self.notes[:0] = state["notes"]  # this run's own may hold some already
        if state["elapsed"] is not None:
            self._start = time.perf_counter() - state["elapsed"]

    def __repr__(self) -> str:
        last = "".join(f", {name} {values[-1]:.4g}" for name, values in self.history.items() if values)
        count = len(self.epoch)
        notes = "".join(f", {note}" for note in self.notes)
        return f"History({count} epoch{'s' * (count != 1)}{last}{notes})"

    def _repr_html_(self) -> str:
        """The curves and a table of the figures, as notebooks show them."""
        from ..plots.notebook import history_html

        return history_html(self)
