"""Two small convolutional networks for small images: the book's network for CIFAR-10, and one for 8x8 digits.

Train them with SoftmaxCrossEntropy: they output logits.

Reference: Liu & Mehta 2019, Hands-On Deep Learning Architectures with Python, chapter 4.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from ..layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D
from ..model import Model


def cifar_cnn(seed: int = 0, dtype: DTypeLike = "float32", filter_initializer: str = "he_normal") -> Model:
    """Five convolutions and four dense layers for 32x32 RGB images: 9,312,202 parameters, 40.2 million multiply-adds.

    filter_initializer: the book's choice is "zeros", with which the network cannot learn. All activations from the
    first convolution on are 0, so every gradient except that of the last bias is 0, and the loss stays at ln 10. See
    examples/museum/zero_filters.py.

    Check   check_model(cifar_cnn(), x=(2, 32, 32, 3), y=[3, 7], loss=SoftmaxCrossEntropy(), mode="directional")
    """

    def conv(filters: int, kernel_size: int) -> Conv2D:
        return Conv2D(filters, kernel_size, 1, "same", "relu", False, filter_initializer)

    def hidden(units: int) -> list[Layer]:
        return [Dense(units, "relu", kernel_initializer="he_normal"), Dropout(0.5)]

    layers = [
        conv(64, 3), MaxPool2D(2),
        conv(128, 2), conv(128, 2), MaxPool2D(2),
        conv(256, 1), MaxPool2D(2),
        conv(512, 1), Flatten(),
        *hidden(1024), *hidden(512), *hidden(256), Dense(10, kernel_initializer="he_normal"),
    ]  # fmt: skip
    return Model(layers, (32, 32, 3), seed, dtype, "cifar_cnn")


def digits_cnn(seed: int = 0, dtype: DTypeLike = "float32") -> Model:
    """Two convolutions and two dense layers for 8x8 gray images: 76,522 parameters.

    Check   check_model(digits_cnn(), x=(3, 8, 8, 1), y=[3, 0, 7], loss=SoftmaxCrossEntropy(), probes=16)
    """
    layers = [
        Conv2D(32, 3, padding="same", activation="relu", kernel_initializer="he_normal"),
        Conv2D(32, 3, padding="same", activation="relu", kernel_initializer="he_normal"), MaxPool2D(2),
        Flatten(), Dropout(0.25),
        Dense(128, "relu", kernel_initializer="he_normal"), Dropout(0.5), Dense(10),
    ]  # fmt: skip
    return Model(layers, (8, 8, 1), seed, dtype, "digits_cnn")
