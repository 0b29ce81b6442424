"""Callbacks: actions between batches and epochs, such as logging, checkpoints and early stopping.

A run first sets each callback's `model` and `params` ({"epochs", "initial_epoch", "steps", "metrics"}), then calls its
method for each event. `logs` maps the names of figures ("loss", "val_loss", metrics) to their values. Setting
`model.stop_training = True` ends the run after the current epoch.
"""

from __future__ import annotations

import csv
import inspect
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from tqdm import tqdm

from . import arguments
from .network import NetworkInTraining
from .optimizers import Optimizer

Logs = dict[str, float]


class Callback:
    """Base class of all callbacks, with one empty method per event. Epochs and batches count from 0."""

    model: NetworkInTraining
    params: dict[str, Any]

    @property
    def _optimizer(self) -> Optimizer:
        """The model's optimizer, which exists because a run requires a compiled model."""
        assert self.model.optimizer is not None
        return self.model.optimizer

    def check_run(self) -> None:
        """Raise if the run cannot succeed; called before any callback begins or any weight changes."""

    def on_train_begin(self) -> None: ...

    def on_epoch_begin(self, epoch: int) -> None: ...

    def on_train_batch_end(self, batch: int, logs: Logs) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...

    def on_train_end(self) -> None:
        """Called at the end of a run, even after Ctrl-C or an error."""


