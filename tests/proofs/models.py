"""Whole models with inputs for their checks: narrow versions of the library's architectures, and random chains."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl import models
from tinydl.gradcheck import GradientCheckReport, check_model
from tinydl.initializers import INITIALIZERS, zeros
from tinydl.layer import Layer
from tinydl.layers import AuxiliaryHead, Dense, Dropout, Flatten, GlobalAveragePool2D, KLSparsity
from tinydl.losses import BinaryCrossEntropy, Hinge, Loss, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.model import Model

from .cases import RATES, ROWS
from .drawing import BATCHES, ONLY_IMAGES, ONLY_ROWS, SEEDS, Draw, Inputs, built, chain, random_normal
from .spec import gradients_may_be_zero
from .specs import LOSSES


@dataclass(frozen=True)
class ModelCase:
    """A function that makes a model, the data and loss for its check, and further arguments of check_model."""

    make: Callable[[], Model]
    x: NDArray[Any]
    y: NDArray[Any]
    loss: Loss
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, **more: Any) -> GradientCheckReport:
        return check_model(self.make(), self.x, self.y, loss=self.loss, **{**self.options, **more})


# --- the architectures ---------------------------------------------------------------------------------------------


def small(make: Callable[[], Model], divisor: int, input_shape: tuple[int, ...]) -> Callable[[], Model]:
    """A builder for a narrow version of the model from `make`, with the same layers but fewer filters and units.

    Widths above 10 are divided by `divisor`; smaller ones, such as the number of classes, do not change. Vectors and
    running statistics are moved off their initial values: biases of 0 and scales of 1 hide errors, and with a bias of 0
    a window of zeros puts relu on its kink.
    """

    @cache
    def unbuilt() -> tuple[str, list[Layer]]:
        before = dict(INITIALIZERS)
        INITIALIZERS.update(dict.fromkeys(before, zeros))  # the large weights are slow to draw and never used
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
    """An unbuilt copy of a layer with fewer filters or units, or a list of such copies; other values unchanged."""
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
    """A check on random images. There are relu and max-pool kinks everywhere; probes that hit a kink are replaced."""
    x = np.random.default_rng(2).normal(size=(3, 8, 8, channels))
    return ModelCase(make, x, np.array([3, 0, 7]), SoftmaxCrossEntropy(), {"probes": 16})


def _deep(make: Callable[[], Model], divisor: int, input_shape: tuple[int, ...]) -> ModelCase:
    """A check of all arrays at once, for models with too many kinks to probe single entries; heads get their targets."""
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
    "bottleneck_autoencoder": _autoencoder(lambda: models.bottleneck_autoencoder(5, code=2, hidden=7)),
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


# --- random models --------------------------------------------------------------------------------------------------


def _model_case(inputs: Inputs, draw: Draw) -> ModelCase:
    """A random chain with a Dense layer, a loss that fits it, and the last layers that this loss needs."""
    shape, seed = inputs.draw(draw), draw(SEEDS)
    body, units = chain(draw, shape), draw(range(1, 5))
    layers = [*body.layers, Dense(units)]
    if len(built(body, shape).output_shape) == 3:
        layers.insert(-1, draw((Flatten(), GlobalAveragePool2D())))
    spec = draw([spec for spec in LOSSES.values() if spec.inputs.fit((units,))])
    layers += spec.end
    rng = np.random.default_rng(seed)
    x = random_normal(draw, rng, (draw(BATCHES), *shape))
    loss, y = spec.draw(draw, rng, (len(x), units))

    def make() -> Model:
        """Move arrays off their initial values: after a row of dead units, zero biases put the next relu on its kink."""
        model = Model(copy.deepcopy(layers), shape, seed)
        model.parameters += 0.1 * np.random.default_rng(seed).standard_normal(model.parameters.shape)
        return model

    training = draw((True, False))
    zero_ok = ("x", *make().params) if gradients_may_be_zero(body, training) else ()
    if isinstance(loss, Hinge | MeanAbsoluteError):  # the rows' gradients are 1/N or -1/N: a sum of them may be 0
        zero_ok += tuple(name for name in make().params if name.endswith(".b") and name not in zero_ok)
    return ModelCase(make, x, y, loss, {"training": training, "seed": seed, "zero_ok": zero_ok})


RANDOM: dict[str, Callable[[Draw], ModelCase]] = {
    "Model of rows": partial(_model_case, ONLY_ROWS),
    "Model of images": partial(_model_case, ONLY_IMAGES),
}
