"""The interface of a Model for the modules that model.py imports, which therefore cannot import Model itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layer import Layer, Shape
from .layers import Sequential
from .losses import Loss
from .metrics import Metric
from .optimizers import Optimizer


@runtime_checkable
class Network(Protocol):
    """A network built for one input shape, such as a Model: the members needed to inspect and run it."""

    name: str
    input_shape: Shape
    output_shape: Shape
    dtype: np.dtype
    parameters: NDArray

    @property
    def root(self) -> Layer:
        """The chain of all layers."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the chain `root`."""

    @property
    def params(self) -> dict[str, NDArray]:
        """The parameters by dotted name."""

    @property
    def state(self) -> dict[str, NDArray]:
        """The arrays that are saved but not trained, by dotted name."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray: ...


class NetworkInTraining(Network, Protocol):
    """A network in training: the members that callbacks and checkpoints need."""

    seed: int
    rng: np.random.Generator
    epoch: int
    stop_training: bool
    interrupted: bool
    optimizer: Optimizer | None
    loss: Loss | None
    metrics: dict[str, Metric]
    strict_metrics: bool
    fused: bool
    gradients: NDArray

    @property
    def grads(self) -> dict[str, NDArray]:
        """The gradients by dotted name."""

    def as_outputs(self, y_pred: NDArray) -> NDArray:
        """What `predict` gives, from what the loss takes."""

    def evaluate(self, x: Any, y: ArrayLike | None = None, batch_size: int | None = None) -> Any: ...

    def predict(self, x: Any, batch_size: int | None = None) -> NDArray: ...

    def get_weights(self) -> list[NDArray]: ...

    def set_weights(self, weights: list[NDArray]) -> None: ...

    def save(self, path: str | os.PathLike[str]) -> None: ...

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None: ...


def chained(layer: Layer) -> Iterator[Layer]:
    """Yield the layers of a chain and of its nested chains: layers whose forward and backward only a chain calls."""
    if type(layer) is Sequential:
        for inner in layer.layers:
            yield from chained(inner)
    else:
        yield layer
