"""Random shapes, data, windows, and chains of layers that fit together; all are valid and suitable for a check.

    draw = drawer(np.random.default_rng(3))
    specs.LAYERS["Conv2D"].drawn(draw).check()

A Draw picks one of a sequence of options. The same functions therefore work with a NumPy generator (`drawer`) and with
Hypothesis, which searches for failures and shrinks them: `lambda options: data.draw(st.sampled_from(options))`. The
simplest option comes first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinydl.kernels import ACTIVATIONS
from tinydl.layer import Layer, Shape
from tinydl.layers import AveragePool2D, BatchNorm, Conv2D, MaxPool2D, Sequential

T = TypeVar("T")
SEEDS = range(1 << 16)
BATCHES = range(1, 6)
SEVERAL = range(2, 6)  # batch sizes above 1
# A few small sizes, and one more than the 8 or 16 numbers that compiled loops process at a time.
WIDTHS = (1, 2, 3, 4, 5, 6, 17)
CHANNELS = (1, 2, 3, 4, 9)
SIDES = range(1, 8)
MANY = (32, 33)  # from 32 channels on, 2x2 and 3x3 kernels use Winograd's method


class Draw(Protocol):
    """A function that picks one of a sequence of options."""

    def __call__(self, options: Sequence[T], /) -> T: ...


Make = Callable[[Draw, Shape], Layer]
Data = Callable[[Draw, np.random.Generator, Shape], NDArray]


def drawer(rng: np.random.Generator) -> Draw:
    """A Draw that uses a NumPy generator; all options are equally likely."""

    def draw(options: Sequence[T], /) -> T:
        return options[int(rng.integers(len(options)))]

    return draw


# --- shapes of one sample, and data ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inputs:
    """The input shapes of a layer: how to draw one, and which shapes fit when layers are chained."""

    draw: Callable[[Draw], Shape]
    fit: Callable[[Shape], bool]


def _rows(draw: Draw) -> Shape:
    return (draw(WIDTHS),)


def _images(draw: Draw) -> Shape:
    return draw(SIDES), draw(SIDES), draw(CHANNELS)


def _images_of_many_channels_too(draw: Draw) -> Shape:
    if draw((False, False, False, True)):
        return draw(range(1, 5)), draw(range(1, 5)), draw(MANY)
    return _images(draw)


def _any_shape(draw: Draw) -> Shape:
    """A shape with zero (one number per sample) to four axes."""
    return tuple(draw(range(1, 6)) for _ in range(draw((1, 2, 3, 4, 0))))


def _some_axes(draw: Draw) -> Shape:
    return tuple(draw(range(1, 6)) for _ in range(draw(range(1, 5))))


ONLY_ROWS = Inputs(_rows, lambda shape: len(shape) == 1)
ONLY_IMAGES = Inputs(_images, lambda shape: len(shape) == 3)
IMAGES_FOR_CONVOLUTION = Inputs(_images_of_many_channels_too, ONLY_IMAGES.fit)
ROWS_OR_IMAGES = Inputs(lambda draw: draw((_rows, _images))(draw), lambda shape: len(shape) in (1, 3))
ANY_SHAPE = Inputs(_any_shape, lambda shape: True)
SOME_AXES = Inputs(_some_axes, lambda shape: len(shape) > 0)
SEVERAL_FEATURES = Inputs(  # with a single feature, softmax and layer normalization are constant
    lambda draw: (*_some_axes(draw)[:-1], draw(range(2, 6))), lambda shape: len(shape) > 0 and shape[-1] > 1
)


def random_normal(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Normal entries, not too large: where sigmoid or tanh is flat to the last digit, no gradient is left to check."""
    return draw((1.0, 0.3)) * rng.normal(size=shape)


