"""Pictures of vision networks: their filters, each layer's response to an image, and their confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from ..files import PathLike
from ..layers import AveragePool2D, Container, Conv2D, MaxPool2D
from ..network import Network, chained
from .board import cell_points
from .mosaic import displayable, finite, lay_out, one_sample, tile
from .style import INK, VERMILION, finish, headline, panel, points

DARK = 0.55  # the share of the color scale above which text is white


def filters(
    W: ArrayLike, *, columns: int = 8, limit: int = 64, ax: Axes | None = None, source: str | None = None,
    path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """A convolution's filters side by side, all on one scale: black is -m, mid-gray 0, white +m, with m = max |W|.

    W       (kh, kw, in, out), a Conv2D's params["W"]; shown in color for 3 input channels (a bright red pixel is a
            large weight on red), in gray for 1, otherwise as the mean over the input channels, as the title notes
    limit   the largest number of filters to show

    ValueError: another shape, or weights that are not finite.
    """
    w = finite("filters: W", W)
    if w.ndim != 4 or w.size == 0:
        raise ValueError(f"filters: W must have shape (kh, kw, in, out), such as conv.params['W'], got {w.shape}")
    columns = arguments.positive_int("filters", "columns", columns)
    limit = arguments.positive_int("filters", "limit", limit)
    height, width, n_in, n_out = w.shape
    meaning = "" if n_in in (1, 3) else f" (mean over the {n_in} input channels)"
    shown = w[..., :limit] if n_in == 3 else w[..., :limit].mean(axis=2)
    scale = float(np.abs(shown).max())
    pictures = np.moveaxis(0.5 + 0.5 * shown / (scale or 1.0), -1, 0)  # each (kh, kw, 3) or (kh, kw), in [0, 1]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, ax = panel(ax, max(0.8 * columns, 6), 0.8 * rows + 0.85)
    lay_out(ax, columns, rows)
    for k, picture in enumerate(pictures):
        tile(ax, picture, k % columns, k // columns)
    count = f"{n_out} filters" if len(pictures) == n_out else f"the first {len(pictures)} of {n_out} filters"
    headline(
        ax,
        f"{count[0].upper()}{count[1:]}, {height} x {width} x {n_in}{meaning}\n"
        f"one scale for all: black -{scale:.3g}, mid-gray 0, white +{scale:.3g}",
    )
    return finish(figure, source, path)


def feature_maps(
    model: Network, image: ArrayLike, *, channels: int = 12, order: str = "active", ax: Axes | None = None,
    source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """An image, and each convolution and pooling layer's response to it: one row of channels per layer.

    image     one sample of the model's input: (height, width, channels), or with a batch axis of 1
    channels  the number of channels per row
    order     "active": the channels with the largest mean |activation|, largest first; "first": the first channels

    Each row has its own scale, from the layer's smallest to its largest activation, printed beside the row. The small
    number above a map is its channel's index. Both are left out on axes too narrow for them. Residual and Branches
    layers are represented by their outputs.

    ValueError: an image that does not fit the model, or a model without convolution and pooling layers.
    """
    channels = arguments.positive_int("feature_maps", "channels", channels)
    order = arguments.one_of("feature_maps", "order", order, ("active", "first"))
    x = one_sample("feature_maps", image, model.input_shape)
    maps, after = [], x.astype(model.dtype)
    for layer in chained(model.root):
        after = layer.forward(after)
        if isinstance(layer, Conv2D | MaxPool2D | AveragePool2D | Container) and after.ndim == 4:
            maps.append((layer, after[0]))
    if not maps:
        raise ValueError(f"feature_maps: {model.name!r} has no convolution or pooling layer whose maps can be shown")
    widest = max(min(channels, output.shape[-1]) for _, output in maps)
    label_room, pitch = 1.9, 1.14  # in cells: the width of the labels and the distance between rows
    figure, ax = panel(ax, max(0.85 * (widest + label_room), 9), 0.85 * pitch * (len(maps) + 1) + 0.65)
    lay_out(ax, widest, len(maps) + 1, left=label_room, row_height=pitch)
    tile(ax, displayable(x)[0], 0, 0)
    side = cell_points(ax)
    _row_label(ax, 0, "input", x.shape[1:], float(x.min()), float(x.max()), side)
    for number, (layer, output) in enumerate(maps, start=1):
        row = pitch * number
        low, high = min(float(output.min()), 0.0), float(output.max())
        activity = np.abs(output).mean(axis=(0, 1))
        chosen = np.argsort(-activity, kind="stable") if order == "active" else np.arange(len(activity))
        for column, k in enumerate(chosen[:channels].tolist()):
            tile(ax, output[..., k], column, row, cmap="viridis", vmin=low, vmax=max(high, low + 1e-12))
            if side >= 22:
                ax.text(column + 0.5, row + 0.05, str(k), ha="center", va="bottom", fontsize=points(ax, 7), color=INK)
        _row_label(ax, row, layer.name or type(layer).__name__, output.shape, low, high, side)
    which = "most active" if order == "active" else "first"
    headline(
        ax,
        f"Each layer's response to one image: its {which} channels, bright where active; one scale per row",
    )
    return finish(figure, source, path)


def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, names: Sequence[str], *, ax: Axes | None = None, source: str | None = None,
    path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The confusion matrix: a row per true class, a column per predicted class, counts and row shares in each cell.

    y_true, y_pred  (n,) class numbers 0 .. len(names) - 1
    Cells with a count of 0 are blank; for more than 20 classes only the colors are drawn, darker for larger shares.

    ValueError: labels that are not class numbers, or unequal lengths.
    """
    classes = len(names)
    y, said = _class_numbers("y_true", y_true, classes), _class_numbers("y_pred", y_pred, classes)
    if y.shape != said.shape:
        raise ValueError(f"y_pred must have y_true's length {len(y)}, got {len(said)}")
    counts = np.bincount(classes * y + said, minlength=classes**2).reshape(classes, classes)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    size = float(np.clip(0.82 * classes + 1.8, 5, 14))
    figure, ax = panel(ax, size, size)
    norm = PowerNorm(0.5, 0, 1)  # confusions of a few percent stay visible beside the diagonal
    ax.imshow(shares, cmap="Blues", norm=norm)
    if classes <= 20:
        for i, j in zip(*np.nonzero(counts), strict=True):
            colour = "white" if norm(shares[i, j]) > DARK else "black"
            weight = "bold" if i == j else "normal"
            how: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
            ax.text(j, i - 0.13, f"{counts[i, j]:,}", fontsize=points(ax, 11), weight=weight, **how)
            percent = "<1 %" if shares[i, j] < 0.01 else f"{100 * shares[i, j]:.0f} %"
            ax.text(j, i + 0.24, percent, fontsize=points(ax, 8), **how)
    if max(map(len, names)) > 3:
        ax.set_xticks(range(classes), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=points(ax, 11))
    else:
        ax.set_xticks(range(classes), names, fontsize=points(ax, 11))
    ax.set_yticks(range(classes), [f"{n} ({t:,})" for n, t in zip(names, totals, strict=True)], fontsize=points(ax, 11))
    ax.set_xticks(np.arange(0.5, classes - 1), minor=True)
    ax.set_yticks(np.arange(0.5, classes - 1), minor=True)
    ax.grid(which="minor", color="white", lw=1.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted class", fontsize=points(ax, 12))
    ax.set_ylabel("true class (number of rows)", fontsize=points(ax, 12))
    right = int(np.trace(counts))
    headline(
        ax,
        f"Confusion matrix: {right:,} of {counts.sum():,} right ({right / counts.sum():.2%})\n"
        "counts, and shares of the row",
    )
    return finish(figure, source, path)


def most_confident_mistakes(
    images: ArrayLike, y_true: ArrayLike, probabilities: ArrayLike, names: Sequence[str], *, count: int = 20,
    columns: int = 5, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The most probable wrong predictions, in descending order, with their predicted and true classes.

    images         (n, height, width, 3 or 1) or (n, height, width); uint8, or floats
    probabilities  (n, classes), rows that sum to 1; the model's probability is printed beside each name

    ValueError: lengths or shapes that do not match, or logits instead of probabilities.
    """
    y = _class_numbers("y_true", y_true, len(names))
    p = _probabilities(probabilities, len(y), len(names))
    x = np.asarray(images)
    if x.ndim not in (3, 4) or len(x) != len(y) or (x.ndim == 4 and x.shape[-1] not in (1, 3)):
        expected = f"({len(y)}, height, width) or ({len(y)}, height, width, 1 or 3), one image per label"
        raise ValueError(f"images must have shape {expected}, got {x.shape}")
    count = arguments.positive_int("most_confident_mistakes", "count", count)
    columns = arguments.positive_int("most_confident_mistakes", "columns", columns)
    says = p.argmax(axis=1)
    wrong = np.flatnonzero(says != y)
    worst = wrong[np.argsort(-p[wrong, says[wrong]], kind="stable")][:count]
    columns = min(columns, max(len(worst), 3))  # no narrower than the title
    rows = max(-(-len(worst) // columns), 1)
    figure, ax = panel(ax, 1.75 * columns, 2.2 * rows + 0.7)
    lay_out(ax, columns, rows, row_height=1.28)
    longest = len('says "" 0.00') + max(map(len, names))
    size = min(points(ax, 10), 0.98 * cell_points(ax) / (0.55 * longest))
    for place, (i, picture) in enumerate(zip(worst, displayable(x[worst]), strict=True)):
        column, row = place % columns, 1.28 * (place // columns)
        tile(ax, picture, column, row + 0.28, interpolation="nearest")
        for offset, verb, k, colour in ((0.17, "says", says[i], VERMILION), (0.31, "is", y[i], "black")):
            name = f'"{names[k]}"' if names[k][-1].isdigit() else names[k]  # a number follows
            text = f"{verb} {name} {p[i, k]:.2f}"
            ax.text(column + 0.5, row + offset, text, ha="center", va="bottom", fontsize=size, color=colour)
    if len(worst) == 0:
        ax.text(columns / 2, 0.6, "no mistakes", ha="center", va="center", fontsize=points(ax, 14))
    headline(ax, f"The most confident mistakes ({len(wrong):,} of {len(y):,} are wrong)")
    return finish(figure, source, path)


def _row_label(ax: Axes, row: float, name: str, shape: tuple[int, ...], low: float, high: float, side: float) -> None:
    """The layer's name beside its row, and its shape and range if a row, `side` points high, has room for them."""
    room = side >= 38
    at, align = (row + 0.4, "bottom") if room else (row + 0.56, "center")
    ax.text(-0.15, at, name, ha="right", va=align, fontsize=points(ax, 10) if room else 5.5, weight="bold")
    if room:
        details = f"{' x '.join(map(str, shape))}\n{low:.3g} to {high:.3g}"
        ax.text(-0.15, row + 0.44, details, ha="right", va="top", fontsize=points(ax, 8.5), color=INK)


def _class_numbers(name: str, labels: ArrayLike, classes: int) -> NDArray[np.int64]:
    y = np.asarray(labels)
    if y.ndim != 1 or y.dtype.kind not in "iu" or len(y) == 0:
        mend = f": take {name}.argmax(axis=1)" if y.ndim == 2 else ""
        raise ValueError(f"{name} must be one-dimensional class numbers, got {y.dtype} of shape {y.shape}{mend}")
    if y.min() < 0 or y.max() >= classes:
        raise ValueError(f"{name} must hold class numbers 0 to {classes - 1}, one per name, got {y.min()} to {y.max()}")
    return y.astype(np.int64)


def _probabilities(values: ArrayLike, rows: int, classes: int) -> NDArray[np.float64]:
    p = np.asarray(values, dtype=np.float64)
    if p.shape != (rows, classes):
        raise ValueError(f"probabilities must have shape ({rows}, {classes}), one column per name, got {p.shape}")
    if not (np.isfinite(p).all() and p.min() >= 0 and np.allclose(p.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("probabilities must be >= 0 and sum to 1 in each row: apply a softmax to logits first")
    return p
