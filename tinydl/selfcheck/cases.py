"""What the gradient checks are run on: every public layer, every loss and every model, one row a configuration.

Each row checks itself: LAYERS["Conv2D(same)"].check(). A gradient check proves that backward is the derivative of
forward; that forward is right, values computed elsewhere prove (tests/golden).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import models
from ..gradcheck import GradientCheckReport, check_layer, check_loss, check_model
from ..initializers import INITIALIZERS, zeros
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
    Layer,
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

Point = NDArray[Any] | tuple[int, ...]  # an array, or a shape to draw N(0, 1) in


def is_smooth(layer: Layer) -> bool:
    """Whether neither the layer nor any below it has a kink, where a difference of forward values may mislead."""
    return not any(
        isinstance(part, ReLU | LeakyReLU | MaxPool2D | ActivityL1) or getattr(part, "activation", None) == "relu"
        for part in layer.walk()
    )


@dataclass(frozen=True)
class LayerCase:
    """A layer, where it is checked, and further arguments of check_layer."""

    layer: Layer
    x: Point
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def smooth(self) -> bool:
        return is_smooth(self.layer)

    def check(self, **more: Any) -> GradientCheckReport:
        return check_layer(self.layer, self.x, **{**self.options, **more})


@dataclass(frozen=True)
class LossCase:
    """A loss, where it is checked, and further arguments of check_loss."""

    loss: Loss
    y_pred: Point
    y_true: NDArray[Any]
    options: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    def check(self, **more: Any) -> GradientCheckReport:
        return check_loss(self.loss, self.y_pred, self.y_true, **{**self.options, **more})


@dataclass(frozen=True)
class ModelCase:
    """How to make a model, data and loss to check it with, and further arguments of check_model."""

    make: Callable[[], Model]
    x: NDArray[Any]
    y: NDArray[Any]
    loss: Loss
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def smooth(self) -> bool:
        return is_smooth(self.make().root)

    def check(self, **more: Any) -> GradientCheckReport:
        return check_model(self.make(), self.x, self.y, loss=self.loss, **{**self.options, **more})


Case = LayerCase | LossCase | ModelCase


class OfFirstRows(Loss):
    """A loss against as many of the targets as there are predictions: for batches of every size."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:
        return self.loss.forward(y_pred, y_true[: len(y_pred)])

    def backward(self) -> NDArray:
        return self.loss.backward()


def expecting(head: AuxiliaryHead, loss: Loss, targets: NDArray) -> AuxiliaryHead:
    """The head as it is in the middle of a training step."""
    return head.expect(OfFirstRows(loss), targets)


RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(6, 5))
RATES = RNG.uniform(0.1, 0.9, (6, 5))
SPARSE = np.where(RNG.uniform(size=(6, 5)) < 0.5, 0.3 + np.abs(ROWS), -0.3 - np.abs(ROWS))  # well away from 0
DISTRIBUTIONS = RATES / RATES.sum(axis=1, keepdims=True)
LABELS = np.array([0, 4, 2, 2, 1, 3])
X = (6, 5)
IMAGES = (2, 5, 4, 3)
LOPSIDED = ((1, 0), (0, 2))


def _conv(filters: int, kernel_size: int, strides: int = 1, activation: str | None = None) -> list[Layer]:
    """Without a bias, which the mean would take away again."""
    return [Conv2D(filters, kernel_size, strides, "same", use_bias=False), BatchNorm(activation=activation)]


def _inception() -> Branches:
    return Branches([
        Conv2D(2, 1, activation="relu"),
        [Conv2D(3, 1, activation="relu"), Conv2D(4, 3, padding="same", activation="relu")],
        [Conv2D(1, 1, activation="relu"), Conv2D(2, 5, padding="same", activation="relu")],
        [MaxPool2D(3, 1, "same"), Conv2D(3, 1, activation="relu")],
    ])  # fmt: skip


# Each stands in several places below.
SHARED = Dense(5, "tanh")
SHARED_CONV = Conv2D(3, (2, 3), padding="same", activation="tanh")
SHARED_HEAD = expecting(AuxiliaryHead(Dense(5)), SoftmaxCrossEntropy(), LABELS)
SHARED_CHAIN = Sequential([Dense(5, use_bias=False), BatchNorm(activation="tanh")])

