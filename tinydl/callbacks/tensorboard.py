"""TensorBoard: event files with figures and histograms."""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .. import arguments
from .base import Logs
from .file_log import FileLog, append
from .paths import check_new_folder

EDGES = 1e-12 * 1.1 ** np.arange(774)  # up to 1e20, as in TensorFlow: the limits of a histogram's bins above 0


class TensorBoard(FileLog):
    """Write event files for TensorBoard: every figure, the learning rate, and histograms of weights and gradients.

    log_dir         this run's own directory; put the directories of several runs side by side to compare them
    histogram_freq  the number of epochs between histograms (0: no histograms); gradients are from the last batch

    Each fit writes a file of its own, so a second fit into the same directory keeps the events of the first. If writing
    fails during the run, a warning and History's `notes` say so, and training goes on without this log.
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
        super().on_train_begin()
        self._try(self._begin)

    def _begin(self) -> None:
        folder = Path(self.log_dir).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        own_name = f"{os.getpid()}.{secrets.token_hex(4)}"
        self._file = folder / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{own_name}"
        append(self._file, _record(file_version="brain.Event:2"))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._try(lambda: append(self._file, self._events(epoch, logs)))

    def _events(self, epoch: int, logs: Logs) -> bytes:
        """The records of an epoch. (They are written here, not by tensorboardX's SummaryWriter: its thread dies when a
        write fails, and the run then waits for ever.)"""
        from tensorboardX import summary  # an optional dependency, slow to import

        figures = {**logs, "learning_rate": self._optimizer.current_learning_rate}
        summaries = [summary.scalar(name, value) for name, value in figures.items()]
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            bins = [*-EDGES[::-1], 0.0, *EDGES]
            for kind, arrays in (("weights", self.model.params), ("gradients", self.model.grads)):
                summaries += [summary.histogram(f"{kind}/{name}", array, bins) for name, array in arrays.items()]
        return b"".join(_record(summary=each, step=epoch) for each in summaries)


def _record(**fields: Any) -> bytes:
    """An event in TensorFlow's file format: the length of the message and the message, each with its checksum."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    message = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(message))
    return b"".join(part + struct.pack("<I", masked_crc32c(part)) for part in (length, message))
