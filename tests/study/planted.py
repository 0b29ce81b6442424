"""Faults planted in models and rows, each in the manner in which users make it.

A row is a name, a builder that takes a seed and returns (model, x, y) or (model, x, y, options of doctor), the code of
the finding that must come first, and what it must name: a layer's path or an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinydl import Model
from tinydl.layer import Layer
from tinydl.layers import (
    ActivityL1,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Softmax,
)
from tinydl.losses import BinaryCrossEntropy, Hinge, Loss, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam
from tinydl.regularizers import L1, L2
from tinydl.schedules import LinearWarmup

from .healthy import images, made, payments, table


class Planted(NamedTuple):
    """A fault, and the finding that must come first."""

    name: str
    build: Callable[[int], tuple[Any, ...]]
    code: str
    where: str


def digits(
    seed: int, layers: list[Layer] | None = None, optimizer: Any = None, loss: Any = None, x: Any = None, y: Any = None
) -> tuple[Any, ...]:  # fmt: skip
    """A classifier of the digits, with one thing or another in place of what would be right."""
    given_x, given_y = table("digits")
    chain = [Dense(32, "relu"), Dense(10)] if layers is None else layers
    return made(
        Model(chain, 64, seed), optimizer or Adam(), loss or SoftmaxCrossEntropy(),
        given_x if x is None else x, given_y if y is None else y,
    )  # fmt: skip


def diabetes(seed: int, layers: list[Layer] | None = None, loss: Any = None, y: Any = None) -> tuple[Any, ...]:
    """A regression, likewise."""
    x, given = table("diabetes")
    given = (given - given.mean()) / given.std()
    return made(Model(layers or [Dense(32, "relu"), Dense(1)], 10, seed), Adam(), loss or MeanSquaredError(), x,
                given if y is None else y)  # fmt: skip


# --- rows -----------------------------------------------------------------------------------------------------------


def shuffled_x_alone(seed: int) -> tuple[Any, ...]:
    x, _ = table("digits")
    return digits(seed, x=np.random.default_rng(seed + 5).permutation(x))


def shuffled_regression(seed: int) -> tuple[Any, ...]:
    _, y = table("diabetes")
    y = np.random.default_rng(seed + 5).permutation(y)
    return diabetes(seed, y=(y - y.mean()) / y.std())


def header_lost_from_y(seed: int) -> tuple[Any, ...]:
    x, y = table("digits")
    order = np.random.default_rng(seed).permutation(len(x))  # the file itself goes through the digits in turn
    return digits(seed, x=x[order][:-1], y=y[order][1:])


def shuffled_copies(seed: int) -> tuple[Any, ...]:
    x = payments()
    return made(Model([Dense(40, "relu"), Dense(x.shape[1])], x.shape[1], seed), Adam(), MeanSquaredError(), x,
                np.random.default_rng(seed).permutation(x))  # fmt: skip


def shifted_columns(seed: int) -> tuple[Any, ...]:
    x = payments()
    return made(Model([Dense(40, "relu"), Dense(x.shape[1])], x.shape[1], seed), Adam(), MeanSquaredError(), x,
                np.roll(x, 1, axis=1))  # fmt: skip


def one_class(seed: int) -> tuple[Any, ...]:
    x, y = table("digits")
    order = np.argsort(y, kind="stable")[:150]
    return digits(seed, x=x[order], y=y[order])


def labels_from_one(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), Dense(11)], y=table("digits")[1] + 1)


def every_row_twice(seed: int) -> tuple[Any, ...]:
    x, y = table("digits")
    return digits(seed, x=np.repeat(x[:400], 2, axis=0), y=np.stack([y[:400], (y[:400] + 3) % 10], axis=1).ravel())


def label_among_columns(seed: int) -> tuple[Any, ...]:
    x, y = table("breast_cancer")
    x = np.hstack([x, (y[:, None] - y.mean()) / y.std()])
    return made(Model([Dense(16, "relu"), Dense(1)], 31, seed), Adam(), BinaryCrossEntropy(), x, y)


def unread_images(seed: int) -> tuple[Any, ...]:
    return digits(seed, x=np.zeros_like(table("digits")[0]))


def outlier(seed: int) -> tuple[Any, ...]:
    x, y = table("wine")
    x = x.copy()
    x[5, 3] = 1e6
    return made(Model([Dense(16, "relu"), Dense(3)], 13, seed), Adam(), SoftmaxCrossEntropy(), x, y)


def raw_wine(seed: int) -> tuple[Any, ...]:
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return made(Model([Dense(16, "relu"), Dense(3)], 13, seed), Adam(), SoftmaxCrossEntropy(), x, y)


def gray_levels(seed: int) -> tuple[Any, ...]:
    """0 .. 16, as scikit-learn gives them: the loss begins ten times above chance."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return digits(seed, x=x, y=y)


