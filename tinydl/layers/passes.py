"""The passes of a chain: its layers, or two layers that share their passes over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ..layer import Layer
from .conv import Conv2D
from .conv_then_norm import ConvThenNorm
from .conv_then_pool import ConvThenPool
from .normalization import BatchNorm
from .pooling import AveragePool2D, MaxPool2D, Pool2D

Pass = Layer | ConvThenPool | ConvThenNorm


def paired(layers: Sequence[Layer]) -> list[Pass]:
    """The layers, with a ConvThenPool or ConvThenNorm in place of each such pair whose methods are ours."""
    passes: list[Pass] = []
    for before, layer in zip([None, *layers], layers, strict=False):
        if type(before) is not Conv2D or replaced(before) or replaced(layer):
            passes.append(layer)
        elif type(layer) is MaxPool2D or type(layer) is AveragePool2D:
            passes[-1] = ConvThenPool(before, cast(Pool2D, layer))
        elif type(layer) is BatchNorm:
            passes[-1] = ConvThenNorm(before, layer)
        else:
            passes.append(layer)
    return passes


def adds(layer: Pass) -> bool:
    """Whether the backward of this pass can add an array `plus` to its dx: Conv2D's, unless it has been replaced."""
    return type(layer) is ConvThenNorm or (type(layer) is Conv2D and not replaced(layer))


def replaced(layer: Layer) -> bool:
    """Whether a user, or a listener such as study/recorder.py, has put another method in the place of the class's."""
    return "forward" in vars(layer) or "backward" in vars(layer)
