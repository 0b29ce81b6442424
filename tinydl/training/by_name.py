"""Optimizers and losses by the strings that Keras's `compile` takes, with Keras's meaning and default values."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

from .. import arguments
from ..layer import Layer
from ..layers import Container, Sequential
from ..losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from ..metrics import METRICS
from ..optimizers import SGD, Adam, Lion, Optimizer, RMSprop
from .ends import applied_by, last_activation, up_to_logits

AnyObject = TypeVar("AnyObject")
OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": lambda: SGD(0.01),
    "rmsprop": lambda: RMSprop(1e-3, rho=0.9, epsilon=1e-7, keras_epsilon=True),
    "adam": lambda: Adam(1e-3, epsilon=1e-7, keras_epsilon=True),
    "adamw": lambda: Adam(1e-3, epsilon=1e-7, weight_decay=0.004, keras_epsilon=True),
    "lion": lambda: Lion(1e-3),
}
LOSSES: dict[str, Callable[[], Loss]] = {
    "mean_squared_error": MeanSquaredError, "mean_absolute_error": MeanAbsoluteError, "huber": Huber, "hinge": Hinge,
    "kl_divergence": KLDivergence, "binary_crossentropy": BinaryCrossEntropy,
    "categorical_crossentropy": SoftmaxCrossEntropy, "sparse_categorical_crossentropy": SoftmaxCrossEntropy,
}  # fmt: skip
ALIASES = {  # what Keras takes beside these names
    "mse": "mean_squared_error", "MSE": "mean_squared_error", "MeanSquaredError": "mean_squared_error",
    "mae": "mean_absolute_error", "MAE": "mean_absolute_error", "MeanAbsoluteError": "mean_absolute_error",
    "Huber": "huber", "huber_loss": "huber", "Hinge": "hinge", "KLDivergence": "kl_divergence", "kld": "kl_divergence",
    "KLD": "kl_divergence", "kullback_leibler_divergence": "kl_divergence", "bce": "binary_crossentropy",
    "BCE": "binary_crossentropy", "BinaryCrossentropy": "binary_crossentropy",
    "CategoricalCrossentropy": "categorical_crossentropy",
    "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
}  # fmt: skip
KERAS_NAME = {"softmax": "categorical_crossentropy", "sigmoid": "binary_crossentropy"}


def optimizer(given: Any) -> Optimizer:
    """The optimizer of a string, or the object itself; raises TypeError for anything else."""
    if not isinstance(given, str):
        return _object("optimizer", given, Optimizer, "Adam()")
    if given.lower() not in OPTIMIZERS:
        raise ValueError(f"compile: optimizer must be {_known(given, OPTIMIZERS, 'Adam(1e-3)')}")
    return OPTIMIZERS[given.lower()]()


def loss(given: Any, root: Sequential) -> tuple[Loss, Layer | None]:
    """The loss of a string, and the chain up to the logits that it takes; (given, None) for a loss object.

    A loss on probabilities is fused with the softmax or sigmoid at the network's end. Raises ValueError if the network
    ends in another activation; warns if it ends in none, as the loss is then taken on logits, and says so.
    """
    if not isinstance(given, str):
        return _object("loss", given, Loss, "MeanSquaredError()"), None
    name = ALIASES.get(given, given)
    if name not in LOSSES:
        raise ValueError(f"compile: loss must be {_known(given, LOSSES, 'MeanSquaredError()', ALIASES)}")
    chosen = LOSSES[name]()
    wanted = applied_by(chosen)
    if wanted is None:
        return chosen, None
    last, activation = last_activation(root)
    if activation == wanted:
        chain = up_to_logits(root)
        if chain is None:
            mend = f"remove the {wanted}, and pass loss={type(chosen).__name__}(), which takes logits"
            raise ValueError(f"compile: {given} needs a chain that ends in its {wanted}, got {last.label}: {mend}")
        return chosen, chain
    if activation != "linear":
        fits = activation == "sigmoid" or (activation == "softmax" and (root.output_shape or (1,))[-1] > 1)
        other = f", or use {KERAS_NAME[activation]!r}" if fits else ""
        got = f"{activation} of {last.label}"
        mend = f"end the network in {wanted}, or in no activation{other}"
        raise ValueError(f"compile: {given} takes probabilities of a {wanted}, got {got}: {mend}")
    warnings.warn(
        f"compile: {given} is taken on logits, because {last.label} at the end has no {wanted}: predict gives logits, "
        f"predict_proba probabilities. Pass {type(chosen).__name__}(), which means this, or end in {wanted}",
        stacklevel=4,  # the line that calls compile
    )
    return chosen, None


def _object(argument: str, value: Any, kind: type[AnyObject], example: str) -> AnyObject:
    """Return an object of this class; refuse classes and objects from other libraries."""
    if isinstance(value, kind):
        return value
    mend = f"pass {example}"
    if isinstance(value, type) and issubclass(value, kind):
        mend = f"write {value.__name__}()"
    elif isinstance(value, Optimizer | Loss):
        mend = "the order is compile(optimizer, loss)"
    elif isinstance(value, list | tuple | dict) and len(value):
        mend = f"this network has one output: pass a single {argument}"
    elif callable(value):
        mend = f"derive a class from tinydl's {kind.__name__}, and pass its object"
    expected = f"a name, or a tinydl {kind.__name__} such as {example}"
    raise TypeError(f"compile: {argument} must be {expected}, got {arguments.brief(value)}: {mend}")


def _known(given: str, names: Iterable[str], example: str, aliases: Iterable[str] = ()) -> str:
    """The end of an error message about an unknown name."""
    near = get_close_matches(given, [*names, *aliases], n=2)
    mend = f": did you mean {' or '.join(map(repr, near))}?" if near else f": pass one of these, or {example}"
    if given in METRICS:
        mend = f": it is a metric, metrics=[{given!r}]"
    return f"one of {', '.join(map(repr, names))} or an object such as {example}, got {given!r}{mend}"


def in_words(loss: Loss, root: Layer) -> str:
    """The name of a loss for pictures: "mean squared error", or "mean squared error, penalties included"."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(loss).__name__).lower()
    return f"{name}, penalties included" if any(map(_is_penalized, root.walk())) else name


def _is_penalized(layer: Layer) -> bool:
    own = type(layer).penalty not in (Layer.penalty, Container.penalty)
    return own and getattr(layer, "kernel_regularizer", "no such argument") is not None
