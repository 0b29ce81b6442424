"""A layer or a loss with the inputs of its check, and data and circumstances that expose mistakes.

A mistake shows only where it makes a difference: a batch of one row hides a wrong axis, a square image hides swapped
sides, windows side by side hide an = in place of +=, and a first call hides a stale cache.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinydl.gradcheck import GradientCheckReport, check_layer, check_loss
from tinydl.gradcheck.adapted import Adapted
from tinydl.gradcheck.adapters import loss_alone
from tinydl.layer import Layer, Shape
from tinydl.layers import AuxiliaryHead, Container, Dense, Sequential
from tinydl.losses import Loss, SoftmaxCrossEntropy

Where = NDArray[Any] | tuple[int, ...]  # an array, or the shape of an array drawn from N(0, 1)


@dataclass(frozen=True)
class LayerCase:
    """A layer, its input, and further arguments of check_layer."""

    subject: Layer
    point: Where
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        return bool(self.options.get("training", True))

    def check(self, **more: Any) -> GradientCheckReport:
        constants = getattr(self.subject, "constants", ())
        return check_layer(self.subject, self.point, **{"constants": constants, **self.options, **more})

    def made(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Layer:
        layer = copy.deepcopy(self.subject)
        layer.build(input_shape, rng, dtype)
        return layer

    def used_before(self) -> LayerCase:
        return LayerCase(UsedBefore(copy.deepcopy(self.subject)), self.point, self.options)


@dataclass(frozen=True)
class LossCase:
    """A loss, its predictions, and further arguments of check_loss."""

    subject: Loss
    point: Where  # y_pred
    y_true: NDArray[Any]
    options: dict[str, Any] = field(default_factory=dict)
    training = True

    def check(self, **more: Any) -> GradientCheckReport:
        return check_loss(self.subject, self.point, self.y_true, **{**self.options, **more})

    def made(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Adapted:
        y_true = self.y_true.astype(dtype) if self.y_true.dtype.kind == "f" else self.y_true
        return loss_alone(OfFirstRows(copy.deepcopy(self.subject)), self.point, y_true)

    def used_before(self) -> LossCase:
        return LossCase(LossUsedBefore(copy.deepcopy(self.subject)), self.point, self.y_true, self.options)


Case = LayerCase | LossCase


def at(point: Where, *layers: Layer, **options: Any) -> list[LayerCase]:
    """A case for each of the layers, all at the same point."""
    return [LayerCase(layer, point, options) for layer in layers]


# --- data -----------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X, IMAGES = (6, 5), (2, 5, 4, 3)  # shapes of inputs to draw
ROWS = RNG.normal(size=X)
RATES = RNG.uniform(0.1, 0.9, X)
SPARSE = np.where(RNG.uniform(size=X) < 0.5, 0.3 + np.abs(ROWS), -0.3 - np.abs(ROWS))  # entries well away from 0
DISTRIBUTIONS = RATES / RATES.sum(axis=1, keepdims=True)
LABELS = np.array([0, 4, 2, 2, 1, 3])
LOPSIDED = ((1, 0), (0, 2))  # asymmetric padding


def normal(*shape: int) -> NDArray:
    return np.random.default_rng([5, *shape]).standard_normal(shape)


def rates(*shape: int) -> NDArray:
    return np.random.default_rng([6, *shape]).uniform(0.1, 0.9, shape)


def distributions(*shape: int) -> NDArray:
    values = rates(*shape)
    return values / values.sum(axis=1, keepdims=True)


def away_from_0(*shape: int) -> NDArray:
    values = normal(*shape)
    return values + 0.3 * np.sign(values)


def with_a_0(*shape: int) -> NDArray:
    """An array whose first entry is 0; the others in its first row (or image) are positive, the rest negative."""
    values = -0.1 - np.abs(normal(*shape))
    values[0] = -values[0]
    values.flat[0] = 0
    return values


def with_zeros(*shape: int) -> NDArray:
    """An array whose first row is all 0."""
    values = normal(*shape)
    values[0] = 0
    return values


def far_apart(*shape: int) -> NDArray:
    """An array whose exponentials overflow: its first row is around 1000, and one entry of the second around -1000."""
    values = normal(*shape)
    values[0] += 1000
    values[1, 0] -= 1000
    return values


# --- circumstances --------------------------------------------------------------------------------------------------


class Around(Container):
    """Base class of composites that run one layer under special circumstances."""

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


class UsedBefore(Around):
    """A layer that has seen another batch before, with other numbers, of another size and in the other mode.

    Running statistics are restored after that batch: in inference they must not depend on x.
    """

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        before = [(value, value.copy()) for value in self.state.values()]
        self.layer.forward(x[1:] * 0.7, not training)
        for value, old in before:
            value[...] = old
        return self.layer.forward(x, training)


class Overwriting(Around):
    """A layer that overwrites its gradients instead of adding to them (accumulate = False); this wrapper adds them up."""

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
    """A layer whose dL/dx is not needed: y = x + layer(data), where `data` is constant."""

    constants = ("data",)

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


def learning_from(lowest: int, layers: list[Layer]) -> Sequential:
    """A chain whose backward pass ends at its lowest layer that learns, as in a training step."""
    chain = Sequential(layers)
    chain.lowest, layers[lowest].input_gradient = lowest, False
    return chain


class OfFirstRows(Loss):
    """A loss that uses only as many targets as there are predictions, so that batches of all sizes work."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        return self.loss.forward(y_pred, y_true[: len(y_pred)], sample_weight)

    def backward(self) -> NDArray:
        return self.loss.backward()


class Weighted(Loss):
    """A loss whose rows have sample weights, one of them 0."""

    weights = (0.5, 2.0, 0.0, 1.0, 3.25, 0.75)

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        return self.loss.forward(y_pred, y_true, self.weights[: len(y_pred)])

    def backward(self) -> NDArray:
        return self.loss.backward()


class LossUsedBefore(Loss):
    """A loss that has seen another batch before."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        self.loss.forward(y_pred[:0:-1], y_true[1:])  # other rows, and for a loss on distributions still valid ones
        return self.loss.forward(y_pred, y_true, sample_weight)

    def backward(self) -> NDArray:
        return self.loss.backward()


def auxiliary_head(
    layers: Layer | Sequence[Layer], weight: float = 0.3, smoothing: float = 0.0, labels: NDArray = LABELS
) -> AuxiliaryHead:
    """An auxiliary head that has its loss and labels, as in the middle of a training step."""
    return AuxiliaryHead(layers, weight).expect(OfFirstRows(SoftmaxCrossEntropy(smoothing)), labels)
