"""Receptive fields against brute force: change each pixel, and see whether the unit changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from tinydl import Model, models, plots
from tinydl.layers import (
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
)

CHAINS: dict[str, Callable[[], list[Layer]]] = {
    "plain": lambda: [Conv2D(2, 3), ReLU(), Conv2D(1, 3, padding="same")],
    "strides": lambda: [Conv2D(2, (3, 2), (2, 1), "same"), MaxPool2D(2), Conv2D(1, 2)],
    "holes": lambda: [Conv2D(2, 3, padding="same"), Conv2D(2, 1, 2), Conv2D(1, (2, 3), padding="same")],
    "padding": lambda: [Conv2D(1, 3, 2, ((2, 0), (0, 1))), AveragePool2D((2, 3), 1, "same")],
    "norms": lambda: [Conv2D(3, 2), BatchNorm(), LocalResponseNorm(3), LayerNorm(), PadChannels(5), MaxPool2D(3, 2)],
    "residual": lambda: [
        Conv2D(2, 2), Residual([Conv2D(2, 3, padding="same"), Conv2D(2, 3, padding="same")], None, "relu"),
        Residual(Conv2D(3, 3, 2, "same"), Conv2D(3, 1, 2)),
    ],
    "branches": lambda: [
        Branches([Conv2D(1, 1), [Conv2D(2, 1), Conv2D(1, 5, padding="same")], [MaxPool2D(3, 1, "same")]]),
        Sequential([Conv2D(1, (1, 3))]), AuxiliaryHead([GlobalAveragePool2D(), Dense(2)]),
    ],
}  # fmt: skip
SHAPE = (11, 9, 1)


def positive(name: str) -> Model:
    """A network in which every path has a positive weight, so that no two cancel."""
    model = Model(CHAINS[name](), SHAPE, dtype="float64", seed=1)
    for array in model.params.values():
        array[...] = np.abs(array) + 0.1
    return model


def changed(model: Model, unit: tuple[int, int]) -> np.ndarray:
    """Whether the unit changes with a pixel, in one of several images: a maximum and a norm need different changes."""
    rng = np.random.default_rng(0)
    seen = np.zeros(SHAPE[:2], bool)
    for change in (50, 50, 1, -1, -3, -50):
        image = rng.uniform(0.1, 1, SHAPE)
        images = np.repeat(image[None], image.size, axis=0)
        for k, pixel in enumerate(np.ndindex(SHAPE[:2])):
            images[(k, *pixel, 0)] += change
        before, after = (model.forward(x)[:, unit[0], unit[1]] for x in (image[None], images))
        seen |= (np.abs(after - before).max(axis=1) > 1e-9).reshape(SHAPE[:2])
    return seen


@pytest.mark.parametrize("name", CHAINS)
def test_the_field_is_the_set_of_pixels_that_change_the_unit(name: str) -> None:
    model = positive(name)
    oh, ow, _ = model.output_shape
    for unit in ((0, 0), (oh // 2, ow // 2), (oh - 1, ow - 1)):
        np.testing.assert_array_equal(plots.receptive_field(model, unit=unit) > 0, changed(model, unit), str(unit))


@pytest.mark.parametrize("name", ["plain", "strides", "residual"])
def test_the_field_is_the_set_of_pixels_with_gradient(name: str) -> None:
    model = positive(name)
    if name == "strides":  # the largest entry of a window alone would get gradient
        model = Model([Conv2D(1, (3, 2), (2, 1), "same"), AveragePool2D(2), Conv2D(1, 2)], SHAPE, dtype="float64")
        for array in model.params.values():
            array[...] = np.abs(array) + 0.1
    y = model.forward(np.ones((1, *SHAPE)))
    dy = np.zeros_like(y)
    dy[:, 1, 2] = 1
    dx = model.root.backward(dy)[0, ..., 0]
    np.testing.assert_array_equal(plots.receptive_field(model, unit=(1, 2)) > 0, dx != 0)


def test_paths_are_the_gradient_of_a_network_of_ones() -> None:
    layers = [Conv2D(1, 3, 2, "same"), Residual(Conv2D(1, (3, 1), padding="same")), Conv2D(1, 2)]
    model = Model(layers, SHAPE, dtype="float64")
    for array in model.params.values():
        array[...] = 1
    dy = np.zeros_like(model.forward(np.zeros((1, *SHAPE))))
    dy[0, 2, 2] = 1
    paths = model.root.backward(dy)[0, ..., 0]
    assert paths.max() > 3
    np.testing.assert_allclose(plots.receptive_field(model, unit=(2, 2)), paths / paths.max(), rtol=1e-12)


@pytest.mark.parametrize("name", ["conv2d_1", "branches_1"])
def test_a_layer_of_the_chain_can_be_chosen(name: str) -> None:
    model = Model([Conv2D(2, 3), CHAINS["branches"]()[0], Conv2D(2, 3), Flatten(), Dense(3)], SHAPE)
    side = {"conv2d_1": 3, "branches_1": 7}[name]
    field = plots.receptive_field(model, name, unit=(3, 3)) > 0
    assert field.sum() == side**2
    assert (plots.receptive_field(model) > 0).sum() == 9 * 9, "the last image in a model with dense layers"


def test_a_list_of_layers_gets_an_image_with_a_border() -> None:
    layers = [Conv2D(1, 3, padding="same"), MaxPool2D(2), Conv2D(1, 3, padding="same")]
    field = plots.receptive_field(layers) > 0
    assert field.sum() == 8 * 8  # 1 + 2 = 3, x 2 = 6, + 2 = 8
    assert not field[[0, -1]].any()
    assert not field[:, [0, -1]].any()
    assert not layers[0].built, "the layers given must stay as they were"
    assert plots.receptive_field(layers, image_shape=(20, 30)).shape == (20, 30)


def spans(figure: Any) -> dict[str, tuple[float, float]]:
    """The bars' widths and the texts beside them, by the layers' names."""
    ax = figure.axes[0]
    texts = [text.get_text() for text in ax.texts]
    bars = [p.get_width() for p in ax.patches if isinstance(p, Rectangle) and p.get_fill()]
    return {texts[2 * k]: (bars[k], texts[2 * k + 1]) for k in range(len(bars))}


def test_the_bars_of_vgg_are_those_in_the_literature() -> None:
    """Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks": VGG16 has 212."""
    layers: list[Layer] = []
    for convolutions in (2, 2, 3, 3, 3):
        layers += [*(Conv2D(1, 3, padding="same") for _ in range(convolutions)), MaxPool2D(2)]
    found = list(spans(plots.receptive_field_diagram(layers, image_shape=(224, 224))).values())
    assert [width for width, _ in found] == [3, 5, 6, 10, 14, 16, 24, 32, 40, 44, 60, 76, 92, 100, 132, 164, 196, 212]
    assert found[-1][1] == "212 x 212"


