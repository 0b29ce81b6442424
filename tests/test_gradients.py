"""Every public layer, every loss and whole models against finite differences, and the proof that this can fail.

One row of the table a configuration. A gradient check proves that backward is the derivative of forward; that forward
is right, the golden values prove (tests/layers/test_values.py, tests/test_losses.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl import Model, layers, losses, models
from tinydl.gradcheck import GradientCheckError, GradientCheckReport, check_layer, check_loss, check_model
from tinydl.layers import (
    ActivityL1,
    ContractivePenalty,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    KLSparsity,
    Layer,
    LeakyReLU,
    MaskingNoise,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinydl.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy

LIMIT = 1e-8  # largest relative error; the checks themselves accept 1e-6
# Hundreds of relu units: for some entries only steps of 1e-7 fit beside a kink, and roundoff over that is about 1e-9.
DEEP_LIMIT = 1e-5
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(6, 5))
RATES = RNG.uniform(0.1, 0.9, (6, 5))
SPARSE = np.where(RNG.uniform(size=(6, 5)) < 0.5, 0.3 + np.abs(ROWS), -0.3 - np.abs(ROWS))  # well away from 0
X: Any = (6, 5)  # a shape: check_layer draws N(0, 1)

# layer, x, further arguments of check_layer
LAYERS: dict[str, tuple[Layer, Any, dict[str, Any]]] = {
    **{f"Dense({activation})": (Dense(4, activation), X, {}) for activation in (None, "linear", "relu", "sigmoid", "tanh")},
    **{f"Dense({activation}, no bias)": (Dense(4, activation, use_bias=False), X, {}) for activation in (None, "relu", "tanh")},
    "Dense(one unit)": (Dense(1, "sigmoid"), X, {}),
    "Dense(one row)": (Dense(4, "tanh"), (1, 5), {}),
    "Dense(one input)": (Dense(4, "relu"), (6, 1), {}),
    "Dense(wide)": (Dense(40, "relu", kernel_initializer="he_normal"), (8, 29), {}),
    "Dense(large inputs)": (Dense(4), 100 * ROWS, {}),
    "ReLU": (ReLU(), X, {}),
    "ReLU(image)": (ReLU(), (2, 3, 4, 2), {}),
    "LeakyReLU": (LeakyReLU(), X, {}),
    "LeakyReLU(0.3)": (LeakyReLU(0.3), X, {}),
    "LeakyReLU(0)": (LeakyReLU(0), X, {}),
    "Sigmoid": (Sigmoid(), X, {}),
    "Sigmoid(steep)": (Sigmoid(), 3 * ROWS, {}),
    "Tanh": (Tanh(), X, {}),
    "Tanh(image)": (Tanh(), (2, 3, 4, 2), {}),
    "Softmax": (Softmax(), X, {}),
    "Softmax(two classes)": (Softmax(), (4, 2), {}),
    "Softmax(sharp)": (Softmax(), 3 * ROWS, {}),
    "Softmax(last axis of three)": (Softmax(), (2, 3, 4), {}),
    "Flatten": (Flatten(), (3, 2, 4, 2), {}),
    "Flatten(rows)": (Flatten(), X, {}),
    "Dropout": (Dropout(0.5), X, {}),
    "Dropout(little)": (Dropout(0.1), (4, 3, 2), {}),
    "Dropout(inference)": (Dropout(0.5), X, {"training": False}),
    "MaskingNoise": (MaskingNoise(0.4), X, {}),
    "MaskingNoise(inference)": (MaskingNoise(0.4), X, {"training": False}),
    "GaussianNoise": (GaussianNoise(0.3), X, {}),
    "GaussianNoise(inference)": (GaussianNoise(0.3), X, {"training": False}),
    "ActivityL1": (ActivityL1(0.5), SPARSE, {}),
    "ActivityL1(one row)": (ActivityL1(0.5), SPARSE[:1], {}),
    "KLSparsity": (KLSparsity(0.1, 0.5), RATES, {}),
    "KLSparsity(one row)": (KLSparsity(), RATES[:1], {}),
    **{
        f"ContractivePenalty({activation})": (ContractivePenalty(Dense(4, activation), 0.5), X, {})
        for activation in (None, "sigmoid", "tanh", "relu")
    },
    "ContractivePenalty(no bias)": (ContractivePenalty(Dense(4, "sigmoid", use_bias=False), 0.5), X, {}),
    "ContractivePenalty(one row)": (ContractivePenalty(Dense(4, "tanh"), 0.5), (1, 5), {}),
    "ContractivePenalty(inference)": (ContractivePenalty(Dense(4, "tanh"), 0.5), X, {"training": False}),
    "Sequential": (Sequential([Dense(4, "tanh"), Dense(3)]), X, {}),
    "Sequential(everything)": (
        Sequential([
            Flatten(), MaskingNoise(0.2), ContractivePenalty(Dense(7, "tanh"), 0.3), Sequential([Dense(6), LeakyReLU(0.2)]),
            Dropout(0.3), Dense(6), Sigmoid(), KLSparsity(0.2, 0.5), GaussianNoise(0.1), Dense(4, "tanh"), ActivityL1(0.2),
            Softmax(),
        ]),
        (6, 3, 2), {},
    ),
}  # fmt: skip

# loss, y_pred, y_true
LOSSES: dict[str, tuple[Loss, Any, NDArray[Any]]] = {
    "MeanSquaredError": (MeanSquaredError(), X, RATES),
    "MeanSquaredError(one number)": (MeanSquaredError(), (1, 1), np.array([[2.0]])),
    "MeanSquaredError(images)": (MeanSquaredError(), (2, 3, 4, 2), np.zeros((2, 3, 4, 2))),
    "BinaryCrossEntropy": (BinaryCrossEntropy(), X, (RATES > 0.5).astype(float)),
    "BinaryCrossEntropy(soft)": (BinaryCrossEntropy(), 3 * ROWS, RATES),
    "SoftmaxCrossEntropy": (SoftmaxCrossEntropy(), X, np.array([0, 4, 2, 2, 1, 3])),
    "SoftmaxCrossEntropy(soft)": (SoftmaxCrossEntropy(), X, RATES / RATES.sum(axis=1, keepdims=True)),
    "SoftmaxCrossEntropy(smoothed)": (SoftmaxCrossEntropy(0.1), X, np.array([0, 4, 2, 2, 1, 3])),
    "SoftmaxCrossEntropy(soft, smoothed)": (SoftmaxCrossEntropy(0.2), X, RATES / RATES.sum(axis=1, keepdims=True)),
    "SoftmaxCrossEntropy(sharp)": (SoftmaxCrossEntropy(), 5 * ROWS, np.array([0, 4, 2, 2, 1, 3])),
    "SoftmaxCrossEntropy(two rows)": (SoftmaxCrossEntropy(), (2, 3), np.array([2, 0])),
}


def tight(report: GradientCheckReport, limit: float = LIMIT) -> None:
    assert report.passed
    assert report.max_relative_error <= limit, report
    assert report.max_abs_error <= 2e-9, report
    for row in report.arrays.values():
        assert row.probes >= row.dropped, report


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    layer, x, options = LAYERS[name]
    tight(check_layer(layer, x, **options))


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str) -> None:
    loss, y_pred, y_true = LOSSES[name]
    tight(check_loss(loss, y_pred, y_true))


def test_every_public_layer_and_every_loss_has_a_row() -> None:
    public = {getattr(layers, name) for name in layers.__all__} - {Layer, layers.Container}
    assert {type(layer) for layer, _, _ in LAYERS.values()} == public
    every = {value for value in vars(losses).values() if isinstance(value, type) and issubclass(value, Loss)} - {Loss}
    assert {type(loss) for loss, _, _ in LOSSES.values()} == every
    assert len(every) >= 3


# --- models ---------------------------------------------------------------------------------------------------------

AUTOENCODERS: dict[str, Any] = {
    "vanilla": lambda: models.vanilla_autoencoder(5, hidden=4),
    "deep": lambda: models.deep_autoencoder(5),
    "sparse": lambda: models.sparse_autoencoder(5, l1=0.1),
    "denoising": lambda: models.denoising_autoencoder(5, rate=0.4, hidden=4),
    "contractive": lambda: models.contractive_autoencoder(5, factor=0.1, hidden=4),
    "contractive sigmoid": lambda: models.contractive_autoencoder(5, factor=0.1, activation="sigmoid", hidden=4),
    "contractive tanh": lambda: models.contractive_autoencoder(5, factor=0.1, activation="tanh", hidden=4),
}


@pytest.mark.parametrize("name", AUTOENCODERS)
@pytest.mark.parametrize("training", [True, False])
def test_autoencoder(name: str, training: bool) -> None:
    report = check_model(AUTOENCODERS[name](), ROWS, ROWS, loss=MeanSquaredError(), training=training)
    tight(report, DEEP_LIMIT if name in ("deep", "sparse") else LIMIT)


def test_every_model_has_a_row() -> None:
    assert {f"{name.split()[0]}_autoencoder" for name in AUTOENCODERS} == set(models.__all__)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classifier(smoothing: float) -> None:
    model = Model([Flatten(), Dense(8, "relu"), Dropout(0.3), Dense(6, "tanh"), Dense(3)], (2, 3))
    x, labels = np.random.default_rng(1).normal(size=(7, 2, 3)), np.array([0, 1, 2, 2, 1, 0, 0])
    tight(check_model(model, x, labels, loss=SoftmaxCrossEntropy(smoothing)))


def test_detector_with_one_logit() -> None:
    model = Model([Dense(6, "sigmoid"), KLSparsity(0.2, 0.1), Dense(1)], 5)
    tight(check_model(model, ROWS, (RATES[:, :1] > 0.5).astype(float), loss=BinaryCrossEntropy()))


def test_a_trained_model_is_checked_at_its_own_weights() -> None:
    from tinydl.optimizers import Adam

    model = models.contractive_autoencoder(5, factor=0.1, activation="tanh", hidden=4)
    model.compile(Adam(0.05), MeanSquaredError())
    model.fit(ROWS, ROWS, epochs=20, verbose=0)
    weights = model.get_weights()
    tight(check_model(model, ROWS, ROWS))
    for weight, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)


# --- planted bugs: each of these must fail --------------------------------------------------------------------------


class DenseWithoutMaskInW(Dense):
    """dW = x.T @ dy where it must be x.T @ (dy * 1[y > 0])."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        masked = dy * (self._y > 0)
        self.grads["W"] += self._x.T @ dy
        self.grads["b"] += masked.sum(axis=0)
        return masked @ self.params["W"].T


