"""doctor: what is wrong with a model that does not learn.

    report = model.doctor(x, y)
    print(report)                      # each finding: what was seen, why it matters, what to change
    report.plot()                      # the learning-rate range test

All experiments are made on copies: weights, running statistics, optimizer and random generators of the model stay as
they are. The same model, rows and seed give the same report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ... import arguments, interrupts
from ...kernels.machine import memory
from ...kernels.machine.threads import one_blas_thread
from ...network import Network
from . import ending, initialization, own, pairing, rows, step, structure, training
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient
from .report import Report


class Check(NamedTuple):
    """One check: its name, what it does, and the faults that it can find."""

    name: str
    look: Callable[[Patient], list[Finding]]
    faults: tuple[Fault, ...]


# In the order of causes: what comes first may explain what comes later.
CHECKS = (
    Check("sample weights", rows.weights, (rows.ZERO_WEIGHTS,)),
    Check("constant inputs", rows.constant_inputs, (rows.CONSTANT_INPUT,)),
    Check("constant targets", rows.constant_targets, (rows.ONE_CLASS, rows.CONSTANT_TARGET)),
    Check("numbers of the labels", rows.numbering, (rows.UNUSED_OUTPUT, rows.CLASS_NUMBERS)),
    Check("contradicting rows", rows.contradictions, (rows.CONTRADICTION,)),
    Check("copies of y in x", rows.leaks, (rows.LEAK,)),
    Check("x against y", pairing.pairing, (pairing.SHIFTED, pairing.SHUFFLED)),
    Check("scale of the inputs", rows.scale, (rows.UNSCALED_INPUT,)),
    Check("scale of the targets", rows.scale_of_targets, (rows.UNSCALED_TARGET,)),
    Check("last activation", ending.ending, (ending.DOUBLE_SOFTMAX, ending.SQUASHED_LOGITS, ending.OUT_OF_REACH)),
    Check("dropout and noise", structure.noise, (structure.NOISE_AT_THE_END, structure.TOO_MUCH_NOISE)),
    Check("batch norm of one row", structure.single_rows, (structure.BATCH_OF_ONE,)),
    Check("frozen layers", structure.frozen, (structure.FROZEN,)),
    Check("linear layers in a row", structure.linear_stack, (structure.LINEAR_STACK,)),
    Check("hidden layers", structure.hidden, (structure.NARROW,)),
    Check("noise in inference", own.inference, (own.RANDOM_INFERENCE,)),
    Check("gradient check", own.gradients, (own.WRONG_GRADIENT, own.NEVER_ADDED)),
    Check("sign of the loss", own.sign, (own.UNBOUNDED_LOSS,)),
    Check("equal units", initialization.equal_units, (initialization.ZERO_WEIGHTS, initialization.EQUAL_UNITS)),
    Check("finite loss", step.finite, (step.NOT_FINITE,)),
    Check("dead relus", initialization.dead_relus, (initialization.DEAD_RELUS,)),
    Check("saturated units", initialization.saturated, (initialization.SATURATED,)),
    Check("flow of gradients", step.gradients, (step.NO_GRADIENT, step.VANISHING, step.EXPLODING)),
    Check("loss at the start", step.chance, (step.ABOVE_CHANCE,)),
    Check("penalties", training.penalties, (training.PENALTY,)),
    Check("learning rate", training.learning_rate, (training.TOO_LARGE, training.TOO_SMALL)),
    Check("learning 20 rows by heart", training.memorizing, (training.CANNOT_MEMORIZE,)),
)


def doctor(
    model: Any, x: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, *, batch_size: int = 32,
    seed: int = 0,
) -> Report:  # fmt: skip
    """Examine a compiled model and the rows it is to learn from; return a Report (see the module).

    x, y, sample_weight    the training rows, as for `fit`; at most 1,000 of them, drawn at random, are looked at
    batch_size             that of `fit`
    seed                   determines the rows and batches of the experiments

    A small network takes some seconds. Experiments on a large one take fewer rows and steps.

    Raises RuntimeError unless the model is compiled; ValueError or TypeError for rows that do not fit the model.
    """
    if not isinstance(model, Network) or not hasattr(model, "compile"):
        got = type(model).__name__
        raise TypeError(f"doctor: expected a Model, got {got}: wrap layers as Model(layers, input_shape)")
    if model.optimizer is None or model.loss is None:  # type: ignore[attr-defined]
        raise RuntimeError("doctor: the model must be compiled, got one without optimizer and loss: call compile first")
    batch_size = arguments.positive_int("doctor", "batch_size", batch_size)
    seed = arguments.whole("doctor", "seed", seed)
    patient = Patient(model, x, y, sample_weight, batch_size, seed)
    report = Report(arguments.shown(model.name), rows=len(patient.x), total=patient.total, figures=patient.figures)
    try:
        with one_blas_thread(), np.errstate(all="ignore"):
            for check in CHECKS:
                interrupts.check()
                try:
                    report.findings += check.look(patient)
                    report.checks.append(check.name)
                except NotCheckedError as reason:
                    report.not_checked[check.name] = str(reason)
    finally:
        memory.release()
    report.learning_rate = float(patient.optimizer.current_learning_rate)
    report.rates, report.losses = patient.rates, patient.losses
    return report
