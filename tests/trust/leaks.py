"""What is done again and again leaves nothing behind: no memory, open files, threads, or files on disk."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import pickle
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tinydl import Model
from tinydl.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam

from .subjects import data, network, warm_up
from .trial import Tally, in_child, shares

ALLOWED = 3e6  # bytes that the process may grow by while it repeats something, as allocators do

Cycle = Callable[[Model, Path], object]


def _refused(model: Model, folder: Path) -> None:
    with contextlib.suppress(ValueError):
        model.fit(np.full((8, 10), np.nan), np.zeros(8, int), verbose=0)


def _failed(model: Model, folder: Path) -> None:
    (folder / "damaged").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with contextlib.suppress(ValueError):
        Model.load(folder / "damaged")


def _fit_with_files(model: Model, folder: Path) -> None:
    callbacks = [CSVLogger(folder / "log"), ModelCheckpoint(folder / "best", "loss"), EarlyStopping("loss")]
    model.fit(*data(), verbose=0, callbacks=callbacks)


def _saved(model: Model, folder: Path) -> None:
    model.save(folder / "model")
    Model.load(folder / "model")


def _saved_checkpoint(model: Model, folder: Path) -> None:
    model.save_checkpoint(folder / "checkpoint")
    model.load_checkpoint(folder / "checkpoint")


CYCLES: dict[str, Cycle] = {
    "predict": lambda model, folder: model.predict(data()[0]),
    "evaluate": lambda model, folder: model.evaluate(*data()),
    "fit": lambda model, folder: model.fit(*data(), verbose=0),
    "fit with files": _fit_with_files,
    "train_on_batch": lambda model, folder: model.train_on_batch(*data()),
    "make a model": lambda model, folder: network(),
    "compile": lambda model, folder: model.compile(Adam(), SoftmaxCrossEntropy()),
    "save and load": _saved,
    "save and load a checkpoint": _saved_checkpoint,
    "copy": lambda model, folder: copy.deepcopy(model),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "refused data": _refused,
    "a damaged file": _failed,
}


def _state(folder: Path) -> tuple[int, int, int, int]:
    """Resident bytes, open files, threads, and files in the folder."""
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    files = len(os.listdir("/proc/self/fd"))
    return pages * os.sysconf("SC_PAGE_SIZE"), files, threading.active_count(), len(list(folder.iterdir()))


def _repeated(name: str, times: int) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        folder, model, cycle = Path(temporary), network(), CYCLES[name]
        for _ in range(max(5, times // 5)):  # what is made once
            cycle(model, folder)
        before = _state(folder)
        for _ in range(times):
            cycle(model, folder)
        after = _state(folder)
    grown = after[0] - before[0]
    names = ("open files", "threads", "files on disk")
    wrong = [
        f"{new - old} more {what}" for what, old, new in zip(names, before[1:], after[1:], strict=True) if new > old
    ]
    wrong += [f"{grown / 1e6:.1f} MB more memory"] if grown > ALLOWED else []
    return ", ".join(wrong)


def cycles(number: int, seed: int) -> Tally:
    """`number` repetitions, spread over everything that is repeated."""
    if not os.path.exists("/proc/self/statm"):
        return Tally(skipped="needs /proc")
    warm_up()
    tally = Tally()
    for name, times in zip(CYCLES, shares(number, len(CYCLES)), strict=True):
        ending = in_child(partial(_repeated, name, times), 600.0)
        trouble = ending.trouble or ending.answer
        tally.attacks += times
        tally.failures += [f"{name}, {times} times: {trouble}"] if trouble else []
    return tally
