"""Checks of a Model's inputs (layers, data, targets, losses, metrics), made before the model changes."""

from __future__ import annotations

import copy
import functools
import inspect
import math
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from ..batches import Batches
from ..callbacks import Callback, LearningRateScheduler, ProgressBar, ReduceLROnPlateau
from ..callbacks import __all__ as callback_names
from ..callbacks.base import check_methods
from ..finite import all_finite
from ..layer import Layer, Shape
from ..layers import AuxiliaryHead, Container, Conv2D
from ..layers.pooling import Pool2D
from ..layers.sharing import check_size
from ..losses import BinaryCrossEntropy, Huber, Loss, MeanAbsoluteError, MeanSquaredError
from ..metrics import METRICS, OF_QUESTIONS, Metric, named, of_questions
from ..network import Network
from .by_name import KERAS_NAME
from .dense import check_dense
from .ends import applied_by, last_activation
from .weights import weights_of_rows


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
    check_size(root)
    for layer in root.walk():
        if layer.in_model:
            mend = "give each model its own layers, and copy the weights with set_weights(get_weights())"
            raise ValueError(f"Model: a layer must be new, got {layer.label}, which already belongs to a model: {mend}")
        below = layer.sublayers()
        if below and not isinstance(layer, Container):
            raise TypeError(f"Model: {layer.label} has sublayers, so its class must derive from Container")
        for name, value in vars(layer).items():
            if isinstance(value, Network) and not name.startswith("_"):
                mend = "use its layers in a Container, or call it self._NAME if its weights are to stay as they are"
                raise TypeError(f"Model: {layer.label} holds the model self.{name}, which would not be trained: {mend}")
            for inner in _layers_in(value):
                if name != "original" and not any(inner is one for one in below):
                    trouble = f"holds the layer self.{name}, but its sublayers() does not return it"
                    mend = "derive from Container and return it from sublayers()"
                    raise TypeError(f"Model: {layer.label} {trouble}, so it would not be trained: {mend}")


def _layers_in(value: Any) -> Iterator[Layer]:
    """A layer, or the layers in lists and dicts."""
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, list | tuple | dict):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _layers_in(entry)


def warn_of_channels_first(root: Layer, shape: Shape) -> None:
    """Warn about an input_shape such as (3, 32, 32), which would train on images 3 pixels high with 32 channels."""
    first = next(layer for layer in root.walk() if not layer.sublayers())
    if isinstance(first, Conv2D | Pool2D) and (mend := arguments.channels_first(shape)):
        warnings.warn(
            f"Model: input_shape {shape} means images {shape[0]} pixels high with {shape[2]} channels{mend}",
            stacklevel=4,  # the line that creates the Model
        )


def check_x(method: str, network: Network, x: ArrayLike | Batches) -> Batches:
    """Return x as Batches: unchanged if it is Batches already, else over an array of the network's dtype."""
    input_shape = network.input_shape
    expected = f"(n, {', '.join(map(str, input_shape))})"
    if isinstance(x, Batches):
        if x.sample_shape != input_shape or len(x) == 0:
            got = f"{type(x).__name__} with {len(x)} rows of shape {x.sample_shape}"
            mend = other_shape((len(x), *x.sample_shape), input_shape)
            raise ValueError(f"{method}: x must be of shape {expected}, got {got}{mend}")
        return x
    check_dense(method, "x", x)
    try:
        if x is None or np.iscomplexobj(x):
            raise TypeError  # NumPy would convert these, but not to what was meant
        with np.errstate(over="ignore"):  # a number too large for the dtype becomes infinite and is rejected below
            array = np.ascontiguousarray(x, dtype=network.dtype)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:  # PyTorch: RuntimeError if x needs a gradient
        got = no_array(x, error)
        raise ValueError(f"{method}: x must be an array of numbers of shape {expected}, got {got}") from None
    if array.ndim and len(array) == 0:
        mend = "look at the filter or the path that its rows come from"
        raise ValueError(f"{method}: x must not be empty, got shape {array.shape}: {mend}")
    if array.shape[1:] != input_shape:
        mend = other_shape(array.shape, input_shape)
        raise ValueError(f"{method}: x must be of shape {expected}, got {array.shape}{mend}")
    if not all_finite(array):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        given = np.asarray(x, np.longdouble)[place]
        if np.isfinite(given):
            number = f"{given:g}" if abs(given) < 1e308 else str(given)  # a long double is longer than formats know
            got = f"{number} at {place}"
            raise ValueError(
                f"{method}: x must be finite as {network.dtype}, got {got}: scale the data, or use float64"
            )
        found = f"NaN or infinity, first at {place}"
        raise ValueError(f"{method}: x must be finite, got {found}: clean or impute the data first")
    return Batches(array)


