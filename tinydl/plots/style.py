"""The style of all pictures (colors, axes, and titles that name the data), and how pictures are saved."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import PathLike, write_whole

BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#767676"
INK = "#333333"  # text and outlines
COLOURS = (GREEN, PURPLE, ORANGE, SKY, "#000000", GREY, "#882255")  # for models; blue and vermilion are for two classes
FORMATS = (".png", ".svg", ".pdf")
TITLE, LABEL, TICK = 13, 12, 10  # text sizes in points, on a figure 10 inches wide
# Text in a PDF stays text, and text in an SVG becomes outlines, since a browser may lack the font. The salt makes names
# in an SVG the same in every run.
WRITING: Any = {"svg.fonttype": "path", "svg.hashsalt": "tinydl", "pdf.fonttype": 42}


class Picture(Figure):
    """A Figure that notebooks show as a picture, which those of pyplot alone do otherwise."""

    def _repr_png_(self) -> bytes:
        return png(self)


def panel(ax: Axes | None = None, width: float = 10, height: float = 5) -> tuple[Figure, Axes]:
    """Return a figure and axes: `ax` and its figure if given, else new ones of `width` by `height` inches."""
    if ax is None:
        figure = Picture(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()
    return ax.figure.figure, ax


def points(ax: Axes, size: float) -> float:
    """The size of a text in points: `size` on a figure 10 inches wide, and smaller on one as narrow as a column."""
    return size * min(max(ax.figure.figure.get_figwidth() / 10, 0.6), 1)


def headline(ax: Axes, text: str, size: float = LABEL) -> None:
    """Set the title, its lines wrapped to the width of the figure, or of the axes if there are several."""
    size, figure = points(ax, size), ax.figure.figure
    room = figure.get_figwidth() * (1 if len(figure.axes) == 1 else 1.1 * ax.get_position().width)  # inches
    together = text.replace(" x ", "\0x\0")  # a line must not end within "3 x 3"
    lines = [textwrap.fill(line, max(int(room * 72 / (0.56 * size)), 12)) for line in together.splitlines()]
    ax.set_title("\n".join(lines).replace("\0x\0", " x "), fontsize=size)


def dress(ax: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Set the title, axis labels, grid and spines as in all pictures."""
    headline(ax, title, TITLE)
    ax.set_xlabel(xlabel, fontsize=points(ax, LABEL))
    ax.set_ylabel(ylabel, fontsize=points(ax, LABEL))
    ax.tick_params(which="both", labelsize=points(ax, TICK))
    ax.grid(alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def add_legend(ax: Axes, *entries: Sequence[object], title: str | None = None) -> None:
    """Put the legend beside the axes, where it covers no data.

    entries: curves and their names; by default all labeled curves.

    If the figure has no layout engine to make room beside the axes, the legend goes inside, where it covers least.
    """
    room = ax.figure.figure.get_layout_engine() is not None
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0} if room else {}
    ax.legend(*entries, title=title, title_fontsize=points(ax, TICK), fontsize=points(ax, TICK), **place)


def finish(figure: Figure, source: str | None, path: PathLike | None) -> Figure:
    """Name the data in the title if `source` is given; save the picture if `path` is given."""
    beside = len(figure.axes) == 1 and figure.axes[0].get_legend() is not None  # the legend shifts the title left
    size = float(figure.axes[0].title.get_fontsize()) if len(figure.axes) == 1 else LABEL
    characters = round((7 if beside else 9) * figure.get_figwidth() * LABEL / size)  # per line of the title
    lines = [] if not source else [source] if len(source) <= characters else source.split("; ")
    named = "".join(f"\n{textwrap.fill(line, characters)}" for line in lines)
    if len(figure.axes) == 1:
        figure.axes[0].title.set_text(figure.axes[0].get_title() + named)  # set_title would reset its size
    elif figure.get_suptitle() or named:
        figure.suptitle(figure.get_suptitle() + named, fontsize=15, fontweight="bold")
    if path is not None:
        save(figure, path)
    return figure


def save(figure: Figure, path: PathLike) -> None:
    """Write the picture, completely or not at all, in the format of its suffix: .png (also without one), .svg or .pdf.

    ValueError: another suffix.
    """
    suffix = Path(os.fspath(path)).suffix.lower() or ".png"
    if suffix not in FORMATS:
        raise ValueError(f"path must end in {', '.join(FORMATS)}, got {os.fspath(path)!r}")
    write_whole(path, png(figure, 120) if suffix == ".png" else _drawn(figure, suffix[1:]))


def png(figure: Figure, dpi: int = 80) -> bytes:
    """The picture as the content of a PNG file."""
    return _drawn(figure, "png", dpi=dpi)


def _drawn(figure: Figure, form: str, **how: Any) -> bytes:
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)  # the same picture gives the same bytes
    content = io.BytesIO()
    with matplotlib.rc_context(WRITING):
        figure.savefig(content, format=form, metadata=undated, **how)
    return content.getvalue()


def cycle(named: Mapping[str, object]) -> list[str]:
    """A color for each named curve; raises if there are no curves."""
    if not named:
        raise ValueError("expected at least one named curve, {name: values}, got none")
    return [COLOURS[i % len(COLOURS)] for i in range(len(named))]
