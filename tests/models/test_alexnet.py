"""alexnet: the paper's feature maps, and its parameter counts on one processor and on two."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from tinydl import models
from tinydl.layers import Conv2D, Dense, Dropout, LocalResponseNorm, MaxPool2D


def test_the_papers_layers(plan: Callable[..., Any]) -> None:
    alexnet = plan(models.alexnet)
    assert alexnet.depth == 8
    assert [name for name, _ in alexnet.stages] == [
        "Conv2D", "LocalResponseNorm", "MaxPool2D", "Conv2D", "LocalResponseNorm", "MaxPool2D",
        "Conv2D", "Conv2D", "Conv2D", "MaxPool2D", "Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    neurons = [math.prod(shape) for shape in alexnet.shapes(Conv2D, Dense)]
    # Section 3.5: "253,440-186,624-64,896-64,896-43,264-4096-4096-1000"; the first is not a square times 96.
    assert neurons == [55 * 55 * 96, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert alexnet.shapes(MaxPool2D) == [(27, 27, 96), (13, 13, 256), (6, 6, 256)]
    for layer in alexnet.model.layers:
        if isinstance(layer, LocalResponseNorm):
            assert (layer.size, layer.alpha, layer.beta, layer.k) == (5, 1e-4, 0.75, 2)
        if isinstance(layer, Dropout):
            assert layer.rate == 0.5


def test_parameters(plan: Callable[..., Any], figures: Callable[[Any], list[int]]) -> None:
    alexnet = plan(models.alexnet)
    on_one, on_two = figures(models.alexnet)
    assert alexnet.parameters == on_one == 62_378_344
    second, fourth, fifth = (
        [layer for layer in alexnet.model.layers if isinstance(layer, Conv2D)][k].params["W"].size for k in (1, 3, 4)
    )
    assert on_one - (second + fourth + fifth) // 2 == on_two == 60_965_224  # each map sees half of the channels


def test_images_may_be_smaller_but_not_as_small_as_that() -> None:
    with pytest.raises(ValueError, match=r"max_pool2d_\d \(MaxPool2D\): .*"):
        models.alexnet((40, 40, 3))
