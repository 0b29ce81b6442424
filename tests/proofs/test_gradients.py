"""Checks of every public layer, every loss and whole models against numeric slopes, and proof that the check can fail.

The cases come from tests/proofs/specs. A gradient check proves that backward is the derivative of forward; golden
values prove that forward is right (tests/layers/test_values.py, tests/test_losses.py).
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.proofs.cases import IMAGES, LOPSIDED, RATES, ROWS, SPARSE, X
from tests.proofs.models import MODELS, small
from tests.proofs.specs import DIFFERENTIATED, LAYERS, LOSSES, OPTIMIZERS, cases_of, file_for
from tinydl import Model, layers, losses, models, optimizers
from tinydl.gradcheck import GradientCheckError, GradientCheckReport, check_layer, check_loss, check_model
from tinydl.layers import (
    ActivityL1,
    AveragePool2D,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    KLSparsity,
    Layer,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    activations,
    conv,
    normalization,
)
from tinydl.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy

# Largest relative errors; the checks themselves accept 1e-6. The complex step has no truncation error and crosses no
# kinks; central differences between the kinks of hundreds of relus need steps so small that roundoff shows.
LIMITS = {"complex": 1e-12, "central": 1e-8}
DEEP_LIMITS = {"complex": 1e-12, "central": 1e-6}
DEEP = ("deep_autoencoder", "sparse_autoencoder", "digits_cnn")
DIRECTIONAL = [name for name, case in MODELS.items() if case.options.get("mode") == "directional"]  # even deeper
# The fast tests use only the complex step, because it is the exact method of the two.
either_method = pytest.mark.parametrize("method", ["complex", pytest.param("central", marks=pytest.mark.slow)])
# Inference is checked by the exact method alone.
either_mode = pytest.mark.parametrize(
    ("training", "method"),
    [
        (True, "complex"),
        pytest.param(True, "central", marks=pytest.mark.slow),
        pytest.param(False, "complex", marks=pytest.mark.slow),
    ],
)
CASES = cases_of(DIFFERENTIATED)


def tight(report: GradientCheckReport, limit: float) -> None:
    assert report.passed
    assert report.max_relative_error <= limit, report
    assert report.max_abs_error <= 2e-9, report
    for row in report.arrays.values():
        assert row.probes >= row.dropped, report


@pytest.mark.parametrize("name", CASES)
@either_method
def test_layer_or_loss(name: str, method: str) -> None:
    tight(CASES[name].check(method=method), LIMITS[method])


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DIRECTIONAL])
@either_mode
def test_model(name: str, training: bool, method: str) -> None:
    report = MODELS[name].check(training=training, method=method)
    tight(report, (DEEP_LIMITS if name in DEEP else LIMITS)[method])
    assert set(report.arrays) == {"x", *MODELS[name].make().params}


@pytest.mark.slow
@pytest.mark.parametrize("name", DIRECTIONAL)
@either_mode
def test_deep_model(name: str, training: bool, method: str) -> None:
    """Check one random direction through all arrays at once; the slopes are large, so only the relative error counts."""
    report = MODELS[name].check(training=training, method=method)
    assert report.passed
    assert report.max_relative_error <= DEEP_LIMITS[method], report
    assert report.arrays["all arrays"].shape == (MODELS[name].x.size + MODELS[name].make().parameters.size,)


@pytest.mark.parametrize("name", DIRECTIONAL)
def test_no_array_of_a_deep_model_is_lost_beside_the_others(name: str) -> None:
    """The slope of every array, moved alone, is large enough to show in the sum at the complex step's tolerance."""
    case = MODELS[name]
    model = case.make()
    x = case.x.astype(np.float32)
    value = case.loss.forward(model.forward(x, training=True), case.y) + model.penalty()
    dx = model.backward(case.loss.backward().astype(np.float32))
    assert np.isfinite(value)
    sizes = {
        array: float(np.linalg.norm(gradient * (np.sqrt(np.mean(model.params[array] ** 2)) or 1.0)))
        for array, gradient in model.grads.items()
    }
    whole = float(np.linalg.norm([*sizes.values(), np.linalg.norm(dx)]))
    assert {array: size / whole for array, size in sizes.items() if size < 1e-7 * whole} == {}


