"""Runs on disk: what a Checkpoint writes, and how `fit(..., resume=path)` continues from it.

The file is a checkpoint (see checkpoint.py) that also holds the rest of the run:

    place       the epoch, the steps taken in it and their loss; how the feed began the epoch; the predictions so far
    callbacks   what each callback's `get_state` returned
    settings    what must not change: the batch size, the number of steps, the figures, the loss, the data

An epoch that was begun is continued as follows. The feed returns to its place at the beginning of the epoch, and the
model's generator with it, so that it draws the same permutation and the same augmentations. The batches that have been
trained on are drawn and left out. Then the rest is restored: weights, optimizer, generators, callbacks. Therefore rows
and targets are not stored, although the metrics need the targets of the whole epoch: checksums tell whether those drawn
again, and the last batch of them, are the same.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..callbacks import Callback
from ..callbacks.base import overrides
from ..files import PathLike, destination
from ..network import NetworkInTraining
from ..optimizers import Optimizer
from . import checkpoint, fingerprints
from .configs import object_to_config
from .doubts import STACK
from .place import Place
from .sources import Drawn, Feed, leave_out

ARRAY, FLOAT = "__array__", "__float__"  # how JSON refers to an array of the file, and names NaN and infinity
LIST, TEXT = "__list__", "__text__"  # how it refers to a list of numbers and to a text that are kept as arrays, since
LONG = 64  # from this length on they would fill the header, whose size is limited: a history grows with each epoch
PREDICTIONS = f"{checkpoint.RUN}predictions"
UNUSABLE = (LookupError, TypeError, ValueError, AttributeError, OverflowError)  # what damaged content causes


def settings_of(
    model: NetworkInTraining, params: dict[str, Any], data: Feed, validation: Feed | None
) -> dict[str, Any]:
    """What a run must share with the one that it continues; `params` are those of its callbacks."""
    loss = object_to_config(model.loss) if hasattr(model.loss, "get_config") else type(model.loss).__name__
    feeds = fingerprints.of_feed(data) | ({} if validation is None else fingerprints.of_validation(validation))
    return {**{name: params[name] for name in ("batch_size", "steps", "metrics")}, "loss": loss, **feeds}


def save(
    model: NetworkInTraining, path: PathLike, place: Place, callbacks: Sequence[Callback], settings: dict[str, Any],
    validation: dict[str, Any] | None,
) -> None:  # fmt: skip
    """Write the run to `path`, atomically; `validation` is the place of the feed of validation data."""
    assert model.optimizer is not None
    states, arrays = states_of(callbacks)
    if place.seen.predictions:
        arrays[PREDICTIONS] = np.concatenate(place.seen.predictions)
    run = {
        "epoch": place.epoch, "batches": place.batches, "total": to_json("fit", place.total, arrays),
        "rows": place.rows, "begun": place.begun, "feed": place.feed, "validation": validation,
        "targets": _checksum(place.seen.targets), "last": fingerprints.of_batch(place.last), "callbacks": states,
        "stopped": model.stop_training, "settings": settings,
    }  # fmt: skip
    checkpoint.save_training(model, model.optimizer, path, run, arrays)


def states_of(callbacks: Sequence[Callback]) -> tuple[list[dict[str, Any]], dict[str, NDArray]]:
    """Each callback's class and state as JSON, and the arrays of all states."""
    states: list[dict[str, Any]] = []
    arrays: dict[str, NDArray] = {}
    for callback in callbacks:
        name, state = type(callback).__name__, callback.get_state()
        if not isinstance(state, dict):
            raise TypeError(f"{name}: get_state must return a dict, got {arguments.brief(state)}")
        states.append({"class": name, "state": to_json(name, state, arrays)})
    return states, arrays