LAYERS: dict[str, LayerCase] = {
    **{f"Dense({f})": LayerCase(Dense(4, f), X) for f in (None, "linear", "relu", "sigmoid", "tanh")},
    **{f"Dense({f}, no bias)": LayerCase(Dense(4, f, use_bias=False), X) for f in (None, "relu", "tanh")},
    "Dense(one unit)": LayerCase(Dense(1, "sigmoid"), X),
    "Dense(one row)": LayerCase(Dense(4, "tanh"), (1, 5)),
    "Dense(one input)": LayerCase(Dense(4, "relu"), (6, 1)),
    "Dense(wide)": LayerCase(Dense(40, "relu", kernel_initializer="he_normal"), (8, 29)),
    "Dense(large inputs)": LayerCase(Dense(4), 100 * ROWS),
    "ReLU": LayerCase(ReLU(), X),
    "ReLU(image)": LayerCase(ReLU(), (2, 3, 4, 2)),
    "LeakyReLU": LayerCase(LeakyReLU(), X),
    "LeakyReLU(0.3)": LayerCase(LeakyReLU(0.3), X),
    "LeakyReLU(0)": LayerCase(LeakyReLU(0), X),
    "Sigmoid": LayerCase(Sigmoid(), X),
    "Sigmoid(steep)": LayerCase(Sigmoid(), 3 * ROWS),
    "Tanh": LayerCase(Tanh(), X),
    "Tanh(image)": LayerCase(Tanh(), (2, 3, 4, 2)),
    "Softmax": LayerCase(Softmax(), X),
    "Softmax(two classes)": LayerCase(Softmax(), (4, 2)),
    "Softmax(sharp)": LayerCase(Softmax(), 3 * ROWS),
    "Softmax(last axis of three)": LayerCase(Softmax(), (2, 3, 4)),
    "Flatten": LayerCase(Flatten(), (3, 2, 4, 2)),
    "Flatten(rows)": LayerCase(Flatten(), X),
    "Dropout": LayerCase(Dropout(0.5), X),
    "Dropout(little)": LayerCase(Dropout(0.1), (4, 3, 2)),
    "Dropout(inference)": LayerCase(Dropout(0.5), X, {"training": False}),
    "MaskingNoise": LayerCase(MaskingNoise(0.4), X),
    "MaskingNoise(inference)": LayerCase(MaskingNoise(0.4), X, {"training": False}),
    "GaussianNoise": LayerCase(GaussianNoise(0.3), X),
    "GaussianNoise(inference)": LayerCase(GaussianNoise(0.3), X, {"training": False}),
    "ActivityL1": LayerCase(ActivityL1(0.5), SPARSE),
    "ActivityL1(one row)": LayerCase(ActivityL1(0.5), SPARSE[:1]),
    "KLSparsity": LayerCase(KLSparsity(0.1, 0.5), RATES),
    "KLSparsity(one row)": LayerCase(KLSparsity(), RATES[:1]),
    **{
        f"ContractivePenalty({f})": LayerCase(ContractivePenalty(Dense(4, f), 0.5), X)
        for f in (None, "sigmoid", "tanh", "relu")
    },
    "ContractivePenalty(no bias)": LayerCase(ContractivePenalty(Dense(4, "sigmoid", use_bias=False), 0.5), X),
    "ContractivePenalty(one row)": LayerCase(ContractivePenalty(Dense(4, "tanh"), 0.5), (1, 5)),
    "ContractivePenalty(inference)": LayerCase(ContractivePenalty(Dense(4, "tanh"), 0.5), X, {"training": False}),
    "Sequential": LayerCase(Sequential([Dense(4, "tanh"), Dense(3)]), X),
    "Sequential(everything)": LayerCase(
        Sequential([
            Flatten(), MaskingNoise(0.2), ContractivePenalty(Dense(7, "tanh"), 0.3),
            Sequential([Dense(6), LeakyReLU(0.2)]), Dropout(0.3), Dense(6), Sigmoid(), KLSparsity(0.2, 0.5),
            GaussianNoise(0.1), Dense(4, "tanh"), ActivityL1(0.2), Softmax(),
        ]),
        (6, 3, 2),
    ),
    **{
        f"Conv2D({f})": LayerCase(Conv2D(3, 2, activation=f), IMAGES)
        for f in (None, "linear", "relu", "sigmoid", "tanh")
    },
    **{
        f"Conv2D({f}, no bias)": LayerCase(Conv2D(3, (2, 3), activation=f, use_bias=False), IMAGES)
        for f in (None, "relu", "tanh")
    },
    "Conv2D(strides)": LayerCase(Conv2D(3, (3, 2), (1, 2), activation="tanh"), (2, 6, 7, 2)),
    "Conv2D(gaps)": LayerCase(Conv2D(3, (1, 2), (2, 3)), (2, 5, 8, 2)),
    "Conv2D(same)": LayerCase(Conv2D(3, 3, padding="same", activation="relu"), IMAGES),
    "Conv2D(same, even)": LayerCase(Conv2D(3, (2, 4), padding="same", activation="relu"), IMAGES),
    "Conv2D(same, strides)": LayerCase(Conv2D(2, (4, 3), (3, 2), "same", "sigmoid"), (2, 7, 5, 2)),
    "Conv2D(lopsided)": LayerCase(Conv2D(2, (2, 3), (2, 1), LOPSIDED, "tanh"), IMAGES),
    "Conv2D(wide padding)": LayerCase(Conv2D(2, 2, padding=((3, 2), (2, 4))), (1, 3, 2, 2)),
    "Conv2D(pointwise)": LayerCase(Conv2D(4, 1, activation="relu"), IMAGES),
    "Conv2D(one of all)": LayerCase(Conv2D(1, 1), (1, 2, 3, 1)),
    "Conv2D(whole image)": LayerCase(Conv2D(3, (5, 4), activation="tanh"), IMAGES),
    "Conv2D(2x2, many channels)": LayerCase(Conv2D(32, 2, padding="same", activation="relu"), (2, 5, 6, 32)),
    "Conv2D(3x3, many channels)": LayerCase(Conv2D(33, 3, padding=1, activation="tanh"), (2, 4, 5, 32)),
    "Conv2D(3x2, many channels)": LayerCase(Conv2D(32, (3, 2), padding=LOPSIDED), (1, 4, 5, 33)),
    "MaxPool2D": LayerCase(MaxPool2D(2), (2, 4, 6, 3)),
    "MaxPool2D(overlapping)": LayerCase(MaxPool2D((3, 2), 1), IMAGES),
    "MaxPool2D(sides differ)": LayerCase(MaxPool2D((2, 3), (1, 2)), (2, 5, 7, 2)),
    "MaxPool2D(gaps)": LayerCase(MaxPool2D(2, (2, 3)), (2, 4, 8, 2)),
    "MaxPool2D(same)": LayerCase(MaxPool2D(3, 2, "same"), (2, 6, 5, 2)),
    "MaxPool2D(lopsided)": LayerCase(MaxPool2D((2, 3), 1, LOPSIDED), IMAGES),
    "MaxPool2D(all below 0)": LayerCase(MaxPool2D(2, 1, 1), -5 - np.abs(RNG.normal(size=(2, 3, 4, 2)))),
    "AveragePool2D": LayerCase(AveragePool2D(2), (2, 4, 6, 3)),
    "AveragePool2D(overlapping)": LayerCase(AveragePool2D((3, 2), 1), IMAGES),
    "AveragePool2D(gaps)": LayerCase(AveragePool2D(2, (2, 3)), (2, 4, 8, 2)),
    "AveragePool2D(same)": LayerCase(AveragePool2D(3, 2, "same"), (2, 6, 5, 2)),
    "AveragePool2D(lopsided)": LayerCase(AveragePool2D((2, 3), 1, LOPSIDED), IMAGES),
    "GlobalAveragePool2D": LayerCase(GlobalAveragePool2D(), IMAGES),
    "GlobalAveragePool2D(one pixel)": LayerCase(GlobalAveragePool2D(), (3, 1, 1, 4)),
    "LocalResponseNorm": LayerCase(LocalResponseNorm(3, alpha=0.1), (2, 3, 2, 6)),
    "LocalResponseNorm(the paper's)": LayerCase(LocalResponseNorm(), (2, 3, 2, 6)),
    "LocalResponseNorm(even size)": LayerCase(LocalResponseNorm(4, 0.5, 1.2, 1.0), (2, 3, 2, 6)),
    "LocalResponseNorm(size 1)": LayerCase(LocalResponseNorm(1, 0.5), (2, 3, 2, 4)),
    "LocalResponseNorm(size above channels)": LayerCase(LocalResponseNorm(9, 0.5), (2, 3, 2, 4)),
    "BatchNorm": LayerCase(BatchNorm(), X),
    **{f"BatchNorm({f})": LayerCase(BatchNorm(activation=f), X) for f in ("linear", "relu", "sigmoid", "tanh")},
    **{f"BatchNorm({f}, images)": LayerCase(BatchNorm(activation=f), IMAGES) for f in (None, "relu", "tanh")},
    **{
        f"BatchNorm({f}, inference)": LayerCase(BatchNorm(activation=f), X, {"training": False})
        for f in (None, "relu", "sigmoid", "tanh")
    },
    "BatchNorm(images, inference)": LayerCase(BatchNorm(activation="relu"), IMAGES, {"training": False}),
    "BatchNorm(one channel)": LayerCase(BatchNorm(), (6, 1)),
    "BatchNorm(one image of one channel)": LayerCase(BatchNorm(activation="tanh"), (1, 4, 3, 1)),
    "BatchNorm(two rows)": LayerCase(BatchNorm(epsilon=0.3), (2, 5)),
    "BatchNorm(three axes)": LayerCase(BatchNorm(), (3, 2, 4)),
    "BatchNorm(many channels)": LayerCase(BatchNorm(activation="relu"), (5, 37)),
    "BatchNorm(channels far from 0 and apart)": LayerCase(BatchNorm(), 30 * (ROWS + np.arange(-2, 3))),
    "BatchNorm(small inputs)": LayerCase(BatchNorm(), 0.01 * ROWS),
    "BatchNorm(the paper's momentum)": LayerCase(BatchNorm(0.9, 1e-5), X),
    "BatchNorm(no memory)": LayerCase(BatchNorm(0, 0.1), X),
    "Residual": LayerCase(Residual(Dense(5, "tanh")), X),
    **{
        f"Residual({f})": LayerCase(Residual([Dense(4, "tanh"), Dense(5)], activation=f), X)
        for f in ("linear", "relu", "sigmoid", "tanh")
    },
    **{
        f"Residual({f}, shortcut)": LayerCase(Residual([Dense(3, "tanh"), Dense(4)], Dense(4), f), X)
        for f in (None, "relu", "sigmoid", "tanh")
    },
    "Residual(block)": LayerCase(Residual([*_conv(3, 3, 1, "relu"), *_conv(3, 3)], activation="relu"), IMAGES),
    "Residual(block, inference)": LayerCase(
        Residual([*_conv(3, 3, 1, "relu"), *_conv(3, 3)], activation="relu"), IMAGES, {"training": False}
    ),
    "Residual(projection)": LayerCase(
        Residual([*_conv(4, 3, 2, "relu"), *_conv(4, 3)], _conv(4, 1, 2), "relu"), IMAGES
    ),
    "Residual(zeros for channels)": LayerCase(
        Residual(_conv(5, 3, 2), [AveragePool2D(1, 2), PadChannels(5)], "relu"), IMAGES
    ),
    "Residual(nested)": LayerCase(Residual([Residual(Dense(5, "tanh")), Residual(Tanh(), Dense(5))], None, "tanh"), X),
    "Residual(nothing in the body)": LayerCase(Residual(Flatten()), X),
    "Residual(nothing in either)": LayerCase(Residual(Dropout(0.0), Flatten()), X),
    "Residual(dropout)": LayerCase(Residual([Dropout(0.4), Dense(5)], Dropout(0.3)), X),
    "Residual(penalties)": LayerCase(Residual([Dense(5, "sigmoid"), KLSparsity(0.2)], ActivityL1(0.1)), SPARSE),
    "Branches": LayerCase(Branches([Dense(2, "tanh"), [Dense(4, "tanh"), Dense(3)]]), X),
    "Branches(one)": LayerCase(Branches([Dense(3, "sigmoid")]), X),
    "Branches(four)": LayerCase(Branches([Dense(2, "tanh"), Tanh(), [Dense(3), Sigmoid()], Dense(1)]), X),
    "Branches(nested)": LayerCase(
        Branches([Branches([Dense(2), Dense(3, "tanh")]), [Branches([Tanh(), Dense(2)]), Dense(3)]]), X
    ),
    "Branches(nothing in some)": LayerCase(Branches([Flatten(), Dense(2), Flatten()]), X),
    "Branches(nothing in all)": LayerCase(Branches([Flatten(), Dropout(0.0)]), X),
    "Branches(images)": LayerCase(Branches([Conv2D(2, 2, 2), [AveragePool2D(2), BatchNorm()]]), (2, 4, 6, 3)),
    "Branches(inception)": LayerCase(_inception(), IMAGES),
    "Branches(batch norm)": LayerCase(Branches([_conv(2, 1, 1, "relu"), _conv(3, 3, 1, "tanh")]), IMAGES),
    "PadChannels": LayerCase(PadChannels(8), X),
    "PadChannels(images)": LayerCase(PadChannels(5), IMAGES),
    "PadChannels(none more)": LayerCase(PadChannels(3), IMAGES),
    "AuxiliaryHead": LayerCase(expecting(AuxiliaryHead(Dense(5)), SoftmaxCrossEntropy(), LABELS), X),
    "AuxiliaryHead(deep)": LayerCase(
        expecting(AuxiliaryHead([Dense(4, "tanh"), Dense(5)], 2.0), SoftmaxCrossEntropy(0.1), LABELS), X
    ),
    "AuxiliaryHead(images)": LayerCase(
        expecting(
            AuxiliaryHead([AveragePool2D(2, 1), Conv2D(2, 1, activation="relu"), Flatten(), Dense(3)], 0.5),
            SoftmaxCrossEntropy(), np.array([2, 0]),
        ),
        IMAGES,
    ),
    "AuxiliaryHead(penalties)": LayerCase(
        expecting(AuxiliaryHead([Dense(5, "sigmoid"), KLSparsity(0.2, 0.5)]), SoftmaxCrossEntropy(), LABELS), X
    ),
    "AuxiliaryHead(inference)": LayerCase(
        expecting(AuxiliaryHead(Dense(5)), SoftmaxCrossEntropy(), LABELS), X,
        {"training": False, "zero_ok": ("dense_1.W", "dense_1.b")},
    ),
    "AuxiliaryHead(idle)": LayerCase(AuxiliaryHead(Dense(5)), X, {"zero_ok": ("dense_1.W", "dense_1.b")}),
    "Sequential(shared)": LayerCase(Sequential([SHARED, Dense(5), SHARED, SHARED]), X),
    "Sequential(shared, nested)": LayerCase(
        Sequential([SHARED, Sequential([Sigmoid(), SHARED]), Residual([Dense(5), SHARED])]), X
    ),
    "Sequential(shared chain)": LayerCase(Sequential([SHARED_CHAIN, Dense(5, "tanh"), SHARED_CHAIN]), X),
    "Sequential(shared chain, inference)": LayerCase(
        Sequential([SHARED_CHAIN, Dense(5, "tanh"), SHARED_CHAIN]), X, {"training": False}
    ),
    "Sequential(shared, other image sizes)": LayerCase(
        Sequential([SHARED_CONV, AveragePool2D(2), SHARED_CONV]), IMAGES
    ),
    "Residual(shared)": LayerCase(Residual([SHARED, Dense(5), Sigmoid()], SHARED, "tanh"), X),
    "Branches(shared)": LayerCase(Branches([SHARED, [Dense(5, "sigmoid"), SHARED]]), X),
    "Branches(shared chain)": LayerCase(Branches([SHARED_CHAIN, [Sigmoid(), SHARED_CHAIN]]), X),
    "Branches(shared, alone)": LayerCase(Branches([SHARED_CONV, SHARED_CONV]), IMAGES),
    "Branches(shared head)": LayerCase(Branches([SHARED_HEAD, [Tanh(), SHARED_HEAD]]), X),
    "AuxiliaryHead(shared)": LayerCase(
        Sequential([SHARED, expecting(AuxiliaryHead(SHARED), SoftmaxCrossEntropy(), LABELS), Dense(3)]), X
    ),
    "Sequential(blocks)": LayerCase(
        Sequential([
            *_conv(2, 3, 1, "tanh"), Residual(_conv(3, 3, 2), [AveragePool2D(1, 2), PadChannels(3)], "tanh"),
            Branches([Conv2D(1, 1, activation="relu"), [MaxPool2D(3, 1, "same"), Conv2D(2, 1, activation="tanh")]]),
            expecting(AuxiliaryHead([GlobalAveragePool2D(), Dense(3)]), SoftmaxCrossEntropy(), np.array([2, 0])),
            SHARED_CONV, Dropout(0.2), SHARED_CONV, GlobalAveragePool2D(), Dense(2),
        ]),
        (2, 4, 5, 2),
    ),
    "Sequential(images)": LayerCase(
        Sequential([
            Conv2D(4, 3, padding="same", activation="relu"), LocalResponseNorm(3, 0.3), MaxPool2D(3, 2, "same"),
            Conv2D(3, (2, 1), activation="tanh", use_bias=False), AveragePool2D(2, 1), Conv2D(4, 1),
            GlobalAveragePool2D(), Dense(3),
        ]),
        (3, 7, 6, 2),
    ),
    "Sequential(images to rows)": LayerCase(
        Sequential([Conv2D(3, 2, activation="sigmoid"), MaxPool2D(2, 1), Flatten(), Dropout(0.2), Dense(4, "tanh")]),
        IMAGES,
    ),
}  # fmt: skip

