"""Healthy models with rows that they learn from: the library's, with their recipes, and networks as users write them.

Each builder takes a seed and returns (model, x, y); with Batches as x, y is None.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets as embedded
from sklearn.preprocessing import StandardScaler

from tinydl import Model, models
from tinydl.batches import Batches
from tinydl.datasets import cifar10, digits
from tinydl.datasets.augmentation import crop_and_flip
from tinydl.datasets.images import Images
from tinydl.layer import Layer
from tinydl.layers import (
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
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
    MaxPool2D,
    ReLU,
    Residual,
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
from tinydl.optimizers import SGD, Adam, Lion, RMSprop
from tinydl.regularizers import L2
from tinydl.schedules import CosineDecay, LinearWarmup, OneCycle

Case = Callable[[int], tuple[Model, Any, Any]]
FRAUD = Path(__file__).parents[2] / "examples" / "fraud"


# --- rows -----------------------------------------------------------------------------------------------------------


@cache
def table(name: str) -> tuple[NDArray, NDArray]:
    """One of scikit-learn's embedded tables, scaled."""
    x, y = getattr(embedded, f"load_{name}")(return_X_y=True)
    return StandardScaler().fit_transform(x).astype(np.float32), y


@cache
def payments() -> NDArray:
    """Generated payments, scaled as in the study of fraud."""
    sys.path.insert(0, str(FRAUD))
    from generator import generate

    data = generate(4_000, seed=0)
    return StandardScaler().fit_transform(data.features).astype(np.float32)


