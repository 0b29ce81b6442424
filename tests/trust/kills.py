"""Training is killed at random moments and at every file operation, then resumed.

The resumed run must end as the uninterrupted one does: with the same weights, losses, history, CSV rows, TensorBoard
events, best file and stopping epoch, bit for bit.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tinydl.callbacks import Checkpoint

from .subjects import RUN, data, differences, listeners, network, results, warm_up
from .trial import Child, Tally, in_child

EPOCHS = 14
PACES: list[dict[str, Any]] = [
    {"every_epochs": 1}, {"every_batches": 1}, {"every_batches": 4}, {"every_batches": 7}, {"every_seconds": 0.02},
    {"every_epochs": 3, "keep": 2},
]  # fmt: skip
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def train(folder: Path, pace: dict[str, Any]) -> dict[str, Any] | None:
    """The whole of a user's script, which serves the first run and every restart; None after Ctrl-C."""
    x, y = data()
    model = network()
    callbacks = [*listeners(folder), Checkpoint(folder / RUN, **pace)]
    history = model.fit(
        x, y, batch_size=8, epochs=EPOCHS, validation_data=data(1, 40), callbacks=callbacks, resume=folder / RUN,
        verbose=0,
    )  # fmt: skip
    return None if history.interrupted else results(model, history, callbacks, folder)


def uninterrupted(pace: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """What a run that is left alone gives, and how long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        ending = in_child(partial(train, Path(folder), pace))
        if ending.trouble:
            raise RuntimeError(f"the uninterrupted run failed: {ending.trouble}")
        return ending.answer, time.perf_counter() - start


def finished(folder: Path, again: Callable[[], Any], expected: dict[str, Any]) -> str:
    """Start the script again without a kill; return what differs from the uninterrupted run."""
    ending = in_child(again)
    if ending.trouble:
        return f"the restart failed: {ending.trouble}"
    if left := [path.name for path in folder.rglob("*.part")]:
        return f"temporary files are left: {', '.join(left)}"
    return differences(ending.answer, expected)


def at_random(number: int, seed: int) -> Tally:
    """`number` runs, each killed at one, two or three random moments."""
    warm_up()
    tally, rng = Tally(), random.Random(f"kills {seed}")
    runs = {}
    killed = 0
    for attack in range(number):
        which = attack % len(PACES)
        pace = PACES[which]
        if which not in runs:
            runs[which] = uninterrupted(pace)
        expected, duration = runs[which]
        times = rng.choice((1, 1, 2, 3))
        with tempfile.TemporaryDirectory() as name:
            script = partial(train, Path(name), pace)
            for _ in range(times):
                child = Child(script)
                time.sleep(rng.uniform(0, duration))
                child.kill(rng.choice(SIGNALS))
                killed += child.wait().answer is None
            tally.count(f"run {attack}, {pace}, {times} kills", finished(Path(name), script, expected))
    tally.note = f"{killed} kills before the end"
    return tally
