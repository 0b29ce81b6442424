"""AlexNet, the first deep network to win the ImageNet challenge.

Reference: Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from ..layer import Shape
from ..layers import Conv2D, Dense, Dropout, Flatten, LocalResponseNorm, MaxPool2D
from ..model import Model


def alexnet(
    input_shape: Shape = (224, 224, 3), classes: int = 1000, seed: int = 0, dtype: DTypeLike = "float32"
) -> Model:
    """Five convolutions and three dense layers: 62,378,344 parameters.

    This version runs on one processor. The paper split convolutions 2, 4 and 5 between two GPUs, with no connections
    between the halves, which left 60,965,224 parameters ("60 million"). The paper's input size, 224x224, gives its
    55x55 maps only with two pixels of padding, as used here.
    """

    def conv(filters: int, kernel_size: int, strides: int = 1, padding: str | int = "same") -> Conv2D:
        return Conv2D(filters, kernel_size, strides, padding, "relu", kernel_initializer="he_normal")

    def hidden(units: int) -> Dense:
        return Dense(units, "relu", kernel_initializer="he_normal")

    layers = [
        conv(96, 11, 4, padding=2), LocalResponseNorm(), MaxPool2D(3, 2),
        conv(256, 5), LocalResponseNorm(), MaxPool2D(3, 2),
        conv(384, 3), conv(384, 3), conv(256, 3), MaxPool2D(3, 2),
        Flatten(), hidden(4096), Dropout(0.5), hidden(4096), Dropout(0.5), Dense(classes),
    ]  # fmt: skip
    return Model(layers, input_shape, seed, dtype, "alexnet")