@cache
def images(size: int = 8) -> Images:
    """The digits, standardized; of 32 pixels they are enlarged."""
    train, _ = digits.load()
    if size != 8:
        train = Images(train.x.repeat(size // 8, 1).repeat(size // 8, 2), train.labels, train.class_names)
    return train.standardised()


def made(model: Model, optimizer: Any, loss: Any, x: Any, y: Any) -> tuple[Model, Any, Any]:
    """Compile the model and return it with its rows."""
    model.compile(optimizer, loss)
    return model, x, y


# --- the library's models, each with its recipe ---------------------------------------------------------------------


def autoencoder(build: Callable[..., Model], rate: float) -> Case:
    """One of the autoencoders of the fraud study, with its recipe."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        x = payments()
        return made(build(x.shape[1], seed=seed), Adam(rate, epsilon=1e-7), MeanSquaredError(), x, x)

    return case


def famous(build: Callable[..., Model], size: int, recipe: str) -> Case:
    """One of the networks of examples/cifar/famous_networks.py on digits, with either recipe."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        data = images(size)
        steps = 30 * math.ceil(len(data) / 128)
        rate = OneCycle(0.2, steps) if recipe == "one_cycle" else 0.1
        decay = 5e-4 if recipe == "one_cycle" else 1e-4
        optimizer = SGD(rate, 0.9, nesterov=recipe == "one_cycle", weight_decay=decay)
        return made(build(input_shape=data.sample_shape, seed=seed), optimizer, SoftmaxCrossEntropy(), data, None)

    return case


def digits_cnn(seed: int) -> tuple[Model, Any, Any]:
    """The small network of examples/cifar/cnn.py."""
    return made(models.digits_cnn(seed), Adam(2e-3), SoftmaxCrossEntropy(), digits.load()[0], None)


@cache
def cifar() -> Images:
    """2,000 training images of CIFAR-10."""
    return cifar10.load()[0].split(2_000, np.random.default_rng(0))[1]


def cifar_cnn(seed: int) -> tuple[Model, Any, Any]:
    """The book's network and recipe."""
    return made(models.cifar_cnn(seed), Adam(1e-3), SoftmaxCrossEntropy(), cifar(), None)


def famous_on_cifar(build: Callable[..., Model], recipe: str) -> Case:
    """One of the networks of examples/cifar/famous_networks.py on CIFAR-10."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        data = cifar().standardised().augmented(crop_and_flip)
        rate = OneCycle(0.2, 30 * 352) if recipe == "one_cycle" else 0.1
        decay = 5e-4 if recipe == "one_cycle" else 1e-4
        optimizer = SGD(rate, 0.9, nesterov=recipe == "one_cycle", weight_decay=decay)
        return made(build(seed=seed), optimizer, SoftmaxCrossEntropy(), data, None)

    return case


LIBRARY: dict[str, Case] = {
    "vanilla autoencoder": autoencoder(models.vanilla_autoencoder, 1e-4),
    "deep autoencoder": autoencoder(models.deep_autoencoder, 5e-5),
    "deep autoencoder, 5 % of data": autoencoder(models.deep_autoencoder, 8e-4),
    "sparse autoencoder": autoencoder(models.sparse_autoencoder, 8e-4),
    "denoising autoencoder": autoencoder(models.denoising_autoencoder, 1e-3),
    "contractive autoencoder": autoencoder(models.contractive_autoencoder, 3e-4),
    "bottleneck autoencoder": autoencoder(models.bottleneck_autoencoder, 1e-3),
    "digits_cnn": digits_cnn,
}
LIBRARY_SLOW: dict[str, Case] = {
    f"{name}, {recipe}": famous(build, 32, recipe)
    for name, build in (("lenet5", models.lenet5), ("vgg_cifar", models.vgg_cifar),
                        ("inception_cifar", models.inception_cifar), ("resnet20", lambda **k: models.resnet_cifar(20, **k)))
    for recipe in ("one_cycle", "paper")
}  # fmt: skip
ON_CIFAR: dict[str, Case] = {"cifar_cnn": cifar_cnn} | {
    f"{name} on CIFAR-10, {recipe}": famous_on_cifar(build, recipe)
    for name, build in (("lenet5", lambda **k: models.lenet5((32, 32, 3), **k)), ("vgg_cifar", models.vgg_cifar),
                        ("inception_cifar", models.inception_cifar), ("resnet20", lambda **k: models.resnet_cifar(20, **k)),
                        ("resnet56", lambda **k: models.resnet_cifar(56, **k)))
    for recipe in ("one_cycle", "paper")
}  # fmt: skip


# --- as users write them --------------------------------------------------------------------------------------------


def classifier(name: str, *layers: Any, optimizer: Any = None, loss: Any = None) -> Case:
    """A classifier of an embedded table; `layers` are functions that make them."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        x, y = table(name)
        chain = [make() for make in layers]
        model = Model([*chain, Dense(int(y.max()) + 1)], x.shape[1], seed)
        return made(model, (optimizer or Adam)(), (loss or SoftmaxCrossEntropy)(), x, y)

    return case


def deep_relu(seed: int) -> tuple[Model, Any, Any]:
    """Ten relu layers with He weights."""
    x, y = table("digits")
    layers = [Dense(64, "relu", kernel_initializer="he_normal") for _ in range(10)]
    return made(Model([*layers, Dense(10)], 64, seed), Adam(1e-3), SoftmaxCrossEntropy(), x, y)


def deep_tanh(seed: int) -> tuple[Model, Any, Any]:
    """Six tanh layers."""
    x, y = table("digits")
    return made(Model([*(Dense(64, "tanh") for _ in range(6)), Dense(10)], 64, seed), SGD(0.1, 0.9),
                SoftmaxCrossEntropy(), x, y)  # fmt: skip


def regression(seed: int) -> tuple[Model, Any, Any]:
    """Diabetes, with standardized targets."""
    x, y = table("diabetes")
    y = ((y - y.mean()) / y.std()).astype(np.float32)
    return made(Model([Dense(32, "relu"), Dense(1)], 10, seed), Adam(1e-2), MeanSquaredError(), x, y)


def robust(loss: Any) -> Case:
    """The same with another loss."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        x, y = table("diabetes")
        y = ((y - y.mean()) / y.std()).astype(np.float32)
        return made(Model([Dense(32, "tanh"), Dense(1)], 10, seed), RMSprop(1e-3), loss(), x, y)

    return case


def linear_regression(seed: int) -> tuple[Model, Any, Any]:
    """The first program of many courses: one unit that learns y = 2 x - 1."""
    x = np.linspace(-3, 3, 200, dtype=np.float32)[:, None]
    return made(Model([Dense(1)], 1, seed), SGD(0.05), MeanSquaredError(), x, 2 * x - 1)


def sine(seed: int) -> tuple[Model, Any, Any]:
    """A curve through noisy points."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (300, 1))
    y = np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)
    layers = [Dense(64, "tanh"), Dense(64, "tanh"), Dense(1)]
    return made(Model(layers, 1, seed), Adam(5e-3), MeanSquaredError(), x, y)


def xor(seed: int) -> tuple[Model, Any, Any]:
    """Four rows."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    layers = [Dense(8, "tanh"), Dense(1)]
    return made(Model(layers, 2, seed), SGD(0.5, 0.9), BinaryCrossEntropy(), x, np.array([0, 1, 1, 0]))


def yes_or_no(optimizer: Any, *layers: Any) -> Case:
    """Breast cancer, one output."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        x, y = table("breast_cancer")
        chain = [make() for make in layers]
        return made(Model([*chain, Dense(1)], 30, seed), optimizer(), BinaryCrossEntropy(), x, y)

    return case


def keras_manner(seed: int) -> tuple[Model, Any, Any]:
    """A network that ends in Softmax, and Keras's names."""
    x, y = table("wine")
    return made(Model([Dense(16, "relu"), Dense(3), Softmax()], 13, seed), "adam", "categorical_crossentropy", x,
                np.eye(3)[y])  # fmt: skip


def sigmoid_end(seed: int) -> tuple[Model, Any, Any]:
    """A sigmoid output with squared errors."""
    x, y = table("breast_cancer")
    return made(Model([Dense(16, "sigmoid"), Dense(1, "sigmoid")], 30, seed), Adam(1e-2), MeanSquaredError(), x, y)


def hinge(seed: int) -> tuple[Model, Any, Any]:
    """A linear support vector machine."""
    x, y = table("breast_cancer")
    return made(Model([Dense(1, kernel_regularizer=L2(1e-3))], 30, seed), SGD(0.01), Hinge(), x, 2 * y - 1)


def multi_label(seed: int) -> tuple[Model, Any, Any]:
    """Several yes-or-no outputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((400, 12))
    y = (x @ rng.standard_normal((12, 5)) + 0.5 * rng.standard_normal((400, 5)) > 0).astype(int)
    layers = [Dense(32, "relu"), Dropout(0.3), Dense(5)]
    return made(Model(layers, 12, seed), Adam(3e-3), BinaryCrossEntropy(), x, y)


def several_outputs(seed: int) -> tuple[Model, Any, Any]:
    """A regression with three outputs, and gaps in the targets."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((400, 8))
    y = np.tanh(x @ rng.standard_normal((8, 3))) + 0.1 * rng.standard_normal((400, 3))
    y[rng.random(y.shape) < 0.2] = np.nan
    return made(Model([Dense(32, "relu"), Dense(3)], 8, seed), Adam(), MaskedMeanSquaredError(), x, y)


def distributions(seed: int) -> tuple[Model, Any, Any]:
    """Targets that are distributions."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, 6))
    z = np.exp(x @ rng.standard_normal((6, 4)))
    return made(Model([Dense(16, "tanh"), Dense(4), Softmax()], 6, seed), Adam(1e-2), KLDivergence(), x,
                z / z.sum(axis=1, keepdims=True))  # fmt: skip


def sparse_coding(seed: int) -> tuple[Model, Any, Any]:
    """Ng's sparse autoencoder: the penalty is larger than the loss when training begins."""
    x = table("digits")[0][:, [c for c in range(64) if c % 8 not in (0, 7)]]
    layers = [Dense(25, "sigmoid"), KLSparsity(0.05, 0.1), Dense(x.shape[1])]
    return made(Model(layers, x.shape[1], seed), Adam(1e-2), MeanSquaredError(), x, x)


def linear_autoencoder(seed: int) -> tuple[Model, Any, Any]:
    """Principal components by gradient descent."""
    x = table("wine")[0]
    return made(Model([Dense(3), Dense(13)], 13, seed), Adam(1e-2), MeanSquaredError(), x, x)


def residual(seed: int) -> tuple[Model, Any, Any]:
    """Residual blocks with LayerNorm."""
    x, y = table("digits")
    blocks = [Residual([LayerNorm(), Dense(64, "relu"), Dense(64)]) for _ in range(4)]
    return made(Model([Dense(64), *blocks, LayerNorm(), Dense(10)], 64, seed), Adam(1e-3), SoftmaxCrossEntropy(), x, y)


def small_cnn(seed: int) -> tuple[Model, Any, Any]:
    """Convolutions with BatchNorm, with a schedule."""
    data = images()
    layers = [
        Conv2D(16, 3, padding="same", use_bias=False), BatchNorm(), ReLU(), MaxPool2D(2),
        Conv2D(32, 3, padding="same", use_bias=False), BatchNorm(activation="relu"), GlobalAveragePool2D(), Dense(10),
    ]  # fmt: skip
    model = Model(layers, (8, 8, 1), seed)
    return made(model, Adam(CosineDecay(3e-3, 1000)), SoftmaxCrossEntropy(0.1), data, None)


def plain_cnn(seed: int) -> tuple[Model, Any, Any]:
    """The first convolutional network of many courses."""
    x, y = embedded.load_digits(return_X_y=True)
    layers = [Conv2D(8, 3, activation="relu"), MaxPool2D(2), Flatten(), Dense(32, "relu"), Dense(10)]
    return made(Model(layers, (8, 8, 1), seed), "adam", SoftmaxCrossEntropy(), x.reshape(-1, 8, 8, 1) / 16, y)


def imbalanced(seed: int) -> tuple[Model, Any, Any]:
    """One row in twenty is a yes."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((800, 10))
    y = (x[:, 0] + x[:, 1] + 0.5 * rng.standard_normal(800) > 2.5).astype(int)
    return made(Model([Dense(32, "relu"), Dense(1)], 10, seed), Adam(), BinaryCrossEntropy(), x, y)


def rare_class(seed: int) -> tuple[Model, Any, Any]:
    """One row in five hundred is a yes, as among card payments: most samples of 1,000 rows hold one or two."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((5_000, 10))
    y = np.zeros(5_000, int)
    y[:10] = 1
    x[:10, :3] += 3
    return made(Model([Dense(32, "relu"), Dense(1)], 10, seed), Adam(), BinaryCrossEntropy(), x, y)


def fine_tuned(seed: int) -> tuple[Model, Any, Any]:
    """A trained network of which only a new last layer learns."""
    x, y = table("digits")
    trained = Model([Dense(64, "relu"), Dense(32, "relu"), Dense(10)], 64, seed)
    trained.compile(Adam(1e-3), SoftmaxCrossEntropy())
    trained.fit(x[:900], y[:900], epochs=2, verbose=0)
    model = Model([Dense(64, "relu"), Dense(32, "relu"), Dense(10)], 64, seed + 1)
    for new, old in zip(model.layers[:2], trained.layers[:2], strict=True):
        for key in new.params:
            new.params[key][...] = old.params[key]
        new.trainable = False
    return made(model, Adam(1e-2), SoftmaxCrossEntropy(), x[900:], y[900:])


def half_trained(seed: int) -> tuple[Model, Any, Any]:
    """A network that fit has trained for some epochs."""
    x, y = table("wine")
    model = Model([Dense(32, "relu"), Dense(3)], 13, seed)
    model.compile(Adam(1e-2), SoftmaxCrossEntropy())
    model.fit(x, y, epochs=5, verbose=0)
    return model, x, y


class Scaled(Layer):
    """A user's layer with a parameter, right: y = x s."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.add_parameter("s", np.ones(input_shape[0], dtype))
        return super().build(input_shape, rng, dtype)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x
        return x * self.params["s"]

    def backward(self, dy: NDArray) -> NDArray:
        self.grads["s"] += (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


class Swish(Layer):
    """A user's activation, right: y = x sigmoid(x)."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x, self._s = x, 1 / (1 + np.exp(-x))
        return x * self._s

    def backward(self, dy: NDArray) -> NDArray:
        return dy * (self._s + self._x * self._s * (1 - self._s))


class DropUnits(Layer):
    """A user's dropout, right: it drops whole units, in training only."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.rng = rng.spawn(1)[0]
        return super().build(input_shape, rng, dtype)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        assert self.rng is not None
        keep = self.rng.random(x.shape[1:]) > 0.2 if training else np.ones(x.shape[1:])
        self._mask = keep.astype(x.dtype) / (x.dtype.type(0.8) if training else x.dtype.type(1))
        return x * self._mask

    def backward(self, dy: NDArray) -> NDArray:
        return dy * self._mask


class LogCosh(Loss):
    """A user's loss, right."""

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: Any = None) -> float:
        self._difference = y_pred - y_true
        return float(np.mean(np.log(np.cosh(self._difference))))

    def backward(self) -> NDArray:
        return np.tanh(self._difference) / self._difference.size


