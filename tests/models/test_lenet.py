"""lenet5: the paper's layers, and how its parameter counts differ from the paper's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinydl import models
from tinydl.layers import AveragePool2D, Conv2D, Dense
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD

CONNECTED_TO_C3 = 6 * 3 + 9 * 4 + 6  # the paper's table I: six maps see 3 maps of S2, nine see 4, and one sees 6


def test_the_papers_layers(plan: Callable[..., Any]) -> None:
    lenet = plan(models.lenet5)
    assert lenet.shapes(Conv2D, AveragePool2D, Dense) == [
        (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (120,), (84,), (10,),
    ]  # fmt: skip
    assert (lenet.depth, lenet.parameters) == (5, 61_706)
    weighted = [layer for layer in lenet.model.layers if layer.params]
    by_layer = [sum(array.size for array in layer.params.values()) for layer in weighted]
    assert by_layer == [156, 2_416, 48_120, 10_164, 850]  # C1, C5 and F6 as in the paper
    assert all(getattr(layer, "activation", "tanh") == "tanh" for layer in lenet.model.layers[:-1])


def test_what_the_docstring_says_of_the_papers(plan: Callable[..., Any], figures: Callable[[Any], list[int]]) -> None:
    assert figures(models.lenet5) == [61_706, 60_000]
    c3 = 25 * CONNECTED_TO_C3 + 16
    assert c3 == 1_516
    fewer_in_c3, subsampling, fixed = 2_416 - c3, 2 * (6 + 16), 84 * 10 + 10
    assert 61_706 - fewer_in_c3 + subsampling - fixed == 60_000
    for number in (fewer_in_c3, subsampling, fixed):
        assert f"{number} " in (models.lenet5.__doc__ or "")


def test_it_learns(toy_images: Callable[..., Any]) -> None:
    model = models.lenet5(classes=8)
    model.compile(SGD(0.1, 0.9), SoftmaxCrossEntropy())
    x, labels = toy_images(32, (32, 32, 1))
    losses = [model.train_on_batch(x, labels) for _ in range(10)]
    assert losses[-1] < 0.3 * losses[0]
