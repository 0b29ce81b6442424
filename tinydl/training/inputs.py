"""Checks of a Model's inputs (layers, data, targets, losses, metrics), made before the model changes."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..batches import Batches
from ..callbacks import Callback, LearningRateScheduler, ReduceLROnPlateau
from ..callbacks import __all__ as callback_names
from ..callbacks.base import check_methods
from ..layer import Layer, Shape
from ..layers import AuxiliaryHead, Container, Conv2D, Sigmoid, Softmax
from ..layers.pooling import Pool2D
from ..losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from ..metrics import Metric, named
from ..network import Network
from ..optimizers import Optimizer


def shape_of(input_shape: int | Shape) -> Shape:
    """Return a Model's input_shape as a tuple."""
    if isinstance(input_shape, Layer):
        mend = "put the layers into a list: Model([layer, layer], input_shape=...)"
        raise TypeError(
            f"Model: input_shape must be a number or a tuple, got a {type(input_shape).__name__} layer: {mend}"
        )
    if isinstance(input_shape, np.ndarray):
        got = f"an array of shape {input_shape.shape}: write input_shape={input_shape.shape[1:]}"
        raise TypeError(f"Model: input_shape must be the shape of one sample, got {got}")
    shape = tuple(input_shape) if isinstance(input_shape, list | tuple) else (input_shape,)
    if len(shape) > 1 and shape[0] is None:
        raise ValueError(f"Model: input_shape must leave out the batch axis, got {shape}: write {shape[1:]}")
    return tuple(arguments.positive_int("Model", "every entry of input_shape", size) for size in shape)


def check_layers(root: Layer) -> None:
    """Reject what would silently train wrongly: layers of another model, layers missing from sublayers()."""
    for layer in root.walk():
        if layer.in_model:
            mend = "give each model its own layers, and copy the weights with set_weights(get_weights())"
            raise ValueError(f"Model: {layer.label} already belongs to a model: {mend}")
        below = layer.sublayers()
        if below and not isinstance(layer, Container):
            raise TypeError(f"Model: {layer.label} has sublayers, so its class must derive from Container")
        for name, value in vars(layer).items():
            for inner in value if isinstance(value, list | tuple) else [value]:
                if isinstance(inner, Layer) and name != "original" and not any(inner is one for one in below):
                    trouble = f"holds the layer self.{name}, but its sublayers() does not return it"
                    mend = "derive from Container and return it from sublayers()"
                    raise TypeError(f"Model: {layer.label} {trouble}, so it would not be trained: {mend}")


def warn_of_channels_first(root: Layer, shape: Shape) -> None:
    """Warn about an input_shape such as (3, 32, 32), which would train on images 3 pixels high with 32 channels."""
    first = next(layer for layer in root.walk() if not layer.sublayers())
    if isinstance(first, Conv2D | Pool2D) and (mend := arguments.channels_first(shape)):
        warnings.warn(
            f"Model: input_shape {shape} means images {shape[0]} pixels high with {shape[2]} channels{mend}",
            stacklevel=3,  # the line that creates the Model
        )


