"""Inception networks, which concatenate the maps of parallel convolutions: GoogLeNet, and a small one for CIFAR-10.

A 5x5 convolution of many channels would be expensive, so 1x1 convolutions first reduce the number of channels.

References: Szegedy et al. 2014, Going deeper with convolutions, table 1; for CIFAR-10 Zhang, Bengio, Hardt, Recht &
Vinyals 2017, Understanding deep learning requires rethinking generalization, figure 3.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from .. import arguments
from ..layer import Layer, Shape
from ..layers import AuxiliaryHead, BatchNorm, Branches, Conv2D, Dense, Dropout, Flatten, LocalResponseNorm
from ..layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from ..model import Model


def googlenet(
    input_shape: Shape = (224, 224, 3), classes: int = 1000, auxiliary_heads: bool = False, seed: int = 0,
    dtype: DTypeLike = "float32",
) -> Model:  # fmt: skip
    """GoogLeNet, 22 layers deep: 6,998,552 parameters, or 13,378,280 with its auxiliary heads, used only in training.

    auxiliary_heads: add classifiers after blocks 4a and 4d with loss weight 0.3; images need at least 65 pixels a side.
    Each convolution includes ReLU; normalization follows the first pooling and precedes the second, as in the paper.

    Check   check_model(googlenet((33, 48, 3), 5), x=(2, 33, 48, 3), y=[3, 0],
                        loss=SoftmaxCrossEntropy(), mode="directional")
    """
    arguments.flag("googlenet", "auxiliary_heads", auxiliary_heads)

    def conv(filters: int, kernel_size: int, strides: int = 1) -> Conv2D:
        return Conv2D(filters, kernel_size, strides, "same", "relu", kernel_initializer="he_normal")

    def inception(one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int) -> Branches:
        return Branches([
            conv(one, 1),
            [conv(reduce3, 1), conv(three, 3)],
            [conv(reduce5, 1), conv(five, 5)],
            [MaxPool2D(3, 1, "same"), conv(pool, 1)],
        ])  # fmt: skip

    def head() -> list[Layer]:
        return [AuxiliaryHead([
            AveragePool2D(5, 3), conv(128, 1), Flatten(),
            Dense(1024, "relu", kernel_initializer="he_normal"), Dropout(0.7), Dense(classes),
        ])] if auxiliary_heads else []  # fmt: skip

    layers = [
        conv(64, 7, 2), MaxPool2D(3, 2, "same"), LocalResponseNorm(),
        conv(64, 1), conv(192, 3), LocalResponseNorm(), MaxPool2D(3, 2, "same"),
        inception(64, 96, 128, 16, 32, 32),                 # 3a
        inception(128, 128, 192, 32, 96, 64),               # 3b
        MaxPool2D(3, 2, "same"),
        inception(192, 96, 208, 16, 48, 64), *head(),       # 4a
        inception(160, 112, 224, 24, 64, 64),               # 4b
        inception(128, 128, 256, 24, 64, 64),               # 4c
        inception(112, 144, 288, 32, 64, 64), *head(),      # 4d
        inception(256, 160, 320, 32, 128, 128),             # 4e
        MaxPool2D(3, 2, "same"),
        inception(256, 160, 320, 32, 128, 128),             # 5a
        inception(384, 192, 384, 48, 128, 128),             # 5b
        GlobalAveragePool2D(), Dropout(0.4), Dense(classes),
    ]  # fmt: skip
    return Model(layers, input_shape, seed, dtype, "googlenet")


def inception_cifar(
    width: float = 1.0, input_shape: Shape = (32, 32, 3), classes: int = 10, seed: int = 0, dtype: DTypeLike = "float32"
) -> Model:
    """A small Inception network for 32x32 images: eight blocks of 1x1 and 3x3 convolutions, two that halve the maps.

    It has 1,651,114 parameters. The paper's count, 1,649,402, omits the 1,712 gammas of batch normalization.

    width: a factor for all numbers of filters; 1 gives the paper's numbers.

    Check   check_model(inception_cifar(), x=(4, 32, 32, 3), y=[3, 7, 0, 1],
                        loss=SoftmaxCrossEntropy(), mode="directional")
    """
    arguments.positive("inception_cifar", "width", width)

    def conv(filters: int, kernel_size: int, strides: int = 1) -> list[Layer]:
        filters = max(1, round(width * filters))
        linear = Conv2D(filters, kernel_size, strides, "same", use_bias=False, kernel_initializer="he_normal")
        return [linear, BatchNorm(0.9, 1e-5, "relu")]

    def inception(one: int, three: int) -> Branches:
        return Branches([conv(one, 1), conv(three, 3)])

    def downsample(filters: int) -> Branches:
        return Branches([conv(filters, 3, 2), MaxPool2D(3, 2, "same")])

    layers = [
        *conv(96, 3),
        inception(32, 32), inception(32, 48), downsample(80),
        inception(112, 48), inception(96, 64), inception(80, 80), inception(48, 96), downsample(96),
        inception(176, 160), inception(176, 160),
        GlobalAveragePool2D(), Dense(classes),
    ]  # fmt: skip
    return Model(layers, input_shape, seed, dtype, "inception_cifar")