class DenseMeanBias(Dense):
    """1/N twice: in the loss and here."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        self.grads["W"] += self._x.T @ dy
        self.grads["b"] += dy.mean(axis=0)
        return dy @ self.params["W"].T


class DenseThatAssigns(Dense):
    """= for +=."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        self.zero_grad()
        return super().backward(dy)


class SoftmaxWithoutSum(Softmax):
    """The diagonal of the Jacobian only."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy * self._y * (1 - self._y)


class SigmoidOfItsInput(Sigmoid):
    """y (1 - y) taken at x instead of y."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        x = np.log(self._y / (1 - self._y))
        return dy * x * (1 - x)


class ReLUInPlace(ReLU):
    """Right numbers, but it writes into dy."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        dy[self._y <= 0] = 0
        return dy


class TanhInFloat64(Tanh):
    """A leak: NumPy's float64 scalars make a float32 array float64."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * np.sqrt(np.ones(1))


class ContractiveFrozenW(ContractivePenalty):
    """The book's: W in the penalty is a constant, so only the road through h is left."""

    def backward(self, dy: NDArray[Any]) -> Any:
        before = self.encoder.grads["W"].copy()
        dx = super().backward(dy)
        d = self._h * (1 - self._h)
        direct = 2 * self.factor / len(dy) * self.encoder.params["W"] * (d * d).sum(axis=0)
        self.encoder.grads["W"] -= direct
        assert self.encoder.grads["W"].shape == before.shape
        return dx


