"""ProgressBar: what `fit(verbose=1)` shows."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

from tqdm import tqdm

from .. import arguments
from .base import Logs
from .file_log import FileLog


class ProgressBar(FileLog):
    """The output of `fit(verbose=1)`: on a terminal or in a notebook, a bar with losses and time left.

    Elsewhere, and in a notebook without ipywidgets, one line per epoch, and within a long epoch a line every
    `line_seconds` with the batch, its loss and the time left in the epoch. bar=False shows these lines everywhere. If
    the output cannot be written, for example to a full disk, training goes on without it.
    """

    bar_format = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
    count_format = "{desc} {n_fmt} batches {elapsed}{postfix}"  # if the number of batches is unknown
    every_batch = False
    refresh_seconds = 0.2
    line_seconds = 30.0

    def __init__(self, bar: bool = True) -> None:
        self.bar = arguments.flag("ProgressBar", "bar", bar)
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self) -> None:
        super().on_train_begin()
        self._figures: Logs = {}
        self._shown = 0.0
        steps = self.params["steps"]
        total = None if steps is None else max(self.params["epochs"] - self.params["initial_epoch"], 0) * steps
        self._bar = None
        if self.bar:
            self._try(lambda: self._open(total))

    def _open(self, total: int | None) -> None:
        self._bar = _bar(total, self.bar_format if total is not None else self.count_format)

    def on_epoch_begin(self, epoch: int) -> None:
        self._start = self._shown = time.perf_counter()
        self._heading = f"Epoch {epoch + 1}/{self.params['epochs']}"
        self._batches = 0  # of this epoch that the bar has counted
        if self._bar is not None:
            self._shown = 0.0
            self._bar.set_description_str(self._heading, refresh=False)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        now = time.perf_counter()
        if self._bar is not None:
            if now - self._shown > self.refresh_seconds:
                self._shown = now
                self._show(self._bar, {**self._figures, "loss": logs["loss"]})  # val_loss is from the previous epoch
            try:
                self._bar.update(batch + 1 - self._batches)
            except Exception as error:  # as in _try, which a step of a small network would notice
                self._end(error)
            self._batches = batch + 1
        elif now - self._shown > self.line_seconds:
            self._shown = now
            self._try(lambda: self._line(batch + 1, now - self._start, logs["loss"]))

    def _line(self, done: int, seconds: float, loss: float) -> None:
        steps = self.params["steps"]
        batches, left = f"batch {done}", ""
        if steps is not None:
            batches, left = f"{batches}/{steps}", f" - {seconds / done * (steps - done):.0f}s left in this epoch"
        print(f"{self._heading} - {batches} - {seconds:.0f}s - loss: {loss:.4g}{left}", flush=True)

    def _show(self, bar: tqdm[Any], figures: Logs) -> None:
        bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._bar is not None:
            self._figures = dict(logs)
            self._show(self._bar, logs)
            return
        figures = "".join(f" - {name}: {value:.4g}" for name, value in logs.items())
        line = f"{self._heading} - {time.perf_counter() - self._start:.1f}s{figures}"
        self._try(lambda: print(line, flush=True))

    def on_train_end(self) -> None:
        if self._bar is not None:
            self._try(self._bar.close)

    def _end(self, error: Exception) -> None:
        super()._end(error)
        if self._bar is not None:
            self._bar.disable = True  # else it would try again when it is deleted
            self._bar = None


def _bar(total: int | None, bar_format: str) -> tqdm[Any] | None:
    """A bar for a notebook or a terminal; None elsewhere."""
    if _in_notebook():
        from tqdm import notebook  # imports ipywidgets, if installed

        return None if notebook.IProgress is None else notebook.tqdm(total=total, bar_format=bar_format)
    if not sys.stderr.isatty():
        return None
    # 80 x 24 if the terminal does not report its size, in which case tqdm alone would show nothing
    columns, lines = shutil.get_terminal_size()
    return tqdm(total=total, bar_format=bar_format, ncols=columns, nrows=lines)


def _in_notebook() -> bool:
    """Whether IPython runs in a Jupyter kernel, as tqdm.autonotebook decides it."""
    ipython = sys.modules.get("IPython")  # imported before the first cell runs
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
