"""Random configurations of every public layer, of every loss and of small models: all legal, all fit to be checked.

    draw = drawer(np.random.default_rng(3))
    LAYERS["Conv2D"](draw).check()

A function here takes a Draw, which picks one of a sequence of options, and returns a case as in `cases`. So the same
functions serve a NumPy generator (`drawer`) and a tool that searches and shrinks: with hypothesis,
`lambda options: data.draw(st.sampled_from(options))`. The plainest option stands first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..initializers import INITIALIZERS
from ..kernels import ACTIVATIONS
from ..layer import Layer, Shape
from ..layers import (
    ActivityL1,
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    KLSparsity,
    LeakyReLU,
    LocalResponseNorm,
    MaskingNoise,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from ..losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from ..model import Model
from .cases import LayerCase, LossCase, ModelCase, expecting

T = TypeVar("T")
SEEDS = range(1 << 16)
BATCHES = range(1, 6)
SEVERAL = range(2, 6)  # rows: of one row batch normalisation leaves nothing
# Up to a few, and one more than the 8 or 16 numbers that compiled loops take at a time.
WIDTHS = (1, 2, 3, 4, 5, 6, 17)
CHANNELS = (1, 2, 3, 4, 9)
SIDES = range(1, 8)
MANY = (32, 33)  # channels from where on 2x2 and 3x3 kernels take another way (kernels/winograd.py)


class Draw(Protocol):
    """Picks one of a sequence of options."""

    def __call__(self, options: Sequence[T], /) -> T: ...


def drawer(rng: np.random.Generator) -> Draw:
    """A Draw by a NumPy generator, every option as likely as any other."""

    def draw(options: Sequence[T], /) -> T:
        return options[int(rng.integers(len(options)))]

    return draw


# --- shapes of one sample, and data ---------------------------------------------------------------------------------


def _rows(draw: Draw) -> Shape:
    return (draw(WIDTHS),)


def _images(draw: Draw) -> Shape:
    return draw(SIDES), draw(SIDES), draw(CHANNELS)


def _images_for_conv(draw: Draw) -> Shape:
    if draw((False, False, False, True)):
        return draw(range(1, 5)), draw(range(1, 5)), draw(MANY)
    return _images(draw)


def _rows_or_images(draw: Draw) -> Shape:
    return draw((_rows, _images))(draw)


def _any_shape(draw: Draw) -> Shape:
    """From one number a sample to four axes."""
    return tuple(draw(range(1, 6)) for _ in range(draw((1, 2, 3, 4, 0))))


def _some_axes(draw: Draw) -> Shape:
    return tuple(draw(range(1, 6)) for _ in range(draw(range(1, 5))))


def _normal(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """(No wider than this: where a sigmoid or a tanh is flat to the last digit, no gradient is left to check.)"""
    return draw((1.0, 0.3)) * rng.normal(size=shape)


def _off_zero(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Either sign, but no entry near 0, where |x| has its kink."""
    return rng.choice((-1, 1), shape) * (draw((0.1, 0.01, 1.0)) + np.abs(rng.normal(size=shape)))


