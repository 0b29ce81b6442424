"""ConvThenPool: a Conv2D and the pooling layer after it give the same bits together as one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import ACTIVATIONS, DTYPES, normal
from tests.layers.chains import chain_of
from tinydl import Model
from tinydl.gradcheck import check_layer
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import (
    AveragePool2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    Sequential,
)
from tinydl.layers.conv_then_pool import ConvThenPool
from tinydl.layers.passes import paired
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD

POOLS = [MaxPool2D, AveragePool2D]
# Images and layers that `direct` computes, in one pass, and others: maps of odd size, and some for Winograd's tiles,
# which pool maps of whole tiles.
CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((32, 32, 1), {"filters": 6, "kernel_size": 5}),
    ((14, 14, 6), {"filters": 16, "kernel_size": 5}),
    ((12, 10, 3), {"filters": 5, "kernel_size": 3, "padding": "same"}),
    ((28, 28, 1), {"filters": 33, "kernel_size": 3, "padding": "same"}),
    ((9, 11, 2), {"filters": 17, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ((64, 70, 3), {"filters": 8, "kernel_size": 3, "padding": "same"}),
    ((6, 8, 2), {"filters": 1, "kernel_size": 3, "padding": "same"}),
    ((8, 8, 16), {"filters": 16, "kernel_size": 3, "padding": "same"}),
    ((20, 12, 17), {"filters": 35, "kernel_size": 3, "padding": "same"}),
    ((16, 24, 19), {"filters": 16, "kernel_size": 2, "padding": "same"}),
    ((10, 14, 16), {"filters": 16, "kernel_size": 3, "padding": "valid"}),
    ((10, 12, 16), {"filters": 18, "kernel_size": 3, "padding": "same"}),
    ((12, 16, 160), {"filters": 130, "kernel_size": 3, "padding": "same"}),
]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_as_one_by_one(pool: type[Layer], threads: int) -> None:
    set_num_threads(threads)
    for number, ((shape, arguments), activation) in enumerate(itertools.product(CASES, ACTIVATIONS)):
        dtype = DTYPES[number % 2]
        convolution, pooling = Conv2D(activation=activation, **arguments), pool()
        chain = chain_of([convolution, pooling], shape, dtype)
        (x,) = normal(dtype, (37, *shape))
        (dy,) = normal(dtype, (37, *chain.output_shape), seed=1)
        runs = []
        for together in (True, False):
            chain.zero_grad()
            y = chain.forward(x, True) if together else pooling.forward(convolution.forward(x, True), True)
            kept = [convolution._y, pooling._y, getattr(pooling, "_where", None)]
            dx = chain.backward(dy) if together else convolution.backward(pooling.backward(dy))
            runs.append([y, dx, *(gradient.copy() for gradient in chain.grads.values()), *kept])
        for actual, expected in zip(*runs, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_the_gradient_is_right() -> None:
    for pool in POOLS:
        check_layer(Sequential([Conv2D(3, 3, activation="tanh", kernel_regularizer="l2"), pool()]), x=(2, 6, 8, 2))


def test_nan_and_infinity_go_where_they_go_one_by_one() -> None:
    (x,) = normal(np.float32, (3, 14, 14, 2))
    x[1, 5, 6], x[2, 0, 0, 1] = np.nan, np.inf
    for pool in POOLS:
        convolution, pooling = Conv2D(9, 3), pool()
        chain = chain_of([convolution, pooling], x.shape[1:], np.float32)
        with np.errstate(invalid="ignore"):
            expected = pooling.forward(convolution.forward(x))
            np.testing.assert_array_equal(chain.forward(x), expected)
        assert np.isnan(expected).any()


class Mine(MaxPool2D):
    pass


class Odd(Conv2D):
    pass


def test_only_our_own_layers_are_paired() -> None:
    conv, pool = Conv2D(2, 3), MaxPool2D()
    (both,) = paired([conv, pool])
    assert isinstance(both, ConvThenPool)
    assert both.conv is conv
    assert both.pool is pool
    for apart in ([conv, Mine()], [Odd(2, 3), pool], [pool, conv], [conv, Flatten()], [conv, GlobalAveragePool2D()]):
        assert paired(apart) == apart
    for name, layer in itertools.product(("forward", "backward"), (Conv2D(2, 3), MaxPool2D())):
        setattr(layer, name, getattr(layer, name))  # as a user does who listens
        chain: list[Layer] = [layer, pool] if isinstance(layer, Conv2D) else [conv, layer]
        assert paired(chain) == chain


def test_frozen_layers_and_missing_forward_passes() -> None:
    model = Model([Conv2D(4, 3), MaxPool2D(), Conv2D(6, 3), AveragePool2D(), Flatten(), Dense(3)], (18, 18, 1), seed=1)
    model.compile(SGD(0.1), SoftmaxCrossEntropy())
    (x,), labels = normal(np.float32, (8, 18, 18, 1)), np.arange(8) % 3
    model.layers[2].trainable = False
    before = [array.copy() for array in model.get_weights()]
    model.train_on_batch(x, labels)
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert changed == [True, True, False, False, True, True]
    model.layers[0].trainable = False
    model.train_on_batch(x, labels)  # the lowest layer that learns lies above both pairs
    chain = chain_of([Conv2D(2, 3), MaxPool2D()], (6, 6, 1), np.float32)
    with pytest.raises(RuntimeError, match=r"MaxPool2D.*backward needs a forward pass"):
        chain.backward(np.zeros((1, 2, 2, 2), np.float32))
    chain.forward(np.zeros((1, 6, 6, 1), np.float32))
    with pytest.raises(ValueError, match=r"MaxPool2D.*dy must have the shape of the last output, \(1, 2, 2, 2\), got"):
        chain.backward(np.zeros((1, 4, 4, 2), np.float32))
