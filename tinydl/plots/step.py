"""Pictures of one training step, layer by layer: the flow of gradients, and the distribution of activations.

Each function takes what `model.trace(x, y)` returns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import PathLike
from .style import BLUE, GREY, ORANGE, VERMILION, dress, finish, panel

MOST_NAMES = 30  # along the axis; of more layers, only some are named


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
    """The root mean square of dL/dy and of each layer's weight gradients, from the first layer to the last.

    Lines that fall towards the first layer show gradients that vanish; lines that rise, gradients that explode. Zero
    and infinity have no place on the axis, so a layer with such a gradient is marked at the lower or upper edge.
    """
    layers = _leaves(step)
    figure, ax = panel(ax, max(5.0, min(12.0, 2.5 + 0.32 * len(layers))), 4)
    places = list(range(len(layers)))
    upstream = [float(layer.figures.get("dy.rms", math.nan)) for layer in layers]
    weights = [_rms_of_gradients(layer) for layer in layers]
    _curve(ax, places, upstream, BLUE, "o-", "dL/dy, entering the layer from above")
    _curve(ax, places, weights, VERMILION, "s", "dL/dW, all parameters of the layer")
    ax.set_yscale("log")
    _name_layers(ax, layers)
    dress(ax, f"Gradient flow in {step.model}", "", "root mean square")
    ax.legend(fontsize=9, frameon=False)
    return finish(figure, source, path)


def activations(
    step: Step, *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """The outputs of each layer: smallest to largest as a thin line, mean -/+ standard deviation as a thick one.

    Layers with dead relu units, or with more than 5 % of their outputs on the flat part of a sigmoid or tanh, are
    marked, with the share.
    """
    layers = _leaves(step)
    figure, ax = panel(ax, max(5.0, min(12.0, 2.5 + 0.32 * len(layers))), 4)
    for place, layer in enumerate(layers):
        mean, std, low, high = (
            float(layer.figures.get(f"y.{name}", math.nan)) for name in ("mean", "std", "min", "max")
        )
        ill = _illness(layer)
        colour = VERMILION if ill else BLUE
        ax.plot([place, place], [low, high], color=GREY, linewidth=1)
        ax.plot([place, place], [mean - std, mean + std], color=colour, linewidth=6, solid_capstyle="butt")
        ax.plot([place], [mean], "o", color="white", markeredgecolor=colour, markersize=5)
        if ill and math.isfinite(high):
            ax.annotate(
                ill, (place, high), xytext=(0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=8
            )
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.margins(y=0.12)
    _name_layers(ax, layers)
    dress(ax, f"Outputs by layer, {step.model}, {step.rows} rows", "", "output")
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


def _curve(ax: Axes, places: Sequence[int], values: Sequence[float], colour: str, marker: str, name: str) -> None:
    """Points and lines; where the value is 0 or infinite, a triangle at the lower or upper edge."""
    shown = [value if 0 < value < math.inf else math.nan for value in values]
    ax.plot(places, shown, marker, color=colour, markersize=5, linewidth=1.2, label=name)
    for edge, number, triangle, word in ((0, 0.0, "v", "0"), (1, math.inf, "^", "infinite")):
        at = [place for place, value in zip(places, values, strict=True) if value == number]
        if at:
            label = f"{name.split(',')[0]} is {word}"
            place = ax.get_xaxis_transform()
            ax.plot(
                at, [edge] * len(at), triangle, color=ORANGE, mec=colour, transform=place, clip_on=False, label=label
            )


def _name_layers(ax: Axes, layers: Sequence[TracedLayer]) -> None:
    every = math.ceil(len(layers) / MOST_NAMES)
    ax.set_xticks(range(0, len(layers), every))
    ax.set_xticklabels([layer.path for layer in layers[::every]], rotation=60, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(layers) - 0.4)


def _illness(layer: TracedLayer) -> str:
    """How many units are dead or outputs saturated, in a few words; empty if all is well."""
    dead, flat = layer.figures.get("dead_units"), layer.figures.get("saturated")
    if dead:
        return f"{dead / (layer.shape('y') or (1,))[-1]:.0%} dead"
    return f"{flat:.0%} flat" if flat is not None and flat > 0.05 else ""
