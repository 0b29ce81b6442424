"""Warnings of `fit` about runs that are allowed but will hardly learn: each says what is odd, and the usual mend."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..batches import Batches
from ..callbacks import Callback, Checkpoint, LearningRateScheduler
from ..layer import Layer
from ..layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, GaussianNoise
from ..layers.pooling import Pool2D
from ..optimizers import Optimizer
from .attributes import is_ours
from .sources import Rows, Stream

LARGE = 1e4  # unscaled data: the weights of a first layer begin near 0.1, so that its outputs would be as large
KEEP_SCALE = (Flatten, Dropout, GaussianNoise, Pool2D)
ONE_ROW = "batches of 1, in which every row is its own mean"
SEVERAL_ROWS = "choose a larger batch_size, use LayerNorm, or freeze the layer"
STACK = 7  # the frames from a warning here to the line that calls fit


def of_scale(root: Layer, data: Batches) -> None:
    """Warn about raw pixels 0 .. 255, and about numbers of 10,000 or more, as inputs of a Dense or Conv2D layer.

    The first 1,000 rows decide. A normalization or a layer of the user's own below it may scale the data, and so may
    the `take` of a subclass of Batches: then there is no warning.
    """
    if first_weights(root) is None or type(data) is not Batches:
        return
    if (doubt := about_scale(data.x[:1000])) is not None:
        expected, got, mend = doubt
        warnings.warn(f"fit: x should hold {expected}, got {got}, which hardly trains: {mend}", stacklevel=STACK)


def first_weights(root: Layer) -> Layer | None:
    """The Dense or Conv2D layer that gets the inputs as they are; None if another layer may scale them before."""
    plain = (layer for layer in root.walk() if not layer.sublayers())
    first = next((layer for layer in plain if not isinstance(layer, KEEP_SCALE)), None)
    return first if isinstance(first, Dense | Conv2D) and is_ours(first) else None


def about_scale(x: NDArray) -> tuple[str, str, str] | None:
    """What such inputs should be, what they are, and the mend; None if nothing is odd."""
    low, high = float(x.min()), float(x.max())
    if x.ndim == 4 and low >= 0 and 128 <= high <= 255 and np.array_equal(x, np.floor(x)):
        return "pixels near 0 .. 1", f"0 .. {high:g}", "pass x / 255, to predict and evaluate, too"
    if max(-low, high) >= LARGE:
        mend = "scale each column, (x - mean) / std with x.mean(axis=0) and x.std(axis=0) of the training rows"
        return "numbers near -1 .. 1", f"{low:.3g} .. {high:.3g}", mend
    return None


def of_rate(optimizer: Optimizer, callbacks: Iterable[Callback]) -> None:
    """Warn about a learning rate of 0, unless a callback may change it."""
    free = [each for each in callbacks if isinstance(each, LearningRateScheduler) or not is_ours(each)]
    if optimizer.learning_rate == 0 and not free:
        mend = "set optimizer.learning_rate, and remember that 1 // 1000 is 0"
        name = type(optimizer).__name__
        warnings.warn(
            f"fit: {name}'s learning_rate should be above 0, got 0, which trains nothing: {mend}", stacklevel=STACK
        )


def of_weights(data: Batches) -> None:
    """Warn about rows that all weigh nothing."""
    if data.sample_weight is not None and not data.sample_weight.any():
        got = "0 for all rows, which trains nothing"
        mend = "leave out sample_weight, or raise the weights of some rows"
        warnings.warn(f"fit: sample_weight times class_weight should not be 0, got {got}: {mend}", stacklevel=STACK)


def of_single_rows(root: Layer, rows: int | None) -> None:
    """Warn about BatchNorm in training on batches of one value for each channel: its outputs are all beta."""
    for layer in need_several_rows(root) if rows == 1 else ():
        warnings.warn(
            f"fit: {layer.label} needs batches of 2 rows or more, got {ONE_ROW}: {SEVERAL_ROWS}", stacklevel=STACK
        )


def need_several_rows(root: Layer) -> list[Layer]:
    """The BatchNorm layers that get one value of each channel from each row."""
    return [
        layer
        for layer in root.walk()
        if isinstance(layer, BatchNorm) and layer.trainable and np.prod((layer.input_shape or ())[:-1]) == 1
    ]


def of_order(source: Rows | Stream, callbacks: Iterable[Callback]) -> None:
    """Warn about a source that may reshuffle by itself in a run that is to be continued after a crash."""
    ended = getattr(source.given, "on_epoch_end", None) if isinstance(source, Stream) else None
    own = callable(ended) and str(getattr(ended, "__module__", "")).partition(".")[0] not in ("keras", "tensorflow")
    iterable = isinstance(source, Stream) and source.again and not source.indexed
    if (own or iterable) and any(isinstance(each, Checkpoint) for each in callbacks):
        got = f"a {source.name}, which may reshuffle by itself{' in on_epoch_end' if own else ''}"
        mend = "leave the order to fit's shuffle, or let it depend only on what a restart repeats"
        expected = "give the same batches in the same order after a restart"
        warnings.warn(f"Checkpoint: x should {expected}, got {got}: {mend}", stacklevel=STACK)


def of_checkpoints(callbacks: Iterable[Callback]) -> None:
    """Warn about a Checkpoint whose file holds an earlier run, which a new run is about to replace."""
    for each in callbacks:
        if isinstance(each, Checkpoint) and os.path.isfile(os.path.expanduser(each.path)):
            got = f"{each.path}, which exists and will be replaced"
            mend = "pass resume=path to continue that run, or remove the file"
            warnings.warn(f"Checkpoint: path should be a new file in a new run, got {got}: {mend}", stacklevel=STACK)
