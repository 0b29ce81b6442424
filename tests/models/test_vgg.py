"""vgg and vgg_cifar: the paper's configurations A, B, D and E, their parameters, and vgg_cifar's blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tinydl import models
from tinydl.layers import BatchNorm, Conv2D, Dense, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD

PARAMETERS = {11: 132_863_336, 13: 133_047_848, 16: 138_357_544, 19: 143_667_240}
MILLIONS = {11: 133, 13: 133, 16: 138, 19: 144}  # table 2
GIGA_MULTIPLY_ADDS = {11: 7.6, 13: 11.3, 16: 15.5, 19: 19.6}  # 19.6 also in He et al. 2015, section 3.3


@pytest.mark.parametrize("depth", PARAMETERS)
def test_parameters_and_shapes(depth: int, plan: Callable[..., Any]) -> None:
    vgg = plan(models.vgg, depth)
    assert vgg.model.name == f"vgg{depth}"
    assert (vgg.depth, vgg.parameters) == (depth, PARAMETERS[depth])
    assert round(vgg.parameters / 1e6) == MILLIONS[depth]
    assert round(vgg.multiply_adds / 1e9, 1) == GIGA_MULTIPLY_ADDS[depth]
    assert vgg.shapes(MaxPool2D) == [(112, 112, 64), (56, 56, 128), (28, 28, 256), (14, 14, 512), (7, 7, 512)]
    assert vgg.shapes(Dense) == [(4096,), (4096,), (1000,)]
    convs = [layer for layer in vgg.model.layers if isinstance(layer, Conv2D)]
    assert {(layer.kernel_size, layer.strides, layer.activation) for layer in convs} == {((3, 3), (1, 1), "relu")}


def test_nine_tenths_lie_in_the_dense_layers(plan: Callable[..., Any]) -> None:
    vgg = plan(models.vgg, 16)
    dense = sum(array.size for layer in vgg.model.layers if isinstance(layer, Dense) for array in layer.params.values())
    assert 0.85 < dense / vgg.parameters < 0.95


def test_the_docstrings_count_right(plan: Callable[..., Any], figures: Callable[[Any], list[int]]) -> None:
    assert figures(models.vgg) == list(PARAMETERS.values())
    assert figures(models.vgg_cifar) == [plan(models.vgg_cifar).parameters]


@pytest.mark.parametrize("depth", [12, 0, "16", None])
def test_other_depths_are_refused(depth: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"vgg: depth must be one of .*11.*13.*16.*19"):
        models.vgg(depth)


def test_the_small_one(plan: Callable[..., Any]) -> None:
    vgg = plan(models.vgg_cifar)
    assert vgg.depth == 9
    assert vgg.shapes(Conv2D) == [
        (32, 32, 32), (32, 32, 32), (16, 16, 64), (16, 16, 64), (8, 8, 128), (8, 8, 128), (4, 4, 256), (4, 4, 256),
    ]  # fmt: skip
    assert vgg.shapes(BatchNorm) == vgg.shapes(Conv2D)
    assert vgg.shapes(MaxPool2D)[-1] == (2, 2, 256)
    narrow = plan(models.vgg_cifar, (8, 12), (12, 16, 1), 3)
    assert narrow.shapes(Conv2D, MaxPool2D, Dense) == [
        (12, 16, 8), (12, 16, 8), (6, 8, 8), (6, 8, 12), (6, 8, 12), (3, 4, 12), (3,),
    ]  # fmt: skip


def test_bad_filters_are_refused() -> None:
    with pytest.raises(ValueError, match="Conv2D: filters"):
        models.vgg_cifar((8, 0))


def test_the_small_one_learns(toy_images: Callable[..., Any]) -> None:
    model = models.vgg_cifar((8, 16, 32), (16, 16, 3), 8)
    model.compile(SGD(0.1, 0.9), SoftmaxCrossEntropy())
    x, labels = toy_images(32, (16, 16, 3))
    losses = [model.train_on_batch(x, labels) for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]
