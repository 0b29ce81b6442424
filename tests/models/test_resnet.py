"""resnet and resnet_cifar: the paper's tables, shortcuts without parameters, blocks that start as identities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tinydl import Model, models
from tinydl.layers import BatchNorm, Conv2D, PadChannels, Residual
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD

PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}
GIGA_MULTIPLY_ADDS = {18: 1.8, 34: 3.6, 50: 3.8}  # table 1
CIFAR_PARAMETERS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}
CIFAR_MILLIONS = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}  # table 6


def convs_of(model: Model) -> list[Conv2D]:
    return [layer for layer in model.root.walk() if isinstance(layer, Conv2D)]


@pytest.mark.parametrize("depth", PARAMETERS)
def test_parameters_and_shapes(depth: int, plan: Callable[..., Any]) -> None:
    """Stages and multiply-adds are those of table 1."""
    resnet = plan(models.resnet, depth)
    assert resnet.model.name == f"resnet{depth}"
    assert (resnet.depth, resnet.parameters) == (depth, PARAMETERS[depth])
    assert abs(resnet.multiply_adds / 1e9 - GIGA_MULTIPLY_ADDS[depth]) < 0.1
    assert [shape for _, shape in resnet.stages[:3]] == [(112, 112, 64), (112, 112, 64), (56, 56, 64)]
    blocks, channels = {18: (2, 2, 2, 2)}.get(depth, (3, 4, 6, 3)), 4 if depth == 50 else 1
    assert resnet.shapes(Residual) == [
        (size, size, channels * filters)
        for size, filters, count in zip((56, 28, 14, 7), (64, 128, 256, 512), blocks, strict=True)
        for _ in range(count)
    ]
    assert [shape for _, shape in resnet.stages[-2:]] == [(channels * 512,), (1000,)]
    assert not any(layer.use_bias for layer in convs_of(resnet.model))


def test_where_a_shortcut_has_weights(plan: Callable[..., Any]) -> None:
    """Shortcuts have weights only where the shape changes: in ResNet-50, also in block 1 (64 to 256 channels)."""
    for depth, first in ((34, False), (50, True)):
        blocks = [layer for layer in plan(models.resnet, depth).model.layers if isinstance(layer, Residual)]
        starts = [0, 3, 7, 13]
        assert [k for k, block in enumerate(blocks) if block.shortcut] == (starts if first else starts[1:])
        strides = [next(layer for layer in block.shortcut.walk() if isinstance(layer, Conv2D)).strides
                   for block in blocks if block.shortcut]  # fmt: skip
        assert strides == [(1, 1)] * first + [(2, 2)] * 3
    first_convs = [next(layer for layer in block.body.walk() if isinstance(layer, Conv2D)) for block in blocks]
    assert [conv.kernel_size for conv in first_convs] == [(1, 1)] * 16
    assert [k for k, conv in enumerate(first_convs) if conv.strides == (2, 2)] == starts[1:]


@pytest.mark.parametrize("depth", CIFAR_PARAMETERS)
def test_parameters_and_shapes_of_the_small_ones(depth: int, plan: Callable[..., Any]) -> None:
    """1 + 2n layers at 32x32 with 16 filters, 2n at 16x16 with 32, 2n at 8x8 with 64 (section 4.2)."""
    resnet = plan(models.resnet_cifar, depth)
    assert resnet.model.name == f"resnet{depth}_cifar"
    assert (resnet.depth, resnet.parameters) == (depth, CIFAR_PARAMETERS[depth])
    assert round(resnet.parameters / 1e6, 1 if depth == 110 else 2) == CIFAR_MILLIONS[depth]
    n = (depth - 2) // 6
    convolutions = [conv.output_shape for conv in convs_of(resnet.model)]
    assert convolutions == [(32, 32, 16)] * (1 + 2 * n) + [(16, 16, 32)] * 2 * n + [(8, 8, 64)] * 2 * n
    shortcuts = [block.shortcut for block in resnet.model.layers if isinstance(block, Residual) and block.shortcut]
    assert [shortcut.output_shape for shortcut in shortcuts] == [(16, 16, 32), (8, 8, 64)]
    assert not any(shortcut.params for shortcut in shortcuts)


def test_the_docstrings_count_right(figures: Callable[[Any], list[int]]) -> None:
    assert figures(models.resnet) == list(PARAMETERS.values())
    assert figures(models.resnet_cifar) == list(CIFAR_PARAMETERS.values())


@pytest.mark.parametrize("depth", [20, 0, 101, "50", None])
def test_other_depths_are_refused(depth: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"resnet: depth must be one of .*18.*34.*50"):
        models.resnet(depth)


@pytest.mark.parametrize("depth", [18, 26, -4, "20"])
def test_other_small_depths_are_refused(depth: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"resnet_cifar: depth must be one of .*20.*32.*44.*56.*110"):
        models.resnet_cifar(depth)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("model", [
    models.resnet_cifar(20, (8, 12, 3)), models.resnet(18, (32, 40, 3), 5)
], ids=lambda model: model.name)  # fmt: skip
def test_a_block_without_weights_is_the_identity(model: Model, training: bool) -> None:
    """Before its relu, a block is the identity; one that halves keeps every other pixel and (option A) adds zeros."""
    rng = np.random.default_rng(0)
    seen = set()
    for block in (layer for layer in model.layers if isinstance(layer, Residual)):
        for array in block.body.params.values():
            array[...] = 0
        x = rng.standard_normal((3, *block.input_shape)).astype(np.float32)  # type: ignore[misc]
        y = block.forward(x, training)
        kept = np.maximum(x, 0)
        if block.shortcut is None:
            seen.add("identity")
            np.testing.assert_array_equal(y, kept)
        elif not block.shortcut.params:
            seen.add("option A")
            channels = x.shape[-1]
            np.testing.assert_array_equal(y[..., :channels], kept[:, ::2, ::2])
            assert not y[..., channels:].any()
            assert y.shape[-1] == 2 * channels
    assert seen == ({"identity", "option A"} if "cifar" in model.name else {"identity"})


def test_the_gradient_reaches_the_first_block_undiminished() -> None:
    """With bodies of 0, dx equals dy wherever relu is active, through all blocks of a stage."""
    model = models.resnet_cifar(56, (8, 8, 3))
    stage = [layer for layer in model.layers if isinstance(layer, Residual)][:9]
    rng = np.random.default_rng(0)
    x = np.abs(rng.standard_normal((2, 8, 8, 16))).astype(np.float32)
    y = x
    for block in stage:
        for array in block.body.params.values():
            array[...] = 0
        y = block.forward(y, True)
    np.testing.assert_array_equal(y, x)
    dy = dx = rng.standard_normal(x.shape).astype(np.float32)
    for block in reversed(stage):
        dx = block.backward(dx)
    np.testing.assert_array_equal(dx, dy)


def test_all_convolutions_are_normalised(plan: Callable[..., Any]) -> None:
    for resnet in (plan(models.resnet, 50), plan(models.resnet_cifar, 20)):
        layers = list(resnet.model.root.walk())
        for conv, norm in pairwise(layers):
            assert not isinstance(conv, Conv2D) or isinstance(norm, BatchNorm)
        norms = [layer for layer in layers if isinstance(layer, BatchNorm)]
        assert len(norms) == len(convs_of(resnet.model))
        assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}
    assert sum(isinstance(layer, PadChannels) for layer in layers) == 2


@pytest.mark.parametrize("depth", [20, 32])
def test_the_small_ones_learn(depth: int, toy_images: Callable[..., Any]) -> None:
    model = models.resnet_cifar(depth, (16, 16, 3), 8)
    model.compile(SGD(0.05, 0.9), SoftmaxCrossEntropy())
    x, labels = toy_images(32, (16, 16, 3))
    losses = [model.train_on_batch(x, labels) for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]
