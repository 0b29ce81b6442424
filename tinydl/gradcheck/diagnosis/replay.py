"""Suspects found by an experiment: the layer is run in another way, and its gradient is then right."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runner import Runner
from .evidence import Evidence, same


def stale_cache(e: Evidence) -> str | None:
    """The gradient is right on a copy of the layer that has seen no other input."""
    with suppress(Exception):  # the layer may need the first pass that is omitted for this copy
        runner = Runner(e.scene.make(np.float64), e.scene.objective.runner.training, None)
        if same(_gradient_of(e, runner), e.numeric):
            return (
                "a stale cache: on a copy that has seen no other input the gradient is right, so backward uses a value "
                "that an earlier forward stored: overwrite it in every forward"
            )
    return None


def noise_redrawn(e: Evidence) -> str | None:
    """The gradient is right if the random generators are rewound before backward."""
    with suppress(Exception):  # a failure proves nothing
        if same(_gradient_of(e, e.scene.objective.runner, rewind=True), e.numeric):
            return "backward draws new random numbers: store the mask (or noise) that forward drew, and reuse it"
    return None


def _gradient_of(e: Evidence, runner: Runner, rewind: bool = False) -> NDArray[np.float64]:
    """The array's gradient at the probes, after one pass of the given runner."""
    objective = e.scene.objective
    if runner.grads:
        runner.zero_grad()
    runner.forward(objective.x)
    if rewind:
        runner.rewind()
    dx: Any = runner.backward(objective.dy)
    return e.at_probes(dx if e.name == objective.x_name else runner.grads[e.name])


def rounded_to_float32(e: Evidence) -> str | None:
    """The gradient is right to about seven digits of its largest entry, but no further."""
    error = np.abs(e.analytic - e.numeric)
    size = np.max(np.abs(e.numeric), initial=0.0)
    itself = error > 1e-5 * np.maximum(np.abs(e.analytic), np.abs(e.numeric))
    if np.any(itself & e.wrong) or np.max(error) > 1e-6 * size or np.mean(error > 1e-10 * size) < 0.5:
        return None
    held = np.all(e.gradient.astype(np.float32) == e.gradient)
    how = "every entry is exact in float32" if held else f"errors reach {np.max(error) / size:.0e} of the largest entry"
    return f"float32 rounding: {how}; something in backward (a cast, an array without dtype) is in float32"
