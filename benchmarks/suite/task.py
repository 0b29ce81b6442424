"""What a contestant is asked to do, and what it hands back: used on both sides of the pipe, without any library."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

ROWS = 227_440  # of an autoencoder's epoch: as many as in the real data
BATCHES = 4  # distinct batches of a step, kept in memory


class Task(NamedTuple):
    """The work on one network.

    work        "train": a step of forward, backward, update, and reading the loss as a number; "infer": a prediction;
                "layer": forward and backward (with dx) of a single layer; "epoch": autoencoders, rows shuffled;
                "optimize": a step of the optimizer alone; "check": a gradient check in float64
    network     a name in tinydl.models and its arguments, for tinydl itself
    plan        the same network for all others, see plan.py
    optimizer   "adam", "sgd" (with a momentum of 0.9), or "" for forward and backward only
    """

    work: str
    network: tuple[str, dict[str, Any]]
    plan: list[dict[str, Any]]
    batch: int
    optimizer: str
    rate: float
    threads: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.plan[0]["in"])

    @property
    def output_shape(self) -> tuple[int, ...]:
        return tuple(self.plan[-1]["out"])


class Built(NamedTuple):
    """A model ready to work: its step, which returns a number or an array of one number, and its parameters.

    units    rows or images of one call of the step
    """

    step: Callable[[], Any]
    parameters: int
    units: int


def over(step: Callable[..., Any], batches: list[Any]) -> Callable[[], Any]:
    """The step on one batch after the other, again and again."""
    endless = itertools.cycle(batches)
    return lambda: step(*next(endless))


def labelled(task: Task) -> list[tuple[Any, Any]]:
    """Batches of images of noise, and random labels; for predictions, without the labels."""
    import numpy as np

    rng, shape = np.random.default_rng(0), (task.batch, *task.input_shape)
    count = BATCHES if task.batch * np.prod(task.input_shape) < 1e7 else 2
    return [
        (rng.standard_normal(shape, np.float32), rng.integers(0, task.output_shape[-1], task.batch, np.int32))
        for _ in range(count)
    ]


def with_gradient(task: Task) -> tuple[Any, Any]:
    """An input of the layer, and a gradient of its output."""
    import numpy as np

    rng = np.random.default_rng(0)
    shapes = (task.batch, *task.input_shape), (task.batch, *task.output_shape)
    return rng.standard_normal(shapes[0], np.float32), rng.standard_normal(shapes[1], np.float32)


def table_of(task: Task) -> Any:
    """The rows of an autoencoder's epoch."""
    import numpy as np

    return np.random.default_rng(0).standard_normal((ROWS, *task.input_shape), np.float32)


def shuffled(permutation: Callable[[], Any], batch: int) -> Iterator[Any]:
    """The row numbers of every whole batch: a new permutation for every epoch."""
    while True:
        order = permutation()
        for start in range(0, len(order) - batch + 1, batch):
            yield order[start : start + batch]