def random_scores(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Predictions: normal entries."""
    return draw((1.0, 0.3, 3.0)) * rng.normal(size=shape)


def random_off_zero(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Entries of either sign, but none near 0, where |x| has its kink."""
    return rng.choice((-1, 1), shape) * (draw((0.1, 0.01, 1.0)) + np.abs(rng.normal(size=shape)))


def random_rates(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Entries inside (0, 1)."""
    margin = draw((0.1, 0.01))
    return rng.uniform(margin, 1 - margin, shape)


def activation(draw: Draw) -> Any:
    return draw(tuple(ACTIVATIONS))


# --- windows --------------------------------------------------------------------------------------------------------


def windows(draw: Draw, shape: Shape, sizes: Sequence[int], wide: bool) -> tuple[Any, Any, Any]:
    """A window, strides and padding that fit an image.

    wide: along an axis with stride 1, windows may contain only padding, because other windows then cover the image.
    With a larger stride all windows might miss the image, and no gradient would be left to check.
    """
    window, strides = [draw(sizes), draw(sizes)], [draw((1, 1, 2, 3)), draw((1, 1, 2, 3))]
    limits = [size + 2 if wide and stride == 1 else size for size, stride in zip(window, strides, strict=True)]
    form = draw(("valid", "same", "a number", "height and width", "each side"))
    padding: Any = form
    around = [(0, 0), (0, 0)]
    if form == "a number":
        padding = draw(range(min(limits)))
        around = [(padding, padding)] * 2
    elif form == "height and width":
        padding = draw(range(limits[0])), draw(range(limits[1]))
        around = [(side, side) for side in padding]
    elif form == "each side":
        around = [(draw(range(limit)), draw(range(limit))) for limit in limits]
        padding = tuple(around)
    if form != "same":  # "same" adds all the padding that the windows need
        window = [min(side, size + sum(both)) for side, size, both in zip(window, shape, around, strict=False)]
    return number_or_pair(draw, *window), number_or_pair(draw, *strides), padding


def number_or_pair(draw: Draw, height: int, width: int) -> int | tuple[int, int]:
    return height if height == width and draw((True, False)) else (height, width)


def pool2d(kind: type[MaxPool2D | AveragePool2D]) -> Make:
    def windows_of_every_form(draw: Draw, shape: Shape) -> Layer:
        pool_size, strides, padding = windows(draw, shape, range(1, 5), wide=False)
        return kind(pool_size, strides, padding)

    def side_by_side(draw: Draw, shape: Shape) -> Layer:
        """A pooling layer with its default strides, so that windows lie side by side."""
        window = [draw(range(1, size + 1)) for size in shape[:2]]
        return kind(number_or_pair(draw, *window), padding=draw(("valid", "same")))

    return lambda draw, shape: draw((windows_of_every_form, windows_of_every_form, side_by_side))(draw, shape)


# --- chains ---------------------------------------------------------------------------------------------------------


def built(layer: Layer, shape: Shape) -> Any:
    """A built copy of the layer."""
    layer = copy.deepcopy(layer)
    layer.build(shape, np.random.default_rng(0), np.float64)
    return layer


def chain(draw: Draw, shape: Shape, nested: bool = True) -> Sequential:
    """One to four layers that fit together, of all kinds with a spec; nested: composites may be among them."""
    from .specs import LAYERS

    layers = []
    for _ in range(draw(range(1, 5))):
        kinds = [spec for spec in LAYERS.values() if spec.inputs.fit(shape) and (nested or not spec.composite)]
        layer = draw([spec for spec in kinds for _ in range(spec.often)]).linked(draw, shape)
        shape = built(layer, shape).output_shape
        layers.append(layer)
    return Sequential(layers)


def conv2d_same(draw: Draw, shape: Shape, filters: int | None = None, strides: int = 1) -> Sequential:
    """A convolution with "same" padding, so that strides of 1 keep height and width; with a batch normalization layer
    after it or without one. Batch normalization makes a bias useless.
    """
    normalised, size = draw((False, True)), number_or_pair(draw, draw(range(1, 4)), draw(range(1, 4)))
    filters, f = filters or draw(CHANNELS), activation(draw)
    conv = Conv2D(filters, size, strides, "same", None if normalised else f, not normalised and draw((True, False)))
    return Sequential([conv, BatchNorm(epsilon=0.1, activation=f)] if normalised else [conv])


def pool2d_same(draw: Draw, shape: Shape) -> Layer:
    return draw((MaxPool2D, AveragePool2D))(draw(range(1, 4)), 1, "same")
