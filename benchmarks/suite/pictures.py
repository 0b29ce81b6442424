"""Pictures of a run: by how much tinydl is ahead in every row, and the scaling curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from benchmarks.suite.header import machine
from benchmarks.suite.results import Result, Run
from benchmarks.suite.rows import GROUPS
from benchmarks.suite.scaling import SWEEPS, Curve, Sweep, curves
from tinydl.plots.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, Picture, dress, finish, panel

# Colours that remain distinct for colour-blind readers, each with a marker of its own.
LIBRARIES = {
    "tinydl": (BLUE, "o"), "PyTorch": (ORANGE, "s"), "Keras on TensorFlow": (SKY, "D"), "Keras on JAX": (PURPLE, "v"),
    "JAX": (PURPLE, "^"), "ONNX Runtime": (GREEN, "P"), "scikit-learn": (GREY, "X"),
}  # fmt: skip
TRAINING = ("autoencoders", "small", "book", "cifar", "imagenet")
OTHERS = ("layers", "inference")


def library(name: str) -> str:
    """The library of a contestant: its name up to the first comma."""
    return name.partition(",")[0]


def draw(run: Run, folder: Path, name: str) -> dict[str, Path]:
    """Write all pictures for which there are rows, as NAME_training.png and so on; return their paths."""
    written: dict[str, Path] = {}
    for kind, groups, title in (
        ("training", TRAINING, "Training: speed of tinydl, as a multiple of each peer's"),
        ("others", OTHERS, "Single layers and predictions: speed of tinydl, as a multiple of each peer's"),
    ):
        rows = [result for result in run.results if result.group in groups and result.ours and result.peers()]
        if rows:
            written[kind] = folder / f"{name}_{kind}.png"
            ratios(rows, title, source(run), written[kind])
    found = [(sweep, curves(run, sweep)) for sweep in SWEEPS]
    found = [(sweep, each) for sweep, each in found if each]
    if found:
        written["scaling"] = folder / f"{name}_scaling.png"
        scaling(found, source(run), written["scaling"])
    return written


def source(run: Run) -> str:
    return f"{machine(run.header)}; {run.header['date']}"


def ratios(rows: Sequence[Result], title: str, named: str, path: Path) -> None:
    """A bar to the fastest peer of every row, which decides, and a marker for the best variant of each library."""
    rows = sorted(rows, key=lambda result: list(GROUPS).index(result.group))
    figure, ax = panel(width=9, height=1.8 + 0.3 * len(rows))
    at = np.arange(len(rows))
    fastest = [result.ratio(result.peers()[0]) for result in rows]
    colours = [BLUE if ratio >= 1 else VERMILION for ratio in fastest]
    ax.barh(at, [ratio - 1 for ratio in fastest], 0.6, left=1, color=colours, alpha=0.45)
    shown: dict[str, Line2D] = {}
    for y, result in enumerate(rows):
        best: dict[str, float] = {}
        for each in result.peers():
            best.setdefault(library(each.name), result.ratio(each))
        for name, ratio in best.items():
            colour, marker = LIBRARIES[name]
            (shown[name],) = ax.plot(ratio, y, marker, color=colour, ms=6, mec=INK, mew=0.5)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ticks = [tick for tick in (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100) if low <= tick <= high]
    ax.set_xticks(ticks, [f"{tick:g} x" for tick in ticks])
    ax.minorticks_off()
    ax.axvline(1, color=INK, lw=1)
    ax.set_yticks(at, [result.row for result in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    dress(ax, title, "above 1: tinydl is faster (bar: the fastest peer)", "")
    ax.grid(visible=False, axis="y")
    add_legend(figure, shown)
    finish(figure, named, path)


def add_legend(figure: Figure, shown: dict[str, Line2D]) -> None:
    """Name the libraries below the panels, always in the same order."""
    names = [name for name in LIBRARIES if name in shown]
    lines = [shown[name] for name in names]
    figure.legend(lines, names, loc="outside lower center", ncols=len(names), fontsize=10, frameon=False)


def scaling(found: Sequence[tuple[Sweep, list[Curve]]], named: str, path: Path) -> None:
    """One panel for each sweep: the measured points, and the fitted lines."""
    lines = -(-len(found) // 2)
    figure = Picture(figsize=(10, 3.4 * lines + 0.6), layout="constrained")
    axes = figure.subplots(lines, 2, squeeze=False).ravel()
    seen: dict[str, Line2D] = {}
    for ax, (sweep, each) in zip(axes, found, strict=False):
        for curve in best_of_each(each):
            colour, marker = LIBRARIES[library(curve.name)]
            dense = np.geomspace(min(curve.values), max(curve.values), 100)
            ax.plot(dense, 1e3 * (curve.a + curve.b * dense**sweep.power), color=colour, lw=1.5)
            (points,) = ax.plot(
                curve.values, [1e3 * t for t in curve.seconds], marker, color=colour, ms=6, mec=INK, mew=0.5
            )
            seen.setdefault(library(curve.name), points)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xticks(list(sweep.rows), list(map(str, sweep.rows)))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        dress(ax, sweep.name, sweep.quantity, "ms")
    for ax in axes[len(found) :]:
        ax.remove()
    add_legend(figure, seen)
    figure.suptitle("Time of a training step: points are measured, lines are a + b q")
    finish(figure, named, path)


def best_of_each(each: Sequence[Curve]) -> list[Curve]:
    """The fastest variant of every library, at the largest value."""
    best: dict[str, Curve] = {}
    for curve in sorted(each, key=lambda curve: curve.seconds[-1]):
        best.setdefault(library(curve.name), curve)
    return list(best.values())
