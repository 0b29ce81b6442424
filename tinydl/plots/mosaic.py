"""Images side by side on one axes: the cells they are drawn in, and their values as colors."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

ROOM = 0.88  # the fraction of a cell that a tile fills


def lay_out(ax: Axes, columns: int, rows: int, left: float = 0, row_height: float = 1) -> None:
    """Turn the axes into a grid: no frame, one unit per cell, rows from the top; `left`: room for labels, in cells."""
    ax.set(xlim=(-left, columns), ylim=(rows * row_height, 0), aspect="equal", anchor="N")
    ax.axis("off")


def tile(ax: Axes, picture: NDArray[Any], x: float, y: float, **how: Any) -> None:
    """Draw one picture into the cell whose upper left corner is (x, y), as large as possible, with square pixels."""
    height, width = (ROOM * side / max(picture.shape[:2]) for side in picture.shape[:2])
    if picture.ndim == 2:
        how = {"cmap": "gray", "vmin": 0, "vmax": 1, **how}
    limits = ax.get_xlim(), ax.get_ylim()
    right, bottom = x + 0.5 + width / 2, y + 0.56 + height / 2
    extent = (right - width, right, bottom, bottom - height)
    ax.imshow(picture, extent=extent, **{"interpolation": "nearest", **how})
    ax.set(xlim=limits[0], ylim=limits[1])


def displayable(images: NDArray[Any]) -> NDArray[Any]:
    """Convert images for imshow: floats in [0, 1], without a channel axis if there is only one channel.

    If any float is outside [0, 1] (as in standardized inputs), the range of all is rescaled to [0, 1].
    """
    x = images / 255 if images.dtype == np.uint8 else images.astype(np.float64)
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        x = (x - x.min()) / max(x.max() - x.min(), 1e-12)
    if x.ndim == 4 and x.shape[-1] not in (3, 4):
        return x[..., 0] if x.shape[-1] == 1 else x.mean(axis=-1)
    return x


def finite(what: str, values: ArrayLike) -> NDArray[np.float64]:
    """The values as float64. ValueError: NaN or infinity."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite, got NaN or infinity")
    return array


def one_sample(owner: str, image: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One image as a batch of one, (1, *shape). ValueError: another shape, NaN or infinity."""
    x = finite(f"{owner}: image", image)
    x = x[None] if x.ndim == len(shape) else x
    if x.shape != (1, *shape):
        raise ValueError(f"{owner}: image must be one sample of the model's shape {shape}, got {np.shape(image)}")
    return x
