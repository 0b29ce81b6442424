"""Optimizers in a valley: the paths of their steps on a function of two variables, as a picture and as a film."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from .. import arguments
from ..files import PathLike
from ..optimizers import SGD, Adam, Optimizer, RMSprop
from .style import BLUE, GREEN, INK, PURPLE, TICK, VERMILION, dress, finish, panel, points

SIZE = 5.3, 4.0  # inches
COLORS, MARKERS = (VERMILION, BLUE, GREEN, PURPLE, INK, "#882255"), "os^Dvx"
LEVELS = 14  # contours
FAR = 1e6  # times the size of the valley: a path that gets there has diverged, and ends

Point = tuple[float, float]


@dataclass(frozen=True)
class Valley:
    """A function of two variables: value(u, v), which takes arrays too, and gradient(u, v), with a place to start."""

    name: str
    value: Callable[[Any, Any], Any]
    gradient: Callable[[float, float], Point]
    start: Point
    minimum: Point
    limits: tuple[Point, Point]  # of u and of v, in the picture


VALLEYS = {
    "ravine": Valley(
        "(u\N{SUPERSCRIPT TWO} + 40 v\N{SUPERSCRIPT TWO}) / 2",
        lambda u, v: (u**2 + 40 * v**2) / 2, lambda u, v: (u, 40 * v), (-9.0, 2.0), (0.0, 0.0), ((-10, 4), (-2.8, 2.8)),
    ),
    "rosenbrock": Valley(
        "(1 \N{MINUS SIGN} u)\N{SUPERSCRIPT TWO} + 10 (v \N{MINUS SIGN} u\N{SUPERSCRIPT TWO})\N{SUPERSCRIPT TWO}",
        lambda u, v: (1 - u) ** 2 + 10 * (v - u**2) ** 2,
        lambda u, v: (-2 * (1 - u) - 40 * u * (v - u**2), 20 * (v - u**2)), (-1.4, 1.6), (1.0, 1.0),
        ((-1.9, 1.8), (-0.7, 2.4)),
    ),
}  # fmt: skip


def default_optimizers() -> dict[str, Optimizer]:
    """New optimizers for the paths, by name, with rates that suit the ravine."""
    return {
        "SGD": SGD(0.045), "SGD with momentum": SGD(0.012, momentum=0.9), "RMSprop": RMSprop(0.2), "Adam": Adam(0.4),
    }  # fmt: skip


def optimizer_path(optimizer: Optimizer, valley: str | Valley = "ravine", steps: int = 40) -> NDArray[np.float64]:
    """The places (u, v) of an optimizer in a valley, (steps + 1, 2), from the start on; rows are NaN once it diverged.

    The steps are those of the optimizer's own `step`, on a copy, so that the optimizer given stays new.

    ValueError: no such valley, an optimizer that has already made steps, steps below 1.
    """
    chosen = _valley("optimizer_path", valley)
    steps = arguments.positive_int("optimizer_path", "steps", steps)
    if optimizer.iterations:
        got = f"one after {optimizer.iterations} steps: make another"
        raise ValueError(f"optimizer_path: optimizer must be a new one, got {got}")
    own = copy.deepcopy(optimizer)
    p = np.array(chosen.start, np.float64)
    path = np.full((steps + 1, 2), np.nan)
    path[0] = p
    bound = FAR * max(abs(end) for limits in chosen.limits for end in limits)
    for step in range(1, steps + 1):
        own.step(p, np.array(chosen.gradient(float(p[0]), float(p[1]))))
        if not np.abs(p).max() < bound:
            break
        path[step] = p
    return path


def optimizer_paths(
    optimizers: Mapping[str, Optimizer] | None = None, valley: str | Valley = "ravine", steps: int = 40, *,
    ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The paths of several optimizers on the contours of a valley; the legend has the value f at their ends.

    optimizers  new ones by name; by default those of `default_optimizers`: SGD, SGD with momentum, RMSprop and Adam
    valley      "ravine": (u^2 + 40 v^2) / 2, 40 times as steep across as along;
                "rosenbrock": (1 - u)^2 + 10 (v - u^2)^2, a curved one; or a Valley

    ValueError: no optimizer, or as for `optimizer_path`.
    """
    chosen = _valley("optimizer_paths", valley)
    paths = _paths(optimizers, chosen, steps)
    figure, ax = panel(ax, *SIZE)
    _draw_valley(ax, chosen, steps)
    for line, places in zip(_lines(ax, paths), paths.values(), strict=True):
        line.set_data(*places.T)
        line.set_label(f"{line.get_label()}: {_told(chosen, places)}")
    _legend(ax)
    return finish(figure, source, path)


