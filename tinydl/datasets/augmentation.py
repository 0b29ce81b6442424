"""Random changes that preserve an image's label, so that the training images differ in every epoch.

Each function takes images (n, height, width, channels) of any dtype and a random generator, and returns a new array of
the same shape and dtype; the input is not modified. Pass one or more of them to `Images.augmented`. The same generator
state gives the same images.

`mixup` also changes the labels, so it is applied through `Images.mixed` instead.

ValueError: images that are not an array of four axes, padding that is not an integer >= 0, and the errors listed in
each function.

Source: the CIFAR-10 recipe in He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", 2015,
section 4.2: "4 pixels are padded on each side, and a 32x32 crop is randomly sampled from the padded image or its
horizontal flip".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments

__all__ = ["crop_and_flip", "cutout", "mixup", "random_crop", "random_flip"]


def random_crop(images: NDArray[Any], rng: np.random.Generator, padding: int = 4) -> NDArray[Any]:
    """Shift each image by up to `padding` pixels, with all (2 padding + 1)^2 shifts equally likely; zeros fill gaps.

    This equals padding the image with zeros on each side and cropping it back to its size at a random position.
    """
    _require_images("random_crop", images)
    p = arguments.whole("random_crop", "padding", padding)
    n, h, w, c = images.shape
    padded = np.zeros((n, h + 2 * p, w + 2 * p, c), images.dtype)
    padded[:, p : p + h, p : p + w] = images
    top, left = rng.integers(0, 2 * p + 1, (2, n)).tolist()  # Python ints: slicing by them is faster
    cropped = np.empty((n, h, w, c), images.dtype)
    for i in range(n):
        cropped[i] = padded[i, top[i] : top[i] + h, left[i] : left[i] + w]
    return cropped


def random_flip(images: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Flip each image left to right with probability 1/2."""
    _require_images("random_flip", images)
    n, _, w, _ = images.shape
    chosen = rng.integers(2, size=n, dtype=np.bool_)
    flipped = images.copy()
    flipped[chosen] = images[chosen].take(
        np.arange(w)[::-1], axis=2
    )  # take copies whole pixels, while [:, :, ::-1] copies single bytes
    return flipped


def crop_and_flip(images: NDArray[Any], rng: np.random.Generator, padding: int = 4) -> NDArray[Any]:
    """`random_crop`, then `random_flip`: the usual choice for CIFAR-10."""
    return random_flip(random_crop(images, rng, padding), rng)


def cutout(images: NDArray[Any], rng: np.random.Generator, size: int = 8, fill: ArrayLike = 0) -> NDArray[Any]:
    """Set one square of `size` x `size` pixels in each image to `fill`, so that no part of the image is always visible.

    The square's center is drawn uniformly from the image's pixels, so part of the square may lie outside. (For an
    even size, the center is the pixel just right of and below the middle.)

    fill  a number, or one per channel, in the units of the images: 0 to 255 for bytes. The paper fills with
          the mean (0 after standardizing): functools.partial(cutout, fill=np.rint(255 * np.array(train.mean))).

    ValueError: a size that is not an integer >= 1; a fill that is not one number or one per channel, or that the
    images' dtype cannot hold.

    Source: DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017; they use
    size=16 for CIFAR-10 and size=8 for CIFAR-100.
    """
    _require_images("cutout", images)
    size = arguments.positive_int("cutout", "size", size)
    n, h, w, c = images.shape
    value = _fill(fill, c, images.dtype)
    corners = rng.integers([[h], [w]], size=(2, n)) - size // 2
    (top, left), (bottom, right) = corners.clip(0).tolist(), (corners + size).tolist()
    cut = images.copy()
    for i in range(n):
        cut[i, top[i] : bottom[i], left[i] : right[i]] = value
    return cut


def mixup(
    x: NDArray[Any], y: NDArray[Any], rng: np.random.Generator, alpha: float = 0.2
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Blend each row of a batch, and its label, with another row and its label; return (mixed_x, mixed_y).

    mixed_x_i = lam x_i + (1 - lam) x_j,   mixed_y_i = lam y_i + (1 - lam) y_j,   lam ~ Beta(alpha, alpha)

    As in the paper, lam is one number for the whole batch, and j is a random permutation of the rows i. A small
    alpha leaves most batches nearly unchanged; with alpha = 1 every lam in (0, 1) is equally likely.

    x      (n, ...) floats, standardized or not: the blend of standardized rows is the standardized blend
    y      (n, classes) floats, each row a distribution, such as those from `Images.one_hot`
    alpha  above 0; the paper uses 0.1 to 0.4 for ImageNet and 1 for CIFAR-10

    Each result is a new array of its input's dtype. `Images.mixed` applies this function to every training batch.

    ValueError: x is not an array of floats; y is not one row of floats per row of x; alpha is not a number above 0.

    Source: Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018, figure 1.
    """
    if not isinstance(x, np.ndarray) or x.ndim == 0 or x.dtype.kind != "f":
        got = str(x.dtype) if isinstance(x, np.ndarray) and x.ndim else type(x).__name__
        raise ValueError(f"mixup: x must be an array (n, ...) of floats, got {got}")
    if not isinstance(y, np.ndarray) or y.ndim != 2 or y.dtype.kind != "f":
        got = f"{y.shape} {y.dtype}" if isinstance(y, np.ndarray) else type(y).__name__
        mend = "for integer labels pass Images.one_hot(), or use Images.mixed(alpha)"
        raise ValueError(f"mixup: y must be an array (n, classes) of floats, got {got}: {mend}")
    if len(x) != len(y):
        raise ValueError(f"mixup: y must have one row per row of x, {len(x)}, got {len(y)}")
    lam = rng.beta(arguments.positive("mixup", "alpha", alpha), alpha)
    partner = rng.permutation(len(x))
    return lam * x + (1 - lam) * x.take(partner, axis=0), lam * y + (1 - lam) * y.take(partner, axis=0)


def _fill(fill: ArrayLike, channels: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert fill to the images' dtype, shape () or (channels,)."""
    try:
        values = np.asarray(fill)
    except ValueError:  # rows of unequal lengths
        values = np.asarray(None)
    if values.dtype.kind not in "fiub" or values.shape not in ((), (channels,)):
        raise ValueError(f"cutout: fill must be one number, or {channels}, one per channel, got {fill!r}")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(dtype)
        held = np.isfinite(cast) if dtype.kind in "fc" else cast == values
    if not held.all():
        what = "finite numbers" if dtype.kind in "fc" else "numbers"
        raise ValueError(f"cutout: fill must be {what} that the images' {dtype} can hold, got {fill!r}")
    return cast


def _require_images(owner: str, images: NDArray[Any]) -> None:
    if not isinstance(images, np.ndarray) or images.ndim != 4:
        got = f"shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        mend = ": for a single image: image[np.newaxis]" if got.count(",") == 2 else ""
        raise ValueError(f"{owner}: images must be an array (n, height, width, channels), got {got}{mend}")
