"""The small network, data and training run that the attacks are made on."""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl import Model
from tinydl.callbacks import Callback, CSVLogger, EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from tinydl.layers import BatchNorm, Dense, Dropout
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam

ROWS, FEATURES, CLASSES = 72, 10, 3
BEST, LOG, EVENTS, RUN = "best.safetensors", "log.csv", "events", "run.checkpoint"


@cache
def data(seed: int = 0, rows: int = ROWS) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows of which a network can learn something, but never all."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    y = (x[:, :CLASSES] + rng.standard_normal((rows, CLASSES))).argmax(axis=1)
    return x, y


def network(seed: int = 2) -> Model:
    """A compiled network that has everything a checkpoint must hold: statistics, noise and an optimizer with vectors."""
    layers = [Dense(12, "relu"), BatchNorm(), Dropout(0.3), Dense(CLASSES)]
    model = Model(layers, (FEATURES,), seed)
    model.compile(Adam(0.05), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model


@cache
def warm_up() -> None:
    """Load the kernels and modules that the attacks use, once, before processes are forked."""
    model, (x, y) = network(), data()
    with tempfile.TemporaryDirectory() as folder:
        model.fit(x, y, epochs=1, verbose=0, validation_data=data(1), callbacks=listeners(Path(folder)))
        model.evaluate(x, y)
        model.save(Path(folder, "model"))
        Model.load(Path(folder, "model"))


def fingerprint(model: Model) -> str:
    """A hash of everything that training changes."""
    total = hashlib.sha256()
    assert model.optimizer is not None
    arrays = [model.parameters, *model.state.values(), *model.optimizer.slots.values()]
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    generators = [model.rng, *(layer.rng for layer in model.root.walk() if layer.rng is not None)]
    states = [generator.bit_generator.state for generator in generators]
    rate = model.optimizer.current_learning_rate
    total.update(json.dumps([model.optimizer.iterations, model.epoch, rate, states], default=str).encode())
    return total.hexdigest()[:16]


def content_of(file: Path) -> str:
    """A hash of a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.exists() else "missing"


def events_of(folder: Path) -> list[tuple[str, int, float]]:
    """Every scalar in TensorBoard's files: (name, step, value), sorted."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in folder.glob("*tfevents*"):
        for record in _records(file.read_bytes()):
            event = Event()
            event.ParseFromString(record)
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value
                      if value.HasField("simple_value")]  # fmt: skip
    return sorted(found)


def _records(content: bytes) -> Iterator[bytes]:
    """The records of an event file, each with its length before and checksums around it; a last cut one is left out."""
    at = 0
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 8], "little")
        if at + 16 + size > len(content):
            return
        yield content[at + 12 : at + 12 + size]
        at += 16 + size


def rows_of(file: Path) -> list[list[str]]:
    """The rows of a CSV file, header first."""
    with file.open(newline="") as lines:
        return list(csv.reader(lines))


def listeners(folder: Path) -> list[Callback]:
    """Every callback that writes a file or remembers something."""
    return [
        EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        ReduceLROnPlateau("val_loss", factor=0.5, patience=2),
        ModelCheckpoint(folder / BEST, "val_accuracy", save_best_only=True),
        CSVLogger(folder / LOG),
        TensorBoard(folder / EVENTS, histogram_freq=0),
    ]


def results(model: Model, history: Any, callbacks: list[Callback], folder: Path) -> dict[str, Any]:
    """Everything about a finished run that must not depend on how often it was stopped."""
    stops = [each.stopped_epoch for each in callbacks if isinstance(each, EarlyStopping)]
    return {
        "weights, statistics, optimizer, generators": fingerprint(model),
        "history": history.history,
        "epochs": history.epoch,
        "stopping epoch": stops,
        "best file": content_of(folder / BEST),
        "CSV rows": rows_of(folder / LOG),
        "TensorBoard": [list(event) for event in events_of(folder / EVENTS)],
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """The names of what differs, "" if nothing does."""
    return ", ".join(name for name, value in expected.items() if found.get(name) != value)
