"""Batches: rows that are gathered, and turned into floats, only when their turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import arguments


class Batches:
    """Inputs x and targets y, row by row, from which a run draws its batches.

    `fit`, `evaluate` and `predict` make one of the arrays they are given. Derive from it to keep data small (uint8
    images, a file mapped into memory) or to change them as they are drawn (augmentation): override `take`, and give the
    object to `fit` in the place of x and y:

        model.fit(Batches(x, y), epochs=5)              # the same as model.fit(x, y, epochs=5)

    x            (n, ...) of any dtype; layers convert a batch to their own
    y            (n, ...) targets, or None for data that are only predicted
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any] | None = None) -> None:
        owner = type(self).__name__
        for name, array in (("x", x), ("y", y)):
            if array is None and name == "y":
                continue
            if not isinstance(array, np.ndarray) or array.ndim == 0 or array.dtype.kind not in "fiub":
                got = f"one of {array.dtype}" if isinstance(array, np.ndarray) else f"{array!r:.60}"
                raise TypeError(f"{owner}: {name} must be an array of numbers, one row a sample, got {got}")
        if y is not None and len(x) != len(y):
            raise ValueError(f"{owner}: x has {len(x)} rows, y has {len(y)}")
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one row that `take` gives."""
        return self.x.shape[1:]

    def take(self, rows: NDArray[np.intp] | slice, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """(x, y) of some rows: by their numbers, or a slice. rng, given while training only: for what is drawn anew."""
        x = self.x[rows] if isinstance(rows, slice) else self.x.take(rows, axis=0)
        if self.y is None or self.y is self.x:
            return x, (None if self.y is None else x)
        return x, (self.y[rows] if isinstance(rows, slice) else self.y.take(rows, axis=0))

    def batch(self, rows: NDArray[np.intp] | slice, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """`take`, and a check of its result: an overridden `take` may return fewer rows than it was asked for."""
        taken = self.take(rows, rng)
        wanted = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        if not isinstance(taken, tuple) or len(taken) != 2:
            raise TypeError(f"{type(self).__name__}: take must return a pair (x, y), got {type(taken).__name__}")
        for name, array in zip("xy", taken, strict=True):
            if len(array) != wanted if array is not None else name == "x":
                got = None if array is None else len(array)
                raise ValueError(f"{type(self).__name__}: take was asked for {wanted} rows, its {name} has {got}")
        return taken

    def draw(
        self, batch_size: int, rng: np.random.Generator | None = None, shuffle: bool = True
    ) -> Iterator[tuple[Any, Any]]:
        """One epoch: every row once, by a new permutation from rng, the last short batch included.

        Without rng: in order, and nothing drawn at random. With `shuffle=False` and an rng: in order, rng for `take`.
        """
        batch_size = arguments.positive_int(type(self).__name__, "batch_size", batch_size)
        order = rng.permutation(len(self)) if rng is not None and shuffle else None
        draw = self.take if type(self).take is Batches.take else self.batch  # our own needs no check
        for start in range(0, len(self), batch_size):
            rows = slice(start, start + batch_size)
            yield draw(rows if order is None else order[rows], rng)
