"""The training loop: epochs, batches, and who is told of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from .batches import Batches
from .callbacks import Callback, Logs

if TYPE_CHECKING:
    from .model import Model

BatchListener = Callable[[int, Logs], None]


def run(
    model: Model,
    data: Batches,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    validation: Batches | None,
    callbacks: Sequence[Callback],
    initial_epoch: int,
) -> None:
    """Epochs initial_epoch .. epochs - 1, or until `model.stop_training`; Ctrl-C sets `model.interrupted` instead.

    Every callback that was begun is ended, whatever happens to the others.
    """
    try:
        with ExitStack() as endings:
            for callback in callbacks:
                callback.on_train_begin()
                endings.callback(callback.on_train_end)
            per_batch = [callback.on_train_batch_end for callback in callbacks if _wants_batches(callback)]
            try:
                for epoch in range(initial_epoch, epochs):
                    for callback in callbacks:
                        callback.on_epoch_begin(epoch)
                    logs = _epoch(model, epoch, data, batch_size, shuffle, per_batch)
                    if validation is not None:
                        logs |= {f"val_{name}": value for name, value in model.figures(validation).items()}
                    _check_finite(model, epoch, logs)
                    model.epoch = epoch + 1
                    for callback in callbacks:
                        callback.on_epoch_end(epoch, logs)
                    if model.stop_training:
                        break
            except KeyboardInterrupt:
                model.interrupted = True
    except KeyboardInterrupt:  # while callbacks began or ended
        model.interrupted = True


def _epoch(
    model: Model,
    epoch: int,
    data: Batches,
    batch_size: int,
    shuffle: bool,
    per_batch: Sequence[BatchListener],
) -> Logs:
    """One pass over all rows; the figures are means over rows."""
    totals = dict.fromkeys(["loss", *model.metrics], 0.0)
    for batch, (x_batch, y_batch) in enumerate(data.draw(batch_size, model.rng, shuffle)):
        try:
            loss, y_pred = model.step(x_batch, y_batch)
        except FloatingPointError as error:
            raise FloatingPointError(f"fit: epoch {epoch + 1}, batch {batch + 1}: {error}") from None
        totals["loss"] += loss * len(x_batch)
        for name, metric in model.metrics.items():
            totals[name] += metric(y_batch, y_pred) * len(x_batch)
        for notify in per_batch:
            notify(batch, {"loss": loss})
    return {name: total / len(data) for name, total in totals.items()}


def _check_finite(model: Model, epoch: int, logs: Logs) -> None:
    """Before callbacks save anything: an epoch's last step may have blown the parameters up unseen."""
    bad = [name for name, value in logs.items() if not math.isfinite(value)]
    bad += [name for name, array in model.params.items() if not np.isfinite(array).all()]
    if bad:
        raise FloatingPointError(
            f"fit: after epoch {epoch + 1} {', '.join(bad)} are not finite. "
            "Try a smaller learning rate, or global_clipnorm in the optimizer"
        )


def _wants_batches(callback: Callback) -> bool:
    """Whether a callback overrides on_train_batch_end: most do not, and a call a batch is not free."""
    method = callback.on_train_batch_end
    return getattr(method, "__func__", method) is not Callback.on_train_batch_end