LOSSES: dict[str, LossCase] = {
    "MeanSquaredError": LossCase(MeanSquaredError(), X, RATES),
    "MeanSquaredError(one number)": LossCase(MeanSquaredError(), (1, 1), np.array([[2.0]])),
    "MeanSquaredError(images)": LossCase(MeanSquaredError(), (2, 3, 4, 2), np.zeros((2, 3, 4, 2))),
    "BinaryCrossEntropy": LossCase(BinaryCrossEntropy(), X, (RATES > 0.5).astype(float)),
    "BinaryCrossEntropy(soft)": LossCase(BinaryCrossEntropy(), 3 * ROWS, RATES),
    "SoftmaxCrossEntropy": LossCase(SoftmaxCrossEntropy(), X, LABELS),
    "SoftmaxCrossEntropy(soft)": LossCase(SoftmaxCrossEntropy(), X, DISTRIBUTIONS),
    "SoftmaxCrossEntropy(smoothed)": LossCase(SoftmaxCrossEntropy(0.1), X, LABELS),
    "SoftmaxCrossEntropy(soft, smoothed)": LossCase(SoftmaxCrossEntropy(0.2), X, DISTRIBUTIONS),
    "SoftmaxCrossEntropy(sharp)": LossCase(SoftmaxCrossEntropy(), 5 * ROWS, LABELS),
    "SoftmaxCrossEntropy(two rows)": LossCase(SoftmaxCrossEntropy(), (2, 3), np.array([2, 0])),
}