def own_loss(seed: int) -> tuple[Model, Any, Any]:
    """A user's loss."""
    x, y = table("diabetes")
    y = ((y - y.mean()) / y.std()).astype(np.float32)
    return made(Model([Dense(32, "relu"), Dense(1)], 10, seed), Adam(1e-2), LogCosh(), x, y)


def pixels(end: str) -> Case:
    """An autoencoder of pixels 0 .. 1, or -1 .. 1, that ends in the sigmoid, or tanh, of this range."""

    def case(seed: int) -> tuple[Model, Any, Any]:
        x = embedded.load_digits(return_X_y=True)[0] / 16
        x = 2 * x - 1 if end == "tanh" else x
        layers = [Dense(32, "relu"), Dense(16, "relu"), Dense(32, "relu"), Dense(64, end)]
        return made(Model(layers, 64, seed), Adam(1e-3), MeanSquaredError(), x, x)

    return case


def pixel_probabilities(seed: int) -> tuple[Model, Any, Any]:
    """Pixels as probabilities, in Keras's manner."""
    x = embedded.load_digits(return_X_y=True)[0] / 16
    return made(Model([Dense(32, "relu"), Dense(64, "sigmoid")], 64, seed), "adam", "binary_crossentropy", x, x)


def denoising(seed: int) -> tuple[Model, Any, Any]:
    """Noisy rows, with the clean ones as targets."""
    x = table("digits")[0]
    noisy = x + 0.5 * np.random.default_rng(seed).standard_normal(x.shape)
    return made(Model([Dense(48, "relu"), Dense(64)], 64, seed), Adam(1e-3), MeanSquaredError(), noisy, x)


