"""Receptive fields: the pixels that one unit of a layer depends on, found by going back through the layers below."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from .. import arguments
from ..files import PathLike
from ..kernels import Window
from ..layer import Layer
from ..layers import (
    ActivityL1,
    AuxiliaryHead,
    BatchNorm,
    Branches,
    Conv2D,
    Dropout,
    GaussianNoise,
    KLSparsity,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    MaskingNoise,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    conv,
)
from ..layers.pooling import AveragePool2D, MaxPool2D, Pool2D
from ..layers.sliding_window import window_over
from ..network import Network, chained
from .board import LINES, MOST, cell_points, sizes
from .style import BLUE, GREY, INK, LABEL, VERMILION, Picture, finish, headline

OWNER = "receptive_field"
# In inference, every pixel of the output of these layers depends on the same pixel of the input alone.
PIXEL_BY_PIXEL = (
    ActivityL1, AuxiliaryHead, BatchNorm, Dropout, GaussianNoise, KLSparsity, LayerNorm, LeakyReLU, LocalResponseNorm,
    MaskingNoise, PadChannels, ReLU, Sigmoid, Softmax, Tanh,
)  # fmt: skip
KNOWN = {
    kind.forward: kind for kind in (*PIXEL_BY_PIXEL, Conv2D, MaxPool2D, AveragePool2D, Sequential, Residual, Branches)
}
MOST_STAGES = 22  # of the drawing
Span = tuple[int, int]  # the first index, and the last plus 1
Chain = Network | Sequence[Layer]


def receptive_field(
    network: Chain, layer: str | None = None, *, unit: tuple[int, int] | None = None,
    image_shape: Iterable[int] | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """How many paths lead from each pixel to one unit, (h, w), divided by the largest number: 0 outside the field.

    A path goes through one window's entry in each layer. Where all weights and slopes are equal, the number of paths is
    proportional to the gradient of the unit with respect to the pixel, which is why pixels in the middle of a field
    count for more than those at its edge.

    network      a Model, or a list of layers for images of image_shape (a number of channels that is left out means 1)
    layer        the name of the unit's layer in the chain; by default the last layer whose output is an image
    unit         (row, column) in that layer's output; by default the one in the middle
    image_shape  for a list of layers; by default the smallest square image with a border around the unit's field

    ValueError: a layer whose output is not an image, a unit outside the output, no such layer.
    TypeError: a layer from outside tinydl, which may read any pixel.
    Reference: Luo, Li, Urtasun & Zemel 2016
    """
    chain = _chain(network, layer, image_shape)
    return _paths(chain, chain[-1].output_shape, _unit(chain, unit))


def receptive_field_diagram(
    network: Chain, layer: str | None = None, *, unit: tuple[int, int] | None = None,
    image_shape: Iterable[int] | None = None, ax: Axes | None = None, source: str | None = None,
    path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The pixels that one unit sees, darker for more paths to it (see `receptive_field`), and how the field grows.

    Below the image, each layer with a window and each block has a bar: the field of one of its units, the middle one of
    those that the last unit depends on. Beside the bar is the field's height x width, pixels of padding included. The
    image has the outlines of the same fields.

    Arguments and errors are those of `receptive_field`.
    """
    chain = _chain(network, layer, image_shape)
    place = _unit(chain, unit)
    weights = _paths(chain, chain[-1].output_shape, place)
    stages = _stages(chain, place)
    h, w = weights.shape
    shown = stages if len(stages) <= MOST_STAGES else [*stages[: MOST_STAGES - 3], None, *stages[-2:]]
    left, right = min(0, *(s.across[0] for s in stages)), max(w, *(s.across[1] for s in stages))
    top, bottom = min(0, *(s.down[0] for s in stages)), max(h, *(s.down[1] for s in stages))
    pixel = 3.0 / max(right - left, bottom - top)  # inches
    bar = 0.17 / pixel  # the distance between bars, in pixels
    names = 0.15 + 0.057 * max(len(stage.name) for stage in stages)  # inches for the texts on the left
    values = 0.15 + 0.057 * max(len(stage.size) for stage in stages)  # and on the right
    foot = bottom + bar * (len(shown) + 1.4)
    if ax is None:
        figure = Picture(figsize=(3.0 + names + values, (foot - top) * pixel + 0.6), layout="constrained")
        ax = figure.subplots()
    x_range, y_range = (left - names / pixel, right + values / pixel), (foot, top - 0.3 * bar)
    ax.set(xlim=x_range, ylim=y_range, aspect="equal", anchor="N")
    ax.axis("off")
    last = stages[-1]
    cut = last.down[0] < 0 or last.across[0] < 0 or last.down[1] > h or last.across[1] > w
    seen = f"{int(np.count_nonzero(weights)):,} of {h * w:,} pixels"
    name = getattr(network, "name", f"{len(chain)} layers")
    title = f"{name}: one unit of {last.name}\nsees {last.size}{', cut off by the image' if cut else ''}: {seen}"
    headline(ax, title, LABEL + 1)
    _draw_image(ax, weights, stages)
    size = min(7.0, 0.57 * bar * cell_points(ax))
    for number, stage in enumerate(shown):
        y = bottom + bar * (number + 1.4)
        if stage is None:
            ax.text((left + right) / 2, y, "\N{VERTICAL ELLIPSIS}", ha="center", va="center", fontsize=size, color=INK)
            continue
        x0, x1 = stage.across
        color = VERMILION if stage is last else BLUE
        ax.add_patch(Rectangle((x0, y - 0.31 * bar), x1 - x0, 0.62 * bar, fc=color, lw=0, alpha=0.85))
        ax.text(left - 0.35 * bar, y, stage.name, ha="right", va="center_baseline", fontsize=size, color=INK)
        ax.text(right + 0.35 * bar, y, stage.size, ha="left", va="center_baseline", fontsize=size, color=INK)
    ends = [[(x, bottom + 0.4 * bar), (x, foot - 0.3 * bar)] for x in (0, w)]
    ax.add_collection(LineCollection(ends, colors=GREY, linewidths=0.7, linestyles=(0, (3, 2)), zorder=0.5))
    return finish(ax.figure.figure, source, path)