@pytest.mark.parametrize(
    ("make", "divisor"), [(models.resnet_cifar, 4), (models.inception_cifar, 16), (models.cifar_cnn, 16)]
)
def test_a_small_model_is_the_large_one_layer_for_layer(make: Any, divisor: int) -> None:
    large, narrow = make(), small(make, divisor, (16, 12, 3))()
    assert [type(layer) for layer in narrow.root.walk()] == [type(layer) for layer in large.root.walk()]
    for one, other in zip(narrow.root.walk(), large.root.walk(), strict=True):
        if isinstance(other, Conv2D):
            assert one.filters == -(-other.filters // divisor)
            assert (one.kernel_size, one.strides, one.padding) == (other.kernel_size, other.strides, other.padding)
    assert narrow.output_shape == (10,)
    assert not any(np.all(array == array.flat[0]) for array in narrow.params.values() if array.size > 1)
    assert any(layer.kernel_initializer == "he_normal" for layer in narrow.root.walk() if isinstance(layer, Conv2D))


def public(module: Any, base: type) -> list[type]:
    """The public subclasses of `base` in a module, without `base` itself and Container."""
    kinds = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, base)]
    return [kind for kind in kinds if kind not in (base, layers.Container)]


@pytest.mark.parametrize(
    ("subject", "specs"),
    [
        *((kind, LAYERS) for kind in public(layers, Layer)),
        *((kind, LOSSES) for kind in public(losses, Loss)),
        *((kind, OPTIMIZERS) for kind in public(optimizers, optimizers.Optimizer)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_everything_has_a_spec(subject: type, specs: dict[str, Any]) -> None:
    if subject.__name__ not in specs:
        file = file_for(subject)
        pytest.fail(f"{subject.__name__} has no spec yet: write {file} as described in tests/proofs/specs/__init__.py")
    assert specs[subject.__name__].subject is subject


def test_every_layer_is_offered_and_compared_with_values_from_elsewhere() -> None:
    """A gradient check proves that backward is the derivative of forward, not that forward is right."""
    folder = Path(layers.__file__).parent
    for file in sorted(folder.glob("*.py")):
        module = importlib.import_module(f"tinydl.layers.{file.stem}") if file.stem != "__init__" else layers
        for kind in public(module, Layer):
            base = kind.forward is Layer.forward or any(kind in other.__bases__ for other in public(layers, Layer))
            assert kind.__name__ in layers.__all__ or base, f"{kind.__name__}: add it to tinydl/layers/__init__.py"
    tests = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "layers").glob("*.py"))
    for kind in public(layers, Layer):
        values = f"tests/layers/{Path(file_for(kind)).stem}.py".replace("layers/", "layers/test_")
        assert kind.__name__ in tests, f"{kind.__name__} has no test of its values yet: write {values}"


@pytest.mark.parametrize(
    ("kind", "file"),
    [(ReLU, "relu"), (MaxPool2D, "max_pool2d"), (KLSparsity, "kl_sparsity"), (ActivityL1, "activity_l1"),
     (layers.LeakyReLU, "leaky_relu"), (optimizers.SGD, "sgd"), (MeanSquaredError, "mean_squared_error")],
)  # fmt: skip
def test_the_file_that_is_named_is_the_one_to_write(kind: type, file: str) -> None:
    assert file_for(kind) == f"tests/proofs/specs/{file}.py"


def test_every_model_has_a_row() -> None:
    """Every builder has a row, whose name begins with the model's name; depths are ignored (resnet20_cifar: resnet_cifar)."""
    names = {row: case.make().name for row, case in MODELS.items()}
    assert {re.sub(r"(vgg|resnet)\d+", r"\1", name) for name in names.values()} >= set(models.__all__)
    assert [row for row, name in names.items() if not row.startswith(name)] == []


def test_a_trained_model_is_checked_at_its_own_weights() -> None:
    from tinydl.optimizers import Adam

    model = models.contractive_autoencoder(5, factor=0.1, activation="tanh", hidden=4)
    model.compile(Adam(0.05), MeanSquaredError())
    model.fit(ROWS, ROWS, epochs=20, verbose=0)
    weights = model.get_weights()
    tight(check_model(model, ROWS, ROWS), LIMITS["complex"])
    for weight, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)


