"""TensorBoard: event files with figures and histograms."""

from __future__ import annotations

import os
import secrets
from importlib.util import find_spec
from pathlib import Path

from .. import arguments
from .base import Callback, Logs
from .paths import check_new_folder


class TensorBoard(Callback):
    """Write event files for TensorBoard: every figure, the learning rate, and histograms of weights and gradients.

    log_dir         this run's own directory; put the directories of several runs side by side to compare them
    histogram_freq  the number of epochs between histograms (0: no histograms); gradients are from the last batch

    Each fit writes a file of its own, so a second fit into the same directory keeps the events of the first.
    Raises ImportError if tensorboardX is missing, and ValueError, before training, if `log_dir` cannot be written.
    To view the files, run tensorboard --logdir <the parent directory>
    """

    def __init__(self, log_dir: str | os.PathLike[str], histogram_freq: int = 1) -> None:
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = arguments.whole("TensorBoard", "histogram_freq", histogram_freq)

    def check_run(self) -> None:
        if find_spec("tensorboardX") is None:
            raise ImportError("TensorBoard: tensorboardX must be installed: pip install tensorboardX")
        check_new_folder("TensorBoard", "log_dir", self.log_dir)

    def on_train_begin(self) -> None:
        from tensorboardX import SummaryWriter  # an optional dependency, slow to import

        # tensorboardX names the file after the second in which it is made
        folder, own_name = Path(self.log_dir).expanduser(), f".{os.getpid()}.{secrets.token_hex(4)}"
        self._writer = SummaryWriter(str(folder), filename_suffix=own_name)

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
