"""How the cost grows: time = a + b q, fitted to the rows of a sweep, for tinydl and its peers, and where they cross.

q is the quantity in which the arithmetic is linear (images per batch, units, layers, pixels, 1 / threads). a is the
cost that remains for small q, b is the cost of one more. Points are spread over orders of magnitude, so the fit
minimizes relative errors, sum_i ((a + b q_i - t_i) / t_i)^2; its residual is the root of their mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.suite.report import duration
from benchmarks.suite.results import Result, Run
from tinydl.files import markdown_table


class Sweep(NamedTuple):
    """Rows that differ in one quantity.

    name      the title
    quantity  the quantity, in the plural
    rows      the row at each value of it
    power     q = value ** power
    """

    name: str
    quantity: str
    rows: dict[int, str]
    power: int = 1


SWEEPS = [
    Sweep("vanilla autoencoder, by batch", "rows per batch", {
        1: "vanilla autoencoder, batch 1", 16: "vanilla autoencoder, batch 16", 64: "vanilla autoencoder",
        256: "vanilla autoencoder, batch 256", 4096: "vanilla autoencoder, batch 4096",
    }),
    Sweep("vanilla autoencoder, by width", "units", {
        8: "vanilla autoencoder, 8 units", 40: "vanilla autoencoder", 64: "vanilla autoencoder, 64 units",
        128: "vanilla autoencoder, 128 units", 512: "vanilla autoencoder, 512 units",
    }),
    Sweep("book CNN, by batch", "images per batch", {
        1: "book CNN, batch 1", 32: "book CNN, batch 32", 128: "book CNN", 512: "book CNN, batch 512",
    }),
    Sweep("ResNet for CIFAR-10, by depth", "layers", {
        20: "ResNet-20", 32: "ResNet-32", 56: "ResNet-56", 110: "ResNet-110",
    }),
    Sweep("ResNet-18, by image size", "pixels along a side", {
        32: "ResNet-18, 32x32", 64: "ResNet-18, 64x64", 128: "ResNet-18, 128x128", 224: "ResNet-18, batch 2",
    }, 2),
    Sweep("book CNN, by threads", "threads", {1: "book CNN, one thread", 2: "book CNN"}, -1),
]  # fmt: skip


class Curve(NamedTuple):
    """A contestant's points and fit: seconds = a + b q."""

    name: str
    values: list[int]
    seconds: list[float]
    a: float
    b: float
    residual: float


def fit(q: Sequence[float], seconds: Sequence[float]) -> tuple[float, float, float]:
    """a, b and the residual."""
    t = np.asarray(seconds)
    terms = np.stack([np.ones(len(t)), np.asarray(q, np.float64)], axis=1) / t[:, None]
    (a, b), *_ = np.linalg.lstsq(terms, np.ones(len(t)), rcond=None)
    return float(a), float(b), float(np.sqrt(np.mean((terms @ [a, b] - 1) ** 2)))


def seconds_of(result: Result, name: str) -> float | None:
    """The time of a step, or of a batch of an epoch."""
    each = next((each for each in result.contestants if each.name == name), None)
    return None if each is None else each.median * result.batch


def curves(run: Run, sweep: Sweep) -> list[Curve]:
    """The curves of the contestants that have all points, tinydl first; none if a row was not measured."""
    found = {value: run.get(row) for value, row in sweep.rows.items()}
    results = {value: result for value, result in found.items() if result and result.ours}
    if len(results) < len(sweep.rows):
        return []
    values, names = list(results), [each.name for each in next(iter(results.values())).contestants]
    fitted = []
    for name in names:
        seconds = [seconds_of(result, name) for result in results.values()]
        known = [each for each in seconds if each is not None]
        if len(known) == len(values):
            fitted.append(Curve(name, values, known, *fit([float(value) ** sweep.power for value in values], known)))
    return sorted(fitted, key=lambda curve: curve.name != "tinydl")


def crossing(ours: Curve, theirs: Curve, power: int) -> str:
    """Where the two fitted curves meet, within a factor of ten of the points; else who is ahead of whom."""
    ahead = "tinydl is ahead throughout" if ours.seconds[-1] < theirs.seconds[-1] else "tinydl is behind throughout"
    if ours.b == theirs.b:
        return ahead
    q = (theirs.a - ours.a) / (ours.b - theirs.b)
    if q <= 0:
        return ahead
    value = q ** (1 / power)
    if not min(ours.values) / 10 <= value <= max(ours.values) * 10:
        return ahead
    before = "ahead" if ours.a < theirs.a else "behind"
    return f"tinydl is {before} below {value:.3g}" if power > 0 else f"they meet at {value:.3g}"


def text(run: Run) -> str:
    """A table for each sweep of which all rows were measured."""
    parts = []
    for sweep in SWEEPS:
        found = curves(run, sweep)
        if not found:
            continue
        one_more = {1: "b, for one more", 2: "b, for one more pixel", -1: "b, shared by the threads"}[sweep.power]
        table = [[sweep.quantity, *map(str, sweep.rows), "a", one_more, "residual", "crossing"]]
        for curve in found:
            meets = "" if curve is found[0] else crossing(found[0], curve, sweep.power)
            cells = [*map(duration, curve.seconds), _signed(curve.a), _signed(curve.b), f"{curve.residual:.1%}", meets]
            table.append([curve.name, *cells])
        parts += [f"### {sweep.name}", markdown_table(table)]
    return "\n\n".join(parts)


def _signed(seconds: float) -> str:
    return f"{'-' if seconds < 0 else ''}{duration(math.fabs(seconds))}"