# --- planted bugs: each must fail its check -------------------------------------------------------------------------


class DenseWithoutMaskInW(Dense):
    """dW = x.T @ dy instead of x.T @ (dy * 1[y > 0])."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        masked = dy * (self._y > 0)
        self.grads["W"] += self._x.T @ dy
        self.grads["b"] += masked.sum(axis=0)
        return masked @ self.params["W"].T


class DenseMeanBias(Dense):
    """The bias gradient is a mean over the batch, although the loss already divides by N."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        self.grads["W"] += self._x.T @ dy
        self.grads["b"] += dy.mean(axis=0)
        return dy @ self.params["W"].T


class DenseThatAssigns(Dense):
    """Gradients are assigned (=) instead of added (+=)."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        self.zero_grad()
        return super().backward(dy)


class SoftmaxWithoutSum(Softmax):
    """Backward uses only the diagonal of the Jacobian."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy * self._y * (1 - self._y)


class SigmoidOfItsInput(Sigmoid):
    """The derivative is x (1 - x) instead of y (1 - y)."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        x = np.log(self._y / (1 - self._y))
        return dy * x * (1 - x)


class ReLUInPlace(ReLU):
    """The numbers are right, but they are written into dy."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        dy[self._y <= 0] = 0
        return dy


class TanhInFloat64(Tanh):
    """A dtype leak: a float64 array turns the float32 result into float64."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * np.sqrt(np.ones(1))


class ContractiveFrozenW(ContractivePenalty):
    """The book's mistake: W in the penalty is treated as a constant, so only the path through h is left."""

    def backward(self, dy: NDArray[Any]) -> Any:
        before = self.encoder.grads["W"].copy()
        dx = super().backward(dy)
        d = self._h * (1 - self._h)
        direct = 2 * self.factor / len(dy) * self.encoder.params["W"] * (d * d).sum(axis=0)
        self.encoder.grads["W"] -= direct
        assert self.encoder.grads["W"].shape == before.shape
        return dx


class ContractiveSigmoidForRelu(ContractivePenalty):
    """The book's other mistake: the gradient uses h (1 - h) as the derivative of relu."""

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
    """The penalty is a mean over the batch, but the gradient is that of a sum."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy + self.factor * np.sign(self._x)


class KLWithoutTheMean(KLSparsity):
    """The factor dr_j/dx_nj = 1/n is missing."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy + len(dy) * (super().backward(dy) - dy)


class DropoutThatRedraws(Dropout):
    """Backward draws a different mask."""

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
    """Backward runs through the layers in the order of the forward pass."""

    def backward(self, dy: NDArray[Any]) -> Any:
        for layer in self.layers:
            dy = layer.backward(dy)
        return dy


class MSEWithoutN(MeanSquaredError):
    def backward(self) -> NDArray[Any]:
        return super().backward() * self._cache[0].size


class MSEOverRows(MeanSquaredError):
    """Backward divides by the number of rows, forward by the number of entries."""

    def backward(self) -> NDArray[Any]:
        return super().backward() * self._cache[0].shape[1]


class MSEWithoutTwo(MeanSquaredError):
    def backward(self) -> NDArray[Any]:
        return super().backward() / 2


class CrossEntropyWithoutN(SoftmaxCrossEntropy):
    def backward(self) -> NDArray[Any]:
        return super().backward() * len(self._cache[0])


