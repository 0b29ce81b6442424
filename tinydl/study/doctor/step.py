"""Checks of one training step: is the loss what chance gives, and does the gradient reach every layer?"""

from __future__ import annotations

import copy
import math

import numpy as np
from numpy.typing import NDArray

from ...losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    MaskedMeanSquaredError,
    MeanAbsoluteError,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from ...training import loop
from ..records import LayerTrace
from ..trace import Trace
from .experiment import chain_of
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient

# Healthy networks lie between 0.025 and 5.3 (benchmarks/doctor.py prints the range).
VANISHED, EXPLODED = 1e-3, 1e3
FAR_ABOVE = 10.0  # times chance; of a squared error, its root
LEAST_LEARNERS, LEAST_ROWS = 2, 10

NOT_FINITE = Fault(
    "not-finite",
    "the loss of the first step is NaN or infinite",
    "one such number makes all gradients NaN, so no step can be taken",
    "scale the data, and use an initializer that suits the layer's inputs",
)
NO_GRADIENT = Fault(
    "no-gradient",
    "all gradients of a layer that is to learn are exactly 0, also after three steps, although the loss has a gradient",
    "the optimizer leaves the layer as it is",
    "look at the layers above it: a unit that is always 0, weights of 0, or a backward that returns zeros stops it",
)
VANISHING = Fault(
    "vanishing-gradients",
    "the gradient that reaches the first layer is below 1/1000 of that at the last one",
    "the first layers hardly learn while the last ones train on what they give",
    "use relu with he_normal weights instead of sigmoid; add BatchNorm, or residual connections",
)
EXPLODING = Fault(
    "exploding-gradients",
    "the gradient that reaches the first layer is more than 1000 times that at the last one",
    "a learning rate that suits one end of the network is far too large or too small for the other",
    "use he_normal or glorot_uniform weights; add BatchNorm; limit the gradient with global_clipnorm",
)
ABOVE_CHANCE = Fault(
    "loss-above-chance",
    "before training, the loss is more than 10 times that of always giving the best constant answer; a squared error, "
    "more than 100 times, so that errors are 10 times as large",
    "the first part of training only undoes the start",
    "standardize the targets of a regression; use smaller weights in the last layer",
)


def finite(patient: Patient) -> list[Finding]:
    """A loss that is a number."""
    step = patient.step
    value = step.loss.value + step.penalty
    if math.isfinite(value):
        return []
    model = patient.copy()
    explain = loop.Step(model.root, model.parameters, model.gradients, chain_of(model)).explain_non_finite
    first = next((layer for layer in patient.leaves if layer.y is not None and not np.isfinite(layer.y).all()), None)
    where = "loss" if first is None else first.path
    with np.errstate(all="ignore"):
        return [NOT_FINITE.found(where, explain(value, np.asarray(patient.x[: step.rows], model.dtype), None, True))]


def gradients(patient: Patient) -> list[Finding]:
    """Layers without a gradient, and gradients that vanish or explode on their way down."""
    if not math.isfinite(patient.step.loss.value):
        raise NotCheckedError("the loss is not finite")
    if not np.any(patient.step.loss.dy):
        raise NotCheckedError("the loss has no gradient: every row is fitted")
    taken = patient.step
    if _stuck(taken):  # behind a last layer of zeros, for example, which the first step changes
        taken = patient.later
    learners = _learners(taken)
    stuck = _stuck(taken)
    if stuck:
        last = stuck[-1]
        below = f"{len(stuck) - 1} layer{'s'[: len(stuck) != 2]} below"
        more = f", as are those of {below}" if len(stuck) > 1 else ""
        return [NO_GRADIENT.found(last.path, f"all its gradients are exactly 0 in {patient.step.rows} rows{more}")]
    flow = [(layer, layer.figures["dy.norm"] or 0.0) for layer in learners]
    if len(flow) < LEAST_LEARNERS or not flow[-1][1]:
        return []
    (first, lowest), (last, highest) = flow[0], flow[-1]
    patient.figures["gradient ratio"] = ratio = lowest / highest
    if VANISHED < ratio < EXPLODED:
        return []
    seen = (
        f"the norm of dL/dy is {highest:.2g} at {last.path} and {lowest:.2g} at {first.path}, {ratio:.1g} times as "
        "large; in healthy networks it is 0.02 to 6 times as large"
    )
    return [(VANISHING if ratio <= VANISHED else EXPLODING).found(first.path, seen)]


def _learners(taken: Trace) -> list[LayerTrace]:
    return [layer for layer in taken.layers if layer.params and layer.trainable and layer.dy is not None]


def _stuck(taken: Trace) -> list[LayerTrace]:
    """The layers that are to learn whose gradients are all exactly 0."""
    return [
        layer
        for layer in _learners(taken)
        if not any(each.figures.get("gradient_norm") for each in layer.params.values())
    ]


def chance(patient: Patient) -> list[Finding]:
    """The loss of an untrained network against that of the best constant answer."""
    if patient.trained:
        raise NotCheckedError("the model has been trained")
    loss, step = patient.loss, patient.step
    if step.rows < LEAST_ROWS:
        raise NotCheckedError(f"fewer than {LEAST_ROWS} rows say little about chance")
    y = np.asarray(step.loss.y_true)
    constant = best_constant(loss, y, step.loss.y_pred)
    if constant is None:
        raise NotCheckedError(f"the best constant answer under {type(loss).__name__} is not known")
    by_chance = loop.value_of(copy.deepcopy(loss), constant, y, step.loss.sample_weight)
    value = step.loss.value
    if not math.isfinite(value) or by_chance <= 0:
        return []
    ratio = value / by_chance
    if isinstance(loss, MeanSquaredError | MaskedMeanSquaredError):
        ratio = math.sqrt(ratio)
    patient.figures["loss over chance"] = ratio
    if ratio <= FAR_ABOVE:
        return []
    outputs = np.asarray(step.loss.y_pred, np.float64)
    seen = f"the loss is {value:.4g}, that of chance {by_chance:.4g}; the outputs have mean {outputs.mean():.3g} and "
    seen += f"standard deviation {outputs.std():.3g}"
    where, change = patient.leaves[-1].path, None
    if not isinstance(loss, SoftmaxCrossEntropy | BinaryCrossEntropy | Hinge | KLDivergence):
        numbers = y[np.isfinite(y)]
        where, seen = "y", f"{seen}, the targets {numbers.mean():.3g} and {numbers.std():.3g}"
        change = "standardize y, (y - mean) / std, and turn predictions back with prediction * std + mean"
    return [ABOVE_CHANCE.found(where, seen, change)]


def best_constant(loss: object, y: NDArray, outputs: NDArray) -> NDArray | None:
    """Outputs that are the same for all rows and as good as such outputs can be; classes count as equally frequent."""
    if isinstance(loss, SoftmaxCrossEntropy | BinaryCrossEntropy | Hinge):
        return np.zeros_like(outputs)
    if isinstance(loss, KLDivergence):
        return np.full_like(outputs, 1 / outputs.shape[-1])
    if isinstance(loss, MeanSquaredError | MeanAbsoluteError | Huber | MaskedMeanSquaredError):
        present = np.isfinite(y).any(axis=0)
        middle = np.where(present, np.nanmean(np.where(present, y, 0), axis=0), 0)
        if isinstance(loss, MeanAbsoluteError):
            middle = np.median(y, axis=0)
        return np.broadcast_to(middle.astype(outputs.dtype), outputs.shape).copy()
    return None
