"""Boards of numbered cells, from which the pictures of windows are drawn: one unit of the axes is one cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from .. import arguments
from ..layer import Shape
from .style import BLUE, GREEN, INK, VERMILION, Picture, headline

WINDOWS = (BLUE, VERMILION, GREEN)  # the colors of windows picked out
LINES, PADDED = "#b8b8b8", "#e4e4e4"  # lines between cells; cells of padding
LARGEST, SMALLEST = 8.0, 4.4  # text sizes in points: smaller numbers are left out
CELL = 0.32  # inches: the largest side of a cell
WIDTH = 7.0  # inches: a page's text
MOST = 64  # the largest side of an image whose pixels are drawn one by one


def board(ax: Axes | None, width: float, height: float, title: str, columns: float = WIDTH) -> tuple[Figure, Axes]:
    """Axes without a frame for width x height cells, y pointing down, and the title above.

    New figures are at most `columns` inches wide. Cells are square, and as large as the axes and CELL allow.
    """
    if ax is None:
        inches = min(columns / width, CELL)
        lines = title.count("\n") + 1
        figure: Figure = Picture(figsize=(columns, inches * height + 0.2 * lines + 0.1), layout="constrained")
        ax = figure.subplots()
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", anchor="N")
    ax.axis("off")
    headline(ax, title)
    return ax.figure.figure, ax


def cell_points(ax: Axes) -> float:
    """The side of a cell in points, once the layout has found the axes' place."""
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    (x0, _), (x1, _) = ax.transData.transform([(0, 0), (1, 0)])
    return float(abs(x1 - x0)) * 72 / figure.dpi


def cells(
    ax: Axes, x: float, y: float, texts: Sequence[Sequence[str]], side: float, *, fills: Any = None, weights: Any = None
) -> bool:
    """Draw a table of cells with its upper left corner at (x, y); return whether their texts could be written.

    texts    rows of equal length
    side     of a cell, in points: texts that would have to be smaller than SMALLEST are left out
    fills    the cells' colors, or None for white, as an array or list of the shape of texts
    weights  "bold" or "normal", likewise
    """
    rows, columns = len(texts), len(texts[0])
    for i, j in np.ndindex(rows, columns):
        fill = None if fills is None else fills[i][j]
        if fill is not None:
            ax.add_patch(Rectangle((x + j, y + i), 1, 1, fc=fill, lw=0, zorder=0.8))
    down = [[(x, y + i), (x + columns, y + i)] for i in range(rows + 1)]
    across = [[(x + j, y), (x + j, y + rows)] for j in range(columns + 1)]
    ax.add_collection(LineCollection([*down, *across], colors=LINES, linewidths=min(0.7, side / 14), zorder=1))
    size = text_size(max(len(text) for row in texts for text in row), side)
    if size < SMALLEST:
        return False
    for i, j in np.ndindex(rows, columns):
        if texts[i][j]:
            weight = "normal" if weights is None else weights[i][j]
            center: dict[str, Any] = {"ha": "center", "va": "center_baseline", "zorder": 3}
            ax.text(x + j + 0.5, y + i + 0.5, texts[i][j], fontsize=size, color=INK, weight=weight, **center)
    return True


def text_size(characters: int, side: float) -> float:
    """The largest size, in points, of a text of so many characters within a cell."""
    return min(LARGEST, 0.52 * side, 0.88 * side / (0.62 * max(characters, 1)))


def outline(
    ax: Axes, x: float, y: float, width: float, height: float, color: str, side: float, *, fill: bool = True,
    inset: float = 0.0, **how: Any,
) -> None:  # fmt: skip
    """A thick frame around a block of cells, by default with a tint of its color inside."""
    box = (x + inset, y + inset), width - 2 * inset, height - 2 * inset
    if fill:
        ax.add_patch(Rectangle(*box, fc=color, alpha=0.16, lw=0, zorder=0.9))
    how = {"lw": min(2.0, max(0.9, side / 9)), "zorder": 2, "joinstyle": "miter", **how}
    ax.add_patch(Rectangle(*box, fill=False, ec=color, **how))


def caption(ax: Axes, x: float, y: float, text: str, side: float, **how: Any) -> None:
    """Text beside a board, by default above its upper left corner."""
    how = {"ha": "left", "va": "bottom", "color": INK, "fontsize": min(LARGEST, max(0.55 * side, 6.5)), **how}
    ax.text(x, y, text, **how)


def tint(color: str, share: float) -> tuple[float, ...]:
    """The color mixed with white: all of it for a share of 1."""
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def numbers(values: ArrayLike, form: str = "{:g}") -> list[list[str]]:
    """The entries of a matrix as texts, with a minus sign that is as wide as a plus sign."""
    return [[form.format(value).replace("-", "\N{MINUS SIGN}") for value in row] for row in np.asarray(values).tolist()]


def image_shape_of(owner: str, shape: Iterable[int] | int, channels: int) -> Shape:
    """Return (height, width, channels) of an image that can be drawn; a missing number of channels means 1."""
    given = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if len(given) == 2:
        given = (*given, 1)
    if len(given) != 3:
        raise ValueError(f"{owner}: image_shape must be (height, width) or (height, width, channels), got {shape!r}")
    h, w, c = (arguments.positive_int(owner, "image_shape", size) for size in given)
    if max(h, w) > MOST:
        got = f"{h} x {w}: draw a smaller one, which shows the same"
        raise ValueError(f"{owner}: image_shape must be at most {MOST} x {MOST}, got {got}")
    if c > channels:
        most = "1 channel" if channels == 1 else f"at most {channels} channels"
        raise ValueError(f"{owner}: image_shape must have {most}, got {c}: all channels are treated alike")
    return h, w, c


def sizes(*lengths: int) -> str:
    """ "3 x 5" """
    return " x ".join(map(str, lengths))