def raw_pixels(seed: int) -> tuple[Any, ...]:
    data = images()
    layers = [Conv2D(8, 3, activation="relu"), Flatten(), Dense(10)]
    return made(Model(layers, (8, 8, 1), seed), Adam(), SoftmaxCrossEntropy(), data.x, data.labels)


def far_targets(seed: int) -> tuple[Any, ...]:
    return diabetes(seed, y=table("diabetes")[1] + 1000.0)


def off_centre(seed: int) -> tuple[Any, ...]:
    return diabetes(seed, y=20 + table("diabetes")[1] / 200)


def raw_diabetes(seed: int) -> tuple[Any, ...]:
    return diabetes(seed, y=table("diabetes")[1])


def grades_as_numbers(seed: int) -> tuple[Any, ...]:
    x, y = table("digits")
    return made(Model([Dense(32, "relu"), Dense(1)], 64, seed), Adam(), MeanSquaredError(), x, y)


def no_weight(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed)
    return model, x, y, {"sample_weight": (y != 3).astype(float)}


# --- the end of the network -----------------------------------------------------------------------------------------


class MySoftmax(Layer):
    """A user's softmax, right in itself."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self._p = e / e.sum(axis=1, keepdims=True)
        return self._p

    def backward(self, dy: NDArray) -> NDArray:
        return self._p * (dy - (dy * self._p).sum(axis=1, keepdims=True))


class MySigmoid(Layer):
    """A user's sigmoid, right in itself."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._p = 0.5 * (1 + np.tanh(x / 2))
        return self._p

    def backward(self, dy: NDArray) -> NDArray:
        return dy * self._p * (1 - self._p)


def own_softmax(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), Dense(10), MySoftmax()])


def softmax_then_scale(seed: int) -> tuple[Any, ...]:
    return digits(
        seed, [Dense(32, "relu"), Dense(10), Softmax(), Residual([Dense(10, kernel_initializer="zeros", name="last")])]
    )


def own_sigmoid(seed: int) -> tuple[Any, ...]:
    x, y = table("breast_cancer")
    return made(Model([Dense(16, "relu"), Dense(1), MySigmoid()], 30, seed), Adam(), BinaryCrossEntropy(), x, y)


def relu_logits(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), Dense(10, "relu")])


def relu_regression(seed: int) -> tuple[Any, ...]:
    return diabetes(seed, [Dense(32, "relu"), Dense(1, "relu")])


def sigmoid_autoencoder(seed: int) -> tuple[Any, ...]:
    x = payments()
    return made(Model([Dense(40, "relu"), Dense(x.shape[1], "sigmoid")], x.shape[1], seed), Adam(), MeanSquaredError(),
                x, x)  # fmt: skip


def sigmoid_hinge(seed: int) -> tuple[Any, ...]:
    x, y = table("breast_cancer")
    return made(Model([Dense(16, "relu"), Dense(1, "sigmoid")], 30, seed), Adam(), Hinge(), x, 2 * y - 1)


# --- structure ------------------------------------------------------------------------------------------------------


def dropout_at_the_end(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), Dense(10), Dropout(0.5)])


def keep_probability(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(64, "relu"), Dropout(0.95), Dense(10)])


def loud_noise(seed: int) -> tuple[Any, ...]:
    return digits(seed, [GaussianNoise(10.0), Dense(64, "relu"), Dense(10)])


def single_rows(seed: int) -> tuple[Any, ...]:
    return *digits(seed, [Dense(32), BatchNorm(), ReLU(), Dense(10)]), {"batch_size": 1}


def a_last_row_alone(seed: int) -> tuple[Any, ...]:
    x, y = table("digits")
    return digits(seed, [Dense(32), BatchNorm(), ReLU(), Dense(10)], x=x[:321], y=y[:321])