@dataclass(frozen=True)
class Stage:
    """A layer of the chain, and the field of one of its units: spans of rows and columns, beyond the image too."""

    name: str
    down: Span
    across: Span

    @property
    def size(self) -> str:
        return sizes(self.down[1] - self.down[0], self.across[1] - self.across[0])


def _draw_image(ax: Axes, weights: NDArray[np.float64], stages: list[Stage]) -> None:
    h, w = weights.shape
    limits = ax.get_xlim(), ax.get_ylim()
    shades = np.ma.masked_equal(weights, 0)
    ax.imshow(shades, cmap="Blues", norm=PowerNorm(0.5, -0.1, 1.7), extent=(0, w, h, 0), interpolation="nearest")
    ax.set(xlim=limits[0], ylim=limits[1])
    if max(h, w) <= MOST:
        lines = [[(x, 0), (x, h)] for x in range(w + 1)] + [[(0, y), (w, y)] for y in range(h + 1)]
        ax.add_collection(LineCollection(lines, colors=LINES, linewidths=0.35, zorder=1))
    ax.add_patch(Rectangle((0, 0), w, h, fill=False, ec=INK, lw=1.0, zorder=2))
    for stage in stages:
        (y0, y1), (x0, x1) = stage.down, stage.across
        color, width = (VERMILION, 1.8) if stage is stages[-1] else (BLUE, 0.9)
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=color, lw=width, zorder=2.5))


# --- the chain below the unit ---------------------------------------------------------------------------------------


def _chain(network: Chain, name: str | None, image_shape: Iterable[int] | None) -> list[Layer]:
    """The layers of the flattened chain, up to the unit's layer."""
    if not isinstance(network, Network):
        return _built(network, image_shape)
    if image_shape is not None:
        raise ValueError(
            f"{OWNER}: image_shape must be left out for a Model, which has the input {network.input_shape}"
        )
    chain = list(chained(network.root))
    if len(network.input_shape) != 3:
        raise ValueError(f"{OWNER}: network must have images as its input, got {network.input_shape}")
    if name is None:
        images = [k for k, layer in enumerate(chain) if layer.output_shape and len(layer.output_shape) == 3]
        if not images:
            raise ValueError(f"{OWNER}: network must have layers for images, got {network.name!r}, which has none")
        return chain[: images[-1] + 1]
    names = [layer.name or type(layer).__name__ for layer in chain]
    k = names.index(arguments.one_of(OWNER, "layer", name, names))
    if len(chain[k].output_shape or ()) != 3:
        got = f"{name!r}, whose units see the whole image"
        raise ValueError(f"{OWNER}: layer must be the name of a layer whose output is an image, got {got}")
    return chain[: k + 1]


def _built(layers: Sequence[Layer], image_shape: Iterable[int] | None) -> list[Layer]:
    """A built copy of a list of layers."""
    if isinstance(layers, Layer) or not isinstance(layers, Sequence):
        raise TypeError(f"{OWNER}: network must be a Model or a list of layers, got {arguments.brief(layers)}")
    shape = tuple(image_shape) if image_shape is not None else None
    if shape is not None:
        return _of_images(_built_for(layers, (*shape, 1) if len(shape) == 2 else shape))
    for side in range(1, 4 * MOST):
        try:
            chain = _built_for(layers, (side, side, 1))
        except ValueError:  # the windows do not fit yet
            continue
        last = _stages(_of_images(chain), _unit(chain, None))[-1]
        if min(last.down[0], last.across[0]) > 0 and max(last.down[1], last.across[1]) < side:
            return chain
    raise ValueError(f"{OWNER}: image_shape must be given, as the field is larger than {4 * MOST} x {4 * MOST}")


def _built_for(layers: Sequence[Layer], shape: tuple[int, ...]) -> list[Layer]:
    root = Sequential(copy.deepcopy(list(layers)))
    root.build(shape, np.random.default_rng(0), np.float32)
    return list(chained(root))


