"""Short training runs on copies of the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import interrupts
from ...layer import Layer
from ...layers import AuxiliaryHead
from ...training import ends, freezing, loop

EDGE = 10  # batches at the beginning and the end whose losses are averaged


@dataclass
class Course:
    """The losses of a run, batch by batch, each before the step: of the data, and the penalties."""

    losses: list[float] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)
    finite: bool = True

    def last(self, count: int = EDGE) -> float:
        """The mean loss of the last batches; infinite if the run ended in NaN or infinity."""
        return float(np.mean(self.losses[-count:])) if self.finite and self.losses else math.inf


def chain_of(model: Any) -> Layer:
    """What a training step runs: the network, up to its logits if the loss takes these."""
    chain: Layer = (ends.up_to_logits(model.root) if model.fused else None) or model.root
    return chain


def run(model: Any, drawn: Iterable[tuple[Any, Any, Any]], rates: float | Sequence[float] | None = None) -> Course:
    """Train `model`, which is a copy: one step for each batch. rates: one, or one for each step, instead of its own.

    The run ends early where the loss is NaN or infinite.
    """
    course, chain = Course(), chain_of(model)
    heads = [layer for layer in model.root.walk() if isinstance(layer, AuxiliaryHead)]
    model.optimizer.frozen = freezing.frozen_ranges(model.root)
    for k, (x, y, weights) in enumerate(drawn):
        interrupts.check()
        if rates is not None:
            model.optimizer.learning_rate = rates if isinstance(rates, float) else rates[k]
        for head in heads:
            head.targets, head.sample_weight = y, weights
        try:
            value = loop.value_of(model.loss, chain.forward(x, True), y, weights)
        except Exception:  # a layer may refuse what a large learning rate makes of its inputs; the traced step ran
            value = math.inf
        if not math.isfinite(value):
            course.finite = False
            return course
        course.losses.append(value)
        course.penalties.append(float(chain.penalty()) - sum(head.penalty() for head in heads))
        model.zero_grad()
        chain.backward(model.loss.backward())
        model.optimizer.step(model.parameters, model.gradients)
    return course