def to_json(owner: str, value: Any, arrays: dict[str, NDArray]) -> Any:
    """`value` as JSON; its arrays are put into `arrays`, under names that begin with RUN."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        name = f"{checkpoint.RUN}{owner}/{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT: repr(value)}
    if isinstance(value, str) and len(value) >= LONG:
        return {TEXT: to_json(owner, np.frombuffer(value.encode(), np.uint8), arrays)[ARRAY]}
    if isinstance(value, list) and len(value) >= LONG and {type(entry) for entry in value} in ({int}, {float}):
        with suppress(OverflowError):  # of an integer that needs more than 64 bits
            return {LIST: to_json(owner, np.array(value, "i8" if type(value[0]) is int else "f8"), arrays)[ARRAY]}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [to_json(owner, entry, arrays) for entry in value]
    if isinstance(value, dict) and all(isinstance(key, str) and key not in (ARRAY, FLOAT, LIST, TEXT) for key in value):
        return {key: to_json(owner, entry, arrays) for key, entry in value.items()}
    expected = "numbers, strings, arrays of numbers, and lists and dicts (with strings as keys) of these"
    mend = "return from get_state only what a file can hold"
    raise TypeError(f"{owner}: state must be made of {expected}, got {arguments.brief(value)}: {mend}")


def from_json(value: Any, arrays: dict[str, NDArray]) -> Any:
    """The inverse of `to_json`; tuples have become lists."""
    if isinstance(value, list):
        return [from_json(entry, arrays) for entry in value]
    if isinstance(value, dict):
        if ARRAY in value:
            return arrays[value[ARRAY]]
        if LIST in value:
            return arrays[value[LIST]].reshape(-1).tolist()
        if TEXT in value:
            return arrays[value[TEXT]].tobytes().decode()
        if FLOAT in value:
            return float(value[FLOAT])
        return {key: from_json(entry, arrays) for key, entry in value.items()}
    return value


def _checksum(arrays: Sequence[NDArray]) -> int:
    """A checksum of the entries of arrays, whatever batches they come in."""
    total = 0
    for array in arrays:
        total = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, total) if array.size else total
    return total


def _check_generator(model: NetworkInTraining, state: Any) -> None:
    """Raise unless the model's generator can have this state, or none."""
    if state is not None:
        copy.deepcopy(model.rng).bit_generator.state = state


class Saved:
    """A run from a file. Reading checks everything that can be checked without the callbacks, and changes nothing.

    place     where the run goes on, without the predictions
    stopped   whether a callback had ended the run
    """

    def __init__(self, model: NetworkInTraining, optimizer: Optimizer, path: PathLike) -> None:
        self.path = path
        self._arrays, metadata = checkpoint.read(path)
        self._load = checkpoint.prepare_training(model, optimizer, path, self._arrays, metadata)
        self._states: list[tuple[Callback, dict[str, Any]]] = []
        self._model = model
        run = metadata.get("run")
        try:
            if run is None:  # a file of save_checkpoint
                self.place, self.stopped, self._run = Place(metadata["training"]["epoch"]), False, None
                return
            epoch, batches, rows = (checkpoint.count(name, run[name]) for name in ("epoch", "batches", "rows"))
            self.place = Place(epoch, batches, float(from_json(run["total"], {})), rows)
            self.stopped = arguments.flag("run", "stopped", run["stopped"])
            for feed in (run["feed"], run["validation"]):
                if feed is not None:
                    arguments.whole("run", "drawn", feed["drawn"])
                    _check_generator(model, feed["begun"])
            _check_generator(model, run["begun"])
            if self.place.batches and run["begun"] is None:
                raise ValueError("the generator's state must be given, got None")
            if not isinstance(run["settings"], dict):
                raise TypeError("the settings must be a dict")
            self._run = {
                **{name: run[name] for name in ("begun", "feed", "validation", "targets", "settings")},
                "last": run.get("last"),  # older files lack it
                "callbacks": [(each["class"], from_json(each["state"], self._arrays)) for each in run["callbacks"]],
            }
            if not all(isinstance(name, str) for name, _ in self._run["callbacks"]):
                raise TypeError("the classes of callbacks must be names")
        except UNUSABLE as error:
            raise ValueError(f"{path}: this run cannot be continued: {checkpoint.why(error)}") from error

    def match(self, callbacks: Sequence[Callback]) -> None:
        """Find the saved state of each callback: of several callbacks of a class, the first one's state comes first."""
        left = [] if self._run is None else list(self._run["callbacks"])
        new = []
        for callback in callbacks:
            name = type(callback).__name__
            k = next((k for k, (saved, _) in enumerate(left) if saved == name), None)
            if k is not None:
                self._states.append((callback, left.pop(k)[1]))
            elif overrides(callback, "get_state"):
                new.append(name)
        if new:
            told = f"{self.path} holds no state of {', '.join(new)}"
            warnings.warn(f"fit: {told}: they begin anew, as in a first epoch", stacklevel=STACK)
        if unused := [name for name, state in left if state]:
            told = f"{self.path} holds the state of {', '.join(unused)}"
            warnings.warn(f"fit: {told}, which callbacks=[...] lacks: it is left out", stacklevel=STACK)

    def holds(self, callback: Callback) -> bool:
        """Whether the file has a state for this callback."""
        return any(each is callback for each, _ in self._states)

    def take_up(
        self, data: Feed, validation: Feed | None, settings: dict[str, Any], epochs: int
    ) -> Iterator[Drawn] | None:
        """Move the feeds to where the run was, and load the model. Return the batches that are left of the epoch that
        the run has begun, or None between two epochs.

        Raises ValueError, before the model changes, if the settings, the callbacks or the data are others.
        """
        saved = {} if self._run is None else self._run["settings"]
        for name, value in settings.items():
            if saved.get(name, value) != value:  # older files lack some
                mend = "call compile and fit as before, or give a new run a path of its own"
                expected, got = arguments.brief(saved[name]), arguments.brief(value)
                raise ValueError(f"fit: {name} must be {expected}, as in {self.path}, got {got}: {mend}")
        for callback, state in self._states:
            try:
                callback.check_state(state)
            except UNUSABLE as error:
                own = isinstance(error, ValueError)
                text = arguments.cut(str(error)) if own else f"{type(callback).__name__}: {checkpoint.why(error)}"
                raise ValueError(f"{self.path}: {text}") from error
        left = None
        if self._run is not None and not self._is_finished(epochs):
            before = self._model.rng.bit_generator.state
            try:
                left = self._draw_again(self._run, data, validation)
            finally:
                self._model.rng.bit_generator.state = before
        self._load()
        return left

    def _draw_again(self, run: dict[str, Any], data: Feed, validation: Feed | None) -> Iterator[Drawn] | None:
        place, rng = self.place, self._model.rng
        data.go_to(run["feed"], rng)
        if validation is not None:
            validation.go_to(run["validation"])
        place.feed = run["feed"]
        if not place.batches:
            return None
        place.begun = rng.bit_generator.state = run["begun"]
        left = data.epoch(rng)
        targets, place.last = leave_out("fit", data.source.name, left, place.batches)
        same = run["last"] is None or run["last"] == fingerprints.of_batch(place.last)
        if self._model.metrics:
            if PREDICTIONS not in self._arrays:
                raise ValueError(f"{self.path}: this run cannot be continued: it must hold predictions, got none")
            place.seen.targets = [np.array(each) for each in targets]
            place.seen.predictions = [self._arrays[PREDICTIONS]]
            same &= sum(map(len, targets)) == len(self._arrays[PREDICTIONS])
            same &= _checksum(place.seen.targets) == run["targets"]
        if not same:
            expected = f"give the batches that the run in {self.path} was trained on"
            mend = "pass the same data, in the same order: a source that reshuffles by itself cannot be continued"
            raise ValueError(f"fit: the {data.source.name} must {expected}, got others: {mend}")
        return left

    def _is_finished(self, epochs: int) -> bool:
        return (self.stopped and not self.place.batches) or self.place.epoch >= epochs

    def restore(self) -> None:
        """Load all once more, with the callbacks' states and the flag `stop_training`."""
        self._load()
        self._model.stop_training = self.stopped
        for callback, state in self._states:
            callback.set_state(state)

    def say_if_finished(self, epochs: int) -> None:
        if self._is_finished(epochs):
            done = f"{self.place.epoch} epochs" + (", the last by a callback's wish" if self.stopped else "")
            say(f"the run in {self.path} is finished, with {done}: nothing is left to train")