def forecast(seed: int) -> tuple[Model, Any, Any]:
    """The next value of a series from the last eight: the targets of neighbouring rows are inputs of this one."""
    rng = np.random.default_rng(seed)
    series = np.sin(0.3 * np.arange(600)) + 0.2 * rng.standard_normal(600)
    x = np.lib.stride_tricks.sliding_window_view(series, 8)[:-1]
    return made(Model([Dense(16, "tanh"), Dense(1)], 8, seed), Adam(1e-2), MeanSquaredError(), x, series[8:])


def counts(seed: int) -> tuple[Model, Any, Any]:
    """Sparse counts of words, mostly 0."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 600)
    rates = rng.gamma(0.2, 0.5, (4, 200))
    return made(Model([Dense(32, "relu"), Dropout(0.5), Dense(4)], 200, seed), Adam(1e-3), SoftmaxCrossEntropy(),
                rng.poisson(rates[y]), y)  # fmt: skip


def ratings(seed: int) -> tuple[Model, Any, Any]:
    """Ratings from 1 to 5 as they come, far from 0."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((800, 10)).astype(np.float32)
    y = np.clip(np.round(3 + x[:, 0] + 0.5 * x[:, 1] + 0.4 * rng.standard_normal(800)), 1, 5)
    return made(Model([Dense(32, "relu"), Dense(1)], 10, seed), Adam(1e-2), MeanSquaredError(), x, y)


