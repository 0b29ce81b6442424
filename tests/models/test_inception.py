"""googlenet against table 1 of its paper; inception_cifar against the counts in its paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl import Model, models
from tinydl.layers import AuxiliaryHead, BatchNorm, Branches, Conv2D, Dense, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD

# Table 1: output shape, parameters / 1024 (without biases), millions of operations (multiply-adds).
BLOCKS = {
    "3a": ((28, 28, 256), 159, 128),
    "3b": ((28, 28, 480), 380, 304),
    "4a": ((14, 14, 512), 364, 73),
    "4b": ((14, 14, 512), 437, 88),
    "4c": ((14, 14, 512), 463, 100),
    "4d": ((14, 14, 528), 580, 119),
    "4e": ((14, 14, 832), 840, 170),
    "5a": ((7, 7, 832), 1072, 54),
    "5b": ((7, 7, 1024), 1388, 71),
}
FITS_NOT = ("4c", "5a")  # the paper's figures for these blocks do not match the filters that it lists
OF_3A = 163_696  # including its 368 biases


def multiply_adds(block: Branches) -> int:
    height, width, _ = block.output_shape or ()
    return height * width * sum(layer.params["W"].size for layer in block.walk() if isinstance(layer, Conv2D))


def test_the_blocks_of_table_1(plan: Callable[..., Any]) -> None:
    model = plan(models.googlenet).model
    blocks = [layer for layer in model.layers if isinstance(layer, Branches)]
    for (name, (shape, thousands, millions)), block in zip(BLOCKS.items(), blocks, strict=True):
        weights = sum(array.size for array in block.params.values() if array.ndim == 4)
        assert block.output_shape == shape, name
        if name not in FITS_NOT:
            assert abs(multiply_adds(block) / 1e6 - millions) < 1, name
            assert weights / 1024 == pytest.approx(thousands, rel=0.02), name
        else:
            assert multiply_adds(block) / 1e6 == pytest.approx(millions, rel=0.06), name
            assert weights / 1024 == pytest.approx(thousands, rel=0.08), name
    assert sum(array.size for array in blocks[0].params.values()) == OF_3A


def test_the_rest_of_table_1(plan: Callable[..., Any]) -> None:
    googlenet = plan(models.googlenet)
    assert googlenet.depth == 22
    assert googlenet.shapes(Conv2D) == [(112, 112, 64), (56, 56, 64), (56, 56, 192)]
    assert googlenet.shapes(MaxPool2D) == [(56, 56, 64), (28, 28, 192), (14, 14, 480), (7, 7, 832)]
    assert googlenet.stages[-3:] == [
        ("GlobalAveragePool2D", (1024,)), ("Dropout", (1024,)), ("Dense", (1000,)),
    ]  # fmt: skip
    _, reduce3, conv3 = (layer for layer in googlenet.model.layers if isinstance(layer, Conv2D))
    weights = reduce3.params["W"].size + conv3.params["W"].size
    assert weights / 1024 == 112
    assert round(56 * 56 * weights / 1e6) == 360


def test_parameters(plan: Callable[..., Any], figures: Callable[[Any], list[int]]) -> None:
    plain, headed = plan(models.googlenet), plan(models.googlenet, auxiliary_heads=True)
    assert [plain.parameters, headed.parameters] == figures(models.googlenet) == [6_998_552, 13_378_280]
    assert plain.multiply_adds == headed.multiply_adds
    first = 112 * 112 * plain.model.layers[0].params["W"].size  # 118 million, of which the table counts 34
    assert round((plain.multiply_adds - first + 34e6) / 1e9, 1) == 1.5  # "1.5 billion multiply-adds", section 1
    small = plan(models.inception_cifar)
    gammas = sum(layer.params["gamma"].size for layer in small.model.root.walk() if isinstance(layer, BatchNorm))
    assert figures(models.inception_cifar) == [small.parameters, small.parameters - gammas, gammas]
    assert (small.parameters - gammas, gammas) == (1_649_402, 1_712)


def test_the_heads_stand_behind_4a_and_4d(plan: Callable[..., Any]) -> None:
    model = plan(models.googlenet, auxiliary_heads=True).model
    places = [k for k, layer in enumerate(model.layers) if isinstance(layer, AuxiliaryHead)]
    heads = [model.layers[k] for k in places]
    blocks = [layer for layer in model.layers if isinstance(layer, Branches)]
    assert [model.layers[k - 1] for k in places] == [blocks[2], blocks[5]]
    assert [head.input_shape for head in heads] == [(14, 14, 512), (14, 14, 528)]
    for head in heads:
        assert head.weight == 0.3
        pool, conv, flatten, hidden, dropout, last = head.head.layers
        assert (pool.output_shape, conv.output_shape) == ((4, 4, head.input_shape[2]), (4, 4, 128))
        assert (flatten.output_shape, hidden.output_shape, last.output_shape) == ((2048,), (1024,), (1000,))
        assert dropout.rate == 0.7


def test_the_heads_train_and_are_idle_in_inference() -> None:
    model = models.googlenet((65, 65, 3), 5, auxiliary_heads=True)
    model.compile(SGD(0.01), SoftmaxCrossEntropy())
    x, labels = np.random.default_rng(0).standard_normal((2, 65, 65, 3), np.float32), np.array([1, 4])
    before = {name: array.copy() for name, array in model.params.items()}
    loss = model.train_on_batch(x, labels)
    penalty = model.penalty()
    assert loss > penalty > 0.1  # about 0.6 ln 5 = 0.97
    still = [name for name, array in model.params.items() if np.array_equal(array, before[name])]
    assert still == []
    y = model.predict(x)
    for layer in model.root.walk():
        if isinstance(layer, AuxiliaryHead):
            for array in layer.params.values():
                array[...] = np.nan
    np.testing.assert_array_equal(model.predict(x), y)
    assert model.penalty() == 0


def test_heads_need_images_large_enough() -> None:
    with pytest.raises(ValueError, match="AveragePool2D"):
        models.googlenet((64, 64, 3), 5, auxiliary_heads=True)


def test_the_small_ones_blocks(plan: Callable[..., Any]) -> None:
    """Figure 3 of Zhang et al. has eight blocks and two that halve the resolution."""
    small = plan(models.inception_cifar)
    assert small.depth == 12
    assert small.shapes(Branches) == [
        (32, 32, 64), (32, 32, 80), (16, 16, 160),
        (16, 16, 160), (16, 16, 160), (16, 16, 160), (16, 16, 144), (8, 8, 240),
        (8, 8, 336), (8, 8, 336),
    ]  # fmt: skip
    assert small.stages[-2:] == [("GlobalAveragePool2D", (336,)), ("Dense", (10,))]


@pytest.mark.parametrize("width", [0.5, 0.01, 2])
def test_width(width: float, plan: Callable[..., Any]) -> None:
    def filters(model: Model) -> list[int]:
        return [layer.filters for layer in model.root.walk() if isinstance(layer, Conv2D)]

    full, other = plan(models.inception_cifar), plan(models.inception_cifar, width)
    assert filters(other.model) == [max(1, round(width * number)) for number in filters(full.model)]
    assert other.shapes(Dense) == [(10,)]


@pytest.mark.parametrize("width", [0, -1, float("nan"), "wide"])
def test_bad_widths_are_refused(width: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="inception_cifar: width must be"):
        models.inception_cifar(width)


def test_the_small_one_learns(toy_images: Callable[..., Any]) -> None:
    model = models.inception_cifar(0.25, (16, 16, 3), 8)
    model.compile(SGD(0.1, 0.9), SoftmaxCrossEntropy())
    x, labels = toy_images(32, (16, 16, 3))
    losses = [model.train_on_batch(x, labels) for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]