def no_array(x: Any, error: Exception) -> str:
    """What x is, if it cannot become an array of floats, and what to do."""
    if x is None:
        return "None: pass the inputs"
    if isinstance(x, str | os.PathLike):
        return f"the text {str(x)!r}: read the file first, for example with numpy.loadtxt or pandas.read_csv"
    if inspect.isroutine(x):
        return f"the function {x.__name__}: call it, {x.__name__}()"
    try:
        table = np.asarray(x)
    except ValueError:
        return "rows of different lengths: pad or cut them to one length"
    except Exception:
        return f"a {type(x).__name__}: {error}"
    if table.dtype.kind == "c":
        return "complex numbers: pass the real part, or both parts as columns"
    words = [(place, word) for place, word in np.ndenumerate(table) if isinstance(word, str)]
    if words:
        place, word = next((each for each in words if not _is_number(each[1])), words[0])
        where = f" in column {place[1]}" if len(place) == 2 else ""
        return f"the word {word!r}{where}: turn words into numbers, for example with pandas.get_dummies"
    return f"{arguments.brief(x)}: {error}"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def other_shape(shape: Shape, input_shape: Shape) -> str:
    """The end of an error message: what to do about an x of this shape."""
    if mend := arguments.channels_first(shape[1:], input_shape):
        return mend
    if shape == input_shape:
        return ": for a single sample use x[None]; for many, make the model with input_shape=x.shape[1:]"
    if len(shape) == 1 and input_shape == (1,):
        return ": make it a column, x[:, None]"
    if len(shape) == 2 and shape[:1] == input_shape:
        return ": rows are samples; transpose it, x.T"
    if len(shape) > 1 and input_shape == (math.prod(shape[1:]),):
        return ": flatten the samples, x.reshape(len(x), -1), or begin the model with Flatten()"
    if len(input_shape) == 3 and (*shape[1:], 1) == input_shape:
        return ": give gray images a channel axis, x[..., None]"
    if len(shape) == 4 and shape[1:3] == input_shape[:2] and (shape[3], input_shape[2]) in ((1, 3), (4, 3)):
        return ": repeat the gray channel, x.repeat(3, axis=-1)" if shape[3] == 1 else ": drop alpha, x[..., :3]"
    if len(shape) == 1:
        return ": x needs an axis of rows and one of columns"
    if len(shape) == len(input_shape) + 1:
        what = "columns" if len(shape) == 2 else "size"
        return f": bring x to the {what} that the model was made for, or make it with input_shape={shape[1:]}"
    return ""


