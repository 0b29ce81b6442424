"""The objective of a check: every output of a layer, and its penalty, as functions of x and the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .runner import Runner

Vector = NDArray[np.float64]
Where = tuple[int, ...] | EllipsisType  # the index of an entry, or `...` for the whole array


class Objective:
    """L = sum(dy * forward(x)) + penalty(), kept as separate terms: L = sum(weights * evaluate()).

    Attributes:
        arrays: the arrays that may be moved, in place: x and the parameters, by name.
        weights: dy, flattened, then 1 for the penalty, which counts as one more output.
    """

    def __init__(self, runner: Runner, x: NDArray[Any], x_name: str, dy: NDArray[np.float64]) -> None:
        self.runner = runner
        self.x, self.x_name, self.dy = x, x_name, dy
        moved_x = {x_name: x} if getattr(runner.layer, "moves_x", x.dtype.kind in "fc") else {}
        self.arrays: dict[str, NDArray[Any]] = {**moved_x, **runner.params}
        self.weights: Vector = np.append(dy, 1.0)

    def evaluate(self) -> NDArray[Any]:
        """All outputs, then the penalty; all NaN if forward raises ValueError."""
        try:
            return self.runner.values(self.x)
        except ValueError:  # the step left the domain, and forward raised
            return np.full(self.weights.shape, np.nan)

    def as_complex(self) -> Objective:
        """The same objective on a complex copy of the layer, with the same random numbers."""
        x = self.x.astype(np.complex128) if self.x.dtype.kind == "f" else self.x
        return Objective(self.runner.as_complex(), x, self.x_name, self.dy)


def part(array: NDArray[Any], where: Where) -> NDArray[Any]:
    """A view of one entry, or of the whole array."""
    if where is ... or not where:
        return array
    return array[where[:-1]][where[-1] : where[-1] + 1]


def size_of(array: NDArray[Any]) -> float:
    """The root mean square of an array's entries; 1 if all of them are 0."""
    return float(np.sqrt(np.mean(array**2))) or 1.0


@contextmanager
def moved(arrays: Sequence[NDArray[Any]], direction: Sequence[Any]) -> Iterator[Callable[[float], None]]:
    """Yield a function that moves arrays, in place, by a distance along `direction`; restore them at the end."""
    saved = [array.copy() for array in arrays]

    def move(distance: float) -> None:
        for array, old, v in zip(arrays, saved, direction, strict=True):
            array[...] = old + distance * v

    try:
        yield move
    finally:
        for array, old in zip(arrays, saved, strict=True):
            array[...] = old
