"""Where mutants are checked: small layers and losses at inputs that show mistakes, and the circumstances that do.

A mistake shows only where it makes a difference: one row of a batch hides a wrong axis, a square image exchanged sides,
windows side by side an = for a +=, a first call a stale cache.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..layer import Layer, Shape
from ..layers import (
    ActivityL1,
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    Container,
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
from .cases import LAYERS, LOSSES, LayerCase, LossCase, expecting

Checked = LayerCase | LossCase


def subject_of(case: Checked) -> Layer | Loss:
    """The layer or the loss that a case checks."""
    return case.layer if isinstance(case, LayerCase) else case.loss


def rows_of(kind: type) -> list[Checked]:
    """What the library's own table has for a class."""
    rows: list[Checked] = [*LAYERS.values(), *LOSSES.values()]
    return [case for case in rows if type(subject_of(case)) is kind]


def cases_of(kind: type) -> list[Checked]:
    """Where mutants of a class are checked; without a row in TELLING, the library's own table must do."""
    if kind in TELLING:
        return TELLING[kind]
    rows = rows_of(kind)
    if not rows:
        raise ValueError(f"{kind.__name__} has no row in TELLING, nor in the library's table of cases")
    return [*rows, _reused(rows[0])]


class Around(Container):
    """A layer in circumstances."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def sublayers(self) -> list[Layer]:
        return [self.layer]

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        return self.layer.build(input_shape, rng, dtype)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return self.layer.forward(x, training)

    def backward(self, dy: NDArray) -> NDArray:
        return self.layer.backward(dy)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.layer})"


class Overwritten(Around):
    """A layer that writes its gradients instead of adding to them (accumulate = False), added up here."""

    def __init__(self, layer: Dense) -> None:
        super().__init__(layer)
        layer.accumulate = False
        self.sums: dict[str, NDArray] = {}

    grads = property(lambda self: self.sums, lambda self, ignored: None)

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self.sums.update({name: np.zeros_like(value) for name, value in self.params.items()})
        return shape

    def zero_grad(self) -> None:
        for total in self.sums.values():
            total.fill(0)

    def backward(self, dy: NDArray) -> NDArray:
        dx = self.layer.backward(dy)
        for total, gradient in zip(self.sums.values(), self.layer.grads.values(), strict=True):
            total += gradient
        return dx


class Lowest(Around):
    """A layer whose dL/dx nobody asks for: y = x + layer(data), with data that are no variable."""

    def __init__(self, layer: Layer, data: NDArray) -> None:
        super().__init__(layer)
        self.data = data
        layer.input_gradient = False

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(self.data.shape[1:], rng, dtype)
        return input_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return x + self.layer.forward(self.data[: len(x)].astype(x.dtype), training)

    def backward(self, dy: NDArray) -> NDArray:
        self.layer.backward(dy)
        return dy


class Reused(Around):
    """A layer that has seen another batch before, of other numbers and another size, in the other mode.

    Running statistics do not remember it: those that inference uses are no function of x.
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        before = [(value, value.copy()) for value in self.state.values()]
        self.layer.forward(x[1:] * 0.7, not training)
        for value, old in before:
            value[...] = old
        return self.layer.forward(x, training)