class History(Callback):
    """The record that `fit` returns: `history.history` maps the name of each figure to a list of its values by epoch.

    `seconds` holds each epoch's duration; `interrupted` is true if Ctrl-C ended the run.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.seconds: list[float] = []
        self.interrupted = False

    def on_epoch_begin(self, epoch: int) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)


class ProgressBar(Callback):
    """The output of `fit(verbose=1)`: on a terminal, a bar with losses and time left; elsewhere, one line per epoch."""

    bar_format = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
    refresh_seconds = 0.2

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self) -> None:
        if sys.stderr.isatty():
            total = max(self.params["epochs"] - self.params["initial_epoch"], 0) * self.params["steps"]
            # 80 x 24 if the terminal does not report its size, in which case tqdm alone would show nothing
            columns, lines = shutil.get_terminal_size()
            self._bar = tqdm(total=total, bar_format=self.bar_format, ncols=columns, nrows=lines)
            self._figures: Logs = {}
            self._shown = 0.0
            self.on_train_batch_end = self._advance  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int) -> None:
        self._start = time.perf_counter()
        if self._bar is not None:
            self._bar.set_description_str(f"Epoch {epoch + 1}/{self.params['epochs']}", refresh=False)

    def _advance(self, batch: int, logs: Logs) -> None:
        assert self._bar is not None
        now = time.perf_counter()
        if now - self._shown > self.refresh_seconds:
            self._shown = now
            self._show(self._bar, {**self._figures, "loss": logs["loss"]})  # val_loss is from the previous epoch
        self._bar.update()

    def _show(self, bar: tqdm[Any], figures: Logs) -> None:
        bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._bar is not None:
            self._figures = dict(logs)
            self._show(self._bar, logs)
            return
        figures = "".join(f" - {name}: {value:.4g}" for name, value in logs.items())
        seconds = time.perf_counter() - self._start
        print(f"Epoch {epoch + 1}/{self.params['epochs']} - {seconds:.1f}s{figures}", flush=True)

    def on_train_end(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Monitor(Callback):
    """Watch one figure and keep its best value so far; the base class of ModelCheckpoint and EarlyStopping."""

    def __init__(self, monitor: str, mode: str, min_delta: float, verbose: int) -> None:
        owner = type(self).__name__
        if not isinstance(monitor, str):
            raise TypeError(f"{owner}: monitor must be the name of a figure, got {monitor!r}")
        self.monitor = monitor
        self.mode = arguments.one_of(owner, "mode", mode, ("auto", "min", "max"))
        self.min_delta = arguments.number(owner, "min_delta", min_delta, 0)
        self.verbose = verbose
        rising = mode == "max" or (mode == "auto" and monitor.endswith(("accuracy", "auc")))
        self._sign = 1.0 if rising else -1.0
        self.best = -self._sign * math.inf
        self._best_weights: list[NDArray] | None = None

    def check_run(self) -> None:
        if self.monitor not in self.params["metrics"]:
            mend = ": pass validation_data to fit" if self.monitor.startswith("val_") else ""
            expected = f"one of this run's figures, {', '.join(self.params['metrics'])}"
            raise ValueError(f"{type(self).__name__}: monitor must be {expected}, got {self.monitor!r}{mend}")

    def on_train_begin(self) -> None:
        if self.params["initial_epoch"] == 0:  # a continued run keeps the best value so far
            self.best, self._best_weights = -self._sign * math.inf, None

    def improved(self, value: float) -> bool:
        return self._sign * (value - self.best) > self.min_delta

    def on_train_end(self) -> None:
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def say(self, epoch: int, text: str) -> None:
        if self.verbose:
            tqdm.write(f"Epoch {epoch + 1:05d}: {text}")  # above the progress bar, if any


class ModelCheckpoint(Monitor):
    """Save the model after every epoch, or only after epochs that improve `monitor`.

    path                  may contain fields: "weights-{epoch:02d}-{val_loss:.4f}.safetensors" (epoch counts from 1)
    save_best_only        save only when `monitor` is better than at any earlier epoch of this run
    restore_best_weights  at the end of training, even after Ctrl-C, set the model's weights to those of its best epoch
                          (kept in memory)
    If Ctrl-C comes before the first save or during a save, the model is saved as it is. In a fit with `initial_epoch`
    above 0, a reused object continues from its best value so far; a new object starts without a best value.
    Raises ValueError, before training, if `path` cannot be written or has a field other than epoch and the figures.
    """

    def __init__(
        self, path: str | os.PathLike[str], monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
        mode: str = "auto", restore_best_weights: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, 0.0, verbose)
        self.path = os.fspath(path)
        self.save_best_only = save_best_only
        self.restore_best_weights = restore_best_weights

    def _path_before_training(self) -> str:
        return self.path.format(epoch=0, **dict.fromkeys(self.params["metrics"], 0.0))

    def check_run(self) -> None:
        if self.save_best_only or self.restore_best_weights:
            super().check_run()
        try:
            path = Path(self._path_before_training()).expanduser()
        except (LookupError, ValueError) as error:
            fields = ", ".join(["epoch", *self.params["metrics"]])
            raise ValueError(f"ModelCheckpoint: path may contain only {fields}, got {self.path!r}: {error!r}") from None
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ValueError(f"ModelCheckpoint: path must be a writable file in {folder}, got {self.path!r}")

    def on_train_begin(self) -> None:
        super().on_train_begin()
        self._unsaved = self._path_before_training() if self.params["initial_epoch"] == 0 else None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        path = self.path.format(epoch=epoch + 1, **logs)
        value = logs.get(self.monitor, math.nan)
        better = self.improved(value)
        if self.save_best_only and not better:
            self.say(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
            return
        improvement = f"{self.monitor} improved from {self.best:.5f} to {value:.5f}, " if self.save_best_only else ""
        self.say(epoch, f"{improvement}saving model to {path}")
        weights = self.model.get_weights() if better and self.restore_best_weights else self._best_weights
        self.best, self._best_weights, self._unsaved = value if better else self.best, weights, path
        self.model.save(path)
        self._unsaved = None

    def on_train_end(self) -> None:
        if self._unsaved and self.model.interrupted:  # Ctrl-C came during a save or before the first save
            self.model.save(self._unsaved)
        super().on_train_end()


class EarlyStopping(Monitor):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    restore_best_weights: at the end, set the model's weights to those of its best epoch (kept in memory).
    """

    def __init__(
        self, monitor: str = "val_loss", min_delta: float = 0.0, patience: int = 0, verbose: int = 0,
        mode: str = "auto", restore_best_weights: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience = int(arguments.number("EarlyStopping", "patience", patience, 0))
        self.restore_best_weights = restore_best_weights
        self.stopped_epoch: int | None = None
        self._waited = 0

    def on_train_begin(self) -> None:
        super().on_train_begin()
        self.stopped_epoch = None
        if self.params["initial_epoch"] == 0:
            self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.improved(logs[self.monitor]):
            self.best, self._waited = logs[self.monitor], 0
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            return
        self._waited += 1
        if self._waited >= max(self.patience, 1):
            self.stopped_epoch, self.model.stop_training = epoch, True
            self.say(epoch, f"early stopping, best {self.monitor} {self.best:.5f}")


class LearningRateScheduler(Callback):
    """Set each epoch's learning rate to `schedule(epoch)`, or to `schedule(epoch, rate)` if it has two parameters.

    For a rate that changes with every step, pass the optimizer a schedule from tinydl.schedules instead.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function of the epoch, got {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = len(inspect.signature(schedule).parameters) > 1

    def on_epoch_begin(self, epoch: int) -> None:
        given = (epoch, self._optimizer.current_learning_rate) if self._takes_rate else (epoch,)
        rate = arguments.number("LearningRateScheduler", f"schedule({epoch})", self.schedule(*given), 0)
        self._optimizer.learning_rate = rate
        if self.verbose:
            tqdm.write(f"Epoch {epoch + 1:05d}: learning rate is {rate:g}")


class CSVLogger(Callback):
    """Write each epoch's figures to a CSV file when the epoch ends; `append=True` continues an existing file."""

    def __init__(self, path: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.path, self.separator, self.append = Path(path), separator, append

    def on_train_begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        header = not (self.append and self.path.exists() and self.path.stat().st_size)
        self._file = self.path.open("a" if self.append else "w", newline="", encoding="utf-8")
        columns = ["epoch", *self.params["metrics"], "learning_rate"]
        self._writer = csv.DictWriter(self._file, columns, delimiter=self.separator, extrasaction="ignore")
        if header:
            self._writer.writeheader()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._writer.writerow({"epoch": epoch, **logs, "learning_rate": self._optimizer.current_learning_rate})
        self._file.flush()

    def on_train_end(self) -> None:
        self._file.close()


class TensorBoard(Callback):
    """Write event files for TensorBoard: every figure, the learning rate, and histograms of weights and gradients.

    log_dir         this run's own directory; put the directories of several runs side by side to compare them
    histogram_freq  the number of epochs between histograms (0: no histograms); gradients are from the last batch

    Raises ImportError if tensorboardX is missing. To view the files, run tensorboard --logdir <the parent directory>
    """

    def __init__(self, log_dir: str | os.PathLike[str], histogram_freq: int = 1) -> None:
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = int(arguments.number("TensorBoard", "histogram_freq", histogram_freq, 0))

    def check_run(self) -> None:
        if find_spec("tensorboardX") is None:
            raise ImportError("TensorBoard: tensorboardX must be installed: pip install tensorboardX")

    def on_train_begin(self) -> None:
        from tensorboardX import SummaryWriter  # an optional dependency, slow to import

        self._writer = SummaryWriter(self.log_dir)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        for name, value in {**logs, "learning_rate": self._optimizer.current_learning_rate}.items():
            self._writer.add_scalar(name, value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for kind, arrays in (("weights", self.model.params), ("gradients", self.model.grads)):
                for name, array in arrays.items():
                    self._writer.add_histogram(f"{kind}/{name}", array, epoch)
        self._writer.flush()

    def on_train_end(self) -> None:
        self._writer.close()
