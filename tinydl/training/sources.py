"""What `fit`, `evaluate` and `predict` draw their batches from.

rows     arrays or Batches: checked once, drawn in a new order in each epoch
streams  anything else that yields batches: an object with __len__ and __getitem__ (Keras's Sequence), an iterable
         that can start again (PyTorch's DataLoader, a list of batches), an iterator that ends once (a generator).
         Each batch is x, (x, y) or (x, y, sample_weight), and is checked when it comes
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments, interrupts
from ..batches import Batches
from ..losses import Loss
from ..network import Network
from . import inputs
from .dense import check_dense
from .weights import check_class_weight

Drawn = tuple[Any, Any, Any]
"""A batch: x, y and sample weights, of which the last two may be None."""


class Rows:
    """The batches of arrays or Batches whose rows were checked before."""

    again = True  # a pass can begin as often as needed

    def __init__(self, data: Batches, batch_size: int, shuffle: bool = False) -> None:
        self.data, self.batch_size, self.shuffle = data, batch_size, shuffle
        self.steps: int | None = math.ceil(len(data) / batch_size)
        self.name = type(data).__name__

    def one_pass(self, rng: np.random.Generator | None) -> Iterator[Drawn]:
        if type(self.data).draw is Batches.draw:
            return self.data.triples(self.batch_size, rng, self.shuffle)
        drawn = interruptible(self.data.draw(self.batch_size, rng, self.shuffle))  # a user's own draw
        return ((*batch, None)[:3] for batch in drawn)


def interruptible(items: Iterable[Any]) -> Iterator[Any]:
    """The items of a user's source, which may wait for its data: meanwhile Ctrl-C acts at once."""
    source, end = iter(items), object()
    while (item := interrupts.openly(next, source, end)) is not end:
        yield item


class Stream:
    """The batches of a foreign object, each checked when it comes. `loss` is None where only x is needed."""

    def __init__(
        self, method: str, network: Network, loss: Loss | None, given: Any, shuffle: bool = False,
        class_weight: Mapping[Any, float] | None = None,
    ) -> None:  # fmt: skip
        self.method, self.network, self.loss, self.given = method, network, loss, given
        self.shuffle, self.class_weight = shuffle, class_weight
        self.again = not isinstance(given, Iterator)
        self.indexed = self.again and hasattr(given, "__getitem__") and hasattr(given, "__len__")
        self.name = type(given).__name__
        try:
            self.steps: int | None = len(given) if self.again else None
        except Exception:  # PyTorch and TensorFlow raise errors of their own for an unknown length
            self.steps = None

    def one_pass(self, rng: np.random.Generator | None) -> Iterator[Drawn]:
        for place, item in enumerate(interruptible(self._items(rng))):
            yield self._checked(place, item)
        if callable(ended := getattr(self.given, "on_epoch_end", None)):  # Keras's Sequence shuffles its rows there
            interrupts.openly(ended)

    def _items(self, rng: np.random.Generator | None) -> Iterable[Any]:
        if not self.indexed:
            return interrupts.openly(iter, self.given)
        count = len(self.given)
        order = rng.permutation(count) if self.shuffle and rng is not None else range(count)
        return (self.given[int(k)] for k in order)

    def _checked(self, place: int, item: Any) -> Drawn:
        owner = f"{self.method}: batch {place + 1} of the {self.name}"
        parts = tuple(item) if isinstance(item, tuple | list) else (item,)
        if isinstance(item, Mapping) or not 1 <= len(parts) <= 3:
            keys = ", ".join(map(repr, item)) if isinstance(item, Mapping) else ""
            got = f"a mapping with the keys {keys}" if keys else f"a {type(item).__name__} of {len(parts)}"
            mend = "yield a tuple (x, y)"
            raise TypeError(f"{owner}: it must be x, (x, y) or (x, y, sample_weight), got {got}: {mend}")
        x = parts[0]
        if np.shape(x) == self.network.input_shape:
            got, mend = f"a single sample of shape {np.shape(x)}", "put the samples into batches"
            raise ValueError(f"{owner}: x must have a first axis of rows, got {got}: {mend}, such as DataLoader's")
        if self.loss is None:
            return inputs.check_x(owner, self.network, x).x, None, None
        if len(parts) == 1:
            raise ValueError(f"{owner}: it must be (x, y), got x alone: yield (x, y), for an autoencoder (x, x)")
        weights = parts[2] if len(parts) == 3 else None
        data = inputs.check_data(owner, self.network, self.loss, x, parts[1], weights, self.class_weight)
        return data.x, data.y, data.sample_weight


