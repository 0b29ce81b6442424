"""Which pixels a class score depends on: its gradient (saliency), its change when a patch is covered (occlusion)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from ..files import PathLike
from ..layers.sliding_window import pair
from ..network import Network
from .mosaic import ROOM, displayable, lay_out, one_sample, tile
from .style import INK, LABEL, finish, headline, panel, points

SIZE = 5.3, 3.5  # inches
AT_ONCE = 128  # images in a batch
EMPTY = 1e-300  # the end of a color scale without entries


def saliency(network: Network, image: ArrayLike, target: int | None = None) -> NDArray:
    """The gradient of one class score with respect to every entry of the image, in the image's shape.

        g[i, j, c] = d score[target] / d image[i, j, c]

    One backward pass from dy = 1 for the target and 0 for all other classes, in inference mode. This and the other
    functions here run a copy of the network, which therefore stays as it was, gradients and caches included.

    network  a Model whose output is a row of scores: the logits of a classifier
    image    one sample of the network's input: (height, width, channels), or with a batch axis of 1
    target   the class; by default the one with the highest score

    ValueError: an image that does not fit, NaN or infinity, an output that is not a row, no such class.
    Reference: Simonyan, Vedaldi & Zisserman 2013
    """
    x = _checked("saliency", network, image)
    root = copy.deepcopy(network.root)
    with np.errstate(under="ignore"):
        scores = root.forward(x.astype(network.dtype))
        dy = np.zeros_like(scores)
        dy[0, _target("saliency", scores, target)] = 1
        return root.backward(dy)[0]


def saliency_map(
    network: Network, image: ArrayLike, target: int | None = None, *, names: Sequence[str] | None = None,
    ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """An image, and beside it the largest |gradient| of a class score over each pixel's channels, dark where large.

    names: of the classes, for the title. The other arguments and the errors are those of `saliency`.
    """
    gradient = saliency(network, image, target)
    strength = np.abs(gradient).max(axis=-1)
    highest = float(strength.max())
    figure, ax = panel(ax, *SIZE)
    x = _draw_image("saliency_map", ax, network, image, target, names, "Saliency")
    tile(ax, strength, 1, 0, cmap="Oranges", vmin=0, vmax=max(highest, EMPTY))
    _frame(ax, x.shape, 1)
    _captions(ax, "image", f"|d score / d pixel|\nwhite 0, dark {highest:.3g}")
    return finish(figure, source, path)


def occlusion(
    network: Network, image: ArrayLike, target: int | None = None, *, patch_size: int | tuple[int, int] | None = None,
    strides: int | tuple[int, int] | None = None, fill: float | None = None,
) -> NDArray:  # fmt: skip
    """How far one class score falls when a patch of the image is covered, for every place of the patch.

        drop[i, j] = score(image) - score(image in which a patch is `fill`)     with drop (rows, columns)

    The patch of drop[i, j] is image[i sh : i sh + ph, j sw : j sw + pw].

    Where the drop is positive, the pixels there speak for the class; where it is negative, against it.

    patch_size  in pixels; by default a quarter of the image's shorter side
    strides     between places; by default half the patch
    fill        the value of covered pixels; by default the mean of each channel of the image
    The other arguments are those of `saliency`.

    ValueError: as for `saliency`; a patch larger than the image.
    Reference: Zeiler & Fergus 2013
    """
    x = _checked("occlusion", network, image)
    _, h, w, _ = x.shape
    (ph, pw), (sh, sw) = _patch((h, w), patch_size, strides)
    cover = x.mean(axis=(1, 2)) if fill is None else arguments.number("occlusion", "fill", fill)
    places = [(i, j) for i in range(0, h - ph + 1, sh) for j in range(0, w - pw + 1, sw)]
    root = copy.deepcopy(network.root)
    before = root.forward(x.astype(network.dtype))
    k = _target("occlusion", before, target)
    after = []
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        covered = np.repeat(x, len(some), axis=0)
        for n, (i, j) in enumerate(some):
            covered[n, i : i + ph, j : j + pw] = cover
        after.append(root.forward(covered.astype(network.dtype))[:, k])
    drops = before[0, k] - np.concatenate(after)
    return drops.reshape((h - ph) // sh + 1, (w - pw) // sw + 1)


def occlusion_map(
    network: Network, image: ArrayLike, target: int | None = None, *, patch_size: int | tuple[int, int] | None = None,
    strides: int | tuple[int, int] | None = None, fill: float | None = None, names: Sequence[str] | None = None,
    ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """An image, and beside it how far a class score falls when a patch is covered, in color at the patch's center.

    Orange pixels speak for the class (covering them lowers the score), violet ones against it.

    names: of the classes, for the title. The other arguments and the errors are those of `occlusion`.
    """
    drops = occlusion(network, image, target, patch_size=patch_size, strides=strides, fill=fill)
    figure, ax = panel(ax, *SIZE)
    x = _draw_image("occlusion_map", ax, network, image, target, names, "Occlusion")
    h, w = x.shape[:2]
    (ph, pw), (sh, sw) = _patch((h, w), patch_size, strides)
    largest = max(float(np.abs(drops).max()), EMPTY)
    left, top, pixel = _corner(x.shape, 1)
    first = left + (pw - sw) / 2 * pixel, top + (ph - sh) / 2 * pixel
    extent = first[0], first[0] + drops.shape[1] * sw * pixel, first[1] + drops.shape[0] * sh * pixel, first[1]
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(drops, extent=extent, cmap="PuOr_r", vmin=-largest, vmax=largest, interpolation="nearest")
    ax.set(xlim=limits[0], ylim=limits[1])
    _frame(ax, x.shape, 1)
    patch = Rectangle((left, top), pw * pixel, ph * pixel, fill=False, ec=INK, lw=0.9, ls=(0, (2, 1.5)))
    ax.add_patch(patch)
    colors = f"orange +{largest:.3g}, violet \N{MINUS SIGN}{largest:.3g}"
    _captions(ax, "image", f"fall of the score\n{colors}\ndashed: a patch, {ph} x {pw} pixels")
    return finish(figure, source, path)


def _checked(owner: str, network: Network, image: ArrayLike) -> NDArray[np.float64]:
    """The image as a batch of one."""
    if len(network.input_shape) != 3 or len(network.output_shape) != 1:
        shapes = f"{network.input_shape} -> {network.output_shape}"
        raise ValueError(f"{owner}: network must turn images into rows of scores, got {shapes}")
    return one_sample(owner, image, network.input_shape)


def _target(owner: str, scores: NDArray, target: int | None) -> int:
    classes = scores.shape[1]
    if target is None:
        return int(scores[0].argmax())
    if arguments.whole(owner, "target", target) >= classes:
        raise ValueError(f"{owner}: target must be a class from 0 to {classes - 1}, got {target}")
    return int(target)


def _patch(image: tuple[int, int], patch_size: int | tuple[int, int] | None, strides: int | tuple[int, int] | None) -> (
    tuple[tuple[int, int], tuple[int, int]]
):  # fmt: skip
    size = pair("occlusion", "patch_size", max(min(image) // 4, 1) if patch_size is None else patch_size)
    if size[0] > image[0] or size[1] > image[1]:
        raise ValueError(f"occlusion: patch_size must fit into the image of {image[0]} x {image[1]}, got {size}")
    half = max(size[0] // 2, 1), max(size[1] // 2, 1)
    return size, pair("occlusion", "strides", half if strides is None else strides)


def _draw_image(
    owner: str, ax: Axes, network: Network, image: ArrayLike, target: int | None, names: Sequence[str] | None,
    title: str,
) -> NDArray[np.float64]:  # fmt: skip
    """Draw the image on the left, and the title; return the image, (h, w, c)."""
    x = one_sample(owner, image, network.input_shape)
    scores = copy.deepcopy(network.root).forward(x.astype(network.dtype))
    k = _target(owner, scores, target)
    if names is not None and len(names) != scores.shape[1]:
        raise ValueError(f"{owner}: names must be {scores.shape[1]}, one per class, got {len(names)}")
    named = f"class {k}" if names is None else f"class {names[k]!r}"
    lay_out(ax, 2, 1, row_height=1.24)
    tile(ax, displayable(x)[0], 0, 0)
    _frame(ax, x.shape[1:], 0)
    headline(ax, f"{title}: {named} (score {scores[0, k]:.3g})", LABEL + 2)
    return x[0]


def _corner(shape: tuple[int, ...], column: float) -> tuple[float, float, float]:
    """The upper left corner of the tile in a column, and the side of a pixel."""
    h, w = shape[:2]
    pixel = ROOM / max(h, w)
    return column + 0.5 - w * pixel / 2, 0.56 - h * pixel / 2, pixel


def _frame(ax: Axes, shape: tuple[int, ...], column: float) -> None:
    left, top, pixel = _corner(shape, column)
    ax.add_patch(Rectangle((left, top), shape[1] * pixel, shape[0] * pixel, fill=False, ec=INK, lw=0.8))


def _captions(ax: Axes, *texts: str) -> None:
    for column, text in enumerate(texts):
        ax.text(column + 0.5, 1.03, text, ha="center", va="top", fontsize=points(ax, LABEL - 1), color=INK)
