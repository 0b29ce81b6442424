"""How much each row counts in the loss: `fit`'s sample_weight times the weight of the row's class (class_weight)."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..batches import Batches
from ..losses import Loss
from ..losses.base import check_sample_weight, takes_sample_weight
from ..network import Network
from .dense import check_dense


def weights_of_rows(
    method: str, network: Network, loss: Loss, data: Batches, sample_weight: Any, class_weight: Any
) -> NDArray | None:
    """The weight of each row, the product of its sample weight and of its class's weight; None without both."""
    if sample_weight is None and class_weight is None:
        return None
    if not takes_sample_weight(loss):
        mend = "give it that argument (see losses.Loss), or leave the weights out"
        name = type(loss).__name__
        raise ValueError(f"{method}: weights need a loss whose forward takes sample_weight, {name} does not: {mend}")
    weights = None
    if sample_weight is not None:
        check_dense(method, "sample_weight", sample_weight)
        weights = check_sample_weight(method, sample_weight, len(data), network.dtype)
    if class_weight is not None:
        assert data.y is not None
        of_classes = _weights_of_classes(method, check_class_weight(class_weight), data.y, network)
        with np.errstate(over="ignore"):
            weights = of_classes if weights is None else weights * of_classes
        if not np.isfinite(weights).all():
            row = int(np.argmin(np.isfinite(weights)))
            expected = f"the products of class_weight and sample_weight must fit into {weights.dtype}"
            raise ValueError(f"{method}: {expected}, got a larger one in row {row}: scale the weights")
    return weights


def check_class_weight(class_weight: Any) -> dict[int, float]:
    """Check `fit`'s class_weight and return it as {class: weight}."""
    if not isinstance(class_weight, Mapping) or not class_weight:
        balanced = 'dict(enumerate(sklearn.utils.class_weight.compute_class_weight("balanced", classes=..., y=labels)))'
        mend = f": pass {balanced}" if isinstance(class_weight, str) else ""
        if isinstance(class_weight, list | tuple | np.ndarray):
            mend = ": pass dict(enumerate(class_weight))"
        raise TypeError(
            f"fit: class_weight must be {{class: weight}}, such as {{0: 1.0, 1: 5.0}}, got {class_weight!r}{mend}"
        )
    checked = {}
    for label, weight in class_weight.items():
        if isinstance(label, bool | str) or not isinstance(label, Integral):
            mend = "y holds the classes as integers 0, 1, ..."
            raise TypeError(f"fit: the classes of class_weight must be integers, got {label!r}: {mend}")
        checked[int(label)] = arguments.number("fit", f"class_weight[{label}]", weight, 0)
    return checked


def _weights_of_classes(method: str, weights: dict[int, float], y: NDArray, network: Network) -> NDArray:
    """The weight of each row's class; 1 for classes that are not in `weights`, as in Keras."""
    width = network.output_shape[-1]
    one_hot = y.ndim == 2 and y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all()) and bool((y.sum(axis=1) == 1).all())
    labels = y.argmax(axis=1) if one_hot else y.reshape(len(y), -1)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.size and bool((np.abs(labels) == 1).all()) and labels.min() < 0:
        labels = (labels + 1) / 2  # a Hinge's -1 and 1 are the classes 0 and 1
    if labels.ndim != 1 or np.any(labels != np.floor(labels)):
        mend = "pass sample_weight, or BinaryCrossEntropy(class_weight=...) for several yes-or-no outputs"
        raise ValueError(f"{method}: class_weight needs one class for each row, got y of shape {y.shape}: {mend}")
    classes = max(width, 2)
    if unknown := sorted(label for label in weights if not 0 <= label < classes):
        got = f"{unknown[0]}: classes count from 0"
        raise ValueError(f"{method}: the classes of class_weight must be among 0 .. {classes - 1}, got {got}")
    with np.errstate(over="ignore"):  # the caller rejects a weight too large for the dtype
        table = np.array([weights.get(label, 1.0) for label in range(classes)], dtype=network.dtype)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"{method}: class_weight needs classes 0 .. {classes - 1}, got {labels.min():g} to {labels.max():g}"
        )
    return table[labels.astype(np.intp)]
