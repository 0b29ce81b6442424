"""Ctrl-C at every line of a small fit, predict and evaluate: afterwards all is as if nothing had been.

A trace function counts the lines that Python runs, all of tinydl's and the first execution of each line of any other
module, and sends SIGINT at one of them, as a terminal does. A second one may follow a few calls later, while the first
is being dealt with. Afterwards:

- BLAS has its threads back, no file is left open or half written, and no warning filter or error state is changed;
- the model's weights, running statistics and optimizer are those after a whole number of steps;
- `backward` gives the gradients that a fresh model with these weights gives;
- a further fit ends with the same bits as that of a fresh model in the same state.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

import tinydl
from tinydl import Model
from tinydl.callbacks import Callback, CSVLogger, EarlyStopping, ModelCheckpoint, TensorBoard

from .subjects import BEST, EVENTS, LOG, data, fingerprint, network, rows_of, warm_up
from .trial import Tally, in_child, spread

EACH = 20  # attacks made by one process
STEPS = 2  # in an epoch
PACKAGE = os.path.dirname(tinydl.__file__)


class Interrupter:
    """Sends SIGINT at a line, counted from 1, and another some calls later. `at` 0 only counts."""

    def __init__(self, at: int, again: int = 0) -> None:
        self.at, self.again, self.lines, self.calls = at, again, 0, 0
        self.seen: set[tuple[str, int]] = set()
        self.where = ""

    def __enter__(self) -> Interrupter:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _trace(self, frame: Any, event: str, argument: object) -> Any:
        file = frame.f_code.co_filename
        if file == __file__ or (self.at and self.lines >= self.at):
            return None
        if event == "line" and (file.startswith(PACKAGE) or (file, frame.f_lineno) not in self.seen):
            self.seen.add((file, frame.f_lineno))
            self.lines += 1
            if self.lines == self.at:
                self.where = f"{os.path.basename(file)}:{frame.f_lineno}"
                if self.again:
                    sys.setprofile(self._profile)
                os.kill(os.getpid(), signal.SIGINT)
        return self._trace

    def _profile(self, frame: Any, event: str, argument: object) -> None:
        if frame.f_code.co_filename != __file__:
            self.calls += 1
            if self.calls == self.again:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGINT)


class Snapshots(Callback):
    """Remembers the model's state after each step; it is compared with the state after an interrupt."""

    def __init__(self, states: set[str]) -> None:
        self.states = states

    def on_train_begin(self) -> None:
        self.states.add(whole(self.model))

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.states.add(whole(self.model))


def whole(model: Any) -> str:
    """Weights, running statistics, optimizer vectors and step number, which must belong together."""
    arrays = [model.parameters, *model.state.values(), *model.optimizer.slots.values()]
    return "".join(array.tobytes().hex() for array in arrays) + str(model.optimizer.iterations)


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"]