def check_x(method: str, network: Network, x: ArrayLike | Batches) -> Batches:
    """Return x as Batches: unchanged if it is Batches already, else over an array of the network's dtype."""
    input_shape = network.input_shape
    expected = f"(n, {', '.join(map(str, input_shape))})"
    if isinstance(x, Batches):
        if x.sample_shape != input_shape or len(x) == 0:
            got = f"{type(x).__name__} with {len(x)} rows of shape {x.sample_shape}"
            raise ValueError(f"{method}: x must be of shape {expected}, got {got}")
        return x
    try:
        if np.iscomplexobj(x):
            raise TypeError("it is complex")
        with np.errstate(over="ignore"):  # a number too large for the dtype becomes infinite and is rejected below
            array = np.ascontiguousarray(x, dtype=network.dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{method}: x must be an array of numbers of shape {expected}: {error}") from None
    if array.shape[1:] != input_shape:
        mend = arguments.channels_first(array.shape[1:], input_shape)
        if array.shape == input_shape:
            mend = ": for a single sample use x[None]; for many, make the model with input_shape=x.shape[1:]"
        elif input_shape == (math.prod(array.shape[1:]),):
            mend = ": flatten the samples, x.reshape(len(x), -1), or begin the model with Flatten()"
        elif len(input_shape) == 3 and (*array.shape[1:], 1) == input_shape:
            mend = ": give gray images a channel axis, x[..., None]"
        raise ValueError(f"{method}: x must be of shape {expected}, got {array.shape}{mend}")
    if len(array) == 0:
        raise ValueError(f"{method}: x must not be empty, got shape {array.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(array.sum())  # finite only if every entry is; isfinite(x) would allocate an array as large as x
    if not math.isfinite(total) and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        found = f"NaN or infinity (as {network.dtype}), first at {place}"
        raise ValueError(f"{method}: x must be finite, got {found}: clean or impute the data first")
    return Batches(array)


def check_data(
    method: str, network: Network, loss: Loss, x: ArrayLike | Batches, y: ArrayLike | None = None
) -> Batches:
    """Return x and its targets as Batches after the loss has checked the targets."""
    data = copy.copy(check_x(method, network, x))
    if isinstance(x, Batches):
        if y is not None:
            raise ValueError(f"{method}: {type(x).__name__} already include targets: remove y")
        targets: Any = data.y
    else:
        targets = data.x if y is x else y
    if targets is None:
        raise ValueError(f"{method}: targets are missing: pass y, or Batches with a y")
    try:
        data.y = loss.check_targets(targets, network.output_shape, network.dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{method}: {error}") from None
    if len(data) != len(data.y):
        raise ValueError(f"{method}: x and y must have the same number of rows, got {len(data)} and {len(data.y)}")
    return data


def check_validation(network: Network, loss: Loss, validation_data: Any) -> Batches | None:
    """Check `fit`'s validation_data (Batches, a pair (x, y), or None); return it as Batches or None."""
    if validation_data is None:
        return None
    if isinstance(validation_data, Batches):
        return check_data("fit: validation_data", network, loss, validation_data)
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise ValueError("fit: validation_data must be a pair (x, y), or Batches")
    return check_data("fit: validation_data", network, loss, *validation_data)


def check_callbacks(callbacks: Any) -> Sequence[Callback]:
    """Check `fit`'s callbacks (a list of Callback objects, or None); return them as a list."""
    if isinstance(callbacks, Callback):
        raise TypeError(f"fit: callbacks must be a list of Callback objects, got {callbacks!r}")
    found = list(callbacks or ())
    for position, callback in enumerate(found):
        if not isinstance(callback, Callback):
            known = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            mend = f": pass tinydl.callbacks.{known}(...)" if known in callback_names else ""
            raise TypeError(f"fit: callbacks must be Callback objects, got {callback!r}{mend}")
        if any(callback is earlier for earlier in found[:position]):
            raise ValueError(f"fit: callbacks must be different objects, got the same {type(callback).__name__} twice")
        check_methods(callback)
    plateau = any(isinstance(each, ReduceLROnPlateau) for each in found)
    if plateau and any(isinstance(each, LearningRateScheduler) and not each.takes_rate for each in found):
        trouble = "a LearningRateScheduler whose schedule does not take the rate, which undoes each reduction"
        raise ValueError(f"fit: callbacks must not add {trouble}, to ReduceLROnPlateau: use schedule(epoch, lr)")
    return found


def rows_at_a_time(method: str, network: Network, batch_size: int | None) -> int:
    """The batch size of `evaluate` and `predict`; None means 1,024 rows, or 128 images."""
    if batch_size is None:
        return 1024 if len(network.input_shape) == 1 else 128  # more images would only take up memory
    return arguments.positive_int(method, "batch_size", batch_size)


def check_optimizer_and_loss(optimizer: Any, loss: Any) -> None:
    """Reject strings, classes and objects from other libraries."""
    for value, kind, example in ((optimizer, Optimizer, "Adam()"), (loss, Loss, "MeanSquaredError()")):
        if not isinstance(value, kind):
            name = kind.__name__.lower()
            raise TypeError(f"compile: {name} must be a tinydl {kind.__name__}, such as {example}, got {value!r}")


def check_ends(loss: Loss, root: Layer, output_shape: Shape) -> None:
    """Check that the output of the network, and of each auxiliary head, is a valid input of the loss."""
    heads = [layer for layer in root.walk() if isinstance(layer, AuxiliaryHead)]
    for head in heads:
        if head.head.output_shape != output_shape:
            shapes = f"the head of {head.label} gives shape {head.head.output_shape}, the model {output_shape}"
            raise ValueError(f"compile: {shapes}: both shapes must be the same, since the targets are")
    for end in (root, *(head.head for head in heads)):
        _refuse_probabilities(loss, end, "the model" if end is root else "an auxiliary head")


def _refuse_probabilities(loss: Loss, end: Layer, whose: str) -> None:
    """Raise if a loss that applies the softmax or sigmoid itself would receive probabilities."""
    last = end
    while last.sublayers() and getattr(last, "activation", None) in (None, "linear"):
        last = last.sublayers()[-1]
    takers = ((SoftmaxCrossEntropy, Softmax, "softmax"), (BinaryCrossEntropy, Sigmoid, "sigmoid"))
    for logits_loss, layer, name in takers:
        if isinstance(loss, logits_loss) and (isinstance(last, layer) or getattr(last, "activation", None) == name):
            takes = f"{type(loss).__name__} takes logits and applies the {name} itself"
            ends = f"{whose} ends in {last.label}, which also applies it: remove that layer"
            raise ValueError(f"compile: {takes}, but {ends}")


def metrics_by_name(metrics: str | Iterable[str | Metric] | None) -> dict[str, Metric]:
    """Return `compile`'s metrics as {name of the figure: function}."""
    chosen: dict[str, Metric] = {}
    for metric in [metrics] if isinstance(metrics, str) else metrics or ():
        name, function = named(metric)
        if name in chosen or name == "loss":
            raise ValueError(f"compile: figures must have different names, got {name!r} twice: rename the metric")
        chosen[name] = function
    return chosen
