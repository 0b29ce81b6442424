"""Random changes that leave what an image shows the same: a training set that is new in every epoch.

Each function takes images (n, height, width, channels) of any dtype and a generator, and returns a new array of the
same shape and dtype; what it was given stays as it was. Give one to `Images.augmented`. The same generator state gives
the same images.

ValueError: images that are not such an array, padding that is not a whole number of 0 or more.

Source: the recipe for CIFAR-10 of He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", 2015,
section 4.2: "4 pixels are padded on each side, and a 32x32 crop is randomly sampled from the padded image or its
horizontal flip".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl import checks

__all__ = ["crop_and_flip", "random_crop", "random_flip"]


def random_crop(images: NDArray[Any], rng: np.random.Generator, padding: int = 4) -> NDArray[Any]:
    """Each image moved by up to `padding` pixels, each of the (2 padding + 1)^2 ways as likely; zeros move in.

    As if it were padded with zeros on each side and cropped to its size again at a random place.
    """
    _require_images("random_crop", images)
    p = checks.whole("random_crop", "padding", padding)
    n, h, w, c = images.shape
    padded = np.zeros((n, h + 2 * p, w + 2 * p, c), images.dtype)
    padded[:, p : p + h, p : p + w] = images
    top, left = rng.integers(0, 2 * p + 1, (2, n)).tolist()  # numbers of Python's: a slice by them is quicker
    cropped = np.empty((n, h, w, c), images.dtype)
    for i in range(n):
        cropped[i] = padded[i, top[i] : top[i] + h, left[i] : left[i] + w]
    return cropped


def random_flip(images: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Each image, or with probability 1/2 its mirror image, left and right exchanged."""
    _require_images("random_flip", images)
    n, _, w, _ = images.shape
    chosen = rng.integers(2, size=n, dtype=np.bool_)
    flipped = images.copy()
    flipped[chosen] = images[chosen].take(np.arange(w)[::-1], axis=2)  # take copies pixels; [:, :, ::-1] goes by bytes
    return flipped


def crop_and_flip(images: NDArray[Any], rng: np.random.Generator, padding: int = 4) -> NDArray[Any]:
    """`random_crop`, then `random_flip`: what is usual for CIFAR-10."""
    return random_flip(random_crop(images, rng, padding), rng)


def _require_images(owner: str, images: NDArray[Any]) -> None:
    if not isinstance(images, np.ndarray) or images.ndim != 4:
        got = f"shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        mend = "; for a single image: image[np.newaxis]" if got.count(",") == 2 else ""
        raise ValueError(f"{owner}: images must be an array (n, height, width, channels), got {got}{mend}")
