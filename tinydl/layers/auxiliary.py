"""AuxiliaryHead: a second classifier in the middle of a network, for training only."""

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

    Forward     y = x;      while training also P = weight L(head(x), targets), which joins the loss as a penalty
    Backward    x is used twice, by the layers above and by the head, so its gradients add:
                    dx = dy + weight J_head' dL/dhead(x)
                So the layers below get a gradient that has not come all the way down. In inference the head is idle.

    head        a layer, or a list of layers, ending in what the model's loss takes (logits)
    weight      of the head's loss against the model's own
    L, targets  are the model's: `Model.compile` and each training step set them. Before that, and in inference, the
                layer is an identity
    Shapes      x, y (n, ...)
    Cache       the head's own
    Raises      TypeError for a head that is no layer; ValueError for a negative weight
    Reference   Szegedy et al. 2014, section 5, with weights of 0.3
    Check       check_layer(AuxiliaryHead(Dense(4)).expect(SoftmaxCrossEntropy(), [0, 3, 1, 2, 2]), x=(5, 3))
    """

    _x: NDArray | None = None
    _term: Any = None  # of the last forward; None: the head was idle

    def __init__(self, head: Layer | Sequence[Layer], weight: float = 0.3) -> None:
        super().__init__()
        self.head = as_layer("AuxiliaryHead", "head", head)
        self.weight = arguments.number("AuxiliaryHead", "weight", weight, 0)
        self.loss: Any = None
        self.targets: NDArray | None = None

    def expect(self, loss: Any, targets: NDArray | None) -> AuxiliaryHead:
        """Set the head's loss and the targets of the next x, one row each. Returns the layer.

        loss: an object with forward(y_pred, y_true) and backward(), not used elsewhere between the two.
        """
        self.loss, self.targets = loss, targets
        return self

    def sublayers(self) -> list[Layer]:
        return [self.head]

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self.name_sublayers()
        self.head.build(input_shape, rng, dtype)
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x, self._term = (x := self.as_input(x)), None
        if training and self.loss is not None and self.targets is not None:
            y = returned(self.head, "forward", self.head.forward(x, training))
            self._term = self.loss.forward(y, self.targets)
        return x

    def penalty(self) -> float:
        if self._term is None:  # the head did not run: its layers remember an earlier pass
            return 0.0
        return self.weight * self._term + super().penalty()

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        if self._term is None:
            return dy
        dhead = self.loss.backward()
        dhead = dhead * dhead.dtype.type(self.weight)
        return residual.add(dy, returned(self.head, "backward", self.head.backward(dhead)), LINEAR)
