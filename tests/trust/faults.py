"""A file operation fails, the disk fills up, a write is cut short, or the process is killed there.

In every scenario a former good file is written over, or training goes on beside its logs. Afterwards the former file or
the new one loads whole, whatever the fault; a log that fails never ends the training or changes it; the next save
clears what the fault has left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tinydl import Model
from tinydl.callbacks import Checkpoint, CSVLogger, ModelCheckpoint, TensorBoard
from tinydl.files import write_json

from .failing_disk import ERRORS, Action, Layer, Patched, Preloaded, build
from .kills import finished, train, uninterrupted
from .subjects import BEST, EVENTS, LOG, RUN, content_of, data, fingerprint, network, warm_up
from .trial import Tally, in_child, shares

FILE = "model.safetensors"
FAULTS = (Action.FAIL, Action.FULL, Action.HALF)
KILLS = (Action.KILL_BEFORE, Action.KILL_HALF, Action.KILL_AFTER)


class Scenario(NamedTuple):
    """What is done on the failing disk. Each function gets the folder.

    `prepare` comes before the fault, `act` with it, `check` after it in a new process: it returns what is wrong, "" if
    nothing, and also gets what `act` returned (None if it was killed).
    """

    prepare: Callable[[Path], Any]
    act: Callable[[Path], Any]
    check: Callable[[Path, Any], str]


def _told(action: Callable[[], Any]) -> str:
    """Do it; return "" or "OSError", the one error that a failing disk may raise."""
    try:
        action()
    except OSError:
        return "OSError"
    return ""


def _fitted(steps: int) -> Model:
    model = network()
    x, y = data()
    for _ in range(steps):
        model.train_on_batch(x, y)
    return model


def _contents(folder: Path, save: str) -> list[str]:
    """The content of the file before and after the save."""
    contents = []
    for steps in (1, 2):
        getattr(_fitted(steps), save)(folder / "other")
        contents.append(content_of(folder / "other"))
    (folder / "other").unlink()
    return contents


def _saves(save: str) -> Scenario:
    """Save a model over an older one."""

    def prepare(folder: Path) -> None:
        getattr(_fitted(1), save)(folder / FILE)

    def act(folder: Path) -> str:
        model = _fitted(2)
        return _told(lambda: getattr(model, save)(folder / FILE))

    def check(folder: Path, said: str | None) -> str:
        old, new = _contents(folder, save)
        got = content_of(folder / FILE)
        if got not in (old, new):
            return "neither the old file nor the new one is there"
        if said == "" and got != new:
            return "the save reported no error, but the old file is there"
        Model.load(folder / FILE)
        getattr(_fitted(2), save)(folder / FILE)
        left = sorted(path.name for path in folder.iterdir())
        return "" if left == [FILE] else f"after the next save there is {', '.join(left)}"

    return Scenario(prepare, act, check)


def _write_json() -> Scenario:
    """Write a report over an older one."""

    def prepare(folder: Path) -> None:
        write_json(folder / "report.json", {"version": 1, "rows": list(range(3000))})

    def act(folder: Path) -> str:
        return _told(lambda: write_json(folder / "report.json", {"version": 2, "rows": list(range(4000))}))

    def check(folder: Path, said: str | None) -> str:
        report = json.loads((folder / "report.json").read_text())
        if len(report["rows"]) != {1: 3000, 2: 4000}[report["version"]]:
            return "the report is cut"
        return "the old report is there without an error" if said == "" and report["version"] == 1 else ""

    return Scenario(prepare, act, check)


def _logs() -> Scenario:
    """Train beside a CSV file and TensorBoard events."""

    def fit(folder: Path | None) -> Any:
        model = network()
        x, y = data()
        callbacks = [] if folder is None else [CSVLogger(folder / LOG), TensorBoard(folder / EVENTS)]
        history = model.fit(x, y, epochs=4, verbose=0, callbacks=callbacks)
        return [fingerprint(model), history.history, history.epoch, history.interrupted]

    def check(folder: Path, result: Any) -> str:
        return "" if result == json.loads(json.dumps(fit(None))) else "the training is not that without logs"

    return Scenario(lambda folder: None, fit, check)


def _best() -> Scenario:
    """Train with a ModelCheckpoint over the file of an earlier run."""

    def prepare(folder: Path) -> None:
        _fitted(1).save(folder / BEST)

    def act(folder: Path) -> str:
        model = network()
        x, y = data()
        keep = ModelCheckpoint(folder / BEST, "loss", save_best_only=True)
        return _told(lambda: model.fit(x, y, epochs=3, verbose=0, callbacks=[keep]))

    def check(folder: Path, said: str | None) -> str:
        Model.load(folder / BEST).predict(data()[0])
        return ""

    return Scenario(prepare, act, check)


def _checkpoints() -> Scenario:
    """Train with a Checkpoint that keeps three files."""

    def act(folder: Path, epochs: int = 6) -> str:
        model = network()
        x, y = data()
        keep = Checkpoint(folder / RUN, every_epochs=1, keep=3)
        return _told(lambda: model.fit(x, y, epochs=epochs, verbose=0, callbacks=[keep], resume=folder / RUN))

    def check(folder: Path, said: str | None) -> str:
        files = sorted(path for path in folder.glob(f"{RUN}*"))
        if not files:
            return "no checkpoint is left"
        for file in files:
            Model.load(file)
        return act(folder, 9)  # goes on from the newest

    return Scenario(partial(act, epochs=3), act, check)


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "save over a model": partial(_saves, "save"),
    "save over a checkpoint": partial(_saves, "save_checkpoint"),
    "write a report": _write_json,
    "train beside logs": _logs,
    "keep the best model": _best,
    "keep three checkpoints": _checkpoints,
}


def _operations(layer: Layer, act: Callable[[Path], Any], prepare: Callable[[Path], Any]) -> int:
    """The number of file operations without a fault."""

    def counted() -> int:
        with tempfile.TemporaryDirectory() as name:
            prepare(Path(name))
            layer.arm(Path(name), 0, Action.FAIL)
            try:
                act(Path(name))
            finally:
                seen = layer.disarm()
            return seen

    ending = in_child(counted)
    if ending.trouble:
        raise RuntimeError(f"the scenario fails without a fault: {ending.trouble}")
    return int(ending.answer)


def attack(layer: Layer, name: str, at: int, action: Action, error: int) -> str:
    """Make one attack; return what is wrong."""
    scenario = SCENARIOS[name]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.path.realpath(temporary))
        before = in_child(lambda: scenario.prepare(folder))
        if before.trouble:
            return f"cannot be prepared: {before.trouble}"

        def act() -> Any:
            layer.arm(folder, at, action, error)
            try:
                return scenario.act(folder)
            finally:
                layer.disarm()

        ending = in_child(act, 30.0)
        if ending.trouble and (action not in KILLS or ending.trouble != "killed by SIGKILL"):
            return ending.trouble
        if ending.trouble and name == "train beside logs":
            return ""  # killed before it could end; kills.py resumes such runs
        after = in_child(lambda: scenario.check(folder, ending.answer))
        return str(after.trouble or after.answer)


def with_layer(layer: Layer, number: int, seed: int, actions: tuple[Action, ...] = FAULTS + KILLS) -> Tally:
    """`number` attacks with one layer, spread over the scenarios, their operations and the actions."""
    warm_up()
    tally, rng = Tally(), random.Random(f"faults {seed}")
    for name, part in zip(SCENARIOS, shares(number, len(SCENARIOS)), strict=True):
        if not part:
            continue
        scenario = SCENARIOS[name]()
        try:
            operations = _operations(layer, scenario.act, scenario.prepare)
        except RuntimeError as trouble:
            tally.count(name, str(trouble))
            continue
        kinds = FAULTS if name == "train beside logs" else actions
        pairs = [(at, action) for action in kinds for at in range(1, operations + 1)]
        chosen = rng.sample(pairs, min(part, len(pairs))) + rng.choices(pairs, k=max(0, part - len(pairs)))
        for at, action in chosen:
            error = rng.choice(ERRORS)
            what = (
                f"{type(layer).__name__}: {name}, operation {at} of {operations}, {action.name}, {os.strerror(error)}"
            )
            tally.count(what, attack(layer, name, at, action, error))
    return tally


def every_operation(layer: Layer, number: int, seed: int) -> Tally:
    """A training run is killed at its file operations, each before, in the middle and after, and resumed."""
    warm_up()
    tally, rng = Tally(), random.Random(f"operations {seed}")
    pace: dict[str, Any] = {"every_batches": 20}
    expected, _ = uninterrupted(pace)
    operations = _operations(layer, lambda folder: train(folder, pace), lambda folder: None)
    pairs = [(at, action) for at in range(1, operations + 1) for action in KILLS]
    for at, action in sorted(rng.sample(pairs, min(number, len(pairs)))):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(os.path.realpath(temporary))

            def act(folder: Path = folder, at: int = at, action: Action = action) -> Any:
                layer.arm(folder, at, action)
                return train(folder, pace)

            in_child(act)
            what = f"{type(layer).__name__}: operation {at} of {operations}, {action.name}"
            tally.count(what, finished(folder, partial(train, folder, pace), expected))
    return tally


def injected(number: int, seed: int) -> Tally:
    """Half of the attacks with each layer; all with the one in Python where there is no compiler."""
    return _with_both(number, seed, "faults")


def killed(number: int, seed: int) -> Tally:
    """Kills at file operations, likewise."""
    return _with_both(number, seed, "kills")


ATTACKS = {"faults": with_layer, "kills": every_operation}


def _with_both(number: int, seed: int, kind: str) -> Tally:
    with tempfile.TemporaryDirectory() as folder:
        library, reason = build(Path(folder))
        tally = ATTACKS[kind](Patched(), number if library is None else number // 2, seed)
        if library is None:
            tally.note = f"without the preloaded library: {reason}"
            return tally
        command = [sys.executable, "-m", __spec__.name, kind, str(library), str(number - number // 2), str(seed)]
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        root = Path(__file__).parents[2]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=root)
        with suppress(ValueError, IndexError):
            tally += Tally(**json.loads(done.stdout.splitlines()[-1]))
            return tally
        tally.count("the preloaded library", f"its process failed: {done.stderr[-300:]}")
        return tally


def main() -> None:
    """The process that has the library preloaded: it makes its part of the attacks and prints the tally."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=ATTACKS)
    parser.add_argument("library")
    parser.add_argument("number", type=int)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    tally = ATTACKS[options.kind](Preloaded(options.library), options.number, options.seed + 1)
    print(json.dumps(vars(tally)))


if __name__ == "__main__":
    main()
