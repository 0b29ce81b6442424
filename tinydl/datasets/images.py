"""Labeled images, stored as bytes and converted to float32 one batch at a time.

The 50,000 training images of CIFAR-10 are 154 MB as bytes, 614 MB as float32 and 1.2 GB as float64.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments
from ..batches import Batches
from ..files import PathLike
from .augmentation import mixup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Augmentation", "Images"]

Augmentation = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]
_CHUNK = 256  # the number of images converted to float64 at a time for mean and std


class Images(Batches):
    """Images, their labels, and the options for making batches; `fit` and `evaluate` accept Images as x.

        train, test = cifar10.load()
        train = train.standardised().augmented(augmentation.crop_and_flip)
        test = test.standardised(train.mean, train.std)
        model.fit(train, epochs=20, validation_data=test)

    An object never changes: each method that sets an option returns a new object that shares the arrays.

    x            (n, height, width, channels): uint8, stored unchanged; or floats already in [0, 1], stored as float32
    y            (n,) int64, each image's class number
    class_names  the names of the classes 0, 1, ...
    mean, std    the shift and scale set by `standardised`, per channel, for pixels in [0, 1]; else None

    ValueError: other shapes or dtypes, labels without a class name, or class names that are empty or repeated.
    """

    def __init__(self, images: NDArray[Any], labels: ArrayLike, class_names: Sequence[str]) -> None:
        x, names = _images(images), _class_names(class_names)
        super().__init__(x, _labels(labels, len(x), len(names)))
        self.class_names = names
        self.mean: tuple[float, ...] | None = None
        self.std: tuple[float, ...] | None = None
        self._augmentations: tuple[Augmentation, ...] = ()
        self._alpha = 0.0  # the alpha of mixup; 0 means no mixup
        # The factors and the offsets that standardize an image flattened to one row:
        # NumPy is slow if the innermost axis of a product has only three entries, the channels.
        self._affine: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def __repr__(self) -> str:
        size = "x".join(str(side) for side in self.sample_shape)
        options = {"standardised": self.mean, "augmented": self._augmentations, "mixed": self._alpha}
        chosen = "".join(f", {name}" for name, value in options.items() if value)
        return f"{type(self).__name__}({len(self):,} of {size} {self.x.dtype}, {len(self.class_names)} classes{chosen})"

    def standardised(self, mean: ArrayLike | None = None, std: ArrayLike | None = None) -> Images:
        """The same images, with each batch returned as (x - mean) / std per channel; x is in [0, 1] here.

        mean, std: one number per channel; by default computed from these images. For the test set, pass those of the
        training set: the model then learns nothing about the test images, and both sets are scaled alike.

        ValueError: mean or std is not one finite number per channel; std is not above 0, as when it is computed
        from images with a constant channel.
        """
        channels = self.sample_shape[-1]
        if mean is None or std is None:
            own_mean, own_std = _statistics(self.x)
            mean = own_mean if mean is None else mean
            std = own_std if std is None else std
        means, stds = _per_channel("mean", mean, channels), _per_channel("std", std, channels)
        if min(stds) <= 0:
            mend = "a constant channel has std 0, so pass std"
            raise ValueError(f"Images: std must be above 0 in every channel, got {stds}: {mend}")
        new = copy.copy(self)
        new.mean, new.std = means, stds
        pixels = math.prod(self.sample_shape[:-1])
        factor, offset = 1 / (_unit(self.x) * np.array(stds)), np.array(means) / np.array(stds)
        new._affine = np.tile(factor.astype(np.float32), pixels), np.tile(offset.astype(np.float32), pixels)
        return new

    def augmented(self, *functions: Augmentation | None) -> Images:
        """The same images, changed by each function(images, rng) in every training batch.

            train.augmented(augmentation.crop_and_flip, augmentation.cutout)    # in this order

        functions: the first receives a batch as stored, before standardization; each later function receives the result
        of the previous one. A function must return images of the same shape and dtype without modifying its
        input; `tinydl.datasets.augmentation` provides several. Passing only None removes all functions.
        Without an rng, as in evaluation, `take` applies no function.

        ValueError: an argument is not a function. `take` also raises it if a function returns another shape or dtype.
        """
        chosen = tuple(function for function in functions if function is not None)
        for function in chosen:
            if not callable(function):
                raise ValueError(f"Images: augmented needs a function (images, rng) -> images, got {function!r}")
        new = copy.copy(self)
        new._augmentations = chosen
        return new

    def mixed(self, alpha: float | None = 0.2) -> Images:
        """The same images, blended by `augmentation.mixup` in every training batch; None or 0 stops blending.

        A batch is augmented and standardized first; then each image is blended with another, as are their labels.
        The y of a training batch is therefore float32 (n, classes), which SoftmaxCrossEntropy accepts; the "accuracy"
        metric compares the largest entries. Without an rng, as in evaluation, `take` returns unblended images and
        integer labels. (Training losses and accuracies are computed on the blends, so they are worse than those of
        evaluation.)

        alpha: see `augmentation.mixup`.

        ValueError: an alpha that is not a number >= 0.
        """
        new = copy.copy(self)
        new._alpha = 0.0 if alpha is None else arguments.number("Images", "alpha", alpha, 0)
        return new

    def take(
        self, rows: NDArray[np.intp] | slice, rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """(x, y) of the rows: float32 images (rows, height, width, channels), in [0, 1] or standardized, and labels.

        rng: passed only in training; the augmentations and mixup draw from it.
        """
        images, y = super().take(rows)
        if rng is None:
            return self._as_floats(images), y
        for function in self._augmentations:
            images = self._augment(function, images, rng)
        x = self._as_floats(images)
        if not self._alpha:
            return x, y
        # The targets of a binary loss are already a column of floats, 0 or 1, and need no one-hot rows.
        return mixup(x, y if y.ndim == 2 else np.eye(len(self.class_names), dtype=np.float32)[y], rng, self._alpha)

    def _augment(self, function: Augmentation, images: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        given = images.view()
        given.flags.writeable = False  # a slice of rows is a view into the data set
        changed = function(given, rng)
        array = isinstance(changed, np.ndarray)
        if not array or changed.shape != images.shape or changed.dtype != images.dtype:
            got = f"{changed.shape} {changed.dtype}" if array else f"{type(changed).__name__}"
            name = getattr(function, "__name__", function)
            expected = f"a new array of the shape and dtype it was given, {images.shape} {images.dtype}"
            raise ValueError(f"Images: the augmentation {name} must return {expected}, got {got}")
        return changed

    def _as_floats(self, images: NDArray[Any]) -> NDArray[np.float32]:
        if self._affine is None:
            if images.dtype == np.float32:
                return np.ascontiguousarray(images)
            return np.divide(images, np.float32(255), dtype=np.float32, order="C")
        factor, offset = self._affine
        out = np.multiply(images.reshape(len(images), -1), factor, dtype=np.float32)
        out -= offset
        return out.reshape(images.shape)

    def subset(self, rows: ArrayLike | slice) -> Images:
        """The images in the given rows (integers, a mask or a slice), with the same class names and options.

        mean and std remain those of the whole set.

        ValueError: no rows, or rows that are not one-dimensional. IndexError: rows out of range.
        """
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.ndim != 1 or len(rows) == 0:
                raise ValueError(f"Images: rows must be one-dimensional and not empty, got shape {rows.shape}")
        new = copy.copy(self)
        new.x, new.y = self.x[rows], self.labels[rows]
        if len(new) == 0:
            raise ValueError("Images: rows must select at least one image, got none")
        return new

    def split(self, n_validation: int, rng: np.random.Generator) -> tuple[Images, Images]:
        """Split off `n_validation` random images, all classes in proportion; return (training, validation) images.

        Both parts keep the order and the options. To exclude validation images from mean and std, split first.

        ValueError: n_validation leaves a part without images of some class.
        """
        from sklearn.model_selection import train_test_split

        n_validation = arguments.positive_int("Images", "n_validation", n_validation)
        rows = np.arange(len(self))
        seed = int(rng.integers(2**32))
        try:
            train, validation = train_test_split(rows, test_size=n_validation, stratify=self.labels, random_state=seed)
        except ValueError as error:
            raise ValueError(f"Images: cannot split off {n_validation} of {len(self)} rows: {error}") from error
        return self.subset(np.sort(train)), self.subset(np.sort(validation))

    @property
    def labels(self) -> NDArray[np.int64]:
        """The labels y, (n,) int64."""
        assert self.y is not None  # Images always have labels
        return self.y

    def one_hot(self) -> NDArray[np.float32]:
        """The labels as one-hot rows, (n, classes) float32."""
        return np.eye(len(self.class_names), dtype=np.float32)[self.labels]

    def name(self, label: int) -> str:
        """The name of a class, given its number. ValueError: no such class."""
        label = arguments.whole("Images", "label", label)
        if label >= len(self.class_names):
            raise ValueError(f"Images: label must be one of 0 to {len(self.class_names) - 1}, got {label}")
        return self.class_names[label]

    def label(self, name: str) -> int:
        """The number of a class, given its name. ValueError: no such class."""
        return self.class_names.index(arguments.one_of("Images", "name", name, self.class_names))

    def show(
        self, rows: ArrayLike | slice, path: PathLike | None = None, *, axes: Sequence[Axes] | None = None
    ) -> Figure:
        """Draw the chosen images, as stored, in a grid with their class names; save the picture if `path` is given.

        axes: one for each image or more, all in one figure; by default a new figure

        ValueError: as for `subset`, a number of channels other than 1, 3 or 4, or too few axes.
        """
        from ..plots.style import Picture, save

        chosen = self.subset(rows)
        if chosen.sample_shape[-1] not in (1, 3, 4):
            raise ValueError(f"Images: only 1, 3 or 4 channels can be shown, got images {self.sample_shape}")
        if axes is None:
            columns = math.ceil(math.sqrt(len(chosen)))
            lines = math.ceil(len(chosen) / columns)
            figure: Figure = Picture(figsize=(1.2 * columns + 0.2, 1.4 * lines + 0.2), layout="tight")
            places: list[Axes] = list(figure.subplots(lines, columns, squeeze=False).ravel())
        else:
            places = list(np.ravel(np.asarray(axes, object)))
            if len(places) < len(chosen):
                raise ValueError(f"Images: axes must be {len(chosen)}, one for each image, got {len(places)}")
            figure = places[0].figure.figure
        highest = _unit(chosen.x)
        for ax in places:
            ax.axis("off")
        for ax, image, label in zip(places, chosen.x, chosen.labels, strict=False):  # the last row may be incomplete
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            ax.imshow(pixels.clip(0, highest), cmap="gray", vmin=0, vmax=highest, interpolation="nearest")
            ax.set_title(self.class_names[label], fontsize=9)
        if path is not None:
            save(figure, path)
        return figure


def _unit(x: NDArray[Any]) -> int:
    """The value that represents 1 in images of this dtype."""
    return 255 if x.dtype == np.uint8 else 1


def _statistics(x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation per channel, in the units of [0, 1]; two passes preserve precision."""
    channels = x.shape[-1]
    chunks = [x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK)]

    def by_channel(total: Any) -> NDArray[np.float64]:
        """The mean per channel, from the sum over images, which is fast because it runs along long contiguous rows."""
        return np.asarray(total.reshape(-1, channels).sum(axis=0) / (x.size // channels))

    mean = by_channel(sum(chunk.sum(axis=0, dtype=np.float64) for chunk in chunks))
    shift = np.broadcast_to(mean, x.shape[1:]).copy()
    variance = by_channel(sum(np.square(chunk - shift).sum(axis=0) for chunk in chunks))
    return mean / _unit(x), np.sqrt(variance) / _unit(x)


def _images(images: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(images, np.ndarray):
        raise ValueError(f"Images: images must be a NumPy array, got {type(images).__name__}")
    shape = images.shape
    expected = "Images: images must have shape (n, height, width, channels), n >= 1"
    if len(shape) == 3:
        raise ValueError(f"{expected}, got {shape}: for images of one channel pass images[..., np.newaxis]")
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"{expected}, got {shape}")
    if shape[1] in (1, 3, 4) and min(shape[2:]) > 4:
        seems = "which seems to be (n, channels, height, width): pass images.transpose(0, 2, 3, 1)"
        raise ValueError(f"{expected}, got {shape}, {seems}")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise ValueError(f"Images: images must be uint8 in 0..255 or floats in [0, 1], got {images.dtype}")
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
        floats = images.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise ValueError("Images: images must be finite in float32, got NaN or infinity")
    return floats


def _class_names(class_names: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(class_names, str) else tuple(class_names)
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"Images: class_names must be distinct names, one per class, got {class_names!r}")
    return names


def _labels(labels: ArrayLike, n: int, classes: int) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if found.shape != (n,):
        mend = ": pass labels.reshape(-1)" if found.shape == (n, 1) else ""
        mend = ": for one-hot rows pass labels.argmax(axis=1)" if found.shape == (n, classes) else mend
        raise ValueError(f"Images: labels must have shape ({n},), one per image, got {found.shape}{mend}")
    if found.dtype.kind not in "iu":
        raise ValueError(f"Images: labels must be integers, got {found.dtype}")
    if found.min() < 0 or found.max() >= classes:
        expected = f"Images: labels must be 0 to {classes - 1}, for {classes} class names"
        raise ValueError(f"{expected}, got {found.min()} to {found.max()}")
    return found.astype(np.int64, copy=False)


def _per_channel(name: str, values: ArrayLike, channels: int) -> tuple[float, ...]:
    found = np.asarray(values)
    if found.shape != (channels,):
        raise ValueError(f"Images: {name} must be {channels} numbers, one per channel, got {values!r}")
    return tuple(arguments.number("Images", name, value) for value in found.tolist())