def open_files(folder: Path) -> list[str]:
    """The names of the files beneath the folder that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []:
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith(str(folder)):
            found.append(os.path.basename(target))
    return found


def fit(model: Model, folder: Path | None, *others: Callback) -> Any:
    """The small fit: a few steps, with or without callbacks that write files."""
    x, y = data(rows=8 * STEPS)
    callbacks: list[Callback] = list(others)
    if folder is not None:
        stop = EarlyStopping("loss", patience=5, restore_best_weights=False)
        best = ModelCheckpoint(folder / BEST, "loss", save_best_only=True)
        callbacks += [stop, best, CSVLogger(folder / LOG)]
        if folder.name == "events":
            callbacks.append(TensorBoard(folder / EVENTS, histogram_freq=0))
    return model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)


TASKS: dict[str, Callable[[Model, Path], Any]] = {
    "fit": lambda model, folder: fit(model, None),
    "fit with callbacks": lambda model, folder: fit(model, folder),
    "fit with TensorBoard": lambda model, folder: fit(model, folder / "events"),
    "predict": lambda model, folder: model.predict(data()[0]),
    "evaluate": lambda model, folder: model.evaluate(*data()),
    "save": lambda model, folder: model.save(folder / "model.safetensors"),
}


def states_of_a_fit() -> set[str]:
    """The states after 0, 1, 2, ... steps."""
    states: set[str] = set()
    fit(network(), None, Snapshots(states))
    return states


def interrupted(task: str, at: int, again: int, states: set[str]) -> str:
    """Make one attack; return what is wrong afterwards."""
    model, threads, filters = network(), blas_threads(), np.geterr()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.path.realpath(temporary))
        interrupter = Interrupter(at, again)
        with contextlib.suppress(KeyboardInterrupt), interrupter:
            TASKS[task](model, folder)
        wrong = _left_over(model, folder, states, threads, again > 0)
        if np.geterr() != filters:
            wrong.append("NumPy's error state is changed")
    return f"at {interrupter.where}: {'; '.join(wrong)}" if wrong else ""


def _left_over(model: Model, folder: Path, states: set[str], threads: list[int], twice: bool) -> list[str]:
    wrong = []
    if blas_threads() != threads:
        wrong.append(f"BLAS has {blas_threads()} threads, not {threads}")
    wrong += [f"{path.name} does not load" for path in folder.rglob("*.safetensors") if not _loads(path)]
    for log in folder.rglob("*.csv"):
        if len({len(row) for row in rows_of(log)}) > 1:
            wrong.append(f"{log.name} has a cut row")
    if twice:  # files must be whole, and the process must go on
        return wrong
    wrong += [f"{path.name} is left" for path in folder.rglob("*.part")]
    if open_files(folder):
        gc.collect()
        wrong += [f"{name} is still open" for name in open_files(folder)]
    if whole(model) not in states:
        wrong.append("the state is not that after a whole number of steps")
    fresh = _as_new(model)
    if (gradients := _gradients(model)) != _gradients(fresh):
        wrong.append("backward gives other gradients" if gradients else "backward gives nothing")
    for each in (model, fresh):
        fit(each, None)
    if fingerprint(model) != fingerprint(fresh):
        wrong.append("a further fit gives other weights")
    return wrong


def _as_new(model: Model) -> Model:
    """A network made anew in the state of another."""
    fresh = network()
    assert model.optimizer is not None
    assert fresh.optimizer is not None
    fresh.set_weights(model.get_weights())
    for name, array in fresh.state.items():
        array[...] = model.state[name]
    for name, slot in fresh.optimizer.slots.items():
        slot[...] = model.optimizer.slots[name]
    fresh.optimizer.iterations, fresh.epoch = model.optimizer.iterations, model.epoch
    pairs = zip([fresh.rng, *_noise(fresh)], [model.rng, *_noise(model)], strict=True)
    for own, other in pairs:
        own.bit_generator.state = other.bit_generator.state
    return fresh


def _noise(model: Model) -> list[np.random.Generator]:
    return [layer.rng for layer in model.root.walk() if layer.rng is not None]


def _gradients(model: Model) -> list[Any]:
    """dL/dx and all gradients of a forward and a backward pass without noise, empty if backward returns nothing."""
    x = data()[0][:6]
    model.zero_grad()
    y = model.root.forward(x, False)
    dx = model.root.backward(np.ones_like(y) * np.arange(1, y.size + 1, dtype=y.dtype).reshape(y.shape))
    return [] if dx is None else [dx.tolist(), *(gradient.tolist() for gradient in model.grads.values())]


def _loads(path: Path) -> bool:
    try:
        Model.load(path)
    except (ValueError, OSError):
        return False
    return True


def _lines(task: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        TASKS[task](network(), Path(folder))  # loads what is loaded once
        model = network()
        with Interrupter(0) as counter:
            TASKS[task](model, Path(folder))
        return counter.lines


def at_lines(number: int, seed: int, twice: bool = False) -> Tally:
    """Ctrl-C at `number` lines, evenly spread over all tasks; `twice`: and another some calls later."""
    warm_up()
    tally, rng = Tally(), random.Random(f"interrupts {seed}")
    ready = in_child(lambda: {task: _lines(task) for task in TASKS})
    states = in_child(lambda: sorted(states_of_a_fit()))
    if ready.trouble or states.trouble:
        tally.count("the tasks themselves", ready.trouble or states.trouble)
        return tally
    total = sum(ready.answer.values())
    tally.note = f"of {total:,} lines"
    chosen = list(spread(total, number))
    before = 0  # the lines of the tasks so far
    for task, lines in ready.answer.items():
        ours = [at - before for at in chosen if before < at <= before + lines]
        before += lines
        attacks = [(at, rng.randrange(1, 60) if twice else 0) for at in ours]
        for start in range(0, len(attacks), EACH):
            some = attacks[start : start + EACH]
            run = partial(_several, task, states=set(states.answer))
            troubles = in_child(partial(run, some)).answer
            if troubles is None:  # one of them hangs or ends the process
                endings = [in_child(partial(run, [each]), 30.0) for each in some]
                troubles = [ending.trouble or ending.answer[0] for ending in endings]
            for (at, again), trouble in zip(some, troubles, strict=True):
                tally.count(f"{task}, line {at} of {lines}{f', and {again} calls later' * twice}", trouble)
    return tally


def _several(task: str, attacks: list[tuple[int, int]], states: set[str]) -> list[str]:
    """Several attacks in one process, so that what one leaves behind meets the next."""
    with tempfile.TemporaryDirectory() as folder:
        TASKS[task](network(), Path(folder))
    return [interrupted(task, at, again, states) for at, again in attacks]


def twice(number: int, seed: int) -> Tally:
    """Two times Ctrl-C."""
    return at_lines(number, seed, True)
