"""VGG: only 3x3 convolutions, with two in place of a 5x5 and three in place of a 7x7 convolution.

Two 3x3 convolutions cover 5x5 pixels with two relus and 18 weights per pair of channels; a 5x5 convolution has 25.

Reference: Simonyan & Zisserman 2014, Very deep convolutional networks for large-scale image recognition, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import DTypeLike

from .. import arguments
from ..layer import Shape
from ..layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, GlobalAveragePool2D, Layer, MaxPool2D
from ..model import Model

# Numbers of convolutions with 64, 128, 256, 512 and 512 filters, by depth: the paper's networks A, B, D and E.
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    depth: int = 16, input_shape: Shape = (224, 224, 3), classes: int = 1000, seed: int = 0,
    dtype: DTypeLike = "float32",
) -> Model:  # fmt: skip
    """VGG-11, -13, -16 or -19: 132,863,336, 133,047,848, 138,357,544 or 143,667,240 parameters.

    The dense layers hold about nine tenths of the parameters. Weights use He initialization; the paper initialized its
    deep networks with the weights of a shallow network.
    """
    arguments.one_of("vgg", "depth", depth, CONVOLUTIONS)
    layers: list[Layer] = []
    for filters, convolutions in zip((64, 128, 256, 512, 512), CONVOLUTIONS[depth], strict=True):
        for _ in range(convolutions):
            layers.append(Conv2D(filters, 3, 1, "same", "relu", kernel_initializer="he_normal"))
        layers.append(MaxPool2D(2))
    layers += [
        Flatten(), Dense(4096, "relu", kernel_initializer="he_normal"), Dropout(0.5),
        Dense(4096, "relu", kernel_initializer="he_normal"), Dropout(0.5), Dense(classes),
    ]  # fmt: skip
    return Model(layers, input_shape, seed, dtype, f"vgg{depth}")


def vgg_cifar(
    filters: Sequence[int] = (32, 64, 128, 256), input_shape: Shape = (32, 32, 3), classes: int = 10, seed: int = 0,
    dtype: DTypeLike = "float32",
) -> Model:  # fmt: skip
    """VGG's scheme for small images: for each entry of filters, two 3x3 convolutions and a pooling layer.

    By default it has 1,175,786 parameters. The network is not from a paper: it has batch normalization (Ioffe & Szegedy
    2015), global average pooling instead of large dense layers and, to train on two cores, half of VGG's filters.

    Check   check_model(vgg_cifar(), x=(2, 32, 32, 3), y=[3, 7], loss=SoftmaxCrossEntropy(), mode="directional")
    """
    if not isinstance(filters, list | tuple) or not filters:
        raise ValueError(f"vgg_cifar: filters must be a list of numbers, one per pair of convolutions, got {filters!r}")
    layers: list[Layer] = []
    for width in filters:
        for _ in range(2):
            layers.append(Conv2D(width, 3, 1, "same", use_bias=False, kernel_initializer="he_normal"))
            layers.append(BatchNorm(0.9, 1e-5, "relu"))
        layers.append(MaxPool2D(2))
    layers += [GlobalAveragePool2D(), Dropout(0.2), Dense(classes)]
    return Model(layers, input_shape, seed, dtype, "vgg_cifar")