def frozen_too_early(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed, [Dense(64, "relu"), Dense(64, "relu"), Dense(10)])
    for layer in model.layers[:-1]:
        layer.trainable = False
    return model, x, y


def forgotten_activations(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(64), Dense(64), Dense(10)])


class MyDropout(Layer):
    """Forgets to look at `training`."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.rng = rng.spawn(1)[0]
        return super().build(input_shape, rng, dtype)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        assert self.rng is not None
        self._mask = (self.rng.random(x.shape) > 0.5).astype(x.dtype) * 2
        return x * self._mask

    def backward(self, dy: NDArray) -> NDArray:
        return dy * self._mask


def dropout_always(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), MyDropout(name="drop"), Dense(10)])


# --- hand-written gradients -----------------------------------------------------------------------------------------


class Scale(Layer):
    """y = x s, with one s for each unit."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        self.add_parameter("s", np.linspace(0.5, 1.5, input_shape[0]).astype(dtype))
        return super().build(input_shape, rng, dtype)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x
        return x * self.params["s"]

    def backward(self, dy: NDArray) -> NDArray:
        self.grads["s"] += (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


class MeanScale(Scale):
    """Divides by the number of rows, which the loss has done already."""

    def backward(self, dy: NDArray) -> NDArray:
        self.grads["s"] += (dy * self._x).mean(axis=0)
        return dy * self.params["s"]


class PassOnScale(Scale):
    """Forgets s on the way down."""

    def backward(self, dy: NDArray) -> NDArray:
        self.grads["s"] += (dy * self._x).sum(axis=0)
        return dy.copy()


class AssignScale(Scale):
    """Writes = for +=."""

    def backward(self, dy: NDArray) -> NDArray:
        self.grads["s"][...] = (dy * self._x).sum(axis=0)
        return dy * self.params["s"]


class Swish(Layer):
    """x sigmoid(x), with the derivative of the sigmoid alone."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x, self._s = x, 1 / (1 + np.exp(-x))
        return x * self._s

    def backward(self, dy: NDArray) -> NDArray:
        return dy * self._s * (1 - self._s)


class DoubledError(Loss):
    """Squared errors whose gradient lacks the factor 2, and has the wrong sign."""

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: Any = None) -> float:
        self._difference = y_pred - y_true
        return float(np.mean(self._difference**2))

    def backward(self) -> NDArray:
        return -self._difference / self._difference.size


class NegativeError(Loss):
    """The squared error with the wrong sign, and the gradient of that."""

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: Any = None) -> float:
        self._difference = y_pred - y_true
        return -float(np.mean(self._difference**2))

    def backward(self) -> NDArray:
        return -2 * self._difference / self._difference.size


def own_layer(layer: type[Layer]) -> Callable[[int], tuple[Any, ...]]:
    return lambda seed: digits(seed, [Dense(32, "relu"), layer(name="mine"), Dense(10)])


def inside_a_block(seed: int) -> tuple[Any, ...]:
    block = Residual([Dense(32, "relu"), Sequential([Swish(name="mine"), Dense(32)])])
    return digits(seed, [Dense(32, "relu"), block, Dense(10)])


def own_loss(seed: int) -> tuple[Any, ...]:
    return diabetes(seed, loss=DoubledError())


# --- weights --------------------------------------------------------------------------------------------------------


def zeros(seed: int) -> tuple[Any, ...]:
    """Everything begins at 0: only the last biases can learn."""
    return digits(seed, [Dense(32, "tanh", kernel_initializer="zeros"), Dense(10, kernel_initializer="zeros")])


def zero_filters(seed: int) -> tuple[Any, ...]:
    """The book's first convolutional network."""
    layers = [
        Conv2D(8, 3, activation="relu", kernel_initializer="zeros"), MaxPool2D(2), Flatten(), Dense(32, "relu"), Dense(10),
    ]  # fmt: skip
    return made(Model(layers, (8, 8, 1), seed), Adam(), SoftmaxCrossEntropy(), images(), None)


def ones(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed, [Dense(32, "tanh"), Dense(16, "tanh"), Dense(10)])
    for layer in model.layers:
        layer.params["W"][...] = 0.01
    return model, x, y


def negative_biases(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed, [Dense(32, "relu"), Dense(32, "relu"), Dense(10)])
    model.layers[1].params["b"][...] = -10
    return model, x, y


def large_weights(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed, [Dense(32, "tanh"), Dense(32, "tanh"), Dense(10)])
    model.layers[0].params["W"][...] = np.random.default_rng(seed).standard_normal((64, 32)) * 3
    return model, x, y


def saturated_end(seed: int) -> tuple[Any, ...]:
    """A sigmoid output that is 1 to the last bit."""
    x, y = table("breast_cancer")
    model = Model([Dense(16, "relu"), Dense(1, "sigmoid")], 30, seed)
    model.layers[-1].params["b"][...] = 200
    return made(model, Adam(), MeanSquaredError(), x, y)


def overflow(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed, [Dense(32, "relu"), Dense(32, "relu"), Dense(10)])
    for layer in model.layers:
        layer.params["W"][...] *= 1e15
    return model, x, y


def deep_sigmoid(seed: int) -> tuple[Any, ...]:
    return digits(seed, [*(Dense(32, "sigmoid") for _ in range(8)), Dense(10)])


def normal_weights(seed: int) -> tuple[Any, ...]:
    """Ten relu layers of N(0, 1) weights."""
    model, x, y = digits(seed, [*(Dense(64, "relu") for _ in range(6)), Dense(10)])
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.params["W"][...] = rng.standard_normal(layer.params["W"].shape)
    return model, x, y


def small_weights(seed: int) -> tuple[Any, ...]:
    """0.01 randn, as in many first notebooks, in a deep network."""
    model, x, y = digits(seed, [*(Dense(64, "relu") for _ in range(6)), Dense(10)])
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.params["W"][...] = 0.01 * rng.standard_normal(layer.params["W"].shape)
    return model, x, y


def loud_last_layer(seed: int) -> tuple[Any, ...]:
    model, x, y = digits(seed)
    model.layers[-1].params["W"][...] *= 30
    return model, x, y


# --- training -------------------------------------------------------------------------------------------------------


def strong_l2(seed: int) -> tuple[Any, ...]:
    return digits(
        seed, [Dense(64, "relu", kernel_regularizer=L2(10.0)), Dense(10, kernel_regularizer=L2(10.0))], Adam(1e-2)
    )


def strong_activity(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(64, "relu"), ActivityL1(5.0), Dense(10)], Adam(1e-2))


