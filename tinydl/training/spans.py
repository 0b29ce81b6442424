"""Spans: steps of a small chain of Dense layers that are taken in compiled code, many at a time.

In a network as small as the autoencoders', most of the time of a step is spent on the way from one layer to the next.
Where nothing has to happen in Python between two batches, `kernels.span.steps` takes the steps instead of the layers,
to the same bits. The first and the last batch of each epoch still go through the layers: the first one checks them, and
after the last one they hold what a user may look at.

The rules of `of` name what the compiled steps know. Whatever they do not know is trained by the layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import interrupts
from ..batches import Batches
from ..callbacks import Callback
from ..callbacks.base import overrides
from ..kernels import span, twins
from ..kernels.machine.threads import num_threads
from ..layers import Dense, Sequential
from ..losses import MeanSquaredError
from ..network import NetworkInTraining, chained
from ..optimizers import SGD, Adam, Optimizer, RMSprop
from .place import Place
from .sources import Drawn, Feed, Rows
from .vector import offset

MOST = 500_000  # parameters: larger models' optimizer steps are shared by the threads
WORTH_LAYERS = 3e7  # multiply-adds of a layer's backward pass, above which two threads are faster than spans
# Parameters times rows of one compiled call, after which Ctrl-C and the progress bar have their turn: some 50 ms. It
# takes a third of a millisecond to get there and back.
CALL = 4e8
RULES: dict[type[Optimizer], int] = {SGD: span.SGD, RMSprop: span.RMSPROP, Adam: span.ADAM}


class Spans:
    """The compiled steps of one model on one set of rows. `of` says whether there are any."""

    def __init__(self, model: NetworkInTraining, chain: Sequential, rows: Rows) -> None:
        self.model, self.rows = model, rows
        layers: list[Any] = list(chained(chain))
        parameters, batch = model.parameters, rows.batch_size
        self.widths = np.array([layers[0].input_shape[0], *(layer.units for layer in layers)])
        self.W_at = np.array([offset(layer.params["W"], parameters) for layer in layers])
        self.b_at = np.array([offset(layer.params["b"], parameters) if layer.use_bias else -1 for layer in layers])
        self.activations = np.array([layer._code for layer in layers])
        self.y_at = np.concatenate([[0], np.cumsum(self.widths[:-1] * batch)])
        self.values = np.empty(self.widths.sum() * batch, parameters.dtype)
        self.steps = max(1, int(CALL / (parameters.size * batch)))
        largest = self.widths.max() * batch
        self.da, self.other, self.targets = (np.empty(largest, parameters.dtype) for _ in range(3))

    @classmethod
    def of(
        cls, model: NetworkInTraining, chain: Any, feed: Feed, callbacks: Sequence[Callback]
    ) -> Spans | None:  # fmt: skip
        """The compiled steps, or None if the layers must take all steps."""
        rows, optimizer = feed.source, model.optimizer
        assert optimizer is not None
        if (
            twins.current_mode() != "compiled" or feed.limit is not None or not isinstance(rows, Rows)
            or model.metrics or type(model.loss) is not MeanSquaredError or chain is not model.root
            or any(each.every_batch and _listens(each) for each in callbacks)
            or not _plain_rows(rows.data, model) or not _plain_chain(chain, rows.batch_size)
            or type(optimizer) not in RULES or optimizer.global_clipnorm is not None
            or model.parameters.size >= MOST or any(name in vars(optimizer) for name in ("step", "update"))
        ):  # fmt: skip
            return None
        assert isinstance(chain, Sequential)
        return cls(model, chain, rows)

    def epoch(self, place: Place, rng: np.random.Generator, listeners: Sequence[Any]) -> Iterator[Drawn]:
        """Take the steps of an epoch, except those of the batches that it yields, which the caller takes.

        `place` counts the steps; `listeners` are told about the last batch of each span.
        """
        data, size = self.rows.data, self.rows.batch_size
        order = rng.permutation(len(data)) if self.rows.shuffle else np.arange(len(data))
        last = -(-len(data) // size) - 1
        while place.batches <= last:
            yield (*data.take(order[place.batches * size : (place.batches + 1) * size]), None)
            while 0 < place.batches < last:
                taken, loss = self._take(order, place, min(self.steps, last - place.batches))
                if taken:
                    for hand_over in listeners:
                        hand_over(place.batches - 1, {"loss": loss})
                    interrupts.check()
                else:  # the layers take this step, and say what is wrong with it
                    break

    @interrupts.sealed
    def _take(self, order: NDArray, place: Place, count: int) -> tuple[int, float]:
        """Take up to `count` steps; return how many were taken, fewer if a loss is not finite, and the last loss."""
        data, optimizer, model = self.rows.data, self.model.optimizer, self.model
        assert optimizer is not None
        rates = optimizer.rates(count, model.parameters.dtype)
        m, v = (optimizer.slots.get(name, model.parameters[:0]) for name in ("m", "v"))
        settings, epsilons, decay = np.zeros(2), np.zeros(count), 0.0
        if isinstance(optimizer, Adam):
            settings[:] = optimizer.beta1, optimizer.beta2
            epsilons[:] = optimizer.next_epsilons(count)
            decay = optimizer.weight_decay
        elif isinstance(optimizer, RMSprop):
            outside, inside = optimizer.epsilons
            settings[:] = optimizer.rho, inside
            epsilons[:] = outside
        elif isinstance(optimizer, SGD):
            settings[:] = optimizer.momentum, optimizer.nesterov
            v = optimizer.slots.get("velocity", v)
            decay = optimizer.weight_decay
        parts = [(offset(p, model.parameters), p.size, d) for d, (p,) in optimizer.by_decay(decay, model.parameters)]
        ranges = np.array([(start, start + size) for start, size, _ in parts])
        total, y = np.array([place.total, 0.0]), data.y
        assert y is not None
        taken: int = span.steps(
            data.x.reshape(-1), (y[:0] if y is data.x else y).reshape(-1), order,
            place.batches * self.rows.batch_size, len(rates), self.rows.batch_size, self.widths, self.W_at, self.b_at,
            self.activations, self.y_at, model.parameters, model.gradients, m, v, RULES[type(optimizer)],
            optimizer.iterations + 1, rates, epsilons, settings, ranges, np.array([d for *_, d in parts]), self.values,
            self.da, self.other, self.targets, total,
        )  # fmt: skip
        optimizer.iterations += taken
        place.batches += taken
        place.rows += taken * self.rows.batch_size
        place.total = float(total[0])
        if taken:
            last = place.batches * self.rows.batch_size
            place.last = (*data.take(order[last - self.rows.batch_size : last]), None)
        return taken, float(total[1])


def _listens(callback: Callback) -> bool:
    return overrides(callback, "on_train_batch_begin") or overrides(callback, "on_train_batch_end")


def _plain_rows(data: Batches, model: NetworkInTraining) -> bool:
    """Whether the rows are matrices in memory, of the model's dtype, that nothing draws in its own way."""
    same = type(data).take is Batches.take and type(data).draw is Batches.draw and type(data).triples is Batches.triples
    return same and data.sample_weight is None and all(
        type(rows) is np.ndarray and rows.ndim == 2 and rows.dtype == model.dtype and rows.flags.c_contiguous
        for rows in (data.x, data.y)
    )  # fmt: skip


def _plain_chain(chain: Any, batch_size: int) -> bool:
    """Whether this is a chain of small Dense layers that all learn."""
    if type(chain) is not Sequential:
        return False
    return all(
        type(layer) is Dense and layer.trainable and layer.original is None
        and layer.kernel_regularizer is None
        and (num_threads() == 1 or 2 * batch_size * layer.params["W"].size < WORTH_LAYERS)
        and not any(name in vars(layer) for name in ("forward", "backward", "penalty"))
        for layer in chained(chain)
    ) and not any(layer.original is not None for layer in chain.walk())  # fmt: skip