class CrossEntropyForgetsSmoothing(SoftmaxCrossEntropy):
    def backward(self) -> NDArray[Any]:
        return (self._cache[0] - np.eye(5)[self._cache[1].argmax(axis=1)]) / len(self._cache[0])


class BCEOfTheSign(BinaryCrossEntropy):
    def backward(self) -> NDArray[Any]:
        return -super().backward()


class ConvBase(Conv2D):
    """Conv2D's backward in plain NumPy, in pieces that the bugs below replace."""

    def da(self, dy: NDArray[Any]) -> NDArray[Any]:
        return activations.activation_gradient(dy, self._y, self._code)

    def cols(self) -> NDArray[Any]:
        return conv.im2col(self._x, self._window)

    def dW(self, da: NDArray[Any]) -> NDArray[Any]:
        return (self.cols().T @ da.reshape(-1, self.filters)).reshape(self.params["W"].shape)

    def dx(self, da: NDArray[Any], W: NDArray[Any]) -> NDArray[Any]:
        dcols = da.reshape(-1, self.filters) @ W.reshape(-1, self.filters).T
        return self.col2im(dcols)

    def col2im(self, dcols: NDArray[Any]) -> NDArray[Any]:
        return conv.col2im(dcols, self._x.shape, self._window)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        da = self.da(dy)
        self.grads["W"] += self.dW(da)
        self.grads["b"] += da.sum(axis=(0, 1, 2))
        return self.dx(da, self.params["W"])


class ConvSidesSwapped(ConvBase):
    """Height and width of the kernel are swapped in dx."""

    def dx(self, da: NDArray[Any], W: NDArray[Any]) -> NDArray[Any]:
        return super().dx(da, W.transpose(1, 0, 2, 3))


class ConvSidesSwappedInW(ConvBase):
    def dW(self, da: NDArray[Any]) -> NDArray[Any]:
        return super().dW(da).transpose(1, 0, 2, 3)


class ConvImageTransposed(ConvBase):
    """Rows and columns of dy are swapped; on square images all shapes still match."""

    def dx(self, da: NDArray[Any], W: NDArray[Any]) -> NDArray[Any]:
        return super().dx(da.transpose(0, 2, 1, 3), W)


class ConvFlipped(ConvBase):
    """The kernel is flipped, as in a true convolution, but only in backward."""

    def dx(self, da: NDArray[Any], W: NDArray[Any]) -> NDArray[Any]:
        return super().dx(da, W[::-1, ::-1])


class ConvWithoutOverlap(ConvBase):
    """Where windows overlap, col2im assigns (=) instead of adding (+=)."""

    def col2im(self, dcols: NDArray[Any]) -> NDArray[Any]:
        dx, (kh, kw), (sh, sw) = np.zeros_like(self._x), self.kernel_size, self.strides
        n, oh, ow, _ = self._y.shape
        places = dcols.reshape(n, oh, ow, kh, kw, -1)
        for p in range(kh):
            for q in range(kw):
                dx[:, p : p + oh * sh : sh, q : q + ow * sw : sw] = places[:, :, :, p, q]
        return dx


class ConvPaddingOff(ConvBase):
    """col2im crops the padding on the wrong side."""

    def col2im(self, dcols: NDArray[Any]) -> NDArray[Any]:
        (top, bottom), (left, right) = self._window.padding
        turned = self._window._replace(padding=((bottom, top), (right, left)))
        return conv.col2im(dcols, self._x.shape, turned)