def _rates(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Inside (0, 1), the domain of KLSparsity."""
    margin = draw((0.1, 0.01))
    return rng.uniform(margin, 1 - margin, shape)


# --- layers that fit a given input shape ----------------------------------------------------------------------------

Make = Callable[[Draw, Shape], Layer]


def _dense(draw: Draw, shape: Shape) -> Dense:
    return Dense(draw(WIDTHS), draw(tuple(ACTIVATIONS)), draw((True, False)), draw(tuple(INITIALIZERS)))


def _contractive(draw: Draw, shape: Shape) -> ContractivePenalty:
    return ContractivePenalty(_dense(draw, shape), draw((0.1, 0.0, 1e-5, 2.0)))


def _windows(draw: Draw, shape: Shape, sizes: Sequence[int], wide: bool) -> tuple[Any, Any, Any]:
    """Window, strides and padding that fit an image.

    wide: windows may hold nothing but padding. With strides of 1 some other window sees the image; with larger ones all
    of them may step over it, and no gradient would be left to check.
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
    if form != "same":  # which pads whatever a window lacks
        window = [min(side, size + sum(both)) for side, size, both in zip(window, shape, around, strict=False)]
    return _number_or_pair(draw, *window), _number_or_pair(draw, *strides), padding


def _number_or_pair(draw: Draw, height: int, width: int) -> int | tuple[int, int]:
    return height if height == width and draw((True, False)) else (height, width)


def _conv2d(draw: Draw, shape: Shape, wide: bool = True) -> Conv2D:
    many = shape[2] in MANY
    kernel_size, strides, padding = _windows(draw, shape, range(2, 4) if many else range(1, 5), wide)
    return Conv2D(
        draw(MANY if many else CHANNELS), kernel_size, strides, padding,
        draw(tuple(ACTIVATIONS)), draw((True, False)), draw(tuple(INITIALIZERS)),
    )  # fmt: skip


def _pool2d(kind: type[MaxPool2D | AveragePool2D], draw: Draw, shape: Shape) -> Layer:
    pool_size, strides, padding = _windows(draw, shape, range(1, 5), wide=False)
    return kind(pool_size, strides, padding)


def _pool2d_side_by_side(kind: type[MaxPool2D | AveragePool2D], draw: Draw, shape: Shape) -> Layer:
    """Strides left to the layer."""
    window = [draw(range(1, size + 1)) for size in shape[:2]]
    return kind(_number_or_pair(draw, *window), padding=draw(("valid", "same")))


def _max_pool2d(draw: Draw, shape: Shape) -> Layer:
    return draw((_pool2d, _pool2d, _pool2d_side_by_side))(MaxPool2D, draw, shape)


def _average_pool2d(draw: Draw, shape: Shape) -> Layer:
    return draw((_pool2d, _pool2d, _pool2d_side_by_side))(AveragePool2D, draw, shape)


def _local_response_norm(draw: Draw, shape: Shape) -> LocalResponseNorm:
    size = draw(range(1, 2 * shape[2] + 2))  # even and odd, up to one that always sees all channels
    return LocalResponseNorm(size, draw((0.1, 1e-4, 1.0)), draw((0.75, 0.5, 1.2)), draw((2.0, 1.0, 0.5)))


def _batch_norm(draw: Draw, shape: Shape) -> BatchNorm:
    return BatchNorm(draw((0.99, 0.9, 0.0)), draw((1e-3, 0.1)), draw(tuple(ACTIVATIONS)))


def _pad_channels(draw: Draw, shape: Shape) -> PadChannels:
    return PadChannels(shape[-1] + draw(range(5)))


def _relu(draw: Draw, shape: Shape) -> ReLU:
    return ReLU()


def _leaky_relu(draw: Draw, shape: Shape) -> LeakyReLU:
    return LeakyReLU(draw((0.01, 0.3, 0.0)))


def _sigmoid(draw: Draw, shape: Shape) -> Sigmoid:
    return Sigmoid()


def _tanh(draw: Draw, shape: Shape) -> Tanh:
    return Tanh()


def _softmax(draw: Draw, shape: Shape) -> Softmax:
    return Softmax()


def _flatten(draw: Draw, shape: Shape) -> Flatten:
    return Flatten()


def _global_average_pool2d(draw: Draw, shape: Shape) -> GlobalAveragePool2D:
    return GlobalAveragePool2D()


def _dropout(draw: Draw, shape: Shape) -> Dropout:
    return Dropout(draw((0.5, 0.1, 0.8, 0.0)))


def _masking_noise(draw: Draw, shape: Shape) -> MaskingNoise:
    return MaskingNoise(draw((0.4, 0.1, 0.8, 0.0)))


def _gaussian_noise(draw: Draw, shape: Shape) -> GaussianNoise:
    return GaussianNoise(draw((0.3, 1.0, 0.0)))


def _activity_l1(draw: Draw, shape: Shape) -> ActivityL1:
    return ActivityL1(draw((0.5, 0.0, 1e-3)))


def _kl_sparsity(draw: Draw, shape: Shape) -> KLSparsity:
    return KLSparsity(draw((0.1, 0.5, 0.9)), draw((0.5, 0.0, 2.0)))


def _sigmoid_and_sparsity(draw: Draw, shape: Shape) -> Sequential:
    """(KLSparsity wants numbers in [0, 1].)"""
    return Sequential([Sigmoid(), _kl_sparsity(draw, shape)])


def _auxiliary_head(draw: Draw, shape: Shape) -> AuxiliaryHead:
    units, hidden = draw(range(2, 5)), draw((None, "tanh", "sigmoid"))
    head: list[Layer] = [Dense(draw(WIDTHS), hidden)] if hidden else []
    if len(shape) > 1:
        head.insert(0, draw((Flatten(), GlobalAveragePool2D())) if len(shape) == 3 else Flatten())
    labels = np.random.default_rng(draw(SEEDS)).integers(units, size=max(BATCHES))
    loss = SoftmaxCrossEntropy(draw((0.0, 0.1)))
    return expecting(AuxiliaryHead([*head, Dense(units)], draw((0.3, 1.0, 2.0))), loss, labels)


# --- branches: layers that change an image's channels only, and so may stand side by side ---------------------------


def _conv2d_same(draw: Draw, shape: Shape, filters: int | None = None, strides: int = 1) -> Sequential:
    """With batch normalisation, or without; a bias below it would have no gradient."""
    normalised, size = draw((False, True)), _number_or_pair(draw, draw(range(1, 4)), draw(range(1, 4)))
    filters, f = filters or draw(CHANNELS), draw(tuple(ACTIVATIONS))
    conv = Conv2D(filters, size, strides, "same", None if normalised else f, not normalised and draw((True, False)))
    return Sequential([conv, BatchNorm(epsilon=0.1, activation=f)] if normalised else [conv])


def _pool2d_same(draw: Draw, shape: Shape) -> Layer:
    return draw((MaxPool2D, AveragePool2D))(draw(range(1, 4)), 1, "same")


def _branch(draw: Draw, shape: Shape) -> Layer:
    if len(shape) == 1:
        rows: tuple[Make, ...] = (_dense, partial(_chain, nested=False), *ROW_LINKS)
        return draw(rows)(draw, shape)
    images: tuple[Make, ...] = (_conv2d_same, _conv2d_same, _pool2d_same, *LINKS)
    return draw(images)(draw, shape)


def _branches(draw: Draw, shape: Shape) -> Branches:
    """Here and there a layer that stands in two of them."""
    branches: list[Layer | list[Layer]] = [_branch(draw, shape) for _ in range(draw(range(1, 4)))]
    if draw((False, False, True)):
        branches.append([draw((_tanh, _sigmoid))(draw, shape), draw(branches)])  # type: ignore[list-item]
    return Branches(branches)


def _residual(draw: Draw, shape: Shape) -> Residual:
    """A block as it is, with a shortcut with parameters, or with one that adds channels of zeros."""
    shortcut: Layer | None = None
    if len(shape) == 1:
        body: Layer = _chain(draw, shape, nested=False)
        units = _built(body, shape).output_shape[0]
        if units != shape[0] or draw((False, True)):
            ways: list[Layer] = [Dense(units, draw((None, "tanh")))]
            shortcut = draw([*ways, PadChannels(units)] if units >= shape[0] else ways)
    else:
        strides, filters = draw((1, 1, 2)), draw((shape[2], shape[2] + draw(range(3))))
        body = _conv2d_same(draw, shape, filters, strides)
        if strides > 1 or filters != shape[2] or draw((False, True)):
            zeros = Sequential([AveragePool2D(1, strides), PadChannels(filters)])
            shortcut = draw((Conv2D(filters, 1, strides), zeros))
    return Residual(body, shortcut, draw(tuple(ACTIVATIONS)))


LINKS: tuple[Make, ...] = (
    _relu, _leaky_relu, _sigmoid, _tanh, _dropout, _masking_noise, _gaussian_noise, _batch_norm, _pad_channels,
    _auxiliary_head,
)  # fmt: skip
ROW_LINKS: tuple[Make, ...] = (_dense, _dense, _contractive, *LINKS, _activity_l1, _sigmoid_and_sparsity)
# (Behind a wide padding the next layer's strides may step over all that the image reached.)
IMAGE_LINKS: tuple[Make, ...] = (
    *(partial(_conv2d, wide=False),) * 2, _max_pool2d, _average_pool2d, _local_response_norm, _global_average_pool2d,
    _flatten, *LINKS,
)  # fmt: skip


def _chain(draw: Draw, shape: Shape, nested: bool = True) -> Sequential:
    """One to four layers that fit each other, here and there a chain among them."""
    chain = []
    for _ in range(draw(range(1, 5))):
        links = ROW_LINKS if len(shape) == 1 else IMAGE_LINKS
        if shape[-1] > 1:  # over one class softmax is constant, and would cut off all that stands before it
            links = (*links, _softmax)
        if nested:
            links = (*links, partial(_chain, nested=False), _residual, _branches)
        layer = draw(links)(draw, shape)
        shape = _built(layer, shape).output_shape
        chain.append(layer)
    return Sequential(chain)


def _built(layer: Layer, shape: Shape) -> Any:
    """A copy of the layer, built."""
    layer = copy.deepcopy(layer)
    layer.build(shape, np.random.default_rng(0), np.float64)
    return layer


# --- cases ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """How a kind of layer is drawn: the shape of a sample, a layer that fits it, and data."""

    shape: Callable[[Draw], Shape]
    make: Make
    data: Callable[[Draw, np.random.Generator, Shape], NDArray] = _normal
    batches: Sequence[int] = BATCHES

    def __call__(self, draw: Draw) -> LayerCase:
        """A layer with data to check it at."""
        shape, seed = self.shape(draw), draw(SEEDS)
        layer = self.make(draw, shape)
        x = self.data(draw, np.random.default_rng(seed), (draw(self.batches), *shape))
        training = draw((True, False))
        zero_ok = ("x", *_built(layer, shape).params) if _may_be_silent(layer, training) else ()
        if isinstance(layer, Softmax) and shape[-1] == 1:
            zero_ok = ("x",)  # of one class the share is 1, whatever x is
        return LayerCase(layer, x, {"training": training, "seed": seed, "zero_ok": zero_ok})


def _may_be_silent(layer: Layer, training: bool) -> bool:
    """Whether a relu or a mask may let nothing through: of a few units all may be dead, of a few numbers all dropped.

    All gradients are then truly 0, and the check shows that backward gives 0 there. What it cannot show at such a
    point, most others do. So it is with a bias (or a whole layer, in a batch of one row) below a batch normalisation,
    and with an auxiliary head outside training.
    """
    return any(
        isinstance(part, ReLU | LeakyReLU | Dropout | MaskingNoise)
        or getattr(part, "activation", None) == "relu"
        or (isinstance(part, BatchNorm) and training and part is not layer)
        or (isinstance(part, AuxiliaryHead) and not training)
        for part in layer.walk()
    )


LAYERS: dict[str, Callable[[Draw], LayerCase]] = {
    "Dense": Kind(_rows, _dense),
    "ContractivePenalty": Kind(_rows, _contractive),
    "Conv2D": Kind(_images_for_conv, _conv2d),
    "MaxPool2D": Kind(_images, _max_pool2d),
    "AveragePool2D": Kind(_images, _average_pool2d),
    "GlobalAveragePool2D": Kind(_images, _global_average_pool2d),
    "LocalResponseNorm": Kind(_images, _local_response_norm),
    "BatchNorm": Kind(_some_axes, _batch_norm, batches=SEVERAL),
    "PadChannels": Kind(_some_axes, _pad_channels),
    "Residual": Kind(_rows_or_images, _residual),
    "Branches": Kind(_rows_or_images, _branches),
    "AuxiliaryHead": Kind(_some_axes, _auxiliary_head),
    "ReLU": Kind(_any_shape, _relu),
    "LeakyReLU": Kind(_any_shape, _leaky_relu),
    "Sigmoid": Kind(_any_shape, _sigmoid),
    "Tanh": Kind(_any_shape, _tanh),
    "Softmax": Kind(_some_axes, _softmax),
    "Flatten": Kind(_any_shape, _flatten),
    "Dropout": Kind(_any_shape, _dropout),
    "MaskingNoise": Kind(_any_shape, _masking_noise),
    "GaussianNoise": Kind(_any_shape, _gaussian_noise),
    "ActivityL1": Kind(_rows, _activity_l1, _off_zero),
    "KLSparsity": Kind(_rows, _kl_sparsity, _rates),
    "Sequential": Kind(_rows_or_images, _chain),
}

Targets = tuple[Loss, NDArray]


def _mean_squared_error(draw: Draw, rng: np.random.Generator, shape: Shape) -> Targets:
    return MeanSquaredError(), rng.normal(size=shape)


def _binary_cross_entropy(draw: Draw, rng: np.random.Generator, shape: Shape) -> Targets:
    y = rng.uniform(size=shape)
    return BinaryCrossEntropy(), draw((y, y.round()))


def _softmax_cross_entropy(draw: Draw, rng: np.random.Generator, shape: Shape) -> Targets:
    rows = rng.dirichlet(np.ones(shape[1]), shape[0])
    return SoftmaxCrossEntropy(draw((0.0, 0.1, 0.5))), draw((rows.argmax(axis=1), rows))


def _loss_case(
    targets: Callable[[Draw, np.random.Generator, Shape], Targets], sample: Callable[[Draw], Shape], draw: Draw
) -> LossCase:
    seed, shape = draw(SEEDS), (draw(BATCHES), *sample(draw))
    rng = np.random.default_rng(seed)
    loss, y = targets(draw, rng, shape)
    # Of one class the probability is 1, whatever its logit is.
    zero_ok = ("y_pred",) if isinstance(loss, SoftmaxCrossEntropy) and shape[1] == 1 else ()
    return LossCase(loss, draw((1.0, 0.3, 3.0)) * rng.normal(size=shape), y, {"seed": seed, "zero_ok": zero_ok})


LOSSES: dict[str, Callable[[Draw], LossCase]] = {
    "MeanSquaredError": partial(_loss_case, _mean_squared_error, _any_shape),
    "BinaryCrossEntropy": partial(_loss_case, _binary_cross_entropy, _any_shape),
    "SoftmaxCrossEntropy": partial(_loss_case, _softmax_cross_entropy, _rows),
}


def _model_case(sample: Callable[[Draw], Shape], draw: Draw) -> ModelCase:
    """A chain, a last Dense layer and a loss."""
    shape, seed = sample(draw), draw(SEEDS)
    chain, units = _chain(draw, shape), draw(range(1, 5))
    layers = [*chain.layers, Dense(units)]
    if len(_built(chain, shape).output_shape) == 3:
        layers.insert(-1, draw((Flatten(), GlobalAveragePool2D())))
    targets = draw((_mean_squared_error, _binary_cross_entropy, _softmax_cross_entropy)[: 3 if units > 1 else 2])
    rng = np.random.default_rng(seed)
    x = _normal(draw, rng, (draw(BATCHES), *shape))
    loss, y = targets(draw, rng, (len(x), units))

    def make() -> Model:
        """Off its initial values: where all of a row's units are dead, a bias of 0 puts the next relu on its kink."""
        model = Model(copy.deepcopy(layers), shape, seed)
        model.parameters += 0.1 * np.random.default_rng(seed).standard_normal(model.parameters.shape)
        return model

    training = draw((True, False))
    zero_ok = ("x", *make().params) if _may_be_silent(chain, training) else ()
    return ModelCase(make, x, y, loss, {"training": training, "seed": seed, "zero_ok": zero_ok})


MODELS: dict[str, Callable[[Draw], ModelCase]] = {
    "Model of rows": partial(_model_case, _rows),
    "Model of images": partial(_model_case, _images),
}
