"""ConvThenNorm: a Conv2D and the BatchNorm after it give the same bits together as one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, normal
from tests.layers.chains import chain_of
from tinydl import Model
from tinydl.gradcheck import check_layer
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import BatchNorm, Branches, Conv2D, Dense, Flatten, Layer, ReLU, Residual, Sequential
from tinydl.layers.conv_then_norm import ConvThenNorm
from tinydl.layers.passes import paired
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD


def listened(layer: Layer) -> Layer:
    """The same layer, as somebody leaves it who listens to it: it is no longer paired with another."""
    layer.forward = layer.forward  # type: ignore[method-assign]
    return layer


def alone(model: Layer) -> Layer:
    """The same layers, none of them paired."""
    for layer in model.sublayers():
        alone(layer)
        if isinstance(layer, Conv2D):
            listened(layer)
    return model


def block(filters: int, strides: int = 1) -> Residual:
    def conv(size: int, strides: int, f: str | None = None) -> list[Layer]:
        return [Conv2D(filters, size, strides, "same", use_bias=False), BatchNorm(activation=f)]

    return Residual([*conv(3, strides, "relu"), *conv(3, 1)], conv(1, strides) if strides > 1 else None, "relu")


def nets() -> list[list[Layer]]:
    return [
        [Conv2D(16, 3, activation="relu"), BatchNorm(activation="tanh")],
        [Conv2D(5, 1, 2), BatchNorm(), Conv2D(4, 2, activation="sigmoid"), BatchNorm(activation="relu")],
        [Conv2D(16, 3, padding="same"), BatchNorm(activation="relu"), block(16), block(20, 2)],
        [Residual([Conv2D(3, 3, padding="same"), BatchNorm()])],  # a body that is the pair
        [Branches([
            [Conv2D(16, 1), BatchNorm(), Conv2D(3, 3, padding="same")], [Conv2D(17, 3, padding="same"), BatchNorm()],
        ])],
    ]  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
def test_the_same_bits_as_one_by_one(training: bool) -> None:
    for number, threads in itertools.product(range(len(nets())), (1, 2)):
        set_num_threads(threads)
        dtype = DTYPES[number % 2]
        (x,) = normal(dtype, (37, 18, 17, 3))
        runs = []
        for net in (chain_of(nets()[number], x.shape[1:], dtype), alone(chain_of(nets()[number], x.shape[1:], dtype))):
            y = net.forward(x, training)
            (dy,) = normal(dtype, y.shape, seed=1)
            dx = net.backward(dy)
            y_again = net.forward(2 * x, training)  # the running statistics have changed
            runs.append([y, dx, *net.grads.values(), *net.state.values(), y_again])
        for actual, expected in zip(*runs, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_the_gradient_is_right() -> None:
    chain = [Conv2D(3, 3, activation="tanh", kernel_regularizer="l2"), BatchNorm(activation="sigmoid")]
    check_layer(Sequential(chain), x=(2, 5, 4, 2))


class Mine(BatchNorm):
    pass


class Odd(Conv2D):
    pass


def test_only_our_own_layers_are_paired() -> None:
    conv, norm = Conv2D(2, 3), BatchNorm()
    (both,) = paired([conv, norm])
    assert isinstance(both, ConvThenNorm)
    assert (both.conv, both.norm, both.label) == (conv, norm, norm.label)
    for apart in ([conv, Mine()], [Odd(2, 3), norm], [norm, conv], [conv, ReLU(), norm], [norm, norm]):
        assert paired(apart) == apart
    assert paired([listened(Conv2D(2, 3)), norm])[1] is norm
    assert paired([conv, listened(BatchNorm())])[0] is conv


def test_frozen_layers_and_missing_forward_passes() -> None:
    layers: list[Layer] = [Conv2D(4, 3), BatchNorm(), Conv2D(6, 3), BatchNorm(), Flatten(), Dense(3)]
    model = Model(layers, (9, 9, 1), seed=1)
    model.compile(SGD(0.1), SoftmaxCrossEntropy())
    (x,), labels = normal(np.float32, (8, 9, 9, 1)), np.arange(8) % 3
    model.layers[3].trainable = False  # a frozen norm uses its running statistics, and leaves them
    before = {name: array.copy() for name, array in model.layers[3].state.items()}
    model.train_on_batch(x, labels)
    for name, array in model.layers[3].state.items():
        np.testing.assert_array_equal(array, before[name])
    assert not np.array_equal(model.layers[1].state["mean"], np.zeros(4))
    chain = chain_of([Conv2D(2, 3), BatchNorm()], (6, 6, 1))
    with pytest.raises(RuntimeError, match=r"BatchNorm.*backward needs a forward pass"):
        chain.backward(np.zeros((1, 4, 4, 2), np.float32))
    assert chain.forward(np.zeros((0, 6, 6, 1), np.float32), True).shape == (0, 4, 4, 2)
    with pytest.raises(ValueError, match=r"Conv2D\): expected an input of shape \(batch, 6, 6, 1\)"):
        chain.forward(np.zeros((2, 6, 6, 3), np.float32), True)


def test_a_variance_that_overflows_is_refused_in_the_name_of_the_norm() -> None:
    chain = chain_of([Conv2D(2, 3), BatchNorm()], (6, 6, 1))
    (x,) = normal(np.float32, (4, 6, 6, 1))
    with pytest.raises(FloatingPointError, match=r"BatchNorm.*the variance of the inputs must fit into float32"):
        chain.forward(x * np.float32(1e30), True)
    x[1, 2, 3] = np.nan
    chain.forward(x, True)
    np.testing.assert_array_equal(chain.state["batch_norm_1.mean"], np.zeros(2))