def _of_images(chain: list[Layer]) -> list[Layer]:
    """Return the chain; raise if its output is not an image."""
    if len(chain[-1].output_shape or ()) != 3:
        got = f"{type(chain[-1]).__name__}, whose units see the whole image"
        raise ValueError(f"{OWNER}: network must end in a layer whose output is an image, got {got}")
    return chain


def _unit(chain: list[Layer], unit: tuple[int, int] | None) -> tuple[int, int]:
    oh, ow, _ = chain[-1].output_shape or ()
    if unit is None:
        return oh // 2, ow // 2
    row, column = (arguments.whole(OWNER, "unit", part) for part in unit)
    if row >= oh or column >= ow:
        raise ValueError(f"{OWNER}: unit must lie in the output of {oh} x {ow}, got {unit}")
    return row, column


def _stages(chain: list[Layer], unit: tuple[int, int]) -> list[Stage]:
    """The fields of one unit of each layer that changes the field, in forward order."""
    stages = []
    span: tuple[Span, ...] = ((unit[0], unit[0] + 1), (unit[1], unit[1] + 1))
    for k in range(len(chain), 0, -1):
        middle = [(start + stop - 1) // 2 for start, stop in span]
        field: tuple[Span, ...] = tuple((index, index + 1) for index in middle)
        for layer in reversed(chain[:k]):
            field = _span(layer, field)
        if _window(chain[k - 1]) is not None or chain[k - 1].sublayers() or k == len(chain):
            stages.append(Stage(_told(chain[k - 1]), *field))
        span = _span(chain[k - 1], span)
    return stages[::-1]


# --- one layer back -------------------------------------------------------------------------------------------------


def _window(layer: Layer) -> Window | None:
    """The window of a convolution or pooling layer; None for other layers."""
    if not isinstance(layer, Conv2D | Pool2D):
        return None
    size = layer.kernel_size if isinstance(layer, Conv2D) else layer.pool_size
    return window_over(layer.label, layer.input_shape or (), size, layer.strides, layer.padding)


def _kind(layer: Layer) -> type[Layer]:
    """The class in tinydl.layers whose forward the layer has."""
    kind = KNOWN.get(type(layer).forward)
    if kind is None:
        raise TypeError(f"{OWNER}: network must consist of tinydl's layers for images, got {layer.label}, which may "
                        "read any pixel")  # fmt: skip
    return kind


def _back_paths(layer: Layer, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The number of paths from each pixel of a layer's input, given that from each pixel of its output."""
    kind, window = _kind(layer), _window(layer)
    if window is not None:
        h, w = (layer.input_shape or ())[:2]
        windows = np.repeat(counts.reshape(-1, 1), window.size[0] * window.size[1], axis=1)
        return conv.col2im(windows, (1, h, w, 1), window)[0, ..., 0]
    if isinstance(layer, Sequential) and kind is Sequential:
        for inner in reversed(layer.layers):
            counts = _back_paths(inner, counts)
        return counts
    if isinstance(layer, Residual):
        around = counts if layer.shortcut is None else _back_paths(layer.shortcut, counts)
        return _back_paths(layer.body, counts) + around
    if isinstance(layer, Branches):
        return np.sum([_back_paths(branch, counts) for branch in layer.branches], axis=0)
    return counts


def _paths(chain: list[Layer], shape: tuple[int, ...] | None, unit: tuple[int, int]) -> NDArray[np.float64]:
    counts = np.zeros((shape or ())[:2])
    counts[unit] = 1
    for layer in reversed(chain):
        counts = _back_paths(layer, counts)
        counts /= counts.max() or 1  # the numbers of paths in a deep network overflow
    return counts


def _span(layer: Layer, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """The rows and the columns of a layer's input that those of its output depend on, including padding."""
    kind, window = _kind(layer), _window(layer)
    if window is not None:
        return tuple(
            (start * stride - before, (stop - 1) * stride - before + size)
            for (start, stop), size, stride, (before, _) in zip(spans, *window, strict=True)
        )
    if isinstance(layer, Sequential) and kind is Sequential:
        for inner in reversed(layer.layers):
            spans = _span(inner, spans)
        return spans
    ways: list[tuple[Span, ...]] = [spans]
    if isinstance(layer, Residual):
        ways = [_span(layer.body, spans), spans if layer.shortcut is None else _span(layer.shortcut, spans)]
    if isinstance(layer, Branches):
        ways = [_span(branch, spans) for branch in layer.branches]
    return tuple((min(s for s, _ in axis), max(e for _, e in axis)) for axis in zip(*ways, strict=True))


def _told(layer: Layer) -> str:
    """ "conv2d_1, 3 x 3 / 2": the layer's name, its window, and its stride unless that is 1."""
    window = _window(layer)
    name = layer.name or type(layer).__name__
    if window is None:
        return name
    (kh, kw), (sh, sw), _ = window
    stride = "" if sh == sw == 1 else f" / {sh if sh == sw else sizes(sh, sw)}"
    return f"{name}, {sizes(kh, kw)}{stride}"
