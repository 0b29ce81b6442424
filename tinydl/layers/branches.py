"""Branches: several layers in parallel, with their outputs concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import kernels
from ..kernels import compiled_as
from ..layer import Layer, Shape
from .containers import Container, Sequential, as_layer, returned
from .passes import Pass, paired, replaced
from .residual import backward_plus


class Branches(Container):
    """Apply every branch to the same input and concatenate their outputs along the channels.

    Forward     y = [ b_1(x), b_2(x), ..., b_k(x) ]         concatenated along the last axis
    Backward    dy is cut where the outputs were joined. Each branch turns its own piece into a gradient for x. As
                x is used k times, these gradients add:
                    dx = J_1.T dy_1 + J_2.T dy_2 + ... + J_k.T dy_k

    branches    a list; each entry is a layer, or a list of layers (a chain)
    Shapes      x (n, ...); the branches' outputs (n, ..., c_i), equal except in the last axis; y (n, ..., sum_i c_i)
    Cache       the branches' caches
    Edge        a branch that begins with a Conv2D adds the dx of those before it to its own, to the same bits
    Raises      TypeError if a branch is not a layer; ValueError if the list is empty or the outputs do not fit
    Reference   Szegedy et al. 2014 (Inception)
    Check       check_layer(Branches([Dense(2, "tanh"), [Dense(4, "tanh"), Dense(3)]]), x=(5, 3))
    """

    def __init__(self, branches: Sequence[Layer | Sequence[Layer]], *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(branches, list | tuple):
            raise TypeError(f"Branches: expected a list of branches, got {branches!r}")
        if not branches:
            raise ValueError("Branches: expected at least one branch, got none")
        self.branches = [as_layer("Branches", "every branch", branch) for branch in branches]

    def sublayers(self) -> list[Layer]:
        return self.branches

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self.name_sublayers()
        shapes = [branch.build(input_shape, rng, dtype) for branch in self.branches]
        if len({shape[:-1] for shape in shapes}) > 1:
            each = ", ".join(f"{branch.label} {shape}" for branch, shape in zip(self.branches, shapes, strict=True))
            expected = "the branches' outputs must have the same shape except for the last axis"
            mend = 'give all branches the same strides, and padding="same"'
            raise ValueError(f"{self.label}: {expected}, got {each}: {mend}")
        self.output_shape = (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        outputs = [returned(branch, "forward", branch.forward(x, training)) for branch in self.branches]
        self._edges = list(accumulate((output.shape[-1] for output in outputs), initial=0))
        self._y = y = join(outputs)
        return y

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._y)
        first = self.branches[0]
        dx = returned(first, "backward", first.backward(self._piece(dy, 0)))
        for k in range(1, len(self.branches)):
            dx = backward_plus(_chain(self.branches[k]), self._piece(dy, k), dx)
        return dx

    def _piece(self, dy: NDArray, k: int) -> NDArray:
        """dy_k."""
        return cut(dy, self._edges[k], self._edges[k + 1])


def _chain(branch: Layer) -> Sequence[Pass]:
    """The passes of a branch that is a plain chain, or the branch itself."""
    passes: Sequence[Pass] = [branch]
    if type(branch) is Sequential and not replaced(branch) and branch.lowest == 0:
        passes = paired(branch.layers)
    return passes


@compiled_as(kernels.merging.join)
def join(arrays: Sequence[NDArray]) -> NDArray:
    """Concatenate along the last axis."""
    return np.concatenate(arrays, axis=-1)


@compiled_as(kernels.merging.cut)
def cut(x: NDArray, start: int, stop: int) -> NDArray:
    """A copy of channels start .. stop - 1."""
    return x[..., start:stop].copy()
