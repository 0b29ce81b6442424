"""The picture of pooling: which entries pass forward, and which entries the gradient reaches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .. import arguments
from ..files import PathLike
from ..kernels import Window
from ..layers import AveragePool2D, MaxPool2D
from ..layers.sliding_window import window_over
from .board import board, caption, cell_points, cells, image_shape_of, numbers, outline, sizes, tint
from .style import BLUE, INK, VERMILION, finish

OWNER = "pooling_diagram"
KINDS = ("max", "average")
GAP = 3.2  # cells between the boards, with an arrow
PLAIN, STRONG = 0.13, 0.5  # tints: an entry of a window; one that gets gradient


def pooling_diagram(
    image_shape: Iterable[int] = (6, 6), pool_size: int | tuple[int, int] = 2,
    strides: int | tuple[int, int] | None = None, padding: str | int | tuple = "valid", *, kind: str = "max",
    seed: int = 0, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """Four boards, x and its pooled y above, dx and dy below: the forward and the backward pass of a pooling layer.

    x is a random order of the numbers 1, 2, ..., and dy has random integers from -9 to 9 without 0; y and dx are what
    the layer computes. Windows that do not overlap are tinted alternately. For max pooling, the largest entry of each
    window is bold and strongly tinted. If windows overlap, it is blue, or orange if it is the largest of several
    windows: its dx is then the sum of their dy.

    image_shape  (h, w), at most 64 x 64; pooling treats each channel alone
    kind         "max" or "average"
    The other arguments are those of MaxPool2D and AveragePool2D.

    ValueError: an argument that the layer refuses, or an image that is larger.
    """
    h, w, _ = image_shape_of(OWNER, image_shape, 1)
    kind = arguments.one_of(OWNER, "kind", kind, KINDS)
    rng = np.random.default_rng(arguments.whole(OWNER, "seed", seed))
    layer = (MaxPool2D if kind == "max" else AveragePool2D)(pool_size, strides, padding)
    oh, ow, _ = layer.build((h, w, 1), rng, np.float64)
    x = rng.permutation(h * w).astype(np.float64).reshape(1, h, w, 1) + 1
    dy = rng.integers(1, 10, (1, oh, ow, 1)) * rng.choice([-1.0, 1.0], (1, oh, ow, 1))
    y, dx = layer.forward(x), layer.backward(dy)
    wins = (
        layer.backward(np.ones_like(dy))[0, ..., 0] if kind == "max" else np.zeros((h, w))
    )  # windows it is largest of
    note = "orange: the largest entry of several windows, whose dy are added" if (wins > 1).any() else ""

    kh, kw = layer.pool_size
    sh, sw = layer.strides
    stride = sh if sh == sw else sizes(sh, sw)
    told = "the largest entry of each window" if kind == "max" else "the mean of each window"
    goes = "dy goes to that entry alone" if kind == "max" else "its entries share dy equally"
    title = (
        f"{type(layer).__name__} {sizes(kh, kw)}, stride {stride}{f', padding {padding}' if padding != 'valid' else ''}"
        f"\nforward: {told}; backward: {goes}"
    )
    right, lower = w + GAP, 1.4 + h + 1.8
    figure, ax = board(ax, right + max(ow, 3) + 0.1, lower + h + (1.2 if note else 0.2), title)
    side = cell_points(ax)
    window = window_over(OWNER, (h, w, 1), layer.pool_size, layer.strides, layer.padding)
    apart = sh >= kh and sw >= kw  # no two windows overlap
    parity = _parity(window, (h, w), (oh, ow)) if apart else np.full((h, w), -1)
    chessboard = np.add.outer(range(oh), range(ow)) % 2 if apart else np.full((oh, ow), -1)
    of_window = _fills(chessboard, np.full((oh, ow), apart))
    heavy = np.where(wins > 0, "bold", "normal").tolist()
    for top, left, name, values, fills, weights in (
        (1.4, 0.0, "x", x, _fills(parity, wins), heavy),
        (1.4, right, "y", y, of_window, None),
        (lower, 0.0, "dx", dx, _fills(parity, wins if kind == "max" else parity >= 0, others=False), heavy),
        (lower, right, "dy", dy, of_window, None),
    ):
        caption(ax, left, top - 0.25, name, side, weight="bold")
        cells(ax, left, top, numbers(values[0, ..., 0], "{:.3g}"), side, fills=fills, weights=weights)
    _arrow(ax, w, right, 1.4 + oh / 2, kind, side)
    _arrow(ax, right, w, lower + oh / 2, "backward", side)
    for i, j in np.ndindex(oh, ow) if apart else ():
        for top in (1.4, lower):
            place = j * sw - window.padding[1][0], top + i * sh - window.padding[0][0]
            _frame(ax, place, (kh, kw), (0, top, w, top + h), side)
    caption(ax, 0, lower + h + 0.3, note, side, va="top")
    return finish(figure, source, path)


def _parity(window: Window, image: tuple[int, int], places: tuple[int, int]) -> NDArray[np.int64]:
    """0 or 1 for each pixel, as on a chessboard of windows; -1 for a pixel in no window. Windows must not overlap."""
    found = np.full(image, -1)
    for i, j in np.ndindex(*places):
        (top, _), (left, _) = window.padding
        row, column = i * window.strides[0] - top, j * window.strides[1] - left
        found[max(row, 0) : row + window.size[0], max(column, 0) : column + window.size[1]] = (i + j) % 2
    return found


def _fills(parity: NDArray[np.int64], wins: Any, others: bool = True) -> list[list[Any]]:
    """The cells' colors: strong for entries that gradient reaches, and weak for others, unless these stay white."""

    def fill(side: int, count: float) -> Any:
        if side < 0:  # the windows overlap: the colors tell how many windows an entry is the largest of
            return tint(VERMILION if count > 1 else BLUE, STRONG) if count else None
        return tint((BLUE, VERMILION)[side], STRONG if count else PLAIN) if count or others else None

    return [[fill(*pair) for pair in zip(*rows, strict=True)] for rows in zip(parity, np.asarray(wins), strict=True)]


def _frame(
    ax: Axes, place: tuple[float, float], size: tuple[int, int], image: tuple[float, float, float, float], side: float
) -> None:
    """The outline of a window, as far as it lies in the image (left, top, right, bottom)."""
    left, top = max(place[0], image[0]), max(place[1], image[1])
    right, bottom = min(place[0] + size[1], image[2]), min(place[1] + size[0], image[3])
    outline(ax, left, top, right - left, bottom - top, INK, side, fill=False, lw=min(1.1, side / 12))


def _arrow(ax: Axes, start: float, end: float, y: float, text: str, side: float) -> None:
    sign = 1 if end > start else -1
    style = {"arrowstyle": "-|>", "color": INK, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (end - sign * 0.5, y), (start + sign * 0.5, y), arrowprops=style)
    caption(ax, (start + end) / 2, y - 0.25, text, side, ha="center")