def saved_run(
    model: NetworkInTraining, optimizer: Optimizer, path: PathLike | None, initial_epoch: int, epochs: int
) -> Saved | None:
    """The run in the file; None, and a line that says so, if there is no file yet."""
    if path is None:
        return None
    if initial_epoch:
        got = f"both resume and initial_epoch={initial_epoch}"
        raise ValueError(f"fit: initial_epoch must be left out beside resume, got {got}: the file knows its epoch")
    if not isinstance(path, str | os.PathLike):
        mend = "pass the path of a Checkpoint"
        raise TypeError(f"fit: resume must be a path or None, got {arguments.brief(path)}: {mend}")
    file = Path(path).expanduser()
    if os.path.exists(file):
        saved = Saved(model, optimizer, path)
        if saved.place.batches and saved.place.epoch >= epochs:
            least, at = saved.place.epoch + 1, f"batch {saved.place.batches} of epoch {saved.place.epoch + 1}"
            mend = "raise it, or resume an older file"
            raise ValueError(f"fit: epochs must be >= {least}, since {path} was made after {at}, got {epochs}: {mend}")
        return saved
    if os.path.exists(older := f"{file}.1"):
        got, mend = f"no such file, but an older {older}", f"pass resume={older!r}, or remove it to start anew"
        raise FileNotFoundError(f"fit: resume must be the newest file of a Checkpoint, got {got}: {mend}")
    try:
        destination(path)
    except OSError as error:
        raise type(error)(f"fit: resume must be the path of a Checkpoint: {error}") from None
    say(f"there is no {path} yet: training starts at the beginning")
    return None


def say(text: str) -> None:
    """Print a line to stderr, where verbose=0 does not hide it, unless TINYDL_QUIET is set."""
    if not os.environ.get("TINYDL_QUIET"):
        print(f"fit: {arguments.shown(text)}", file=sys.stderr, flush=True)
