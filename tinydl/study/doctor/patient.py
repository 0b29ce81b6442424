"""The model under examination: its rows, one traced step, and copies for experiments. Nothing here changes the model.

How many rows and steps an experiment takes depends on the number of operations alone, never on a clock, so the same
model and rows give the same report on every machine.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...layer import Layer
from ...optimizers import Adam
from ...training import attributes, ends, inputs
from ..recorder import below
from ..records import LayerTrace
from ..trace import Trace, Trained, trace
from .experiment import chain_of, run

MOST_ROWS, MOST_ENTRIES = 1000, 2e7  # of x, looked at; the rows are chosen at random
STEP_ROWS = (16, 256)  # of the traced step: at least, at most
STEP_OPERATIONS = 2e9  # of its forward pass
TRIAL_OPERATIONS = 1e11  # of one experiment: some seconds
LEAST_ROWS = 8  # of a batch in an experiment on a large network
BACKWARD = 3  # a training step takes about as many operations as this many forward passes


class Patient:
    """A compiled model, with rows of x and y.

    data    all rows, as `fit` would get them
    rows    the numbers of the rows that are looked at, in order; x, y and weights are these rows
    given   y as it was passed
    """

    def __init__(
        self, model: Any, x: Any, y: Any, sample_weight: ArrayLike | None, batch_size: int, seed: int
    ) -> None:  # fmt: skip
        self.model: Trained = model
        self.loss, self.optimizer = model.loss, model.optimizer
        self.data = inputs.check_data("doctor", model, model.loss, x, y, sample_weight)
        self.given = y
        self.batch_size, self.seed = batch_size, seed
        self.total = len(self.data)
        most = min(MOST_ROWS, max(STEP_ROWS[1], int(MOST_ENTRIES / math.prod(self.data.sample_shape))))
        self.rows = np.sort(self.rng(0).permutation(self.total)[:most])
        self.x, self.y = self.data.batch(self.rows)
        weights = self.data.sample_weight
        self.weights: NDArray | None = None if weights is None else weights[self.rows]
        self.trained = model.optimizer.iterations > 0
        self.layers: dict[str, Layer] = {path: layer for layer, path, _ in below(model.root)}
        self.figures: dict[str, float] = {}  # what the checks measured, by name
        self.trials: Any = None  # the runs that several checks share (see training.py)
        self.rates: list[float] = []  # of the range test,
        self.losses: list[float] = []  # and the loss at each

    def rng(self, purpose: int) -> np.random.Generator:
        """A separate random stream for each purpose."""
        return np.random.default_rng([self.seed, purpose])

    def copy(self) -> Any:
        """A copy of the model for an experiment."""
        return copy.deepcopy(self.model)

    def batch(self, rows: NDArray[np.intp] | slice) -> tuple[Any, Any, Any]:
        """Some of the rows looked at: x, y and weights."""
        return self.x[rows], self.y[rows], None if self.weights is None else self.weights[rows]

    def size(self, steps: int, rows: int) -> tuple[int, int]:
        """How many steps, on how many rows each, an experiment takes: of a large network fewer rows, then steps."""
        of_row = BACKWARD * self.operations
        rows = min(rows, len(self.x))
        rows = max(min(rows, LEAST_ROWS), min(rows, int(TRIAL_OPERATIONS / (of_row * steps))))
        return max(1, min(steps, int(TRIAL_OPERATIONS / (of_row * rows)))), rows

    def batches(self, steps: int, rows: int) -> Iterator[tuple[Any, Any, Any]]:
        """Random batches of the rows looked at: always the same for the same numbers."""
        rng = self.rng(2)
        order: NDArray[np.intp] = np.empty(0, np.intp)
        for _ in range(steps):
            if len(order) < rows:
                order = np.concatenate([order, rng.permutation(len(self.x))])
            yield self.batch(order[:rows])
            order = order[rows:]

    @cached_property
    def operations(self) -> float:
        """About how many operations the forward pass of one row takes."""
        few = trace(self.model, *self.batch(slice(0, 2)))
        known = sum(layer.figures["operations"] or 0 for layer in few.layers) / few.rows
        unknown = [layer for layer in few.layers if layer.figures["operations"] is None]
        return known + sum(2.0 * value.value.size for layer in unknown for value in layer.params.values()) + 1

    @cached_property
    def step(self) -> Trace:
        """One training step, taken on a copy."""
        least, most = STEP_ROWS
        rows = int(np.clip(STEP_OPERATIONS / self.operations, least, most))
        chosen = self.rng(1).permutation(len(self.x))[:rows]
        return trace(self.model, *self.batch(np.sort(chosen)))

    @cached_property
    def later(self) -> Trace:
        """A step after three steps of Adam. Some good networks begin with zeros, which the first steps change."""
        model = self.copy()
        model.optimizer = Adam(1e-3)
        chosen = np.sort(self.rng(1).permutation(len(self.x))[: self.step.rows])
        run(model, [self.batch(chosen)] * 3)
        return trace(model, *self.batch(chosen))

    @cached_property
    def leaves(self) -> list[LayerTrace]:
        """The layers that ran in the traced step, without the composites around them, in forward order."""
        return [layer for layer in self.step.layers if layer.y is not None and not self.layers[layer.path].sublayers()]

    @cached_property
    def learners(self) -> list[LayerTrace]:
        """The leaves with parameters."""
        return [layer for layer in self.leaves if layer.params]

    @cached_property
    def outputs(self) -> NDArray:
        """What the loss gets for the rows looked at, without noise."""
        model = self.copy()
        chain = chain_of(model)
        rows = max(1, int(min(len(self.x), TRIAL_OPERATIONS / self.operations)))
        parts = [
            chain.forward(self.x[start : start + 128][: rows - start], False).copy() for start in range(0, rows, 128)
        ]
        return np.concatenate(parts)

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The class of each row looked at, if y holds classes."""
        return self.classes_of(self.y)

    def classes_of(self, y: NDArray) -> NDArray[np.int64] | None:
        """The class of each row of such targets: labels, one-hot rows, or one yes or no; None for anything else."""
        if ends.applied_by(self.loss) == "softmax":
            return y.astype(np.int64) if y.ndim == 1 else y.argmax(axis=1)
        if y.ndim != 2 or not np.isin(y, (-1, 0, 1)).all():
            return None
        if y.shape[1] == 1 and len(np.unique(y)) <= 2:
            return (y[:, 0] > 0).astype(np.int64)
        return y.argmax(axis=1) if (y >= 0).all() and (y.sum(axis=1) == 1).all() else None

    def part(self, numbers: NDArray[np.intp]) -> Patient:
        """The same patient, of whose rows only these are looked at."""
        other = copy.copy(self)
        other.x, other.y, other.weights = self.batch(numbers)
        return other

    @property
    def reconstructs(self) -> bool:
        """Whether the targets are the inputs, as for an autoencoder."""
        return self.x.shape == self.y.shape and np.array_equal(self.x, self.y)

    def own(self, layer: Layer) -> bool:
        """Whether the layer's class is the user's."""
        return not attributes.is_ours(layer)
