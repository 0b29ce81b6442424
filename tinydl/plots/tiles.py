"""The picture of Winograd's convolution: the overlapping tiles of x, and the tiles of y that they give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import PathLike
from ..kernels.convolution.winograd_tiles import best_size, tiling_of
from ..layers.sliding_window import check_padding, pair, window_over

from .board import (  # isort: skip
    PADDED, SMALLEST, WINDOWS, board, caption, cell_points, cells, image_shape_of, outline, sizes, text_size,
)  # fmt: skip
from .style import INK, finish

OWNER = "tiles_diagram"
GAP = 2.4  # cells between x and y
TOP = 1.4  # the upper edge of both
SIDES = (2, 3)  # the kernels that have transforms
DROPPED = "#cfcfcf"  # outputs beyond y


def tiles_diagram(
    image_shape: Iterable[int] = (8, 8), kernel_size: int | tuple[int, int] = 3, padding: str | int | tuple = "same",
    *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The tiles of Winograd's convolution: s x s pixels of x for every m x m pixels of y, with m = s + 1 - kernel size.

    The tiles of y lie side by side; those of x, which must include the windows of all their outputs, overlap by
    kernel size - 1. Each tile takes s s products per channel and filter, in place of m m kh kw. s is 6 or 5, whichever
    takes fewer products. Three tiles are colored.
    Padding, on light gray, also fills up the last tiles; outputs on darker gray are computed and dropped.
    Numbers are left out where they do not fit into a tile.
    The tiling is that of tinydl/kernels/convolution, whose winograd.py derives the algorithm.

    image_shape  (h, w), at most 64 x 64
    kernel_size  2 or 3; the strides are 1
    padding      as in Conv2D

    ValueError: a larger image, other kernels (which have no transforms here), an invalid padding.
    """
    h, w, _ = image_shape_of(OWNER, image_shape, 1)
    size = pair(OWNER, "kernel_size", kernel_size)
    if size[0] != size[1] or size[0] not in SIDES:
        raise ValueError(f"{OWNER}: kernel_size must be 2 or 3, which have transforms, got {sizes(*size)}")
    window = window_over(OWNER, (h, w, 1), size, (1, 1), check_padding(OWNER, padding))
    oh, ow = window.places(h, w)
    output = (1, oh, ow, 1)
    tile, m, down, across, top, left = tiling_of(window, output, best_size(window, output))
    high, wide = down * m + size[0] - 1, across * m + size[0] - 1  # the pixels of x that the tiles cover
    right = wide + GAP
    title = (
        f"Winograd's tiles: {sizes(tile, tile)} pixels of x give {sizes(m, m)} of y, with {tile**2} products instead "
        f"of {m * m * size[0] ** 2}\nx {sizes(h, w)}, kernel {sizes(*size)}: {sizes(down, across)} tiles, which overlap"
        f" by {size[0] - 1} in x"
    )
    figure, ax = board(ax, right + across * m + 0.1, TOP + high + 0.2, title)
    side = cell_points(ax)
    inside = [[0 <= i - top < h and 0 <= j - left < w for j in range(wide)] for i in range(high)]
    kept = [[i < oh and j < ow for j in range(across * m)] for i in range(down * m)]
    for x, name, known, color in ((0.0, "x", inside, PADDED), (right, "y", kept, DROPPED)):
        caption(ax, x, TOP - 0.25, name, side, weight="bold")
        fills = [[None if one else color for one in row] for row in known]
        cells(ax, x, TOP, [[""] * len(row) for row in known], side, fills=fills)
    outline(ax, left, TOP + top, w, h, INK, side, fill=False, lw=1.2)
    size_of_text = min(max(0.55 * side, 6.5), text_size(len(str(down * across - 1)), m * side))
    picked = sorted({0, min(1, across - 1), (down > 1) * across + min(1, across - 1)})
    for number in range(down * across):
        i, j = divmod(number, across)
        color = WINDOWS[picked.index(number)] if number in picked else INK
        thin = {} if number in picked else {"lw": 0.9, "zorder": 1.5}
        outline(ax, right + j * m, TOP + i * m, m, m, color, side, fill=number in picked, **thin)
        middle: Any = {"ha": "center", "va": "center_baseline", "color": color, "fontsize": size_of_text}
        if size_of_text >= SMALLEST:
            weight = "bold" if number in picked else "normal"
            caption(ax, right + (j + 0.5) * m, TOP + (i + 0.5) * m, str(number), side, weight=weight, **middle)
        if number in picked:
            inset = 0.12 * picked.index(number)
            outline(ax, j * m, TOP + i * m, tile, tile, color, side, inset=inset)
            if size_of_text >= SMALLEST:
                caption(ax, j * m + tile / 2, TOP + i * m + tile / 2, str(number), side, weight="bold", **middle)
    return finish(figure, source, path)