class ContractiveSigmoidForRelu(ContractivePenalty):
    """The book's other one: h (1 - h) as the derivative of a relu, in the gradient."""

    def backward(self, dy: NDArray[Any]) -> Any:
        h, W = self._h, self.encoder.params["W"]
        d, scale = h * (1 - h), 2 * self.factor / len(dy)
        self.encoder.grads["W"] += scale * W * (d * d).sum(axis=0)
        return self.encoder.backward(dy + scale * d * (1 - 2 * h) * (W * W).sum(axis=0))


class ContractiveWithoutPenaltyGradient(ContractivePenalty):
    def backward(self, dy: NDArray[Any]) -> Any:
        return self.encoder.backward(dy)


class L1WithoutItsGradient(ActivityL1):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy.copy()


class L1SummedOverTheBatch(ActivityL1):
    """Its gradient is that of the sum, its term the mean."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy + self.factor * np.sign(self._x)


class KLWithoutTheMean(KLSparsity):
    """dr_j/dx_nj = 1/n left out."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy + len(dy) * (super().backward(dy) - dy)


class DropoutThatRedraws(Dropout):
    """Another mask on the way back."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        self.forward(self._x, training=True)
        return super().backward(dy)


class DropoutWithoutScale(Dropout):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * (1 - self.rate)


class FlattenInFortranOrder(Flatten):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy.reshape(self._x.shape, order="F")


class SequentialForwards(Sequential):
    """The layers' backwards in the order of the forward pass."""

    def backward(self, dy: NDArray[Any]) -> Any:
        for layer in self.layers:
            dy = layer.backward(dy)
        return dy


