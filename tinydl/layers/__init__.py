"""The layers, one idea per file. Each docstring derives the backward pass implemented below it."""

from __future__ import annotations

from ..layer import Layer
from .activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .auxiliary import AuxiliaryHead
from .branches import Branches
from .containers import Container, Sequential
from .conv import Conv2D
from .dense import Dense
from .layer_norm import LayerNorm
from .noise import Dropout, GaussianNoise, MaskingNoise
from .normalization import BatchNorm, LocalResponseNorm
from .penalties import ActivityL1, ContractivePenalty, KLSparsity
from .pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from .reshape import Flatten, PadChannels
from .residual import Residual

__all__ = [
    "ActivityL1", "AuxiliaryHead", "AveragePool2D", "BatchNorm", "Branches", "Container", "ContractivePenalty",
    "Conv2D", "Dense", "Dropout", "Flatten", "GaussianNoise", "GlobalAveragePool2D", "KLSparsity", "Layer",
    "LayerNorm", "LeakyReLU", "LocalResponseNorm", "MaskingNoise", "MaxPool2D", "PadChannels", "ReLU", "Residual",
    "Sequential", "Sigmoid", "Softmax", "Tanh",
]  # fmt: skip
