"""The picture of im2col: the windows of an image, and the rows of the matrix that they become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import PathLike
from ..layers import conv
from ..layers.sliding_window import check_padding, pair, window_over

from .board import (  # isort: skip
    PADDED, SMALLEST, WINDOWS, board, caption, cell_points, cells, image_shape_of, numbers, outline, sizes, text_size,
    tint,
)  # fmt: skip
from .style import GREY, finish, headline

OWNER = "im2col_diagram"
MOST_ROWS, MOST_COLUMNS = 20, 27  # of the matrix; more are left out in the middle
GAP = 2.2  # cells between boards


def im2col_diagram(
    image_shape: Iterable[int] = (6, 6, 1), kernel_size: int | tuple[int, int] = 3, strides: int | tuple[int, int] = 1,
    padding: str | int | tuple = "valid", *, ax: Axes | None = None, source: str | None = None,
    path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """An image x whose entries are numbered from 1, im2col's matrix cols with a row for each window, and the output y.

        cols[k, (p, q, c)] = xpad[i sh + p, j sw + q, c]     with k = i ow + j, the number in y's cell (i, j)

    Three windows have the color of their row in cols and of their entry in y. Of a long matrix, rows and columns in the
    middle are left out. The entries are those that `tinydl.layers.conv.im2col` gives; padding is 0, on gray.

    image_shape  (h, w) or (h, w, channels), at most 64 x 64 x 3
    The other arguments are those of Conv2D.

    ValueError: an argument that Conv2D refuses, or an image that is larger.
    """
    h, w, c = image_shape_of(OWNER, image_shape, 3)
    size, steps = pair(OWNER, "kernel_size", kernel_size), pair(OWNER, "strides", strides)
    window = window_over(OWNER, (h, w, c), size, steps, check_padding(OWNER, padding))
    (kh, kw), (sh, sw), ((top, bottom), (left, right)) = window
    oh, ow = window.places(h, w)
    x = np.arange(1.0, h * w * c + 1).reshape(1, h, w, c)
    cols = conv.im2col(x, window)
    rows, columns = _shown(oh * ow, MOST_ROWS), _shown(kh * kw * c, MOST_COLUMNS)
    high, wide = h + top + bottom, w + left + right
    at = max(wide, ow if c == 1 else 0) + GAP + 0.8  # the matrix's left edge; its row numbers need room
    first = 1.9  # the top edge of all boards
    stacked = c == 1  # y stands below x, or else below cols
    y_left, y_top = (0.0, first + high + 2.1) if stacked else (at, first + len(rows) + 1.9)
    title = (
        f"im2col: every window of x becomes a row of cols, and y = cols @ W\n"
        f"x {sizes(h, w, c)}, kernel {sizes(kh, kw)}, stride {sh if sh == sw else sizes(sh, sw)}"
        f"{f', padding {padding}' if padding != 'valid' else ''}: cols {sizes(*cols.shape)}, y {sizes(oh, ow)}"
    )
    bottom_edge = max(first + c * (high + 1.4) - 1.4, first + len(rows), y_top + oh)
    figure, ax = board(ax, at + max(len(columns), 0 if stacked else ow) + 0.1, bottom_edge + 0.2, title)
    side = cell_points(ax)
    picked = _picked(oh, ow, rows)

    padded = np.pad(x[0], ((top, bottom), (left, right), (0, 0)))
    inside = np.pad(np.ones((h, w), bool), ((top, bottom), (left, right)))
    fills = [[None if inner else PADDED for inner in row] for row in inside]
    written = True
    for channel in range(c):
        y = first + channel * (high + 1.4)
        name = "x" if c == 1 else f"x, channel {channel}"
        caption(ax, 0, y - 0.25, name, side, weight="bold")
        written &= cells(ax, 0, y, numbers(padded[..., channel]), side, fills=fills)
        for color, k in zip(WINDOWS, picked, strict=False):
            i, j = divmod(k, ow)
            outline(ax, j * sw, y + i * sh, kw, kh, color, side)

    _draw_matrix(ax, at, first, cols, rows, columns, side, (kh, kw, c))
    caption(ax, y_left, y_top - 0.25, "y, by row of cols", side, weight="bold")
    marks: Any = [[None] * ow for _ in range(oh)]
    for color, k in zip(WINDOWS, picked, strict=False):
        outline(ax, at, first + rows.index(k), len(columns), 1, color, side)
        marks[k // ow][k % ow] = tint(color, 0.3)
        outline(ax, y_left + k % ow, y_top + k // ow, 1, 1, color, side, fill=False)
    written &= cells(ax, y_left, y_top, numbers(np.arange(oh * ow).reshape(oh, ow)), side, fills=marks)
    if not written:
        headline(ax, f"{title}\n(numbers left out: the cells are too small)")
    return finish(figure, source, path)


def _shown(count: int, most: int) -> list[int]:
    """The indices drawn of `count`; -1 stands for those that are left out."""
    return list(range(count)) if count <= most else [*range(most - 3), -1, count - 2, count - 1]


def _picked(oh: int, ow: int, rows: list[int]) -> list[int]:
    """The first window, one in the middle, and the last."""
    middle = (min(oh, 3) // 2) * ow + min(ow, 3) // 2
    middle = middle if middle in rows else 1
    return sorted({0, min(middle, oh * ow - 1), oh * ow - 1})


def _draw_matrix(
    ax: Axes, x: float, y: float, cols: Any, rows: list[int], columns: list[int], side: float, size: tuple[int, ...]
) -> None:
    """The matrix, with the windows' numbers beside its rows and (p, q, c) above its columns."""
    dots = "\N{MIDLINE HORIZONTAL ELLIPSIS}"
    cells(ax, x, y, [[dots if -1 in (k, m) else f"{cols[k, m]:g}" for m in columns] for k in rows], side)
    small = min(7.0, 0.42 * side)
    names = "p, q" if size[2] == 1 else "p, q, c"
    caption(ax, x, y - 1.05, f"cols, with ({names}) above", side, weight="bold")
    heads = [np.unravel_index(m, size)[: len(names.split(", "))] if m >= 0 else () for m in columns]
    comma = "" if max(size) <= 10 and size[2] > 1 else ","
    texts = [comma.join(map(str, head)) for head in heads]
    head_size = min(small, text_size(max(map(len, texts)), side))
    for place, text in enumerate(texts if head_size >= SMALLEST else ()):
        style: Any = {"fontsize": head_size, "color": GREY, "ha": "center", "va": "bottom"}
        ax.text(x + place + 0.5, y - 0.2, text, **style)
    for place, k in enumerate(rows if small >= SMALLEST else ()):
        if k >= 0:
            ax.text(x - 0.2, y + place + 0.5, str(k), fontsize=small, color=GREY, ha="right", va="center_baseline")