def check_data(
    method: str, network: Network, loss: Loss, x: ArrayLike | Batches, y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None, class_weight: Any = None,
) -> Batches:  # fmt: skip
    """Return x, its targets and sample weights as Batches after the loss has checked the targets."""
    data = copy.copy(check_x(method, network, x))
    targets: Any
    if isinstance(x, Batches):
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"{method}: {type(x).__name__} already hold {name}: remove {name}, or put it there")
        targets = data.y
        sample_weight = data.sample_weight
    else:
        targets = data.x if y is x else y
    if targets is None:
        raise ValueError(f"{method}: y must be given, got None: pass y, or Batches with a y")
    check_dense(method, "y", targets)
    try:
        data.y = loss.check_targets(targets, network.output_shape, network.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{method}: {error}") from None
    if len(data) != len(data.y):
        got = f"{len(data)} and {len(data.y)}"
        mend = "pass the y of the same rows"
        raise ValueError(f"{method}: x and y must have the same number of rows, got {got}: {mend}")
    data.sample_weight = weights_of_rows(method, network, loss, data, sample_weight, class_weight)
    return data


def check_callbacks(callbacks: Any) -> Sequence[Callback]:
    """Check `fit`'s callbacks (a list of Callback objects, or None); return them as a list."""
    if isinstance(callbacks, Callback):
        mend = f"write callbacks=[{type(callbacks).__name__}(...)]"
        raise TypeError(f"fit: callbacks must be a list of Callback objects, got one object: {mend}")
    found = list(callbacks or ())
    for position, callback in enumerate(found):
        if not isinstance(callback, Callback):
            known = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            mend = "derive its class from tinydl.callbacks.Callback"
            if known in callback_names:
                mend = f"pass tinydl.callbacks.{known}(...)"
            elif isinstance(callback, str):
                mend = "pass an object, such as EarlyStopping()"
            elif inspect.isfunction(callback):
                mend = "wrap it, LambdaCallback(on_epoch_end=function)"
            raise TypeError(f"fit: callbacks must be Callback objects, got {arguments.brief(callback)}: {mend}")
        if any(callback is earlier for earlier in found[:position]):
            raise ValueError(f"fit: callbacks must be different objects, got the same {type(callback).__name__} twice")
        check_methods(callback)
    plateau = any(isinstance(each, ReduceLROnPlateau) for each in found)
    if plateau and any(isinstance(each, LearningRateScheduler) and not each.takes_rate for each in found):
        trouble = "a LearningRateScheduler whose schedule does not take the rate, which undoes each reduction"
        raise ValueError(f"fit: callbacks must not add {trouble}, to ReduceLROnPlateau: use schedule(epoch, lr)")
    return found


def check_frequency(validation_freq: Any) -> Callable[[int], bool]:
    """Check `fit`'s validation_freq; return whether to validate after an epoch, counted from 0."""
    if isinstance(validation_freq, Collection) and not isinstance(validation_freq, str):
        chosen = {arguments.positive_int("fit", "an epoch of validation_freq", epoch) for epoch in validation_freq}
        return lambda epoch: epoch + 1 in chosen
    every = arguments.positive_int("fit", "validation_freq", validation_freq)
    return lambda epoch: (epoch + 1) % every == 0


def check_verbose(method: str, verbose: Any) -> int | str:
    """Return `verbose`; raise unless it is 0, 1, 2 or "auto". True and False count as 1 and 0."""
    if isinstance(verbose, bool | np.bool_ | np.integer):
        verbose = int(verbose)
    return arguments.one_of(method, "verbose", verbose, (0, 1, 2, "auto"))


def progress_bar(verbose: Any, method: str = "fit") -> list[Callback]:
    """The callback that shows progress, for `verbose`; [] if it is silent."""
    verbose = check_verbose(method, verbose)
    return [ProgressBar(bar=verbose != 2)] if verbose else []


def rows_at_a_time(method: str, network: Network, batch_size: int | None) -> int:
    """The batch size of `evaluate` and `predict`; None means 1,024 rows, or 128 images."""
    if batch_size is None:
        return 1024 if len(network.input_shape) == 1 else 128  # more images would only take up memory
    return arguments.positive_int(method, "batch_size", batch_size)


def check_ends(loss: Loss, root: Layer, output_shape: Shape) -> None:
    """Check that the output of the network (`root`, up to its logits), and of each auxiliary head, fits the loss."""
    heads = [layer for layer in root.walk() if isinstance(layer, AuxiliaryHead)]
    for head in heads:
        if head.head.output_shape != output_shape:
            shapes = f"the head of {head.label} gives shape {head.head.output_shape}, the model {output_shape}"
            raise ValueError(f"compile: {shapes}: both shapes must be the same, since the targets are")
    if output_shape[-1:] == (1,) and "softmax" in (applied_by(loss), last_activation(root)[1]):
        got = "1, whose probability is always 1"
        mend = "for yes or no use Dense(1) and BinaryCrossEntropy(), otherwise a unit for each class"
        raise ValueError(f"compile: a softmax must have 2 units or more, got {got}: {mend}")
    for end in (root, *(head.head for head in heads)):
        _refuse_probabilities(loss, end, "the model" if end is root else "an auxiliary head")


def _refuse_probabilities(loss: Loss, end: Layer, whose: str) -> None:
    """Raise if a loss that applies the softmax or sigmoid itself would receive probabilities."""
    last, activation = last_activation(end)
    if activation == (name := applied_by(loss)):
        takes = f"{type(loss).__name__} takes logits and applies the {name} itself"
        ends = f"{whose} ends in {last.label}, which also applies it"
        mend = f"remove that layer's {name}, or pass loss={KERAS_NAME[name]!r}, which takes probabilities"
        raise ValueError(f"compile: {takes}, but {ends}: {mend}")


def metrics_by_name(
    metrics: str | Iterable[str | Metric] | None, loss: Loss, root: Layer, output_shape: Shape
) -> dict[str, Metric]:
    """Return `compile`'s metrics as {name of the figure: function}, decided for this network's outputs."""
    chosen: dict[str, Metric] = {}
    for metric in [metrics] if isinstance(metrics, str) else metrics or ():
        name, function = named(metric)
        if name in chosen or name == "loss":
            raise ValueError(f"compile: figures must have different names, got {name!r} twice: rename the metric")
        if name in ("epoch", "learning_rate") or name.startswith("val_"):
            raise ValueError(f"compile: a metric must not have a name of the history's own, got {name!r}: rename it")
        decides = function in METRICS.values() and "threshold" in inspect.signature(function).parameters
        separate = isinstance(loss, BinaryCrossEntropy) and output_shape[-1] > 1  # several yes-or-no outputs
        if separate and function in OF_QUESTIONS:
            function = functools.partial(of_questions, function)
        if decides and last_activation(root)[1] == "sigmoid":
            function = functools.partial(function, threshold=0.5)
        elif decides and isinstance(loss, MeanSquaredError | MeanAbsoluteError | Huber):
            function = functools.partial(_halfway, function)
        chosen[name] = function
    return chosen


def _halfway(metric: Metric, y_true: NDArray, y_pred: NDArray) -> float:
    """A metric that decides halfway between the targets of a regression, 0 and 1 or -1 and 1, because its outputs are
    neither logits nor probabilities."""
    return metric(y_true, y_pred, threshold=0.0 if np.min(y_true) < 0 else 0.5)