def optimizer_animation(
    optimizers: Mapping[str, Optimizer] | None = None, valley: str | Valley = "ravine", steps: int = 40, *,
    interval: int = 120, ax: Axes | None = None,
) -> FuncAnimation:  # fmt: skip
    """The picture of `optimizer_paths` as a film, one step a frame.

    Save it with `animation.save("paths.gif", writer="pillow")`, or show it in a notebook with `animation.to_jshtml()`.

    interval: milliseconds between frames. The other arguments and the errors are those of `optimizer_paths`.
    """
    chosen = _valley("optimizer_animation", valley)
    interval = arguments.positive_int("optimizer_animation", "interval", interval)
    paths = _paths(optimizers, chosen, steps)
    figure, ax = panel(ax, *SIZE)
    _draw_valley(ax, chosen, steps)
    title = ax.get_title()
    lines = _lines(ax, paths)
    _legend(ax)

    def draw(frame: int) -> list[Line2D]:
        for line, places in zip(lines, paths.values(), strict=True):
            line.set_data(*places[: frame + 1].T)
        ax.title.set_text(f"{title}: step {frame}")
        return lines

    draw(0)
    return FuncAnimation(figure, draw, frames=steps + 1, interval=interval, blit=False)


def _valley(owner: str, valley: str | Valley) -> Valley:
    return valley if isinstance(valley, Valley) else VALLEYS[arguments.one_of(owner, "valley", valley, VALLEYS)]


def _paths(optimizers: Mapping[str, Optimizer] | None, valley: Valley, steps: int) -> dict[str, NDArray[np.float64]]:
    given = default_optimizers() if optimizers is None else optimizers
    if not given or len(given) > len(COLORS):
        raise ValueError(f"optimizer_paths: expected 1 to {len(COLORS)} optimizers by name, got {len(given)}")
    return {name: optimizer_path(each, valley, steps) for name, each in given.items()}


def _draw_valley(ax: Axes, valley: Valley, steps: int) -> None:
    """The contours, closer together near the minimum, where the function is flat; the start and the minimum."""
    (u0, u1), (v0, v1) = valley.limits
    u, v = np.meshgrid(np.linspace(u0, u1, 200), np.linspace(v0, v1, 200))
    height = valley.value(u, v)
    lowest = float(valley.value(*valley.minimum))
    levels = lowest + (float(height.max()) - lowest) * np.linspace(0, 1, LEVELS + 1) ** 2.5
    ax.contourf(u, v, height, levels=levels, cmap="Greys", alpha=0.35, zorder=0)
    ax.contour(u, v, height, levels=levels[1:], colors="#8a8a8a", linewidths=0.5, zorder=0.5)
    ax.plot(*valley.minimum, marker="*", ms=11, color="white", mec=INK, mew=1, ls="", zorder=4)
    dress(ax, f"{steps} steps on f = {valley.name}", "u", "v")
    ax.grid(False)
    ax.set(xlim=(u0, u1), ylim=(v0, v1))
    ax.annotate("start", valley.start, (0, 6), textcoords="offset points", ha="center", fontsize=points(ax, TICK + 2),
                color=INK)  # fmt: skip


def _lines(ax: Axes, paths: Mapping[str, Any]) -> list[Line2D]:
    return [
        ax.plot([], [], color=color, marker=marker, ms=3.2, mew=0, lw=1.3, label=name, zorder=3)[0]
        for (name, _), color, marker in zip(paths.items(), COLORS, MARKERS, strict=False)
    ]


def _legend(ax: Axes) -> None:
    """Below the axes, where it covers no path."""
    columns = 2 if ax.figure.figure.get_figwidth() > 4.5 else 1
    place: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17), "ncols": columns, "frameon": False}
    ax.legend(**place, fontsize=points(ax, TICK + 2))


def _told(valley: Valley, places: NDArray[np.float64]) -> str:
    return "diverges" if np.isnan(places[-1]).any() else f"f = {valley.value(*places[-1]):.2g}"