class ReusedLoss(Loss):
    """A loss that has seen another batch before."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, y_pred: NDArray, y_true: NDArray) -> float:
        self.loss.forward(y_pred[1:] * 0.7, y_true[1:])
        return self.loss.forward(y_pred, y_true)

    def backward(self) -> NDArray:
        return self.loss.backward()


def _reused(case: Checked) -> Checked:
    if isinstance(case, LayerCase):
        return LayerCase(Reused(copy.deepcopy(case.layer)), case.x, case.options)
    return LossCase(ReusedLoss(copy.deepcopy(case.loss)), case.y_pred, case.y_true, case.options)


# --- data -----------------------------------------------------------------------------------------------------------


def _rows(*shape: int) -> NDArray:
    return np.random.default_rng([5, *shape]).standard_normal(shape)


def _rates(*shape: int) -> NDArray:
    return np.random.default_rng([6, *shape]).uniform(0.1, 0.9, shape)


def _away_from_0(*shape: int) -> NDArray:
    rows = _rows(*shape)
    return rows + 0.3 * np.sign(rows)


def _with_a_0(*shape: int) -> NDArray:
    """All below 0 but the first."""
    rows = -0.1 - np.abs(_rows(*shape))
    rows[0] = -rows[0]
    rows.flat[0] = 0
    return rows


def _with_extreme_units(*shape: int) -> NDArray:
    """Rates; the first column is 0, the last 1."""
    rates = _rates(*shape)
    rates[:, 0], rates[:, -1] = 0, 1
    return rates


def _distributions(*shape: int) -> NDArray:
    rates = _rates(*shape)
    return rates / rates.sum(axis=1, keepdims=True)


def _with_zeros(*shape: int) -> NDArray:
    """The first row all 0."""
    rows = _rows(*shape)
    rows[0] = 0
    return rows


def _far_apart(*shape: int) -> NDArray:
    """Rows whose exponentials overflow, for their own size or beside each other, though their differences are usual."""
    rows = _rows(*shape)
    rows[0] += 1000
    rows[1, 0] -= 1000
    return rows


def _without_dx(layer: Layer) -> Layer:
    layer.input_gradient = False
    return layer


LABELS = np.array([0, 2, 1, 2])


def _head(head: Layer | list[Layer], weight: float = 0.3, smoothing: float = 0.0) -> AuxiliaryHead:
    return expecting(AuxiliaryHead(head, weight), SoftmaxCrossEntropy(smoothing), LABELS)


def _layers(x: Any, *subjects: Layer, **options: Any) -> list[Checked]:
    return [LayerCase(layer, x, options) for layer in subjects]


# --- the table ------------------------------------------------------------------------------------------------------

# Small, and the most telling first: sides that are equal, so that what should not fit fits (a transpose forgotten, x
# for dy); sides that differ, so that exchanging them shows; a row of zeros, a unique largest entry of 0 beside padding.
TELLING: dict[type, list[Checked]] = {
    ReLU: _layers((2, 3, 4), ReLU(), Reused(ReLU())),
    LeakyReLU: _layers((2, 3, 4), LeakyReLU(0.3), Reused(LeakyReLU(0.3))),
    Sigmoid: _layers((2, 3, 4), Sigmoid(), Reused(Sigmoid())),
    Tanh: _layers((2, 3, 4), Tanh(), Reused(Tanh())),
    Softmax: [
        *_layers((2, 3, 4), Softmax(), Reused(Softmax())),
        *_layers(_far_apart(3, 4), Softmax()),
    ],
    Flatten: _layers((2, 3, 4), Flatten(), Reused(Flatten())),
    **{
        kind: [
            *_layers((2, 3, 4), kind(0.4), Reused(kind(0.4))),
            *_layers((2, 3, 4), kind(0.4), Reused(kind(0.4)), training=False),
        ]
        for kind in (Dropout, MaskingNoise, GaussianNoise)
    },
    ActivityL1: [
        *_layers(_away_from_0(3, 4), ActivityL1(0.5), Reused(ActivityL1(0.5))),
        *_layers(_with_a_0(3, 4), ActivityL1(0.5)),
    ],
    KLSparsity: [
        *_layers(_rates(3, 4), KLSparsity(0.2, 0.5), Reused(KLSparsity(0.2, 0.5))),
        *_layers(_with_extreme_units(3, 6), KLSparsity(0.2, 0.5)),
    ],
    Dense: [
        *_layers((3, 3), Dense(3, "tanh")),
        *_layers((4, 2), Dense(3, "sigmoid"), Dense(3, "relu"), Dense(3)),
        *_layers((3, 3), Dense(3, use_bias=False)),
        *_layers((3, 2), Overwritten(Dense(2, "tanh")), Reused(Dense(2, "tanh"))),
        *_layers((3, 2), Lowest(Dense(2, "tanh"), _rows(3, 3))),
        *_layers((3, 2), Lowest(Sequential([Tanh(), _without_dx(Dense(2))]), _rows(3, 3))),
    ],
    ContractivePenalty: [
        *_layers((3, 3), ContractivePenalty(Dense(3, "tanh"), 0.5)),
        *_layers((4, 2), ContractivePenalty(Dense(3, "sigmoid"), 0.5)),
        *_layers((4, 3), ContractivePenalty(Dense(3, "relu"), 0.5)),
        *_layers((3, 2), ContractivePenalty(Dense(3), 0.5), ContractivePenalty(Dense(3, "linear"), 0.5)),
        *_layers((3, 2), Reused(ContractivePenalty(Dense(2, "tanh"), 0.5))),
        *_layers(_with_zeros(3, 2), ContractivePenalty(Dense(3, "tanh", use_bias=False), 0.5)),
    ],
    Sequential: [
        *_layers((3, 3), Sequential([Dense(3, "tanh"), ActivityL1(0.2), Dropout(0.3), Dense(3), Tanh()])),
        *_layers((3, 3), Lowest(Sequential([Tanh(), _without_dx(Dense(2)), Dense(3)]), _rows(3, 2))),
    ],
    Conv2D: [
        *_layers((2, 3, 3, 2), Conv2D(2, 2, 1, 1, "tanh")),
        *_layers((2, 4, 5, 2), Conv2D(3, (2, 3), (1, 2), ((1, 0), (0, 2)), "sigmoid")),
        *_layers((1, 5, 3, 1), Conv2D(2, (3, 2), (2, 1), ((0, 1), (2, 0)), "relu")),
        *_layers((1, 5, 3, 1), Conv2D(1, 2), Conv2D(1, (3, 2), 1, ((0, 2), (1, 0)))),
        *_layers((2, 2, 3, 1), Conv2D(2, 2, use_bias=False), Reused(Conv2D(2, 2, activation="tanh"))),
        *_layers((1, 2, 2, 1), Conv2D(1, 2, 1, ((2, 1), (1, 3)))),
        *_layers((2, 1, 2, 2), Lowest(Conv2D(2, 2, activation="tanh"), _rows(2, 2, 3, 1))),
        *_layers((2, 1, 2, 2), Lowest(Sequential([Tanh(), _without_dx(Conv2D(2, 2))]), _rows(2, 2, 3, 1))),
    ],
    **{
        kind: [
            *_layers((2, 3, 3, 2), kind(2, 1, 1)),
            *_layers((2, 4, 5, 2), kind((2, 3), (1, 2), ((1, 0), (0, 2)))),
            *_layers((1, 5, 3, 1), kind((3, 2), (2, 1), ((0, 1), (1, 0)))),
            *_layers((2, 4, 3, 1), kind((3, 2), 1), kind((3, 2), 1, ((0, 2), (1, 0))), Reused(kind(2))),
            *_layers((1, 4, 7, 1), kind(2, (2, 3))),
            *_layers(_with_a_0(2, 3, 3, 1), kind(2, 1, 1)),
        ]
        for kind in (MaxPool2D, AveragePool2D)
    },
    GlobalAveragePool2D: _layers((2, 3, 4, 2), GlobalAveragePool2D(), Reused(GlobalAveragePool2D())),
    LocalResponseNorm: [
        *_layers((2, 2, 3, 4), LocalResponseNorm(3, 0.4, 0.6, 1.5)),
        *_layers((2, 1, 2, 4), LocalResponseNorm(2, 0.4, 1.2, 0.7), Reused(LocalResponseNorm(3, 0.4, 0.6, 1.5))),
    ],
    BatchNorm: [
        *_layers((4, 3), BatchNorm(0.7, 0.2), BatchNorm(0.7, 0.2, "tanh"), Reused(BatchNorm(0.7, 0.2))),
        *_layers((3, 3), BatchNorm(0.7, 0.2, "sigmoid")),
        *_layers((2, 3, 2, 2), BatchNorm(0.7, 0.2, "relu")),
        *_layers((4, 3), BatchNorm(0.7, 0.2, "tanh"), Reused(BatchNorm(0.7, 0.2)), training=False),
    ],
    Residual: [
        *_layers((3, 3), Residual([Dense(4, "tanh"), Dense(3)]), Reused(Residual(Dense(3, "tanh"), None, "sigmoid"))),
        *_layers((4, 3), Residual(Dense(2, "tanh"), Dense(2), "tanh"), Residual(Dense(3, "tanh"), Tanh(), "relu")),
        *_layers((4, 3), Residual(Dense(3, "tanh"), None, "relu"), Residual(Tanh(), None, "sigmoid")),
        *_layers((4, 3), Residual(Flatten()), Residual([Dense(3, "sigmoid"), ActivityL1(0.3)], ActivityL1(0.2))),
        *_layers((2, 3, 2, 2), Residual(Conv2D(3, 1, activation="tanh"), Conv2D(3, 1, activation="relu"))),
    ],
    Branches: [
        *_layers((3, 3), Branches([Dense(2, "tanh"), [Dense(3, "tanh"), Dense(3)], Tanh()])),
        *_layers((4, 3), Reused(Branches([Dense(2, "tanh"), Dense(2, "sigmoid")])), Branches([Flatten(), Flatten()])),
        *_layers((4, 3), Branches([[Dense(3, "sigmoid"), ActivityL1(0.3)], ActivityL1(0.2)]), Branches([Dense(1)])),
        *_layers((2, 3, 2, 2), Branches([Conv2D(3, 1, activation="relu"), MaxPool2D(3, 1, "same"), Conv2D(1, 1)])),
    ],
    PadChannels: [
        *_layers((3, 3), PadChannels(5), PadChannels(3), Reused(PadChannels(4))),
        *_layers((3, 4, 5, 2), PadChannels(3), Reused(PadChannels(5))),
    ],
    AuxiliaryHead: [
        *_layers((4, 3), _head(Dense(3)), _head([Dense(4, "sigmoid"), ActivityL1(0.3), Dense(3)], 2.0, 0.1)),
        *_layers((3, 3), _head(Dense(3, "tanh"), 1.0), Reused(_head(Dense(3)))),
        *_layers((2, 3, 2, 2), _head([Conv2D(3, 1, activation="relu"), GlobalAveragePool2D(), Dense(3)])),
        *_layers((3, 3), AuxiliaryHead(Dense(3)), zero_ok=("dense_1.W", "dense_1.b")),
        *_layers((3, 3), _head(Dense(3)), training=False, zero_ok=("dense_1.W", "dense_1.b")),
    ],
    MeanSquaredError: [
        LossCase(MeanSquaredError(), (3, 4), _rows(3, 4)),
        LossCase(ReusedLoss(MeanSquaredError()), (3, 4), _rows(3, 4)),
    ],
    BinaryCrossEntropy: [
        LossCase(BinaryCrossEntropy(), (3, 4), _rates(3, 4)),
        LossCase(ReusedLoss(BinaryCrossEntropy()), (3, 4), _rates(3, 4)),
    ],
    SoftmaxCrossEntropy: [
        LossCase(SoftmaxCrossEntropy(0.2), (4, 3), LABELS),
        LossCase(SoftmaxCrossEntropy(), (4, 3), LABELS),
        LossCase(SoftmaxCrossEntropy(), (3, 3), _distributions(3, 3)),
        LossCase(SoftmaxCrossEntropy(), (4, 3), LABELS[:, None].astype(float)),
        LossCase(SoftmaxCrossEntropy(), (3, 4), _distributions(3, 4) * [[1.0005], [0.9995], [1]]),
        LossCase(SoftmaxCrossEntropy(0.1), _far_apart(4, 3), LABELS),
        LossCase(ReusedLoss(SoftmaxCrossEntropy()), (4, 3), LABELS),
    ],
}
