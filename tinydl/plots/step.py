"""Pictures of one training step, layer by layer: the flow of gradients, and the distribution of activations.

Each function takes what `model.trace(x, y)` returns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..files import PathLike
from .style import BLUE, GREY, ORANGE, TICK, VERMILION, dress, finish, panel, points

TALLEST = 12.0  # inches; of layers that do not fit, only some are named


class Parameter(Protocol):
    """One parameter of a layer."""

    gradient: Any
    figures: dict[str, float]


class TracedLayer(Protocol):
    """One layer of a step."""

    path: str
    kind: str
    params: dict[str, Any]
    figures: dict[str, Any]

    def shape(self, name: str) -> tuple[int, ...] | None: ...


class Step(Protocol):
    """What `trace` returns."""

    model: str
    rows: int
    layers: list[Any]


def gradient_flow(
    step: Step, *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """The root mean square of dL/dy and of each layer's weight gradients, from the first layer down to the last.

    Points that move to the left towards the first layer show gradients that vanish; to the right, gradients that
    explode. The axis is logarithmic, so a gradient of zero or infinity is marked by a triangle at the edge.
    """
    layers = _leaves(step)
    room = ax is None  # below the axes, where a legend covers no points
    figure, ax = panel(ax, 7, _height(layers))
    upstream = [float(layer.figures.get("dy.rms", math.nan)) for layer in layers]
    weights = [_rms_of_gradients(layer) for layer in layers]
    _curve(ax, upstream, BLUE, "o-", "dL/dy")
    _curve(ax, weights, VERMILION, "s", "dL/dW")
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    if high / low < 100:  # powers of 10 alone would be one label or none
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    dress(ax, f"Gradient flow, {step.model}, {step.rows} rows", "root mean square of dL/dy and of dL/dW", "")
    _name_layers(ax, layers)
    if room:
        figure.legend(fontsize=points(ax, TICK), frameon=False, ncols=4, loc="outside lower center")
    else:
        ax.legend(fontsize=points(ax, TICK), loc="best", framealpha=0.5)
    return finish(figure, source, path)


def activations(
    step: Step, *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """The outputs of each layer: smallest to largest as a thin line, mean -/+ standard deviation as a thick one.

    Layers with dead relu units, or with more than 5 % of their outputs on the flat part of a sigmoid or tanh, have
    another color, and their share stands at the right.
    """
    layers = _leaves(step)
    figure, ax = panel(ax, 7, _height(layers))
    for place, layer in enumerate(layers):
        mean, std, low, high = (
            float(layer.figures.get(f"y.{part}", math.nan)) for part in ("mean", "std", "min", "max")
        )
        ill = _illness(layer)
        colour = VERMILION if ill else BLUE
        ax.plot([low, high], [place, place], color=GREY, linewidth=1)
        ax.plot([mean - std, mean + std], [place, place], color=colour, linewidth=6, solid_capstyle="butt")
        ax.plot([mean], [place], "o", color="white", markeredgecolor=colour, markersize=5)
        if ill and math.isfinite(high):
            ax.annotate(
                ill, (high, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=points(ax, TICK)
            )
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.margins(x=0.12)
    dress(ax, f"Outputs by layer, {step.model}, {step.rows} rows", "outputs: smallest, mean -/+ std, largest", "")
    _name_layers(ax, layers)
    return finish(figure, source, path)


def _leaves(step: Step) -> list[TracedLayer]:
    """The layers that ran, without the composites around them."""
    inner = {layer.path.rpartition(".")[0] for layer in step.layers}
    return [layer for layer in step.layers if layer.path not in inner and layer.shape("y") is not None]


def _rms_of_gradients(layer: TracedLayer) -> float:
    """Of all parameters of the layer together; NaN if it has none, or no gradients."""
    gradients = [each for each in layer.params.values() if each.gradient is not None]
    total = sum(each.figures["gradient_norm"] ** 2 for each in gradients)
    entries = sum(_size(layer, name, each) for name, each in layer.params.items() if each.gradient is not None)
    return math.sqrt(total / entries) if entries else math.nan


def _size(layer: Any, name: str, parameter: Any) -> int:
    cropped: Mapping[str, Sequence[int]] = layer.cropped
    return math.prod(cropped.get(f"params.{name}", parameter.gradient.shape))


def _curve(ax: Axes, values: Sequence[float], colour: str, marker: str, name: str) -> None:
    """Points and lines; where the value is 0 or infinite, a triangle at the left or right edge."""
    places = range(len(values))
    ax.plot(
        [v if 0 < v < math.inf else math.nan for v in values], places, marker, color=colour, ms=5, lw=1.2, label=name
    )
    for edge, number, triangle, word in ((0, 0.0, "<", "0"), (1, math.inf, ">", "infinite")):
        at = [place for place, value in zip(places, values, strict=True) if value == number]
        if at:
            label, beside = f"{name.split()[0].rstrip(',')} is {word}", ax.get_yaxis_transform()
            ax.plot(
                [edge] * len(at), at, triangle, color=ORANGE, mec=colour, transform=beside, clip_on=False, label=label
            )


def _height(layers: Sequence[TracedLayer]) -> float:
    return min(TALLEST, 1.6 + 0.24 * len(layers))


def _name_layers(ax: Axes, layers: Sequence[TracedLayer]) -> None:
    """Name the layers at the left, the first one at the top. The names of chains inside composites are left out."""
    every = math.ceil(len(layers) * 0.2 / TALLEST)
    inner = ("sequential",)
    names = [" / ".join(p for p in layer.path.split(".") if not p.startswith(inner)) for layer in layers]
    ax.set_yticks(range(0, len(layers), every))
    ax.set_yticklabels(names[::every])
    ax.set_ylim(len(layers) - 0.4, -0.6)


def _illness(layer: TracedLayer) -> str:
    """How many units are dead or outputs saturated, in a few words; empty if all is well."""
    dead, flat = layer.figures.get("dead_units"), layer.figures.get("saturated")
    if dead:
        return f"{dead / (layer.shape('y') or (1,))[-1]:.0%} dead"
    return f"{flat:.0%} flat" if flat is not None and flat > 0.05 else ""
