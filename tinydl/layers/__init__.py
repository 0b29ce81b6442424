"""The layers, one idea a file. Each docstring derives the backward pass that stands under it."""

from __future__ import annotations

from ..layer import Layer
from .activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .containers import Container, Sequential
from .dense import Dense
from .noise import Dropout, GaussianNoise, MaskingNoise
from .penalties import ActivityL1, ContractivePenalty, KLSparsity
from .reshape import Flatten

__all__ = [
    "ActivityL1", "Container", "ContractivePenalty", "Dense", "Dropout", "Flatten", "GaussianNoise", "KLSparsity",
    "Layer", "LeakyReLU", "MaskingNoise", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh",
]  # fmt: skip