class MSEWithoutN(MeanSquaredError):
    def backward(self) -> NDArray[Any]:
        return super().backward() * self._y_pred.size


class MSEOverRows(MeanSquaredError):
    """1/rows in backward, 1/entries in forward."""

    def backward(self) -> NDArray[Any]:
        return super().backward() * self._y_pred.shape[1]


class MSEWithoutTwo(MeanSquaredError):
    def backward(self) -> NDArray[Any]:
        return super().backward() / 2


class CrossEntropyWithoutN(SoftmaxCrossEntropy):
    def backward(self) -> NDArray[Any]:
        return super().backward() * len(self._y_pred)


class CrossEntropyForgetsSmoothing(SoftmaxCrossEntropy):
    def backward(self) -> NDArray[Any]:
        return (self._y_pred - np.eye(5)[self._y_true.argmax(axis=1)]) / len(self._y_pred)


class BCEOfTheSign(BinaryCrossEntropy):
    def backward(self) -> NDArray[Any]:
        return -super().backward()


PLANTED: dict[str, tuple[Layer, Any, str]] = {  # layer, x, what the message must name
    "dW misses the mask": (DenseWithoutMaskInW(4, "relu"), X, "dW is wrong"),
    "db has 1/N": (DenseMeanBias(4), X, "db is wrong"),
    "assigns": (DenseThatAssigns(4), X, r"must add \(\+=\)"),
    "softmax without sum": (SoftmaxWithoutSum(), X, "dx is wrong"),
    "sigmoid at x": (SigmoidOfItsInput(), X, "dx is wrong"),
    "writes into dy": (ReLUInPlace(), X, "backward modifies dy in place"),
    "float64": (TanhInFloat64(), X, "dtype leak: dx is float64 in a float32 run"),
    "frozen W, sigmoid": (ContractiveFrozenW(Dense(4, "sigmoid"), 0.5), X, "W is wrong"),
    "sigmoid for relu": (ContractiveSigmoidForRelu(Dense(4, "relu"), 0.5), X, "is wrong"),
    "no gradient of the penalty": (ContractiveWithoutPenaltyGradient(Dense(4, "tanh"), 0.5), X, "is wrong"),
    "l1 forgotten": (L1WithoutItsGradient(0.5), SPARSE, "dx is wrong"),
    "l1 summed": (L1SummedOverTheBatch(0.5), SPARSE, "dx is wrong"),
    "kl without the mean": (KLWithoutTheMean(0.1, 0.5), RATES, "dx is wrong"),
    "mask redrawn": (DropoutThatRedraws(0.5), X, "dx is wrong"),
    "dropout unscaled": (DropoutWithoutScale(0.5), X, "dx is wrong"),
    "flatten": (FlattenInFortranOrder(), (3, 2, 4), "dx is wrong"),
    "sequential": (SequentialForwards([Dense(5, "tanh"), Dense(5, "sigmoid")]), X, "is wrong"),
}
PLANTED_LOSSES: dict[str, tuple[Loss, NDArray[Any]]] = {
    "no 1/N": (MSEWithoutN(), RATES),
    "1/rows": (MSEOverRows(), RATES),
    "no 2": (MSEWithoutTwo(), RATES),
    "cross-entropy without 1/N": (CrossEntropyWithoutN(), np.array([0, 4, 2, 2, 1, 3])),
    "smoothing in forward only": (CrossEntropyForgetsSmoothing(0.1), np.array([0, 4, 2, 2, 1, 3])),
    "sign": (BCEOfTheSign(), RATES),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_in_a_layer_is_found(name: str) -> None:
    layer, x, message = PLANTED[name]
    with pytest.raises(GradientCheckError, match=message):
        check_layer(layer, x)


@pytest.mark.parametrize("name", PLANTED_LOSSES)
def test_a_planted_bug_in_a_loss_is_found(name: str) -> None:
    loss, y_true = PLANTED_LOSSES[name]
    with pytest.raises(GradientCheckError, match="dy_pred is wrong"):
        check_loss(loss, X, y_true)


def test_a_planted_bug_in_the_middle_of_a_model_is_found() -> None:
    model = Model([Dense(5, "tanh"), DenseWithoutMaskInW(4, "relu"), Dense(5)], 5)
    with pytest.raises(GradientCheckError, match=r"ddense_without_mask_in_w_1\.W is wrong"):
        check_model(model, ROWS, ROWS, loss=MeanSquaredError())


def test_a_mutant_without_its_bug_passes() -> None:
    """The planted bugs are found for what they are, not because they are subclasses."""

    class Untouched(Dense):
        pass

    tight(check_layer(Untouched(4, "relu"), X))
