"""AuxiliaryHead: a second classifier halfway up a network, used in training only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments
from ..kernels import LINEAR
from ..layer import Layer, Shape
from . import residual
from .containers import Container, as_layer, returned


class AuxiliaryHead(Container):
    """An identity layer with a side exit: a small classifier attached halfway up the network.

    Forward     y = x;      in training also P = weight L(head(x), targets), which is added to the loss as a penalty
    Backward    x is used twice, by the layers above and by the head, so its gradients add:
                    dx = dy + weight J_head.T dL/dhead(x)
                Thus the layers below also get a gradient along a shorter path. In inference the head does not run.

    head        a layer, or a list of layers, whose output is the input of the model's loss (logits)
    weight      the factor of the head's loss relative to the model's own loss
    L, targets  those of the model, and its sample weights, set by `Model.compile` and by each training step. Before
                they are set, and in inference, the layer is an identity
    Shapes      x, y (n, ...)
    Cache       x, and the caches of the head and of L
    Raises      TypeError if the head is not a layer; ValueError if weight is negative
    Reference   Szegedy et al. 2014, section 5, with a weight of 0.3
    Check       check_layer(AuxiliaryHead(Dense(4)).expect(SoftmaxCrossEntropy(), [0, 3, 1, 2, 2]), x=(5, 3))
    """

    live = ("weight",)
    loss: Any
    targets: NDArray | None
    sample_weight: NDArray | None
    _term: Any = None  # L of the last forward pass; None if the head did not run

    def __init__(self, head: Layer | Sequence[Layer], weight: float = 0.3, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.head = as_layer("AuxiliaryHead", "head", head)
        self.weight = arguments.number("AuxiliaryHead", "weight", weight, 0)
        self.loss, self.targets = None, None
        self.sample_weight = None

    def expect(self, loss: Any, targets: NDArray | None, sample_weight: NDArray | None = None) -> AuxiliaryHead:
        """Set the head's loss, and its targets and sample weights for the next x, one per row; return this layer.

        loss: an object with forward(y_pred, y_true) and backward(); nothing else may call it between these two calls.
        """
        self.loss, self.targets, self.sample_weight = loss, targets, sample_weight
        return self

    def sublayers(self) -> list[Layer]:
        return [self.head]

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self.name_sublayers()
        self.head.build(input_shape, rng, dtype)
        return shape

    def __getstate__(self) -> dict[str, Any]:
        """Targets handed over by `expect` are kept in copies; a training step removes its own."""
        return {**super().__getstate__(), "targets": self.targets}

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x, self._term = (x := self.as_input(x)), None
        if training and self.loss is not None and self.targets is not None:
            y = returned(self.head, "forward", self.head.forward(x, training))
            weights = () if self.sample_weight is None else (self.sample_weight,)
            self._term = self.loss.forward(y, self.targets, *weights)
        return x

    def penalty(self) -> float:
        if self._term is None:  # the head did not run, so the penalties of its layers are stale
            return 0.0
        return self.weight * self._term + super().penalty()

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        if self._term is None:
            return dy
        dhead = self.loss.backward()
        dhead = dhead * dhead.dtype.type(self.weight)
        return residual.add(dy, returned(self.head, "backward", self.head.backward(dhead)), LINEAR)
