"""ResNet: blocks that learn the change to their input, H(x) = F(x) + x.

A plain network of 56 layers has a larger *training* error than one of 20 layers, although 36 of its layers could be
identities: training does not find these (see examples/lessons/residual_study.py). A residual block is the
identity when its weights are 0.

Reference: He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition, table 1 and section 4.2.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from .. import arguments
from ..layer import Layer, Shape
from ..layers import AveragePool2D, BatchNorm, Conv2D, Dense, GlobalAveragePool2D, MaxPool2D, PadChannels, Residual
from ..model import Model

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # numbers of blocks with 64, 128, 256 and 512 filters
CIFAR_DEPTHS = (20, 32, 44, 56, 110)  # 6 n + 2 layers: a convolution, 3 n blocks of two, and a dense layer


def conv(filters: int, kernel_size: int, strides: int = 1, activation: str | None = None) -> list[Layer]:
    """A convolution, padded equally on all sides, and its batch normalization, which makes a bias redundant."""
    linear = Conv2D(filters, kernel_size, strides, kernel_size // 2, use_bias=False, kernel_initializer="he_normal")
    return [linear, BatchNorm(0.9, 1e-5, activation)]


def basic(filters: int, strides: int) -> list[Layer]:
    """Two 3x3 convolutions."""
    return [*conv(filters, 3, strides, "relu"), *conv(filters, 3)]


def bottleneck(filters: int, strides: int) -> list[Layer]:
    """A 1x1 convolution to few channels, a 3x3 convolution, and a 1x1 convolution to four times as many channels."""
    return [*conv(filters, 1, strides, "relu"), *conv(filters, 3, 1, "relu"), *conv(4 * filters, 1)]


def resnet(
    depth: int = 50, input_shape: Shape = (224, 224, 3), classes: int = 1000, seed: int = 0,
    dtype: DTypeLike = "float32",
) -> Model:  # fmt: skip
    """ResNet-18, -34 or -50: 11,689,512, 21,797,672 or 25,557,032 parameters.

    Where a block changes the shape, its shortcut is a 1x1 convolution (the paper's option B, as in the published
    models). In ResNet-50, a block's first convolution has the stride, as in the paper (later versions use the second).

    Check   check_model(resnet(18, (32, 32, 3), 5), x=(4, 32, 32, 3), y=[3, 0, 4, 1],
                        loss=SoftmaxCrossEntropy(), mode="directional")
    """
    arguments.one_of("resnet", "depth", depth, BLOCKS)
    body, expansion = (bottleneck, 4) if depth >= 50 else (basic, 1)
    layers: list[Layer] = [*conv(64, 7, 2, "relu"), MaxPool2D(3, 2, 1)]
    channels = 64
    for filters, blocks in zip((64, 128, 256, 512), BLOCKS[depth], strict=True):
        for block in range(blocks):
            strides = 2 if block == 0 and filters > 64 else 1
            reshaped = strides > 1 or channels != expansion * filters
            channels = expansion * filters
            shortcut = conv(channels, 1, strides) if reshaped else None
            layers.append(Residual(body(filters, strides), shortcut, "relu"))
    layers += [GlobalAveragePool2D(), Dense(classes)]
    return Model(layers, input_shape, seed, dtype, f"resnet{depth}")


def resnet_cifar(
    depth: int = 20, input_shape: Shape = (32, 32, 3), classes: int = 10, seed: int = 0, dtype: DTypeLike = "float32"
) -> Model:
    """ResNet-20, -32, -44, -56 or -110 for small images: 269,722, 464,154, 658,586, 853,018 or 1,727,962 parameters.

    Shortcuts have no parameters: where a block halves the maps and doubles the channels, the shortcut takes every
    other pixel and adds channels of zeros (the paper's option A, used there for CIFAR-10).

    Check   check_model(resnet_cifar(20, (16, 12, 3)), x=(4, 16, 12, 3), y=[3, 7, 0, 1],
                        loss=SoftmaxCrossEntropy(), mode="directional")
    """
    arguments.one_of("resnet_cifar", "depth", depth, CIFAR_DEPTHS)
    layers = conv(16, 3, 1, "relu")
    for filters in (16, 32, 64):
        for block in range((depth - 2) // 6):
            if block == 0 and filters > 16:
                layers.append(Residual(basic(filters, 2), [AveragePool2D(1, 2), PadChannels(filters)], "relu"))
            else:
                layers.append(Residual(basic(filters, 1), None, "relu"))
    layers += [GlobalAveragePool2D(), Dense(classes)]
    return Model(layers, input_shape, seed, dtype, f"resnet{depth}_cifar")
