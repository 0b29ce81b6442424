"""Plans: models built by the library's functions, but without memory for their parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.initializers import INITIALIZERS
from tinydl.layer import Layer, Shape
from tinydl.layers import AuxiliaryHead, Branches, Conv2D, Dense, Residual, Sequential


@dataclass
class Plan:
    """A model whose weights all share a single 0 in memory: its layers and shapes, and counts derived from them."""

    model: Model

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.model.params.values())

    @property
    def stages(self) -> list[tuple[str, Shape]]:
        """The class name and output shape of every layer in the chain."""
        return [(type(layer).__name__, layer.output_shape or ()) for layer in self.model.layers]

    def shapes(self, *kinds: type[Layer]) -> list[Shape]:
        return [layer.output_shape or () for layer in self.model.layers if isinstance(layer, kinds)]

    @property
    def depth(self) -> int:
        """The number of layers with weights on the longest path, without auxiliary heads."""
        return depth(self.model.root)

    @property
    def multiply_adds(self) -> int:
        return multiply_adds(self.model.root)


def depth(layer: Layer) -> int:
    if isinstance(layer, Sequential):
        return sum(map(depth, layer.layers))
    if isinstance(layer, Residual | Branches):
        return max(map(depth, layer.sublayers()))
    return isinstance(layer, Conv2D | Dense)


def multiply_adds(layer: Layer) -> int:
    """Multiply-adds for one sample in convolutions and dense layers, without auxiliary heads."""
    if isinstance(layer, Conv2D | Dense):
        return layer.params["W"].size * math.prod((layer.output_shape or ())[:-1])
    return 0 if isinstance(layer, AuxiliaryHead) else sum(map(multiply_adds, layer.sublayers()))


def _no_memory(shape: Shape, rng: np.random.Generator, dtype: Any = np.float32) -> np.ndarray:
    return np.broadcast_to(np.zeros((), dtype), shape)


def _only_kept(layer: Layer, name: str, value: np.ndarray) -> None:
    layer.params[name] = value


@pytest.fixture
def plan() -> Callable[..., Plan]:
    """plan(models.vgg, 16) gives the shapes of 138 million parameters in milliseconds."""

    def make(builder: Callable[..., Model], *arguments: Any, **options: Any) -> Plan:
        with pytest.MonkeyPatch.context() as patch:
            for name in INITIALIZERS:
                patch.setitem(INITIALIZERS, name, _no_memory)
            patch.setattr(Layer, "add_parameter", _only_kept)
            patch.setattr(Model, "_lay_out", lambda model: None)
            return Plan(builder(*arguments, **options))

    return make


@pytest.fixture
def figures() -> Callable[[Any], list[int]]:
    """All numbers with thousands separators in a docstring, in order."""

    def read(builder: Any) -> list[int]:
        return [int(text.replace(",", "")) for text in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", builder.__doc__)]

    return read


@pytest.fixture
def toy_images() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Eight classes of images: each class has its own picture, covered with noise."""

    def draw(n: int, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        labels = np.arange(n) % 8
        pictures = rng.standard_normal((8, *shape), np.float32)
        return pictures[labels] + 0.5 * rng.standard_normal((n, *shape), np.float32), labels

    return draw
