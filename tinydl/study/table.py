"""A trace as a table of text, one row for each layer."""

from __future__ import annotations

import math

from ..arguments import shown
from .records import LayerTrace, Step

COLUMNS = (
    "layer", "output", "mean y", "std y", "|dy|", "|dx|", "|W|", "|dW|", "update/W", "dead", "flat", "kept",
    "operations", "forward", "backward",
)  # fmt: skip
KEY = (
    "|.|: Euclidean norm; W: all parameters of the layer; update/W: the norm of the step's change over the norm of W;",
    "dead: relu units that are 0 in every row; flat: sigmoid or tanh outputs where the slope is below 5 % of its",
    "steepest; kept: memory that forward keeps for backward; the time of a composite includes its layers",
)


def text_of(step: Step) -> str:
    """The table with a line about the step above and a key below."""
    rows = [list(COLUMNS), *(_row(layer) for layer in step.layers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    penalty = f" + penalties {step.penalty:.4g}" if step.penalty else ""
    total = sum(layer.figures["operations"] or 0 for layer in step.layers)
    about = (
        f"{shown(step.model)}: one step on {step.rows:,} rows, {step.loss.kind} {step.loss.value:.4g}{penalty}",
        f"{step.optimizer}, learning rate {step.learning_rate:.4g}; {step.parameters:,} parameters, "
        f"{_bytes(step.kept_bytes)} kept for backward, {_count(total)} operations forward",
    )
    notes = [f"note: {each}" for each in (*step.notes, *step.loss.notes)]
    notes += [f"note: {layer.path}: {each}" for layer in step.layers for each in layer.notes]
    return "\n".join([*about, "", *lines, "", *KEY, *notes])


def _aligned(row: list[str], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if k < 2 else cell.rjust(width)
        for k, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(layer: LayerTrace) -> list[str]:
    number = layer.figures
    shape = layer.shape("y")
    units = shape[-1] if shape else 0
    dead, flat = number["dead_units"], number["saturated"]
    weights = [each.figures for each in layer.params.values()]
    return [
        f"{'  ' * layer.depth}{shown(layer.path.rpartition('.')[2])}",
        "x".join(map(str, shape[1:])) if shape else "-",
        _number(number.get("y.mean")),
        _number(number.get("y.std")),
        _number(number.get("dy.norm")),
        _number(number.get("dx.norm")),
        _number(_together(weights, "norm")),
        _number(_together(weights, "gradient_norm")),
        _number(_ratio(weights)),
        "" if dead is None else f"{dead} of {units}",
        "" if flat is None else f"{flat:.1%}",
        _bytes(number["kept_bytes"] or 0),
        "?" if number["operations"] is None else _count(number["operations"]),
        _milliseconds(number["forward_seconds"]),
        _milliseconds(number["backward_seconds"]),
    ]


def _together(weights: list[dict[str, float]], name: str) -> float | None:
    """The norm of all of a layer's parameters (or gradients, or updates) as one vector."""
    present = [each[name] for each in weights if name in each]
    return math.hypot(*present) if present else None


def _ratio(weights: list[dict[str, float]]) -> float | None:
    update, size = _together(weights, "update_norm"), _together(weights, "norm")
    return None if update is None or not size else update / size


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}" if value and not 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.4g} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def _count(number: float) -> str:
    for unit in ("", "k", "M"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}G"


def _milliseconds(seconds: float | None) -> str:
    return "" if not seconds else f"{1e3 * seconds:.3g} ms"