class Feed:
    """Epochs of batches from a source: one pass each, or `steps` batches each, going on where the last one stopped."""

    def __init__(
        self, method: str, source: Rows | Stream, steps: int | None, argument: str, times: int = 1, rounds: bool = False
    ) -> None:
        """steps: batches an epoch, or None; argument: its name in messages; times: how many epochs will be drawn;
        rounds: whether an epoch may go on at the source's beginning."""
        if steps is not None:
            arguments.positive_int(method, argument, steps)
        elif not source.again and times > 1:
            mend = f"pass {argument}, or an object that can start again"
            expected = f"a source that starts anew for each of {times} passes"
            raise ValueError(f"{method}: x must be {expected}, got a {source.name}, which ends once: {mend}")
        self.method, self.source, self.argument, self.rounds = method, source, argument, rounds
        self.limit = steps
        self.steps = steps if steps is not None else source.steps
        self._running: Iterator[Drawn] | None = None  # a pass that goes on in the next epoch
        self._begun: Mapping[str, Any] | None = None  # the generator when that pass began
        self._drawn = 0  # batches of that pass

    def place(self) -> dict[str, Any] | None:
        """Where the next epoch begins: in which pass, and how many of its batches are drawn; None for a new pass."""
        return None if self._running is None else {"begun": self._begun, "drawn": self._drawn}

    def go_to(self, place: dict[str, Any] | None, rng: np.random.Generator | None = None) -> None:
        """Go to the place of an earlier run: the batches before it are drawn, from a new generator too, and dropped."""
        self._running = None
        if place is not None:
            if rng is not None:
                rng.bit_generator.state = place["begun"]
            self._begun, self._drawn = place["begun"], place["drawn"]
            self._running = self.source.one_pass(rng)
            leave_out(self.method, self.source.name, self._running, self._drawn)

    def epoch(self, rng: np.random.Generator | None = None) -> Iterator[Drawn]:
        """The batches of the next epoch. Raises ValueError if the source ends before it has given them."""
        if self.limit is not None:
            return self._some(rng, self.limit)
        return self.source.one_pass(rng) if isinstance(self.source, Rows) else self._all(rng)

    def _all(self, rng: np.random.Generator | None) -> Iterator[Drawn]:
        count = 0
        for batch in self.source.one_pass(rng):
            count += 1
            yield batch
        if not count:
            mend = "make a new one for each call"
            raise ValueError(f"{self.method}: the {self.source.name} gave no batch: it is empty or used up: {mend}")

    def _some(self, rng: np.random.Generator | None, limit: int) -> Iterator[Drawn]:
        count, empty = 0, False
        while count < limit:
            if self._running is None:
                self._begun, self._drawn = None if rng is None else rng.bit_generator.state, 0
                self._running, empty = self.source.one_pass(rng), True
            drawn = next(self._running, None)
            if drawn is not None:
                count, empty = count + 1, False
                self._drawn += 1
                yield drawn
                continue
            self._running = None
            if empty or not self.source.again or not self.rounds:
                mend = f"make it endless (while True), give it more batches, or lower {self.argument}"
                expected = f"{limit} batches an epoch ({self.argument})"
                raise ValueError(
                    f"{self.method}: the {self.source.name} must give {expected}, got {count} and its end: {mend}"
                )

    def restart(self) -> None:
        """Begin the next epoch at the source's first batch, if it can start again: validation sees the same rows."""
        if self.source.again:
            self._running = None


def leave_out(method: str, name: str, batches: Iterator[Drawn], count: int) -> tuple[list[Any], Drawn | None]:
    """Draw `count` batches that an earlier run was trained on; return their targets, if any, and the last batch."""
    targets, drawn = [], None
    for k in range(count):
        drawn = next(batches, None)
        if drawn is None:
            expected = f"give the {count} batches that the run to continue has used"
            raise ValueError(f"{method}: the {name} must {expected}, got {k} and its end: pass the same data")
        targets.append(drawn[1])
    return targets, drawn


def is_stream(x: Any, y: Any = None) -> bool:
    """Whether x yields batches, instead of being an array of rows (a list of lists of numbers is an array)."""
    if isinstance(x, Batches | str | bytes | Mapping | range) or hasattr(x, "__array__") or hasattr(x, "toarray"):
        return False
    if isinstance(x, list | tuple):
        pairs = [isinstance(each, tuple | list) and 2 <= len(each) <= 3 for each in x]
        return y is None and bool(pairs) and all(pairs) and all(_has_rows(each[0]) for each in x)
    try:
        memoryview(x)
        return False
    except TypeError:
        return isinstance(x, Iterable) or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def _has_rows(x: Any) -> bool:
    return len(getattr(x, "shape", ())) > 0


def training_feed(
    network: Network, loss: Loss, x: Any, y: Any, sample_weight: ArrayLike | None, class_weight: Any,
    batch_size: int | None, shuffle: bool, steps: int | None, epochs: int,
) -> Feed:  # fmt: skip
    """The feed of `fit`'s epochs."""
    source = _source("fit", network, loss, x, y, sample_weight, batch_size, 32, class_weight, shuffle)
    return Feed("fit", source, steps, "steps_per_epoch", epochs, rounds=True)


