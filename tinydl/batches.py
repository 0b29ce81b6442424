"""Batches: a data set whose rows are gathered, and converted to floats, only when their batch is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import arguments


class Batches:
    """Rows of inputs x and targets y, from which a model draws batches.

    `fit`, `evaluate` and `predict` wrap their arrays in a `Batches` object. Derive from `Batches` to keep data small
    (uint8 images, a memory-mapped file) or to change rows as they are drawn (augmentation): override `take`, and pass
    an instance to `fit` instead of x and y:

        model.fit(Batches(x, y), epochs=5)              # the same as model.fit(x, y, epochs=5)

    x            (n, ...) inputs of float, integer or bool dtype; layers convert each batch to their own dtype
    y            (n, ...) targets, or None for data used only in `predict`
    sample_weight  (n,) how much each row counts in the loss, or None
    """

    sample_weight: NDArray[Any] | None = None

    def __init__(
        self, x: NDArray[Any], y: NDArray[Any] | None = None, sample_weight: NDArray[Any] | None = None
    ) -> None:
        owner = type(self).__name__
        for name, array in (("x", x), ("y", y)):
            if array is None and name == "y":
                continue
            if not isinstance(array, np.ndarray) or array.ndim == 0 or array.dtype.kind not in "fiub":
                got = f"dtype {array.dtype}, shape {array.shape}" if isinstance(array, np.ndarray) else f"{array!r:.60}"
                mend = f"pass np.asarray({name})"
                if isinstance(array, np.ndarray):
                    mend = "turn its entries into numbers, one row per sample"
                raise TypeError(f"{owner}: {name} must be an array of numbers, one row per sample, got {got}: {mend}")
        if y is not None and len(x) != len(y):
            got, mend = f"{len(x)} and {len(y)}", "pass the y of the same rows"
            raise ValueError(f"{owner}: x and y must have the same number of rows, got {got}: {mend}")
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
            if sample_weight.shape != (len(x),):
                got = f"{sample_weight.shape}"
                raise ValueError(f"{owner}: sample_weight must be one number per row, shape ({len(x)},), got {got}")
        self.x, self.y, self.sample_weight = x, y, sample_weight

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one row returned by `take`."""
        return self.x.shape[1:]

    def take(self, rows: NDArray[np.intp] | slice, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Return x and y for the given row numbers or slice. rng, for random changes, is None except in training."""
        x = self.x[rows] if isinstance(rows, slice) else self.x.take(rows, axis=0)
        if self.y is None or self.y is self.x:
            return x, (None if self.y is None else x)
        return x, (self.y[rows] if isinstance(rows, slice) else self.y.take(rows, axis=0))

    def batch(self, rows: NDArray[np.intp] | slice, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Call `take` and check its result: an overridden `take` may return fewer rows than requested."""
        taken = self.take(rows, rng)
        wanted = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        if not isinstance(taken, tuple) or len(taken) != 2:
            raise TypeError(f"{type(self).__name__}: take must return a pair (x, y), got {type(taken).__name__}")
        for name, array in zip("xy", taken, strict=True):
            if len(array) != wanted if array is not None else name == "x":
                got = None if array is None else len(array)
                raise ValueError(f"{type(self).__name__}: take must return {wanted} rows of {name}, got {got}")
        return taken

    def draw(
        self, batch_size: int, rng: np.random.Generator | None = None, shuffle: bool = True
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the batches of one epoch: every row once, in a new random order. The last batch may be smaller.

        A batch is (x, y), or (x, y, w) if there are sample weights. Rows come in order if rng is None or shuffle is
        False. `take` receives rng in either case.
        """
        for x, y, w in self.triples(batch_size, rng, shuffle):
            yield (x, y) if w is None else (x, y, w)

    def triples(
        self, batch_size: int, rng: np.random.Generator | None = None, shuffle: bool = True
    ) -> Iterator[tuple[Any, Any, Any]]:
        """The batches of `draw` as (x, y, w), where w is None if there are no sample weights."""
        batch_size = arguments.positive_int(type(self).__name__, "batch_size", batch_size)
        order = rng.permutation(len(self)) if rng is not None and shuffle else None
        weights = self.sample_weight
        draw = self.take if type(self).take is Batches.take else self.batch  # tinydl's own `take` needs no check
        for start in range(0, len(self), batch_size):
            rows = slice(start, start + batch_size)
            chosen = rows if order is None else order[rows]
            x, y = draw(chosen, rng)
            yield x, y, None if weights is None else weights[chosen]
