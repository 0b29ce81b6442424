"""Arrays that one of tinydl's layers reads without listing them, and initial values that would hide errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import finding
from .reach import reach
from .report import CONSTANT, NOT_CHECKED, ArrayReport
from .runner import Runner


def unlisted_rows(runner: Runner, layer: Any, x: NDArray[Any], constants: Sequence[str]) -> dict[str, ArrayReport]:
    """A row for each array that forward or penalty reads but that params, grads and state do not list."""
    listed = [*runner.params.values(), *runner.grads.values(), *(array for _, array in runner.state), x]
    rows = {}
    paths = finding.dependencies(list(reach(layer)), lambda _: runner.values(x), listed)
    for name, path in finding.named(paths, taken=runner.params).items():
        array, known = paths[path], name in constants or finding.long_name(path) in constants
        row = ArrayReport(name, array.shape, "-", verdict=CONSTANT if known else NOT_CHECKED)
        another = f"it is not the array params[{path[-1][1]!r}]: keep one array in both places, and change it in place"
        mend = (
            another if path[-1][1] in runner.params else
            "params does not list it: list it in `params` with its gradient in `grads`, or in `state` if it is a "
            f"constant, or pass constants=[{name!r}]"
        )  # fmt: skip
        row.detail = "named in constants=" if known else f"{name} was not checked: forward reads it, but {mend}"
        rows[name] = row
    return rows


def frozen_rows(layer: Any, params: Mapping[str, NDArray[Any]]) -> dict[str, ArrayReport]:
    """A row for each parameter of a frozen layer, which by contract has no gradient."""
    if not callable(getattr(layer, "walk", None)):
        return {}
    frozen = [each for each in layer.walk() if not each.sublayers() and not getattr(each, "trainable", True)]
    ids = {id(array) for each in frozen for array in each.params.values()}
    rows = {}
    for name, array in params.items():
        if id(array) in ids:
            rows[name] = ArrayReport(name, array.shape, "-", verdict=CONSTANT, detail="frozen: trainable is False")
    return rows


def move_all(layer: Any, rng: np.random.Generator) -> None:
    """Move parameters and state by 0.1 N(0, 1), in place, because biases of 0 and scales of 1 hide errors."""
    for kind in ("params", "state"):
        arrays = getattr(layer, kind, None)
        for value in arrays.values() if isinstance(arrays, dict) else ():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
                step = 0.1 * rng.standard_normal(value.shape)
                value += step if kind == "params" else np.abs(step)  # a variance must not go below 0