def figures_feed(
    method: str, network: Network, loss: Loss, x: Any, y: Any = None, sample_weight: ArrayLike | None = None,
    batch_size: int | None = None, steps: int | None = None, argument: str = "steps", times: int = 1,
) -> Feed:  # fmt: skip
    """The feed of `evaluate`, or of validation, which draws from it `times` times."""
    usual = inputs.rows_at_a_time(method, network, None)
    return Feed(method, _source(method, network, loss, x, y, sample_weight, batch_size, usual), steps, argument, times)


def _source(
    method: str, network: Network, loss: Loss, x: Any, y: Any, sample_weight: ArrayLike | None,
    batch_size: int | None, usual_size: int, class_weight: Any = None, shuffle: bool = False,
) -> Rows | Stream:  # fmt: skip
    if is_stream(x, y):
        refuse_beside_a_stream(method, x, y=y, sample_weight=sample_weight, batch_size=batch_size)
        weights = None if class_weight is None else check_class_weight(class_weight)
        return Stream(method, network, loss, x, shuffle, weights)
    size = usual_size if batch_size is None else arguments.positive_int(method, "batch_size", batch_size)
    return Rows(inputs.check_data(method, network, loss, x, y, sample_weight, class_weight), size, shuffle)


def validation_feed(
    network: Network, loss: Loss, validation_data: Any, batch_size: int | None, steps: int | None, times: int
) -> Feed | None:
    """The feed of `fit`'s validation_data: (x, y), (x, y, sample_weight), Batches or a stream; None without any."""
    method = "fit: validation_data"
    if validation_data is None:
        if steps is not None:
            raise ValueError("fit: validation_steps needs validation_data: pass both, or neither")
        return None
    pair = isinstance(validation_data, tuple | list) and not is_stream(validation_data)
    if pair and len(validation_data) not in (2, 3):
        got = f"{len(validation_data)} entries: pass validation_data=(x, y)"
        raise ValueError(f"{method} must be (x, y) or (x, y, sample_weight), got {got}")
    if not pair and (hasattr(validation_data, "__array__") or isinstance(validation_data, Mapping | str)):
        got = f"a {type(validation_data).__name__}: pass validation_data=(x, y)"
        raise ValueError(f"{method} must be (x, y), (x, y, sample_weight) or a source of batches, got {got}")
    given = validation_data if pair else (validation_data,)
    x, y, weights = (*given, None, None)[:3]
    size = None if is_stream(x, y) else batch_size
    return figures_feed(method, network, loss, x, y, weights, size, steps, "validation_steps", times)


def refuse_beside_a_stream(method: str, x: Any, **given: Any) -> None:
    """Raise if an argument is given that has no meaning beside a source of batches."""
    for name, value in given.items():
        if value is not None:
            mend = {
                "y": "yield (x, y)", "sample_weight": "yield (x, y, sample_weight)",
                "batch_size": "it decides how many rows a batch has",
            }[name]  # fmt: skip
            raise ValueError(f"{method}: {name} must be left out, because x is a {type(x).__name__}: {mend}")


def inputs_of(method: str, network: Network, x: Any, steps: int | None) -> Iterator[NDArray]:
    """The checked inputs of a stream, batch by batch, for `predict`."""
    feed = Feed(method, Stream(method, network, None, x), steps, "steps")
    return (batch for batch, _, _ in feed.epoch())


def split(
    method: str, fraction: Any, x: Any, y: Any, sample_weight: Any
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any] | None]:
    """The rows to train on and, in their order, the last `fraction` of the rows, for validation, as in Keras."""
    fraction = arguments.number(method, "validation_split", fraction, 0, 1)
    if not fraction:
        return (x, y, sample_weight), None
    if isinstance(x, Batches) or is_stream(x, y):
        mend = "pass validation_data"
        raise ValueError(f"{method}: validation_split needs arrays x and y, got a {type(x).__name__}: {mend}")
    for name, each in (("x", x), ("y", y), ("sample_weight", sample_weight)):
        check_dense(method, name, each)
    rows = len(x)
    given = [None if each is None else np.asarray(each) for each in (x, y, sample_weight)]
    counts = {len(each) if each.ndim else 0 for each in given if each is not None}
    if len(counts) > 1:
        got = " and ".join(map(str, sorted(counts)))
        mend = "pass those of the same rows"
        raise ValueError(f"{method}: x, y and sample_weight must have the same number of rows, got {got}: {mend}")
    kept = math.floor(rows * (1 - fraction))
    if not 0 < kept < rows:
        got = f"{kept} for training and {rows - kept} for validation"
        raise ValueError(f"{method}: validation_split must leave rows on both sides, got {got}")
    same = y is x
    first, last = (
        [None if each is None else each[part] for each in given] for part in (slice(kept), slice(kept, None))
    )
    if same:  # an autoencoder's targets are its inputs: keep them one array
        first[1], last[1] = first[0], last[0]
    return (first[0], first[1], first[2]), (last[0], last[1], last[2])