def strong_decay(seed: int) -> tuple[Any, ...]:
    return digits(seed, optimizer=SGD(0.1, weight_decay=5.0))


def fast_sgd(seed: int) -> tuple[Any, ...]:
    return digits(seed, optimizer=SGD(100.0))


def fast_adam(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), Dense(32, "relu"), Dense(10)], Adam(3.0))


def fast_regression(seed: int) -> tuple[Any, ...]:
    model, x, y = diabetes(seed, [Dense(64, "relu"), Dense(1)])
    model.compile(SGD(5.0, 0.9), MeanSquaredError())
    return model, x, y


def slow_sgd(seed: int) -> tuple[Any, ...]:
    return digits(seed, optimizer=SGD(1e-6))


def slow_adam(seed: int) -> tuple[Any, ...]:
    return digits(seed, optimizer=Adam(1e-8))


def first_classifier(seed: int, optimizer: Any, layers: list[Layer] | None = None) -> tuple[Any, ...]:
    """The digits / 16, as first steps have them."""
    from sklearn.datasets import load_digits

    x, _ = load_digits(return_X_y=True)
    return digits(seed, layers, optimizer, x=x / 16)


def weak_rate(seed: int) -> tuple[Any, ...]:
    """A penalty as strong as that of 10, found at the usual rate, at which 60 steps teach nothing without it, too."""
    return first_classifier(seed, Adam(), [Dense(32, "relu", kernel_regularizer=L2(10.0)), Dense(10)])


def both_l1(seed: int) -> tuple[Any, ...]:
    return first_classifier(
        seed, Adam(), [Dense(32, "relu", kernel_regularizer=L1(0.3)), Dense(10, kernel_regularizer=L1(0.3))]
    )


def weak_activity(seed: int) -> tuple[Any, ...]:
    return first_classifier(seed, Adam(), [Dense(32, "relu"), ActivityL1(5.0), Dense(10)])


def slow_diabetes(seed: int) -> tuple[Any, ...]:
    model, x, y = diabetes(seed)
    return made(model, SGD(1e-8), MeanSquaredError(), x, y)