class ConvWithoutMask(ConvBase):
    def da(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy


class ConvOfTheFirstImage(ConvBase):
    def dW(self, da: NDArray[Any]) -> NDArray[Any]:
        only = da.copy()
        only[1:] = 0
        return super().dW(only)


class ConvMeanOverImages(ConvBase):
    """The layer divides dW by N, although the loss already does."""

    def dW(self, da: NDArray[Any]) -> NDArray[Any]:
        return super().dW(da) / len(da)


class ConvWithoutGradient(ConvBase):
    """dW is all zeros. (A well-known compiler's tests still passed with this bug.)"""

    def dW(self, da: NDArray[Any]) -> NDArray[Any]:
        return np.zeros_like(self.params["W"])


class ConvTooSmall(ConvBase):
    """dW is slightly too small; its direction is right, so training would still work."""

    def dW(self, da: NDArray[Any]) -> NDArray[Any]:
        return super().dW(da) * (1 - 1e-5)


class MaxPoolPaddingWins(MaxPool2D):
    """Forward pads with 0, which exceeds negative values."""

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        y = super().forward(x)
        (top, _), (left, _) = self._window.padding
        if top:
            y[:, 0] = np.maximum(y[:, 0], 0)
        if left:
            y[:, :, 0] = np.maximum(y[:, :, 0], 0)
        return y


class MaxPoolAssigns(MaxPool2D):
    """Where windows overlap, gradients are assigned (=) instead of added (+=)."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        dx, (_, kw), (sh, sw) = np.zeros(self._x_shape, dy.dtype), self.pool_size, self.strides
        for n, i, j, c in np.ndindex(dy.shape):
            place = int(self._where[n, i, j, c])
            dx[n, i * sh + place // kw, j * sw + place % kw, c] = dy[n, i, j, c]
        return dx


class MaxPoolSidesSwapped(MaxPool2D):
    """A position in the window is counted down the columns instead of along the rows."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        kh, kw = self.pool_size
        self._where = (self._where % kw * kh + self._where // kw).astype(np.uint16)
        return super().backward(dy)


class MaxPoolToTheFirst(MaxPool2D):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        self._where = np.zeros_like(self._where)
        return super().backward(dy)


class AveragePoolCountsPadding(AveragePool2D):
    """Backward counts the padding in the mean; forward does not."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        kh, kw = self.pool_size
        places = np.repeat(dy[:, :, :, None] / (kh * kw), kh * kw, axis=3)
        return conv.col2im(places, self._x_shape, self._window)


class AveragePoolWithoutShare(AveragePool2D):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * np.prod(self.pool_size)


class GlobalAverageWithoutShare(GlobalAveragePool2D):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return super().backward(dy) * np.prod(self._x_shape[1:3])


class NormWithoutCrossTerm(LocalResponseNorm):
    """s is treated as a constant."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy * self._s**-self.beta


class NormOnlyItsOwnCrossTerm(LocalResponseNorm):
    """The gradient passes through s_i, but not through s_j of the neighboring channels."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        x, s, beta = self._x, self._s, self.beta
        return dy * s**-beta - 2 * self.alpha * beta * x * dy * x * s ** (-beta - 1)


class NormNeighboursOfTheForward(LocalResponseNorm):
    """The ends of the window are not exchanged in backward, which matters for an even size."""

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        x, s, beta = self._x, self._s, self.beta
        through_s = normalization._sum_around(dy * x * s ** (-beta - 1), self.size)
        return dy * s**-beta - 2 * self.alpha * beta * x * through_s


class BatchNormBase(BatchNorm):
    """BatchNorm's backward in plain NumPy, in pieces (one per road) that the bugs below replace."""

    def statistics(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._statistics

    def through_mean(self, g: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
        return g.mean(axis=axes)

    def through_var(self, g: NDArray[Any], xhat: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
        return xhat * (g * xhat).mean(axis=axes)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        da, axes = activations.activation_gradient(dy, self._y, self._code), tuple(range(dy.ndim - 1))
        mean, var = self.statistics()
        inverse = 1 / np.sqrt(var + self.epsilon)
        xhat = (self._x - mean) * inverse
        self.grads["gamma"] += (da * xhat).sum(axis=axes)
        self.grads["beta"] += da.sum(axis=axes)
        g = self.params["gamma"] * da
        return inverse * (g - self.through_mean(g, axes) - self.through_var(g, xhat, axes))


class BatchNormWithoutMeanRoad(BatchNormBase):
    def through_mean(self, g: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
        return 0 * g


class BatchNormWithoutVarianceRoad(BatchNormBase):
    def through_var(self, g: NDArray[Any], xhat: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
        return 0 * g


class BatchNormOfConstants(BatchNormWithoutMeanRoad):
    """The batch's statistics are treated as constants, which is correct only in inference."""

    through_var = BatchNormWithoutVarianceRoad.through_var


class BatchNormSumRoad(BatchNormBase):
    """The road through the mean uses a sum instead of a mean."""

    def through_mean(self, g: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
        return g.sum(axis=axes)


class BatchNormThreeRoadsInInference(BatchNormBase):
    """In inference the running statistics are treated as functions of x."""

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        return super().forward(x)


class BatchNormRunningInBackward(BatchNormBase):
    """Backward uses the running statistics, although forward used the batch's."""

    def statistics(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self.state["mean"], self.state["var"]


class BatchNormOfOneRow(BatchNormBase):
    """Even for images, the mean is taken over the batch axis only, which is correct only for rows."""

    def through_mean(self, g: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
        return g.mean(axis=0)


class ResidualWithoutShortcut(Residual):
    """The gradient of the shortcut is missing."""

    def backward(self, dy: NDArray[Any]) -> Any:
        return self.body.backward(activations.activation_gradient(dy, self._y, self._code))


class ResidualWithoutBody(Residual):
    def backward(self, dy: NDArray[Any]) -> Any:
        self.body.backward(dy)
        return dy.copy()


class ResidualInPlace(Residual):
    """The numbers are right, but they are added into dy."""

    def backward(self, dy: NDArray[Any]) -> Any:
        dy += self.body.backward(dy)
        return dy


class ResidualMaskOnOneWay(Residual):
    """The mask of the relu after the sum is applied to the body only."""

    def backward(self, dy: NDArray[Any]) -> Any:
        return self.body.backward(dy * (self._y > 0)) + dy


class BranchesFromTheWrongEnd(Branches):
    """dy is cut into pieces of the right widths at the wrong edges."""

    def backward(self, dy: NDArray[Any]) -> Any:
        last = dy.shape[-1]
        edges = zip(self._edges, self._edges[1:], strict=False)
        pieces = [dy[..., last - stop : last - start] for start, stop in edges]
        return sum(branch.backward(piece) for branch, piece in zip(self.branches, pieces, strict=True))


class BranchesKeepTheLast(Branches):
    """Each branch overwrites dx (=) instead of adding to it (+=)."""

    def backward(self, dy: NDArray[Any]) -> Any:
        for branch, start, stop in zip(self.branches, self._edges, self._edges[1:], strict=False):
            dx = branch.backward(dy[..., start:stop])
        return dx


class BranchesOfOneMemory(Branches):
    """A layer in two places has one cache: its second forward overwrites the values that the first place needs."""

    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        shape = super().build(input_shape, rng, dtype)
        for branch in self.branches:
            if isinstance(branch, Sequential):
                branch.layers = [layer.original or layer for layer in branch.layers]
        return shape


class DenseWithGradsOfItsOwn(Dense):
    """A layer used in two places loses the gradient of the second place."""

    def build(self, input_shape: Any, rng: np.random.Generator, dtype: Any) -> Any:
        shape = super().build(input_shape, rng, dtype)
        self.grads = {name: np.zeros_like(value) for name, value in self.params.items()}
        return shape


def in_two_branches(layer: Layer, kind: type[Branches] = Branches) -> Layer:
    return kind([layer, [Tanh(), layer]])


PLANTED: dict[str, tuple[Layer, Any, str]] = {  # layer, x, the expected message
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
    "conv: sides swapped in dx": (ConvSidesSwapped(4, 3), IMAGES, "dx is wrong"),
    "conv: sides swapped in dW": (ConvSidesSwappedInW(4, 3), IMAGES, "dW is wrong"),
    "conv: image transposed": (ConvImageTransposed(4, 3), (2, 5, 5, 3), "dx is wrong"),
    "conv: flipped": (ConvFlipped(4, (1, 2)), IMAGES, "dx is wrong"),
    "conv: no overlap": (ConvWithoutOverlap(4, 2), IMAGES, "dx is wrong"),
    "conv: no overlap, strides": (ConvWithoutOverlap(4, 3, 2), (2, 5, 7, 3), "dx is wrong"),
    "conv: padding off": (ConvPaddingOff(4, 2, padding="same"), IMAGES, "dx is wrong"),
    "conv: no mask": (ConvWithoutMask(4, 2, activation="relu"), IMAGES, "is wrong"),
    "conv: first image": (ConvOfTheFirstImage(4, 2), IMAGES, "dW is wrong"),
    "conv: mean over images": (ConvMeanOverImages(4, 2), IMAGES, "dW is wrong"),
    "conv: no gradient": (ConvWithoutGradient(4, 2), IMAGES, "dW is wrong"),
    "conv: a little too small": (ConvTooSmall(4, 2), IMAGES, "dW is wrong"),
    "max pool: padding wins": (MaxPoolPaddingWins(2, 1, 1), IMAGES, "dx is wrong"),
    "max pool: assigns": (MaxPoolAssigns(2, 1), IMAGES, "dx is wrong"),
    "max pool: sides swapped": (MaxPoolSidesSwapped((2, 3), 1), IMAGES, "dx is wrong"),
    "max pool: to the first": (MaxPoolToTheFirst(2), (2, 4, 6, 3), "dx is wrong"),
    "average pool: padding counted": (AveragePoolCountsPadding(2, 1, "same"), IMAGES, "dx is wrong"),
    "average pool: no share": (AveragePoolWithoutShare(2), IMAGES, "dx is wrong"),
    "global average: no share": (GlobalAverageWithoutShare(), IMAGES, "dx is wrong"),
    "norm: no cross term": (NormWithoutCrossTerm(3, 0.1), (2, 3, 2, 6), "dx is wrong"),
    "norm: its own cross term": (NormOnlyItsOwnCrossTerm(3, 0.1), (2, 3, 2, 6), "dx is wrong"),
    "norm: neighbors": (NormNeighboursOfTheForward(4, 0.1), (2, 3, 2, 6), "dx is wrong"),
    "batch norm: no road through the mean": (BatchNormWithoutMeanRoad(), X, "(?s)dx is wrong.*the same for all entries along axis 0: the road through a mean"),
    "batch norm: no road through the mean, images": (BatchNormWithoutMeanRoad(), IMAGES, "the same for all entries along axis 0 and 1 and 2"),
    "batch norm: no road through the variance": (BatchNormWithoutVarianceRoad(), X, "(?s)dx is wrong.*a constant plus a multiple of x"),
    "batch norm: statistics as constants": (BatchNormOfConstants(), X, "a mean and the variance .* over it is left out or wrongly weighted: are statistics treated as constants"),
    "batch norm: statistics as constants, relu": (BatchNormOfConstants(activation="relu"), IMAGES, "statistics treated as constants"),
    "batch norm: a sum for a mean": (BatchNormSumRoad(), X, r"(?s)dx is wrong.*g must be multiplied by 0\.166667 here"),
    "batch norm: three roads in inference": (BatchNormThreeRoadsInInference(), X, "dx is wrong"),
    "batch norm: running statistics in backward": (BatchNormRunningInBackward(), X, "(?s)dx is wrong.*gamma is wrong"),
    "batch norm: the axes of rows": (BatchNormOfOneRow(), IMAGES, "dx is wrong"),
    "residual: no shortcut": (ResidualWithoutShortcut(Dense(5, "tanh")), X, r"a term is missing, equal to dy \(the road that leads past"),
    "residual: no shortcut, projection": (ResidualWithoutShortcut(Dense(4, "tanh"), Dense(4), "relu"), X, "(?s)dx is wrong.*backward gives all zeros"),
    "residual: no body": (ResidualWithoutBody(Dense(5, "tanh")), X, "(?s)dx is wrong.*this is dy, unchanged"),
    "residual: in place": (ResidualInPlace(Dense(5, "tanh")), X, "backward modifies dy in place"),
    "residual: mask on one way": (ResidualMaskOnOneWay(Dense(5, "tanh"), None, "relu"), X, "dx is wrong"),
    "branches: wrong edges": (BranchesFromTheWrongEnd([Dense(2), Dense(3, "tanh"), Dense(2)]), X, "(?s)dx is wrong.*W is wrong"),
    "branches: the last one's": (BranchesKeepTheLast([Dense(2), Dense(3, "tanh")]), X, "dx is wrong"),
    "branches: the last one's, of identities": (BranchesKeepTheLast([Flatten(), Flatten()]), X, r"`=` where `\+=` is needed"),
    "shared: assigns": (in_two_branches(DenseThatAssigns(5, "tanh")), X, r"must add \(\+=\)"),
    "shared: one cache": (in_two_branches(Dense(5, "tanh"), BranchesOfOneMemory), X, "(?s)dx is wrong.*W is wrong"),
    "shared: two gradients": (in_two_branches(DenseWithGradsOfItsOwn(5, "tanh")), X, "W is wrong"),
}  # fmt: skip
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
    with pytest.raises(GradientCheckError, match=r"the gradient of dense_without_mask_in_w_1\.W is wrong"):
        check_model(model, ROWS, ROWS, loss=MeanSquaredError())


def test_a_mutant_without_its_bug_passes() -> None:
    """The planted bugs are found because they are wrong, not because they are subclasses."""

    class Untouched(Dense):
        pass

    tight(check_layer(Untouched(4, "relu"), X), LIMITS["complex"])
    tight(check_layer(ConvBase(4, (3, 2), (1, 2), LOPSIDED, "relu"), IMAGES), LIMITS["complex"])
    tight(check_layer(ConvBase(4, 3), IMAGES), LIMITS["complex"])
    tight(check_layer(BatchNormBase(), X), LIMITS["complex"])
    tight(check_layer(BatchNormBase(activation="relu"), IMAGES), LIMITS["complex"])
    tight(check_layer(in_two_branches(Dense(5, "tanh")), X), LIMITS["complex"])


# Inputs at which a bug makes no difference; the shapes in PLANTED are chosen to avoid them.
HIDDEN: dict[str, tuple[Layer, Any]] = {
    "overlap, windows side by side": (ConvWithoutOverlap(4, 2, 2), (2, 4, 6, 3)),
    "max pool assigns, windows side by side": (MaxPoolAssigns(2), (2, 4, 6, 3)),
    "sides swapped, kernel one high": (ConvSidesSwapped(4, 1), IMAGES),
    "max pool places, square windows of one": (MaxPoolSidesSwapped((1, 3), 1), IMAGES),
    "first image, batch of one": (ConvOfTheFirstImage(4, 2), (1, 5, 4, 3)),
    "padding counted, no padding": (AveragePoolCountsPadding(2), (2, 4, 6, 3)),
    "padding turned, even padding": (ConvPaddingOff(4, 3, padding="same"), IMAGES),
    "neighbors, odd size": (NormNeighboursOfTheForward(3, 0.1), (2, 3, 2, 6)),
    "axes of rows, rows": (BatchNormOfOneRow(), X),
    "mask on one way, no mask": (ResidualMaskOnOneWay(Dense(5, "tanh"), None, "relu"), 9 + np.abs(ROWS)),
    "wrong edges, one branch": (BranchesFromTheWrongEnd([Dense(3)]), X),
    "the last branch's, one branch": (BranchesKeepTheLast([Dense(3)]), X),
    "one cache, one place": (BranchesOfOneMemory([Dense(5, "tanh"), Tanh()]), X),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_the_same_bug_where_it_makes_no_difference_passes(name: str) -> None:
    check_layer(*HIDDEN[name], rules="note")  # the second run, at zeros, finds one of them as a broken rule
