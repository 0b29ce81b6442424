"""Checks of the weights as they are, by what the layers make of the rows: equal units, dead units, saturated units."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..records import LayerTrace
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient

MOST_DEAD = 0.6  # the share of a layer's units; 0.29 was the most in healthy networks
MOST_DEAD_TRAINED = 0.95  # sparse codes leave many units unused
MOST_FLAT = 0.5  # the share of outputs on the flat part of the curve; 0.16 was the most
LEAST_ROWS = 10
MOST_UNITS = 256  # compared with one another

ZERO_WEIGHTS = Fault(
    "zero-weights",
    "all weights of a layer other than the last are 0, and still are after three steps",
    "its outputs do not depend on its inputs; its units get equal gradients, or none, and stay equal",
    "use a random initializer, such as kernel_initializer='glorot_uniform', or 'he_normal' before a relu",
)
EQUAL_UNITS = Fault(
    "equal-units",
    "most units of a layer other than the last have equal weights and equal gradients, also after three steps",
    "equal units with equal gradients stay equal, so the layer is worth a single unit however many it has",
    "use a random initializer: only different initial weights let units become different",
)
DEAD_RELUS = Fault(
    "dead-relus",
    "most units of a relu are 0 for all rows",
    "the gradient of a unit that is 0 for all rows is 0 as well, so nothing revives it",
    "use he_normal weights and biases of 0, a smaller learning rate if training killed them, or LeakyReLU",
)
SATURATED = Fault(
    "saturated-units",
    "most outputs of a hidden sigmoid or tanh lie where its slope is below 5 % of the steepest",
    "the gradient is multiplied by this slope, so hardly anything reaches the layers below",
    "scale the inputs, and use glorot_uniform weights; or put a BatchNorm before the activation",
)


def equal_units(patient: Patient) -> list[Finding]:
    """Units that are equal, and still are after three steps; a last layer of zeros is a usual and good choice."""
    if not math.isfinite(patient.step.loss.value):
        raise NotCheckedError("the loss is not finite")
    learners = [layer for layer in patient.later.layers if layer.params and layer.y is not None]
    for layer in learners[:-1]:
        weights = {name: each for name, each in layer.params.items() if each.value.ndim > 1}
        if not weights or not layer.trainable:
            continue
        if not any(each.value.any() for each in weights.values()):
            entries = sum(each.value.size for each in weights.values())
            return [ZERO_WEIGHTS.found(layer.path, f"all {entries:,} weights are 0, and stay so in three steps")]
        for name, each in weights.items():
            if each.gradient is None:
                continue
            both = np.vstack([_columns(each.value), _columns(each.gradient)])
            units = both.shape[1]
            different = len(np.unique(np.round(both / (np.abs(both).max(axis=1, keepdims=True) + 1e-30), 5), axis=1).T)
            if units > 2 and different <= units / 2:
                seen = f"after three steps only {different} of {units} units differ in {name} and d{name}"
                return [EQUAL_UNITS.found(layer.path, seen)]
    return []


def _columns(array: NDArray) -> NDArray:
    """One column for each unit, of at most so many."""
    return np.asarray(array, np.float64).reshape(-1, array.shape[-1])[:, :MOST_UNITS]


def dead_relus(patient: Patient) -> list[Finding]:
    """Relu layers whose units are mostly 0 in all rows."""
    if patient.step.rows < LEAST_ROWS:
        raise NotCheckedError(f"a unit may be 0 in fewer than {LEAST_ROWS} rows by chance")
    most = MOST_DEAD_TRAINED if patient.trained else MOST_DEAD
    for layer in patient.leaves:
        dead, units = layer.figures["dead_units"], _units(layer)
        if dead is None or units <= 2:
            continue
        patient.figures["dead share"] = max(patient.figures.get("dead share", 0.0), dead / units)
        if dead > most * units:
            seen = f"{dead} of {units} units are 0 in all {patient.step.rows} rows of a step"
            return [DEAD_RELUS.found(layer.path, seen)]
    return []


def saturated(patient: Patient) -> list[Finding]:
    """Hidden sigmoid and tanh layers; at the end of a network, saturation is what training aims at."""
    for layer in patient.leaves:
        flat = layer.figures["saturated"]
        if flat is None or layer.path == patient.leaves[-1].path:
            continue
        patient.figures["flat share"] = max(patient.figures.get("flat share", 0.0), flat)
        if flat > MOST_FLAT:
            seen = f"{flat:.0%} of its outputs are on the flat part of the curve"
            if layer.params and layer.x is not None:
                size = max(float(np.abs(each.value).max()) for each in layer.params.values())
                inputs = float(np.sqrt(np.mean(np.square(layer.x, dtype=np.float64))))
                seen = f"{seen}; its inputs have a root mean square of {inputs:.3g}, its largest weight is {size:.3g}"
            return [SATURATED.found(layer.path, seen)]
    return []


def _units(layer: LayerTrace) -> int:
    return 0 if layer.y is None else layer.y.shape[-1]
