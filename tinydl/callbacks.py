"""What happens between batches and epochs, besides training.

A callback is told of the run's events; its `model` and `params` ({"epochs", "steps", "metrics"}) are set before the
first. `logs` holds an epoch's figures by name ("loss", "val_loss", metrics). Setting `model.stop_training = True` ends
the run after the epoch.
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
    """Base of all callbacks; each method is an event, and does nothing here. Epochs and batches count from 0."""

    model: NetworkInTraining
    params: dict[str, Any]

    @property
    def _optimizer(self) -> Optimizer:
        """The model's: it was compiled, or there would be no run."""
        assert self.model.optimizer is not None
        return self.model.optimizer

    def check_run(self) -> None:
        """Refuse a run that cannot go well; called before any callback or weight is touched."""

    def on_train_begin(self) -> None: ...

    def on_epoch_begin(self, epoch: int) -> None: ...

    def on_train_batch_end(self, batch: int, logs: Logs) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...

    def on_train_end(self) -> None:
        """Also called when the run was interrupted (Ctrl-C) or stopped by an error."""


class History(Callback):
    """What `fit` returns: `history.history["loss"][epoch]`, and the same for every figure of the run.

    `seconds` holds each epoch's duration, `interrupted` tells whether Ctrl-C ended the run.
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
    """`fit(verbose=1)`: a bar with loss, val_loss and time left on a terminal, a line an epoch anywhere else."""

    bar_format = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
    refresh_seconds = 0.2

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self) -> None:
        if sys.stderr.isatty():
            total = max(self.params["epochs"] - self.params["initial_epoch"], 0) * self.params["steps"]
            # 80 x 24 where the terminal does not say; tqdm by itself would show nothing then
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
            self._show(self._bar, {**self._figures, "loss": logs["loss"]})  # this batch's; val_loss of the last epoch
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
    """What ModelCheckpoint and EarlyStopping share: one figure to watch, and the best value it has had."""

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
            mend = ": give fit a validation_data" if self.monitor.startswith("val_") else ""
            raise ValueError(
                f"{type(self).__name__}: monitor={self.monitor!r} is not among this run's figures, "
                f"{', '.join(self.params['metrics'])}{mend}"
            )

    def on_train_begin(self) -> None:
        if self.params["initial_epoch"] == 0:  # a run that goes on, goes on from the best so far
            self.best, self._best_weights = -self._sign * math.inf, None

    def improved(self, value: float) -> bool:
        return self._sign * (value - self.best) > self.min_delta

    def on_train_end(self) -> None:
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def say(self, epoch: int, text: str) -> None:
        if self.verbose:
            tqdm.write(f"Epoch {epoch + 1:05d}: {text}")  # above the progress bar if there is one


class ModelCheckpoint(Monitor):
    """Saves the model after every epoch, or after those that improved `monitor`.

    path                  may hold fields: "weights-{epoch:02d}-{val_loss:.4f}.safetensors" (epoch counts from 1)
    save_best_only        only when `monitor` is better than ever before in this run
    restore_best_weights  at the end of training, also after Ctrl-C, give the model the weights of its best epoch back
                          (kept in memory)
    An interrupted run that has saved nothing yet is saved as it stands. In a fit with `initial_epoch` above 0 the same
    object goes on from the best it has seen; a new object knows nothing of earlier runs.
    Raises ValueError, before training, for a path that cannot be written or asks for figures the run does not have.
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
            raise ValueError(f"ModelCheckpoint: path {self.path!r} may have the fields {fields}: {error!r}") from None
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ValueError(f"ModelCheckpoint: {self.path!r} is a folder, or cannot be written in {folder}")

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
        if self._unsaved and self.model.interrupted:  # Ctrl-C fell into the save, or came before the first one
            self.model.save(self._unsaved)
        super().on_train_end()


class EarlyStopping(Monitor):
    """Stops when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    restore_best_weights: at the end give the model the weights of its best epoch back (kept in memory).
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
    """Sets the learning rate before every epoch to `schedule(epoch)` or `schedule(epoch, learning_rate)`.

    For a rate that changes with every step give the optimizer a schedule of tinydl.schedules instead.
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
    """Writes each epoch's figures as a row of a CSV file, at once; `append=True` continues an existing file."""

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
    """Event files for TensorBoard: every figure, the learning rate, and histograms of all weights and gradients.

    log_dir         this run's own directory; put several runs' directories side by side to compare them
    histogram_freq  write histograms every so many epochs (0: never); gradients are those of the epoch's last batch

    Raises ImportError when tensorboardX is missing. Then: tensorboard --logdir <the directory above>
    """

    def __init__(self, log_dir: str | os.PathLike[str], histogram_freq: int = 1) -> None:
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = int(arguments.number("TensorBoard", "histogram_freq", histogram_freq, 0))

    def check_run(self) -> None:
        if find_spec("tensorboardX") is None:
            raise ImportError("TensorBoard: needs tensorboardX: pip install tensorboardX")

    def on_train_begin(self) -> None:
        from tensorboardX import SummaryWriter  # optional, and slow to import

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