def poisson(seed: int) -> tuple[Model, Any, Any]:
    """Counts as integers, the largest of them rare."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1000, 6)).astype(np.float32)
    y = rng.poisson(np.exp(0.3 + 0.5 * x[:, 0] - 0.3 * x[:, 1]))
    return made(Model([Dense(32, "relu"), Dense(1)], 6, seed), Adam(1e-2), MeanSquaredError(), x, y)


def categories(seed: int) -> tuple[Model, Any, Any]:
    """A few categories as one-hot columns: many equal rows, a tenth of them with another label, by chance."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
    x = np.hstack([np.eye(4)[a], np.eye(3)[b]])
    y = ((a + b) % 2 == 0) ^ (rng.random(500) < 0.05)
    return made(Model([Dense(16, "relu"), Dense(1)], 7, seed), Adam(1e-2), BinaryCrossEntropy(), x, y.astype(int))


def weak_signal(seed: int) -> tuple[Model, Any, Any]:
    """A relation that explains a tenth of the variance."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((500, 5))
    y = x[:, 0] + 3 * rng.standard_normal(500)
    return made(Model([Dense(8, "tanh"), Dense(1)], 5, seed), Adam(1e-3), MeanSquaredError(), x, y / y.std())


def twenty_rows(seed: int) -> tuple[Model, Any, Any]:
    """Hardly any rows."""
    x, y = table("iris")
    order = np.random.default_rng(seed).permutation(150)[:20]
    return made(Model([Dense(8, "relu"), Dense(3)], 4, seed), Adam(1e-2), SoftmaxCrossEntropy(), x[order], y[order])


def sorted_rows(seed: int) -> tuple[Model, Any, Any]:
    """Rows in the order of their classes, as many files are."""
    x, y = table("digits")
    order = np.argsort(y, kind="stable")
    return made(Model([Dense(32, "relu"), Dense(10)], 64, seed), Adam(), SoftmaxCrossEntropy(), x[order], y[order])


def warm_up(seed: int) -> tuple[Model, Any, Any]:
    """A rate that begins at almost 0."""
    x, y = table("digits")
    optimizer = SGD(LinearWarmup(CosineDecay(0.1, 2000), 200), 0.9, global_clipnorm=1.0)
    return made(Model([Dense(64, "relu"), Dense(10)], 64, seed), optimizer, SoftmaxCrossEntropy(), x, y)


def branched(seed: int) -> tuple[Model, Any, Any]:
    """Branches, an auxiliary head, local response normalization, average pooling."""
    layers = [
        Conv2D(8, 3, padding="same", activation="relu"), LocalResponseNorm(),
        Branches([[Conv2D(8, 1, activation="relu")], [Conv2D(8, 3, padding="same", activation="relu")]]),
        AuxiliaryHead([GlobalAveragePool2D(), Dense(10)]), AveragePool2D(2), Flatten(), Dense(10),
    ]  # fmt: skip
    return made(Model(layers, (8, 8, 1), seed), Adam(3e-3), SoftmaxCrossEntropy(), images(), None)


def shared_layer(seed: int) -> tuple[Model, Any, Any]:
    """One layer in two places."""
    x, y = table("digits")
    twice = Dense(64, "tanh")
    return made(Model([twice, twice, Dense(10)], 64, seed), Adam(), SoftmaxCrossEntropy(), x, y)


def double_precision(seed: int) -> tuple[Model, Any, Any]:
    """A float64 model."""
    x, y = table("wine")
    model = Model([Dense(16, "relu"), Dense(3)], 13, seed, "float64")
    return made(model, SGD(0.1), SoftmaxCrossEntropy(), x, y)


def fine_tuned_cnn(seed: int) -> tuple[Model, Any, Any]:
    """Trained convolutions with batch normalization, frozen below a new last layer."""
    data = images()
    trained = small_cnn(seed)[0]
    trained.fit(data, epochs=1, verbose=0)
    model = small_cnn(seed + 1)[0]
    for new, old in zip(model.layers[:-1], trained.layers[:-1], strict=True):
        for kind in ("params", "state"):
            for key, array in getattr(new, kind).items():
                array[...] = getattr(old, kind)[key]
        new.trainable = False
    return made(model, Adam(1e-2), SoftmaxCrossEntropy(), data, None)


def last_layer_of_zeros(seed: int) -> tuple[Model, Any, Any]:
    """Zeros in the last layer, and in the last layer of each residual branch: the first step changes them."""
    x, y = table("digits")
    blocks = [Residual([Dense(64, "relu"), Dense(64, kernel_initializer="zeros")]) for _ in range(3)]
    layers = [Dense(64, "relu"), *blocks, Dense(10, kernel_initializer="zeros")]
    return made(Model(layers, 64, seed), Adam(), SoftmaxCrossEntropy(), x, y)


def weighted(seed: int) -> tuple[Model, Any, Any]:
    """Rows that count differently, some not at all."""
    x, y = table("digits")
    rng = np.random.default_rng(seed)
    weights = rng.choice([0.0, 0.5, 2.0], len(x))
    return made(Model([Dense(32, "relu"), Dense(10)], 64, seed), Adam(), SoftmaxCrossEntropy(),
                Batches(x, y.astype(np.int64), weights), None)  # fmt: skip


USERS: dict[str, Case] = {
    "deep relu, he_normal": deep_relu,
    "deep tanh, momentum": deep_tanh,
    "wine, relu": classifier("wine", lambda: Dense(16, "relu")),
    "wine, logistic regression": classifier("wine", optimizer=lambda: SGD(0.1)),
    "iris, tanh": classifier("iris", lambda: Dense(8, "tanh"), optimizer=lambda: Adam(1e-2)),
    "digits, BatchNorm": classifier("digits", lambda: Dense(64, use_bias=False), BatchNorm, ReLU),
    "digits, Dropout": classifier("digits", lambda: Dense(128, "relu"), lambda: Dropout(0.5)),
    "digits, sigmoid": classifier("digits", lambda: Dense(64, "sigmoid"), optimizer=lambda: Adam(3e-3)),
    "digits, LeakyReLU, Lion": classifier("digits", lambda: Dense(64), LeakyReLU, optimizer=lambda: Lion(1e-4)),
    "digits, L2": classifier("digits", lambda: Dense(64, "relu", kernel_regularizer=L2(1e-3))),
    "digits, AdamW": classifier("digits", lambda: Dense(64), Tanh, optimizer=lambda: Adam(1e-3, weight_decay=1e-2)),
    "digits, GaussianNoise": classifier("digits", lambda: GaussianNoise(0.3), lambda: Dense(64, "relu")),
    "breast cancer, relu": yes_or_no(lambda: Adam(1e-3), lambda: Dense(16, "relu")),
    "breast cancer, Sigmoid": yes_or_no(lambda: Adam(1e-2), lambda: Dense(16), Sigmoid),
    "breast cancer, logistic": yes_or_no(lambda: SGD(0.1)),
    "diabetes": regression,
    "diabetes, Huber": robust(Huber),
    "diabetes, MAE": robust(MeanAbsoluteError),
    "y = 2 x - 1": linear_regression,
    "sine": sine,
    "xor": xor,
    "wine, Keras's manner": keras_manner,
    "breast cancer, sigmoid end": sigmoid_end,
    "breast cancer, Hinge": hinge,
    "multi-label": multi_label,
    "several outputs with gaps": several_outputs,
    "distributions": distributions,
    "sparse coding": sparse_coding,
    "linear autoencoder": linear_autoencoder,
    "residual, LayerNorm": residual,
    "small cnn, BatchNorm": small_cnn,
    "plain cnn": plain_cnn,
    "imbalanced": imbalanced,
    "rare class": rare_class,
    "fine-tuned": fine_tuned,
    "half trained": half_trained,
    "own layers": classifier("digits", lambda: Dense(48), Swish, Scaled, DropUnits),
    "own loss": own_loss,
    "pixels, sigmoid": pixels("sigmoid"),
    "pixels, tanh": pixels("tanh"),
    "pixels as probabilities": pixel_probabilities,
    "denoising": denoising,
    "forecast": forecast,
    "counts": counts,
    "ratings": ratings,
    "counts as targets": poisson,
    "categories": categories,
    "weak signal": weak_signal,
    "twenty rows": twenty_rows,
    "sorted rows": sorted_rows,
    "warm-up": warm_up,
    "branches and heads": branched,
    "shared layer": shared_layer,
    "float64": double_precision,
    "fine-tuned cnn": fine_tuned_cnn,
    "last layer of zeros": last_layer_of_zeros,
    "weighted rows": weighted,
}


def drawn(seed: int) -> tuple[Model, Any, Any]:
    """A network drawn at random, within what textbooks recommend, for a table or for rows that are drawn, too."""
    rng = np.random.default_rng([seed, 77])
    name = str(rng.choice(["digits", "wine", "iris", "breast_cancer", "diabetes", "made"]))
    if name == "made":
        x = rng.standard_normal((int(rng.integers(150, 1500)), int(rng.integers(3, 30))))
        y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + rng.uniform(0, 0.5) * rng.standard_normal(len(x))
    else:
        x, y = table(name)
    numbers = name in ("diabetes", "made")
    if numbers:
        y = (y - y.mean()) / y.std()
    kind = str(rng.choice(["relu", "tanh", "sigmoid", "leaky"]))
    layers: list[Any] = []
    for _ in range(int(rng.integers(1, 3 if kind == "sigmoid" else 6))):
        units = int(rng.choice([8, 16, 32, 64, 128]))
        normalized = rng.random() < 0.25
        he = str(
            rng.choice(
                ["he_normal", "he_uniform", "glorot_uniform"] if kind in ("relu", "leaky") else ["glorot_normal"]
            )
        )
        layers.append(Dense(units, use_bias=not normalized, kernel_initializer=he))
        if normalized:
            layers.append(BatchNorm() if rng.random() < 0.7 else LayerNorm())
        layers.append({"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "leaky": LeakyReLU}[kind]())
        if rng.random() < 0.2:
            layers.append(Dropout(float(rng.uniform(0.1, 0.5))))
    rate = float(10 ** rng.uniform(-3.5, -2))
    optimizer = [Adam(rate), RMSprop(rate / 2), SGD(10 * rate), SGD(3 * rate, 0.9), Adam(rate, weight_decay=1e-2)][
        rng.integers(5)
    ]
    if numbers:
        loss: Any = [MeanSquaredError, Huber, MeanAbsoluteError][rng.integers(3)]()
    else:
        loss = BinaryCrossEntropy() if name == "breast_cancer" else SoftmaxCrossEntropy()
    outputs = 1 if numbers or name == "breast_cancer" else int(y.max()) + 1
    return made(Model([*layers, Dense(outputs)], x.shape[1], seed), optimizer, loss, x, y)
