"""The latent space of an autoencoder: the codes of many rows as points in a plane."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from ..files import PathLike
from ..network import Network, chained
from .mosaic import finite
from .style import BLUE, COLOURS, TICK, VERMILION, add_legend, dress, finish, panel, points

SIZE = 5.3, 4.2  # inches
AT_ONCE = 1024  # rows in a batch
PALETTE = (BLUE, VERMILION, *COLOURS)
MARKERS = "os^Dv"  # so that colors need not be told apart alone


def codes(network: Network, x: ArrayLike, layer: str | None = None) -> NDArray:
    """The output of one layer of the chain, in inference mode, each sample as one row: (n, units).

    layer: its name; by default the bottleneck, the layer with the fewest outputs (the last layer left out)

    ValueError: x that does not fit the network, NaN or infinity, no such layer.
    """
    rows = finite("codes: x", x)
    if rows.shape[1:] != network.input_shape or len(rows) == 0:
        expected = ", ".join(["samples", *map(str, network.input_shape)])
        raise ValueError(f"codes: x must have shape ({expected}), got {rows.shape}")
    chain = list(chained(copy.deepcopy(network.root)))  # forward would replace the caches of the last pass
    names = [each.name or type(each).__name__ for each in chain]
    if layer is None:
        widths = [int(np.prod(each.output_shape or ())) for each in chain[:-1]] or [0]
        last = int(np.argmin(widths))
    else:
        last = names.index(arguments.one_of("codes", "layer", layer, names))
    found = []
    for start in range(0, len(rows), AT_ONCE):
        y = rows[start : start + AT_ONCE].astype(network.dtype)
        for each in chain[: last + 1]:
            y = each.forward(y)
        found.append(y.reshape(len(y), -1))
    return np.concatenate(found)


def principal_components(points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two directions in which points (n, d) vary most: (coordinates (n, 2), shares of the variance (2,)).

    With the singular value decomposition of the centered points, U S V.T, the coordinates are the first two columns of
    U S, and the shares s_k^2 / sum s^2. The sign of a direction is such that its largest entry is positive.

    ValueError: fewer than two columns, NaN or infinity.
    """
    p = finite("principal_components: points", points)
    if p.ndim != 2 or p.shape[1] < 2 or len(p) == 0:
        raise ValueError(f"principal_components: points must have shape (n, d) with d >= 2, got {p.shape}")
    U, S, V_T = np.linalg.svd(p - p.mean(axis=0), full_matrices=False)
    if len(S) < 2:  # a single point
        return np.zeros((len(p), 2)), np.zeros(2)
    signs = np.sign(V_T[np.arange(2), np.abs(V_T[:2]).argmax(axis=1)])
    return U[:, :2] * S[:2] * signs, S[:2] ** 2 / max(float((S**2).sum()), np.finfo(np.float64).tiny)


def latent_space(
    network: Network, x: ArrayLike, y: ArrayLike | None = None, *, layer: str | None = None,
    names: Sequence[str] | None = None, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """The codes of samples as points: as they are if the code has two units, else their first two principal components.

    The axes' labels tell which of the two, and the share of the codes' variance that each component keeps. With y,
    each class has a color and a marker, and its name stands at the median of its points.

    y      (n,) class numbers from 0, or None
    names  of the classes; by default their numbers
    The other arguments are those of `codes`.

    ValueError: as for `codes`; a code of one unit; labels that are not class numbers, or not one per sample.
    """
    found = codes(network, x, layer).astype(np.float64)
    if found.shape[1] < 2:
        raise ValueError(f"latent_space: layer must have 2 or more units, got {found.shape[1]}: choose another layer")
    labels = None if y is None else _labels(y, len(found), names)
    if found.shape[1] == 2:
        at, told = found, ["code, unit 0", "code, unit 1"]
        title = f"{len(found):,} codes"
    else:
        at, shares = principal_components(found)
        told = [f"principal component {k + 1} ({share:.0%} of the variance)" for k, share in enumerate(shares)]
        title = f"{len(found):,} codes of {found.shape[1]} units, by PCA"
    figure, ax = panel(ax, *SIZE)
    size = float(np.clip(4000 / len(found), 5, 30))
    how: Any = {"s": size, "alpha": 0.65, "linewidths": 0}
    if labels is None:
        ax.scatter(*at.T, color=BLUE, **how)
    for k in () if labels is None else np.unique(labels).tolist():
        own = at[labels == k]
        name = str(k) if names is None else names[k]
        color, marker = PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)]
        ax.scatter(*own.T, color=color, marker=marker, label=name, **how)
        middle, halo = np.median(own, axis=0), [withStroke(linewidth=2.5, foreground="white")]
        bold: Any = {"fontsize": points(ax, TICK + 3), "weight": "bold", "path_effects": halo, "zorder": 4}
        ax.text(middle[0], middle[1], name, ha="center", va="center", **bold)
    dress(ax, f"Latent space: {title}", *told)
    if labels is not None:
        add_legend(ax)
        for handle in ax.get_legend().legend_handles:  # type: ignore[union-attr]
            handle.set(sizes=[30], alpha=1)  # type: ignore[union-attr]
    return finish(figure, source, path)


def _labels(y: ArrayLike, count: int, names: Sequence[str] | None) -> NDArray[np.int64]:
    labels = np.asarray(y)
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or labels.min() < 0:
        got = f"{labels.dtype} of shape {labels.shape}"
        raise ValueError(f"latent_space: y must be {count} class numbers from 0, one per sample, got {got}")
    if names is not None and labels.max() >= len(names):
        raise ValueError(f"latent_space: names must cover the classes 0 to {labels.max()}, got {len(names)} names")
    return labels.astype(np.int64)
