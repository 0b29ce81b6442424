"""Checks of the network's end: can the last layer give what the loss and the targets ask for?"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from ...layer import Layer
from ...losses import Hinge, Huber, MaskedMeanSquaredError, MeanAbsoluteError, MeanSquaredError
from ...training import ends
from .experiment import chain_of
from .finding import Fault, Finding, NotCheckedError, one_line
from .patient import Patient

FAR = 0.01  # the share of targets out of reach
SIZES = (1e2, 1e4)  # of the inputs that the last layer is tried with: a bound is where the outputs stop growing
TRIED = 64  # rows of them

DOUBLE_SOFTMAX = Fault(
    "double-softmax",
    "a loss that applies the softmax itself gets rows that are >= 0 and sum to 1",
    "the softmax of probabilities is almost flat: with 10 classes no probability can exceed e / (e + 9) = 0.23, so the "
    "loss stays high and its gradient small",
    "remove the softmax from the network; predict_proba applies it when it is needed",
)
SQUASHED_LOGITS = Fault(
    "squashed-logits",
    "a loss that takes logits gets outputs that an activation keeps within bounds, such as probabilities",
    "a logit must be able to take any value: from a logit between 0 and 1 the sigmoid makes a probability between 0.5 "
    "and 0.73, and from that of a relu never one below 0.5",
    "let the last layer be linear; predict_proba turns logits into probabilities",
)
OUT_OF_REACH = Fault(
    "targets-out-of-reach",
    "more than 1 % of the targets lie outside of what the last activation can give",
    "these targets cannot be fitted whatever the weights are, and the activation saturates in the attempt",
    "let the last layer be linear, or scale the targets into the range of its activation",
)


def ending(patient: Patient) -> list[Finding]:
    """The last activation against the loss and the targets."""
    applied = ends.applied_by(patient.loss)
    last, _ = ends.last_activation(chain_of(patient.model))
    where = last.name or type(last).__name__
    if applied is None:
        return _targets(patient, last, where)
    given = patient.outputs
    rows = given.reshape(-1, given.shape[-1])
    if rows.shape[1] > 1 and (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-4):
        seen = (
            f"each row of outputs is >= 0 and sums to 1, but {type(patient.loss).__name__} applies the {applied} itself"
        )
        return [DOUBLE_SOFTMAX.found(where, seen)]
    low, high = reach(last)
    if np.isfinite(low) or np.isfinite(high):
        seen = f"its outputs lie in {_range(low, high)}, but {type(patient.loss).__name__} takes logits"
        return [SQUASHED_LOGITS.found(where, seen)]
    return []


def _targets(patient: Patient, last: Layer, where: str) -> list[Finding]:
    loss = patient.loss
    if not isinstance(loss, MeanSquaredError | MeanAbsoluteError | Huber | Hinge | MaskedMeanSquaredError):
        raise NotCheckedError(f"{type(loss).__name__} does not compare outputs with targets of the same range")
    low, high = reach(last)
    targets = np.asarray(patient.y)
    if isinstance(loss, Hinge) and (targets >= 0).all():
        targets = 2 * targets - 1
    targets = targets[np.isfinite(targets)]
    slack = 1e-3 * (1 + min(abs(low), abs(high)))
    outside = float(((targets < low - slack) | (targets > high + slack)).mean()) if targets.size else 0.0
    if outside <= FAR:
        return []
    seen = (
        f"its outputs lie in {_range(low, high)}, but {outside:.0%} of the targets do not: they go from "
        f"{targets.min():.3g} to {targets.max():.3g}"
    )
    return [OUT_OF_REACH.found(where, seen)]


def reach(layer: Layer) -> tuple[float, float]:
    """The smallest and largest output of a layer, found by trying large random inputs; -inf or inf without a bound."""
    layer = copy.deepcopy(layer)
    rng = np.random.default_rng(0)
    shape = (TRIED, *(layer.input_shape or ()))
    inputs = rng.standard_normal(shape).astype(layer.dtype or np.float32)
    try:
        tried: list[NDArray] = [np.asarray(layer.forward(inputs * np.float32(size), False)) for size in SIZES]
    except Exception as error:  # a user's own layer may refuse such inputs
        raise NotCheckedError(f"{layer.label} does not take large random inputs: {one_line(error)}") from None
    lows, highs = [float(y.min()) for y in tried], [float(y.max()) for y in tried]
    moved = tried[0].std() > 0 or tried[1].std() > 0
    low = lows[1] if moved and abs(lows[1]) < 2 * abs(lows[0]) + 1e-6 else -np.inf
    high = highs[1] if moved and abs(highs[1]) < 2 * abs(highs[0]) + 1e-6 else np.inf
    return low, high


def _range(low: float, high: float) -> str:
    return f"{low:.3g} .. {high:.3g}"
