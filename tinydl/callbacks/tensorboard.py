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
        self.log_dir = arguments.path("TensorBoard", "log_dir", log_dir)
        self.histogram_freq = arguments.whole("TensorBoard", "histogram_freq", histogram_freq)

    def check_run(self) -> None:
        if find_spec("tensorboardX") is None:
            raise ImportError("TensorBoard: tensorboardX must be installed: pip install tensorboardX")
        check_new_folder("TensorBoard", "log_dir", self.log_dir)

    def on_train_begin(self) -> None:
        super().on_train_begin()
        own_name = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        self._name, self._size = f"events.out.tfevents.{own_name}", 0
        if not self.params["resumed"]:  # else set_state chooses the file
            self._try(self._begin)

    @property
    def _file(self) -> Path:
        return Path(self.log_dir).expanduser() / self._name

    def _begin(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._append(_record(file_version="brain.Event:2"))

    def _append(self, content: bytes) -> None:
        append(self._file, content)
        self._size += len(content)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._try(lambda: self._append(self._events(epoch, logs)))

    def get_state(self) -> dict[str, Any]:
        return {"name": self._name, "size": self._size}

    def check_state(self, state: dict[str, Any]) -> None:
        name, _ = state["name"], arguments.whole("TensorBoard", "size", state["size"])
        if not isinstance(name, str) or Path(name).name != name or "tfevents" not in name:
            raise ValueError(f"TensorBoard: the file of events must be in log_dir, got {arguments.brief(name)}")

    def set_state(self, state: dict[str, Any]) -> None:
        self._try(lambda: self._put_back(state["name"], state["size"]))

    def _put_back(self, name: str, size: int) -> None:
        """Go on in the file as it was: events of later epochs go. If it is no longer whole, a new file begins."""
        old = self._file.with_name(name)
        if not old.is_file() or old.stat().st_size < size:
            self._begin()
            return
        os.truncate(old, size)
        self._name, self._size = name, size

    def _events(self, epoch: int, logs: Logs) -> bytes:
        """The records of an epoch. (They are written here, not by tensorboardX's SummaryWriter: its thread dies when a
        write fails, and the run then waits for ever.)"""
        from tensorboardX import summary  # an optional dependency, slow to import

        figures = {**logs, "learning_rate": self._optimizer.current_learning_rate}
        summaries = [summary.scalar(name, 0.0) for name in figures]
        for each, value in zip(summaries, figures.values(), strict=True):
            each.value[0].simple_value = value  # summary.scalar(name, value) would complain of NaN a second time
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