def small(make: Callable[[], Model], divisor: int, input_shape: tuple[int, ...]) -> Callable[[], Model]:
    """How to make the model that `make` makes layer for layer, but narrow: filters, units and channels divided.

    (Numbers up to 10, such as classes, are left as they are.) Arrays of one axis and running statistics are moved off
    their first values: biases of 0 and scales of 1 hide errors, and where all of a window is 0 relu has its kink.
    """

    @cache
    def unbuilt() -> tuple[str, list[Layer]]:
        before = dict(INITIALIZERS)
        INITIALIZERS.update(dict.fromkeys(before, zeros))  # the large weights are thrown away, and dear to draw
        try:
            model = make()
        finally:
            INITIALIZERS.update(before)
        return model.name, [_narrow(layer, divisor) for layer in model.layers]

    def build() -> Model:
        name, layers = unbuilt()
        model, rng = Model(copy.deepcopy(layers), input_shape, seed=1, name=name), np.random.default_rng(3)
        for array in [*model.params.values(), *model.state.values()]:
            if array.ndim == 1:
                array += 0.1 * np.abs(rng.standard_normal(array.shape))
        return model

    return build


def _narrow(value: Any, divisor: int) -> Any:
    """A layer's unbuilt copy with fewer filters; a list of such; all else as it is."""
    if isinstance(value, list):
        return [_narrow(entry, divisor) for entry in value]
    if not isinstance(value, Layer):
        return value
    config = {name: _narrow(entry, divisor) for name, entry in value.get_config().items()}
    for width in {"filters", "units", "channels"} & config.keys():
        config[width] = -(-config[width] // divisor) if config[width] > 10 else config[width]
    return type(value)(**config)


def _autoencoder(make: Callable[[], Model]) -> ModelCase:
    return ModelCase(make, ROWS, ROWS, MeanSquaredError())


def _images(make: Callable[[], Model], channels: int) -> ModelCase:
    """(Kinks of relu and of max pooling at every hand; probes that hit one are replaced.)"""
    x = np.random.default_rng(2).normal(size=(3, 8, 8, channels))
    return ModelCase(make, x, np.array([3, 0, 7]), SoftmaxCrossEntropy(), {"probes": 16})


def _deep(make: Callable[[], Model], divisor: int, input_shape: tuple[int, ...]) -> ModelCase:
    """Too many kinks to probe entry by entry: all arrays at once. Its auxiliary heads are told what to expect."""
    x, labels = np.random.default_rng(2).normal(size=(4, *input_shape)), np.array([3, 0, 4, 1])
    narrow = small(make, divisor, input_shape)

    def expecting() -> Model:
        model = narrow()
        for layer in model.root.walk():
            if isinstance(layer, AuxiliaryHead):
                layer.expect(SoftmaxCrossEntropy(), labels)
        return model

    return ModelCase(expecting, x, labels, SoftmaxCrossEntropy(), {"mode": "directional"})


def _classifier() -> Model:
    return Model([Flatten(), Dense(8, "relu"), Dropout(0.3), Dense(6, "tanh"), Dense(3)], (2, 3), name="classifier")


def _classifier_case(smoothing: float) -> ModelCase:
    x = np.random.default_rng(1).normal(size=(7, 2, 3))
    return ModelCase(_classifier, x, np.array([0, 1, 2, 2, 1, 0, 0]), SoftmaxCrossEntropy(smoothing))


MODELS: dict[str, ModelCase] = {
    "vanilla_autoencoder": _autoencoder(lambda: models.vanilla_autoencoder(5, hidden=4)),
    "deep_autoencoder": _autoencoder(lambda: models.deep_autoencoder(5)),
    "sparse_autoencoder": _autoencoder(lambda: models.sparse_autoencoder(5, l1=0.1)),
    "denoising_autoencoder": _autoencoder(lambda: models.denoising_autoencoder(5, rate=0.4, hidden=4)),
    "contractive_autoencoder": _autoencoder(lambda: models.contractive_autoencoder(5, factor=0.1, hidden=4)),
    "contractive_autoencoder(sigmoid)": _autoencoder(lambda: models.contractive_autoencoder(5, 0.1, "sigmoid", 4)),
    "contractive_autoencoder(tanh)": _autoencoder(lambda: models.contractive_autoencoder(5, 0.1, "tanh", 4)),
    "cifar_cnn(small)": _images(small(models.cifar_cnn, 16, (8, 8, 3)), 3),
    "digits_cnn": _images(models.digits_cnn, 1),
    "classifier": _classifier_case(0.0),
    "classifier(smoothed)": _classifier_case(0.1),
    "detector with one logit": ModelCase(
        lambda: Model([Dense(6, "sigmoid"), KLSparsity(0.2, 0.1), Dense(1)], 5, name="detector"),
        ROWS, (RATES[:, :1] > 0.5).astype(float), BinaryCrossEntropy(),
    ),
    "lenet5(small)": _deep(lambda: models.lenet5(classes=5), 2, (16, 18, 1)),
    "alexnet(small)": _deep(lambda: models.alexnet((63, 63, 3), 5), 32, (63, 63, 3)),
    **{
        f"vgg{depth}(small)": _deep(partial(models.vgg, depth, (32, 32, 3), 5), 16, (32, 64, 3))
        for depth in (16, 19)
    },
    "vgg_cifar(small)": _deep(lambda: models.vgg_cifar(classes=5), 8, (16, 32, 3)),
    **{
        f"resnet{depth}(small)": _deep(partial(models.resnet, depth, (32, 32, 3), 5), 16, (48, 40, 3))
        for depth in (18, 34, 50)
    },
    **{
        f"resnet{depth}_cifar(small)": _deep(partial(models.resnet_cifar, depth, (32, 32, 3), 5), 4, (16, 12, 3))
        for depth in (20, 56)
    },
    "googlenet(small)": _deep(lambda: models.googlenet((65, 65, 3), 5), 8, (33, 48, 3)),
    "googlenet(small, auxiliary heads)": _deep(
        lambda: models.googlenet((65, 65, 3), 5, auxiliary_heads=True), 8, (65, 80, 3)
    ),
    "inception_cifar(small)": _deep(lambda: models.inception_cifar(classes=5), 16, (12, 16, 3)),
}  # fmt: skip
