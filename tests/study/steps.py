"""Training steps that together use every layer and every loss of tinydl, in each of their variants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinydl import Model
from tinydl.layer import Layer
from tinydl.layers import (
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
    LayerNorm,
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
from tinydl.losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MaskedMeanSquaredError,
    MeanAbsoluteError,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from tinydl.regularizers import L2
from tinydl.study import Trace

ACTIVATIONS = (None, "relu", "sigmoid", "tanh")


class Case(NamedTuple):
    """What one step needs; `prepare` changes the built model."""

    layers: list[Layer]
    x: NDArray
    y: NDArray | None = None  # None: random numbers
    loss: Loss | str = "mse"
    sample_weight: NDArray | None = None
    prepare: Callable[[Model], None] = lambda model: None

    def trace(self, dtype: str = "float32") -> Trace:
        """The step, with biases, gamma and beta that are neither 0 nor 1."""
        rng = np.random.default_rng(1)
        model = Model(self.layers, input_shape=self.x.shape[1:], seed=1, dtype=dtype)
        for name, array in model.params.items():
            if not name.endswith("W"):
                array += 0.3 * rng.normal(size=array.shape)
        self.prepare(model)
        model.compile("sgd", self.loss)
        y = rng.normal(size=(len(self.x), *model.output_shape)) if self.y is None else self.y
        return model.trace(self.x, y, self.sample_weight)


def cases() -> dict[str, Case]:
    """All cases by name, built anew: a layer belongs to one model."""
    return dict(_all())


def _all() -> Iterator[tuple[str, Case]]:
    rng = np.random.default_rng(0)
    rows: Any = rng.normal(size=(5, 4))
    images: Any = rng.normal(size=(3, 6, 5, 3))
    labels, weights = rng.integers(0, 3, 5), rng.uniform(size=5)
    yes_or_no, distributions = rng.integers(0, 2, (5, 3)), rng.dirichlet(np.ones(3), 5)

    def freeze(model: Model) -> None:
        model.layers[1].trainable = False

    for f in ACTIVATIONS:
        yield f"Dense {f}", Case([Dense(4), Dense(3, f, kernel_regularizer="l1_l2")], rows)
        kernel = {"strides": (2, 1), "padding": "same", "kernel_regularizer": L2(0.1)}
        yield f"Conv2D {f}", Case([Conv2D(3, (3, 2), activation=f, **kernel), Flatten(), Dense(2)], images)
        yield f"BatchNorm {f}", Case([Dense(4), BatchNorm(activation=f)], rows)
        yield f"BatchNorm of images {f}", Case([Conv2D(3, 2), BatchNorm(activation=f)], images + 5)
        yield f"frozen BatchNorm {f}", Case([Dense(4), BatchNorm(activation=f), Dense(2)], rows, prepare=freeze)
        yield f"Residual {f}", Case([Dense(4), Residual([Dense(3, "tanh"), Dense(4)], activation=f)], rows)
        body = [Dense(3, "tanh"), Dense(2)]
        yield f"Residual with shortcut {f}", Case([Dense(4), Residual(body, Dense(2), activation=f)], rows)
        encoder = ContractivePenalty(Dense(3, f, kernel_regularizer="l2"), 0.3)
        yield f"ContractivePenalty {f}", Case([Dense(4), encoder, Dense(2)], rows)

    for layer in (ReLU(), LeakyReLU(0.1), Sigmoid(), Tanh(), Softmax(), LayerNorm(), Dropout(0.4), MaskingNoise(0.4),
                  GaussianNoise(0.3), ActivityL1(0.2)):  # fmt: skip
        yield type(layer).__name__, Case([Dense(4), layer, Dense(3)], rows)
    yield "Dropout 0", Case([Dense(4), Dropout(0.0), GaussianNoise(0.0), Dense(3)], rows)
    yield "KLSparsity", Case([Dense(4, "sigmoid"), KLSparsity(0.1, 0.5), Dense(3)], rows)
    yield "KLSparsity of silent units", Case([Dense(4, "sigmoid"), KLSparsity(0.1, 0.5), Dense(3)], rows * 200)

    for name, layer in {
        "MaxPool2D": MaxPool2D(2), "MaxPool2D same": MaxPool2D(3, 2, padding="same"),
        "MaxPool2D overlapping": MaxPool2D((2, 3), 1), "AveragePool2D": AveragePool2D(2),
        "AveragePool2D padded": AveragePool2D(3, 2, padding=1), "GlobalAveragePool2D": GlobalAveragePool2D(),
        "LocalResponseNorm": LocalResponseNorm(3, alpha=0.3), "LocalResponseNorm even": LocalResponseNorm(4, alpha=0.3),
        "PadChannels": PadChannels(5), "Flatten": Flatten(), "LayerNorm of images": LayerNorm(),
        "Softmax of images": Softmax(),
    }.items():  # fmt: skip
        yield name, Case([Conv2D(3, 2), layer], images)
    wide: Any = rng.normal(size=(2, 6, 6, 16))
    wide[:, 3, 3] *= 1000  # in Winograd's tiles, a large pixel leaves rounding errors in outputs that do not see it
    yield "Conv2D in tiles", Case([Conv2D(16, 3, padding="same"), Conv2D(16, 2), GlobalAveragePool2D()], wide)
    yield "Conv2D, wide strides", Case([Conv2D(2, 2, strides=3), Flatten(), Dense(2)], images)

    yield "Branches", Case([Dense(4), Branches([Dense(2, "tanh"), [Dense(4, "tanh"), Dense(3)]])], rows)
    yield "Sequential", Case([Dense(4), Sequential([Dense(3, "relu"), Sequential([Dense(2)])])], rows)
    shared = Dense(4, "tanh", kernel_regularizer="l2")
    yield "shared", Case([Dense(4), shared, shared, Residual(shared)], rows)
    head = AuxiliaryHead([Dense(3)], 0.3)
    yield "AuxiliaryHead", Case([Dense(4, "relu"), head, Dense(3)], rows, labels, SoftmaxCrossEntropy(0.1))

    yield "SoftmaxCrossEntropy", Case([Dense(3)], rows, labels, SoftmaxCrossEntropy())
    smooth = SoftmaxCrossEntropy(0.2)
    yield "SoftmaxCrossEntropy, soft", Case([Dense(3)], rows * 20, distributions, smooth, weights)
    yield "SoftmaxCrossEntropy, fused", Case([Dense(3), Softmax()], rows, labels, "categorical_crossentropy")
    yield "BinaryCrossEntropy", Case([Dense(3)], rows * 5, yes_or_no, BinaryCrossEntropy())
    unequal = BinaryCrossEntropy(0.1, {0: 1, 1: 5})
    yield "BinaryCrossEntropy, classes", Case([Dense(3)], rows * 5, yes_or_no, unequal, weights)
    yield "Hinge", Case([Dense(3)], rows, yes_or_no, Hinge(), weights)
    yield "KLDivergence", Case([Dense(3), Softmax()], rows * 10, distributions, KLDivergence(), weights)
    gaps = rng.normal(size=(5, 3))
    gaps[0, 1] = np.nan
    yield "MaskedMeanSquaredError", Case([Dense(3)], rows, gaps, MaskedMeanSquaredError(), weights)
    for loss in (MeanSquaredError(), MeanAbsoluteError(), Huber(0.5)):
        yield type(loss).__name__, Case([Dense(3)], rows, None, loss, weights)
