"""Suspects found by an experiment: run it another way, and the gradient is right."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..objects import Runner
from .evidence import Evidence, same


def stale_cache(e: Evidence) -> str | None:
    """On a copy that has never seen another input it is right."""
    with suppress(Exception):  # it may need the first pass that is omitted here
        runner = Runner(e.scene.make(np.float64), e.scene.objective.runner.training, None)
        if same(_gradient_of(e, runner), e.numeric):
            return (
                "a stale cache: on a copy that has seen no other input the gradient is right, so backward uses what an "
                "earlier forward kept: overwrite it in every forward"
            )
    return None


def noise_redrawn(e: Evidence) -> str | None:
    """With the random generators rewound before backward, it is right."""
    with suppress(Exception):  # a failure here says nothing
        if same(_gradient_of(e, e.scene.objective.runner, rewind=True), e.numeric):
            return "backward draws random numbers anew: keep the mask (or noise) that forward drew, and use it again"
    return None


def _gradient_of(e: Evidence, runner: Runner, rewind: bool = False) -> NDArray[np.float64]:
    """This array's gradient at the probes after one pass of another runner."""
    objective = e.scene.objective
    if runner.grads:
        runner.zero_grad()
    runner.forward(objective.x)
    if rewind:
        runner.rewind()
    dx: Any = runner.backward(objective.dy)
    return e.at_probes(dx if e.name == objective.x_name else runner.grads[e.name])


def rounded_to_float32(e: Evidence) -> str | None:
    """Right to seven digits of the largest entry, but not further."""
    error = np.abs(e.analytic - e.numeric)
    size = np.max(np.abs(e.numeric), initial=0.0)
    itself = error > 1e-5 * np.maximum(np.abs(e.analytic), np.abs(e.numeric))
    if np.any(itself & e.wrong) or np.max(error) > 1e-6 * size or np.mean(error > 1e-10 * size) < 0.5:
        return None
    held = np.all(e.gradient.astype(np.float32) == e.gradient)
    how = "all its numbers are float32 numbers" if held else f"it is off by {np.max(error) / size:.0e} of the largest"
    return f"float32 rounding: {how}; something in backward (a cast, an array without dtype) is in float32"
