"""Checks of classes that are not tinydl's: noise that stays on in inference, and hand-written gradients."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ...gradcheck import GradientCheckError, check_layer, check_loss
from ...layer import Layer
from ...training import attributes, loop
from ..recorder import listen
from .experiment import chain_of
from .finding import Fault, Finding, NotCheckedError, one_line
from .patient import Patient

ROWS = 6  # of a gradient check
PROBES = 24  # entries of each array

RANDOM_INFERENCE = Fault(
    "random-inference",
    "the same rows give different outputs in two passes with training=False",
    "predictions are then random; noise is for training only",
    "in forward, add noise only if training is True",
)
WRONG_GRADIENT = Fault(
    "wrong-gradient",
    "backward is not the derivative of forward, by a gradient check in float64",
    "training follows this gradient, so it does not go downhill, or stops too early",
    "correct backward; check_layer or check_loss of tinydl.gradcheck shows every entry, and often the cause",
)
NEVER_ADDED = Fault(
    "gradient-not-added",
    "backward writes its gradients over what `grads` holds, or breaks another rule that training relies on",
    "shared layers, penalties and micro-batches rely on sums in `grads`, and other layers on an unchanged x and dy",
    "see the rules at the top of tinydl/layer.py",
)
UNBOUNDED_LOSS = Fault(
    "unbounded-loss",
    "a loss of the user's own falls without bound as the outputs move away, whichever way they go",
    "the optimizer makes the loss small, so it drives the outputs to infinity, and away from the targets",
    "turn the sign of the loss in forward, and that of the gradient in backward",
)
FAR_OFF = (1e2, 1e4)  # how far the outputs are moved
RULES = ("accumulate", "input", "dy", "zero_grad")


def inference(patient: Patient) -> list[Finding]:
    """Two passes of the same rows in inference."""
    model = patient.copy()
    chain = chain_of(model)
    rows = patient.x[:32]
    passages = listen(chain)
    first_y = chain.forward(rows, False).copy()
    first = [None if each.y is None else each.y.copy() for each in passages]
    if np.array_equal(first_y, chain.forward(rows, False), equal_nan=True):
        return []
    for passage, before in zip(passages, first, strict=True):
        if passage.layer.sublayers() or before is None or passage.y is None:
            continue
        if not np.array_equal(before, passage.y, equal_nan=True):
            change = float(np.abs(before - passage.y).max())
            seen = f"its outputs for the same {len(rows)} rows differ by up to {change:.3g} with training=False"
            return [RANDOM_INFERENCE.found(passage.path, seen)]
    return [RANDOM_INFERENCE.found("model", "its outputs for the same rows differ with training=False")]


def gradients(patient: Patient) -> list[Finding]:
    """A gradient check of each class that is not tinydl's."""
    own = {path: layer for path, layer in patient.layers.items() if patient.own(layer)}
    own_loss = not attributes.is_ours(patient.loss)
    if not own and not own_loss:
        raise NotCheckedError("all layers and the loss are tinydl's, which `python -m tinydl gradcheck` checks")
    found = []
    doubts = []
    for path, layer in own.items():
        recorded = next((each for each in patient.step.layers if each.path == path), None)
        if recorded is None or recorded.x is None or recorded.x.dtype.kind != "f":
            doubts.append(f"{path} got no numbers in the step")
            continue
        rows = np.asarray(recorded.x[:ROWS], np.float64)
        answer = _checked(check_layer, copy.deepcopy(layer), rows)
        found += _findings(path, answer)
        doubts += [f"{path}: {answer}"] if isinstance(answer, str) else []
    if own_loss:
        last = patient.step.loss
        answer = _checked(check_loss, copy.deepcopy(patient.loss), np.asarray(last.y_pred[:ROWS], np.float64),
                          last.y_true[:ROWS])  # fmt: skip
        found += _findings("loss", answer)
        doubts += [f"loss: {answer}"] if isinstance(answer, str) else []
    if doubts and not found:
        raise NotCheckedError("; ".join(doubts))
    # The wrong layer inside a composite is named, not the composite, whose gradients are wrong in consequence.
    inner = [each for each in found if not any(other.where.startswith(f"{each.where}.") for other in found)]
    return inner


def sign(patient: Patient) -> list[Finding]:
    """An own loss for outputs far from those of the network, on both sides of them."""
    if attributes.is_ours(patient.loss):
        return []
    last = patient.step.loss
    given = np.asarray(last.y_pred, np.float64)
    direction = patient.rng(9).standard_normal(given.shape)
    losses = []
    for far in FAR_OFF:
        for moved in (given + far * direction, given - far * direction):
            try:
                losses.append(loop.value_of(copy.deepcopy(patient.loss), moved, last.y_true, last.sample_weight))
            except Exception as error:  # a user's own class may raise anything
                raise NotCheckedError(f"the loss does not take large outputs: {one_line(error)}") from None
    near, far_off = max(losses[:2]), max(losses[2:])
    if not (near < min(last.value, 0) and far_off < 10 * near):  # also false for NaN
        return []
    seen = (
        f"it is {last.value:.4g}; with outputs moved by about {FAR_OFF[0]:g} either way it is {near:.4g} at most, by "
    )
    return [UNBOUNDED_LOSS.found("loss", f"{seen}{FAR_OFF[1]:g}, {far_off:.4g}")]


def _checked(check: Any, thing: Layer | Any, *inputs: Any) -> Any:
    """The report of a check, passed or not; the reason, if it could not be made."""
    try:
        return check(thing, *inputs, float32=False, rules="note", probes=PROBES)
    except GradientCheckError as error:
        return error.report if error.report.arrays else one_line(error)
    except Exception as error:  # a user's own class may raise anything
        return one_line(error)


def _findings(path: str, report: Any) -> list[Finding]:
    if isinstance(report, str):
        return []
    wrong = [row for row in report.arrays.values() if row.verdict == "WRONG"]
    if wrong:
        first = wrong[0]
        detail = " ".join(first.detail.replace("\n", ";").split())  # the likely cause has its own line
        more = f"; d{', d'.join(row.name for row in wrong[1:])} wrong as well" if wrong[1:] else ""
        return [WRONG_GRADIENT.found(path, f"{detail}{more}"[:600])]
    broken = [rule for rule in report.rules if rule.code in RULES]
    return [NEVER_ADDED.found(path, " ".join(broken[0].message.split()))] if broken else []