def no_rate(seed: int) -> tuple[Any, ...]:
    return digits(seed, optimizer=SGD(1 // 1000))


def slow_schedule(seed: int) -> tuple[Any, ...]:
    return digits(seed, optimizer=SGD(LinearWarmup(1e-6, 100)))


class Collapse(Layer):
    """Forgets its rows: every row gets the mean of the batch. Its gradient is right."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._n = len(x)
        return np.repeat(x.mean(axis=0, keepdims=True), len(x), axis=0)

    def backward(self, dy: NDArray) -> NDArray:
        return np.repeat(dy.sum(axis=0, keepdims=True) / self._n, self._n, axis=0)


def collapsed(seed: int) -> tuple[Any, ...]:
    return digits(seed, [Dense(32, "relu"), Collapse(), Dense(10)])


PLANTED = [
    Planted("x shuffled alone", shuffled_x_alone, "shuffled-targets", "y"),
    Planted("shuffled regression", shuffled_regression, "shuffled-targets", "y"),
    Planted("an autoencoder's targets shuffled", shuffled_copies, "shuffled-targets", "y"),
    Planted("the first row of y lost", header_lost_from_y, "shifted-targets", "y"),
    Planted("an autoencoder's columns shifted", shifted_columns, "shifted-targets", "y"),
    Planted("rows sorted by class and cut", one_class, "one-class", "y"),
    Planted("a target of one value", lambda s: diabetes(s, y=np.full(442, 0.5)), "constant-target", "y"),
    Planted("labels from 1", labels_from_one, "labels-from-one", "y"),
    Planted("classes as numbers", grades_as_numbers, "labels-as-numbers", "y"),
    Planted("every row twice, with other labels", every_row_twice, "contradicting-labels", "y"),
    Planted("the label among the columns", label_among_columns, "leaking-labels", "x"),
    Planted("images that were not read", unread_images, "constant-input", "x"),
    Planted("one row of 1e6", outlier, "unscaled-input", "x"),
    Planted("wine as it comes", raw_wine, "unscaled-input", "x"),
    Planted("gray levels 0 .. 16", gray_levels, "unscaled-input", "x"),
    Planted("pixels 0 .. 255", raw_pixels, "unscaled-input", "x"),
    Planted("targets near 1150", far_targets, "unscaled-targets", "y"),
    Planted("diabetes as it comes", raw_diabetes, "unscaled-targets", "y"),
    Planted("targets near 20", off_centre, "loss-above-chance", "y"),
    Planted("a class of weight 0", no_weight, "zero-sample-weights", "sample_weight"),
    Planted("an own softmax before SoftmaxCrossEntropy", own_softmax, "double-softmax", "my_softmax_1"),
    Planted("a softmax inside", softmax_then_scale, "double-softmax", "last"),
    Planted("an own sigmoid before BinaryCrossEntropy", own_sigmoid, "squashed-logits", "my_sigmoid_1"),
    Planted("relu on the logits", relu_logits, "squashed-logits", "dense_2"),
    Planted("relu at the end of a regression", relu_regression, "targets-out-of-reach", "dense_2"),
    Planted("a sigmoid autoencoder of standardized rows", sigmoid_autoencoder, "targets-out-of-reach", "dense_2"),
    Planted("a sigmoid before Hinge", sigmoid_hinge, "targets-out-of-reach", "dense_2"),
    Planted("dropout on the logits", dropout_at_the_end, "noise-at-the-end", "dropout_1"),
    Planted("a rate that was to be kept", keep_probability, "too-much-noise", "dropout_1"),
    Planted("loud noise", loud_noise, "too-much-noise", "gaussian_noise_1"),
    Planted("batch norm, batch_size=1", single_rows, "batch-norm-of-one-row", "batch_norm_1"),
    Planted("batch norm, one row left", a_last_row_alone, "batch-norm-of-one-row", "batch_norm_1"),
    Planted("frozen before trained", frozen_too_early, "frozen-at-random", "dense_1"),
    Planted("forgotten activations", forgotten_activations, "linear-stack", "dense_1"),
    Planted("one hidden unit", lambda s: digits(s, [Dense(1, "relu"), Dense(10)]), "narrow-layer", "dense_1"),
    Planted("an own dropout that is always on", dropout_always, "random-inference", "drop"),
    Planted("a mean for a sum", own_layer(MeanScale), "wrong-gradient", "mine"),
    Planted("a forgotten factor in dx", own_layer(PassOnScale), "wrong-gradient", "mine"),
    Planted("a wrong derivative", own_layer(Swish), "wrong-gradient", "mine"),
    Planted(
        "a wrong derivative in a block", inside_a_block, "wrong-gradient", "residual_1.sequential_1.sequential_1.mine"
    ),
    Planted("a wrong loss", own_loss, "wrong-gradient", "loss"),
    Planted("a negative loss", lambda s: diabetes(s, loss=NegativeError()), "unbounded-loss", "loss"),
    Planted("= for +=", own_layer(AssignScale), "gradient-not-added", "mine"),
    Planted("weights of 0", zeros, "zero-weights", "dense_1"),
    Planted("filters of 0", zero_filters, "zero-weights", "conv2d_1"),
    Planted("equal weights", ones, "equal-units", "dense_1"),
    Planted("relus killed by their biases", negative_biases, "dead-relus", "dense_2"),
    Planted("tanh with large weights", large_weights, "saturated-units", "dense_1"),
    Planted("a sigmoid output stuck at 1", saturated_end, "no-gradient", "dense_2"),
    Planted("weights of 1e14", overflow, "not-finite", "dense_3"),
    Planted("eight sigmoid layers", deep_sigmoid, "vanishing-gradients", "dense_1"),
    Planted("0.01 randn, six layers", small_weights, "vanishing-gradients", "dense_1"),
    Planted("randn, six layers", normal_weights, "exploding-gradients", "dense_1"),
    Planted("a loud last layer", loud_last_layer, "loss-above-chance", "dense_2"),
    Planted("L2 of 10", strong_l2, "penalty-too-strong", "dense_1"),
    Planted("ActivityL1 of 5", strong_activity, "penalty-too-strong", "activity_l1_1"),
    Planted("weight decay of 5", strong_decay, "penalty-too-strong", "optimizer"),
    Planted("L2 of 10, Adam() as it is", weak_rate, "penalty-too-strong", "dense_1"),
    Planted("L1 of 0.3 on both layers", both_l1, "penalty-too-strong", "dense_1"),
    Planted("ActivityL1 of 5, Adam() as it is", weak_activity, "penalty-too-strong", "activity_l1_1"),
    Planted("SGD at 100", fast_sgd, "learning-rate-too-large", "optimizer"),
    Planted("Adam at 3", fast_adam, "learning-rate-too-large", "optimizer"),
    Planted("momentum at 5", fast_regression, "learning-rate-too-large", "optimizer"),
    Planted("Adam at 0.3", lambda s: first_classifier(s, Adam(0.3)), "learning-rate-too-large", "optimizer"),
    Planted(
        "Adam at 0.5, 64 units",
        lambda s: first_classifier(s, Adam(0.5), [Dense(64, "relu"), Dense(10)]),
        "learning-rate-too-large",
        "optimizer",
    ),
    Planted(
        "a momentum of 0.999",
        lambda s: first_classifier(s, SGD(0.1, momentum=0.999)),
        "learning-rate-too-large",
        "optimizer",
    ),
    Planted("SGD at 1e-6", slow_sgd, "learning-rate-too-small", "optimizer"),
    Planted("Adam at 1e-8", slow_adam, "learning-rate-too-small", "optimizer"),
    Planted("SGD at 1e-8", slow_diabetes, "learning-rate-too-small", "optimizer"),
    Planted("SGD at 1e-9", lambda s: first_classifier(s, SGD(1e-9)), "learning-rate-too-small", "optimizer"),
    Planted("Adam at 1e-9", lambda s: first_classifier(s, Adam(1e-9)), "learning-rate-too-small", "optimizer"),
    Planted(
        "a clipnorm of 1e-6",
        lambda s: first_classifier(s, SGD(0.05, global_clipnorm=1e-6)),
        "learning-rate-too-small",
        "optimizer",
    ),
    Planted("a rate of 1 // 1000", no_rate, "learning-rate-too-small", "optimizer"),
    Planted("a schedule up to 1e-6", slow_schedule, "learning-rate-too-small", "optimizer"),
    Planted("a layer that mixes its rows", collapsed, "cannot-memorize", "model"),
]
