"""Recording what goes through each layer in one forward and one backward pass.

Layers call one another by `layer.forward(x)` and `layer.backward(dy)`. On a copy of the model that nobody else uses, an
instance attribute of the same name takes the place of each method, notes arrays and time, and calls the method.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..caches import holds_arrays
from ..layer import Layer

NOT_KEPT = ("params", "grads", "state", "original", "forward", "backward", "_at_first", "_constants")


@dataclass
class Passage:
    """What went through one layer. The arrays are the layer's own: by the contract, nothing writes to them again."""

    layer: Layer
    path: str  # dotted names, "residual_1.sequential_1.conv2d_1"
    depth: int  # 0 for the layers of the model's chain
    x: NDArray | None = None
    y: NDArray | None = None
    dy: NDArray | None = None
    dx: NDArray | None = None
    kept: dict[str, NDArray] = field(default_factory=dict)  # what forward left in the layer for backward
    penalty: float = 0.0  # the term that this layer alone adds to the loss
    forward_seconds: float = 0.0  # with the layers inside
    backward_seconds: float = 0.0
    forward_calls: int = 0
    backward_calls: int = 0


def listen(chain: Layer) -> list[Passage]:
    """Let every layer below `chain` note its passes from now on; return the notes, in forward order."""
    passages = [Passage(layer, path, depth) for layer, path, depth in below(chain)]
    for passage in passages:
        _listen_to(passage)
    return passages


def below(layer: Layer, path: str = "", depth: int = 0) -> Iterator[tuple[Layer, str, int]]:
    """The layers below `layer`, in forward order, with their paths and depths. path: that of `layer`, with a dot."""
    for position, each in enumerate(layer.sublayers()):
        name = f"{path}{each.name or position}"
        yield each, name, depth
        yield from below(each, f"{name}.", depth + 1)


def _listen_to(passage: Passage) -> None:
    layer: Any = passage.layer
    forward, backward = layer.forward, layer.backward
    constants = {name for name, value in vars(layer).items() if holds_arrays(value)}

    def noted_forward(x: NDArray, training: bool = False) -> NDArray:
        start = time.perf_counter()
        y: NDArray = forward(x, training)
        passage.forward_seconds += time.perf_counter() - start
        passage.forward_calls += 1
        passage.x, passage.y = x, y
        passage.kept = _kept(layer, constants)
        return y

    def noted_backward(dy: NDArray) -> NDArray:
        start = time.perf_counter()
        dx: NDArray = backward(dy)
        passage.backward_seconds += time.perf_counter() - start
        passage.backward_calls += 1
        passage.dy, passage.dx = dy, dx
        return dx

    layer.forward, layer.backward = noted_forward, noted_backward


def _kept(layer: Layer, constants: set[str]) -> dict[str, NDArray]:
    """The arrays that forward left in a layer's attributes, by name; one of several in an attribute as "name.0"."""
    kept: dict[str, NDArray] = {}
    for name, value in vars(layer).items():
        if name in NOT_KEPT or name in constants:
            continue
        several = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
        )
        inside = [(f"{name.lstrip('_')}.{key}", each) for key, each in several]
        for key, each in [(name.lstrip("_"), value), *inside]:
            if isinstance(each, np.ndarray):
                kept[key] = each
    return kept