def test_a_field_larger_than_the_image_is_said_to_be_cut_off() -> None:
    figure = plots.receptive_field_diagram(models.resnet_cifar(20))
    title = figure.axes[0].get_title()
    assert "sees 81 x 81, cut off by the image: 1,024 of 1,024 pixels" in title
    assert spans(figure)["residual_9"] == (81, "81 x 81")


class Own(Layer):
    """A layer that might read any pixel."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: plots.receptive_field([Conv2D(1, 3), Own()]), TypeError, "tinydl's layers for images, got own_1"),
        (lambda: plots.receptive_field(Conv2D(1, 3)), TypeError, "a Model or a list of layers"),  # type: ignore[arg-type]
        (lambda: plots.receptive_field(Model(Dense(2), 3)), ValueError, r"must have images as its input, got \(3,\)"),
        (
            lambda: plots.receptive_field(Model([Flatten()], SHAPE)),
            ValueError,
            "must have layers for images, got 'model'",
        ),
        (lambda: plots.receptive_field(positive("plain"), "dense_1"), ValueError, "layer must be one of"),
        (
            lambda: plots.receptive_field(Model([Conv2D(1, 3), Flatten()], SHAPE), "flatten_1"),
            ValueError,
            "whose units see the whole image",
        ),
        (lambda: plots.receptive_field([Conv2D(1, 3), Flatten()]), ValueError, "got Flatten, whose units see the"),
        (lambda: plots.receptive_field(positive("plain"), unit=(0, 7)), ValueError, "in the output of 9 x 7, got"),
        (lambda: plots.receptive_field(positive("plain"), unit=(0, -1)), ValueError, "unit must be an integer >= 0"),
        (lambda: plots.receptive_field(positive("plain"), image_shape=(3, 3)), ValueError, "left out for a Model"),
        (lambda: plots.receptive_field([Conv2D(1, 900)]), ValueError, "image_shape must be given"),
        (lambda: plots.receptive_field([Conv2D(1, 9)], image_shape=(3, 3)), ValueError, "must fit into the padded"),
    ],
)
def test_refusals(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
