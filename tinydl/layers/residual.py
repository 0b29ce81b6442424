"""Residual: a block with a shortcut around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments, kernels
from ..kernels import LINEAR, compiled_as
from ..layer import Layer, Shape
from . import activations, normalization
from .containers import Container, Sequential, as_layer, returned
from .conv import Conv2D
from .conv_then_norm import ConvThenNorm
from .normalization import BatchNorm, Statistics
from .passes import Pass, adds, paired, replaced


class Residual(Container):
    """Add the body's output to its input, so that the body only has to learn the change.

    Forward     a = body(x) + shortcut(x)               without a shortcut: body(x) + x;     y = f(a)
    Backward    da = dy f'(a) goes to both terms. x is used twice, so its gradients add:
                    dx = J_body.T da + J_shortcut.T da            without a shortcut: J_body.T da + da
                The last term passes da down unchanged, however deep the network is, whereas in a plain chain the
                gradient is a product of one Jacobian per layer.

    body        a layer, or a list of layers (a chain)
    shortcut    the same, or None; required if body(x) and x differ in shape, for example Conv2D(filters, 1, strides)
    activation  f, applied to the sum: None, "linear", "relu", "sigmoid" or "tanh"
    Shapes      x (n, ...); body(x), shortcut(x) and y all have the same shape
    Cache       y, and the caches of body and shortcut
    Edge        if a body in a list ends in a BatchNorm without an activation, the sum and f are computed in the passes
                over memory that its normalization takes anyway (see add_normalized); if it also begins with a Conv2D,
                that layer adds the last term to its dx, image by image. Both give the same bits as layer by layer
    Raises      TypeError if body or shortcut is not a layer; ValueError if their output shapes differ
    Reference   He, Zhang, Ren & Sun 2015
    Check       check_layer(Residual([Dense(4, "tanh"), Dense(3)]), x=(5, 3))
    """

    _norm: BatchNorm | None = None  # the body's last layer, if the last forward pass added the shortcut to its output

    def __init__(
        self, body: Layer | Sequence[Layer], shortcut: Layer | Sequence[Layer] | None = None,
        activation: str | None = None, *, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name)
        self.body = as_layer("Residual", "body", body)
        self.shortcut = None if shortcut is None else as_layer("Residual", "shortcut", shortcut)
        self.activation = arguments.one_of("Residual", "activation", activation, kernels.ACTIVATIONS)

    @property
    def _code(self) -> int:
        return kernels.ACTIVATIONS[self.activation]

    def sublayers(self) -> list[Layer]:
        return [self.body] if self.shortcut is None else [self.body, self.shortcut]

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self.name_sublayers()
        shape = self.body.build(input_shape, rng, dtype)
        around = tuple(input_shape) if self.shortcut is None else self.shortcut.build(input_shape, rng, dtype)
        if shape != around:
            mend = ""
            if self.shortcut is None:
                such = f"Conv2D({shape[-1]}, 1, strides)" if len(shape) == 3 else f"Dense({shape[-1]})"
                mend = f": add a shortcut that changes the shape in the same way, such as {such}"
            raise ValueError(f"{self.label}: body and shortcut must give equal shapes, got {shape} and {around}{mend}")
        self.output_shape = shape
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        around = x
        if self.shortcut is not None:
            around = returned(self.shortcut, "forward", self.shortcut.forward(x, training))
        self._norm = norm = norm_at_the_end(self.body)
        if norm is not None:
            return self._forward_with(norm, x, around, training)
        body = returned(self.body, "forward", self.body.forward(x, training))
        self._check_shapes(body, around)
        self._y = y = add(body, around, self._code)
        return y

    def backward(self, dy: NDArray) -> NDArray:
        if self._norm is not None:
            return self._backward_with(self._norm, dy)
        da = activations.activation_gradient(self.as_gradient(dy, self._y), self._y, self._code)
        around = da
        if self.shortcut is not None:
            around = returned(self.shortcut, "backward", self.shortcut.backward(da))
        return add(returned(self.body, "backward", self.body.backward(da)), around, LINEAR)

    def _check_shapes(self, body: NDArray, around: NDArray) -> None:
        if body.shape != around.shape:  # not built, or a layer's output does not have the shape that its build returned
            got = f"{body.shape} and {around.shape}"
            raise ValueError(f"{self.label}: body and shortcut must give equal shapes, got {got}")

    # The same in fewer passes over memory, for a body that ends in a BatchNorm.

    def _forward_with(self, norm: BatchNorm, x: NDArray, around: NDArray, training: bool) -> NDArray:
        *before, last = paired(self.body.sublayers())  # the norm, perhaps with the convolution before it
        for layer in before:
            x = returned(layer, "forward", layer.forward(x, training))
        x, statistics = cast(BatchNorm | ConvThenNorm, last)._measure(x, training)
        self._check_shapes(x, around)
        self._y = y = add_normalized(x, around, statistics, *norm._affine(), self._code)
        return y

    def _backward_with(self, norm: BatchNorm, dy: NDArray) -> NDArray:
        dy, y = self.as_gradient(dy, self._y), self._y
        given = norm._statistics, *norm._affine(), self._code, norm._training
        dx, da = add_normalized_backward(dy, norm._x, y, *given, *norm._wanted())
        around = da
        if self.shortcut is not None:
            around = returned(self.shortcut, "backward", self.shortcut.backward(da))
        return backward_plus(self.body.sublayers()[:-1], dx, around)


def norm_at_the_end(body: Layer) -> BatchNorm | None:
    """The BatchNorm at the end of a chain if it can add the shortcut: if it has no activation, and if no user and no
    listener (study/recorder.py) has put a forward or backward in the place of ours."""
    if type(body) is Sequential and not replaced(body):
        last = body.layers[-1]
        if type(last) is BatchNorm and last.activation in (None, "linear") and not replaced(last):
            return last
    return None


def backward_plus(layers: Sequence[Pass], dy: NDArray, plus: NDArray) -> NDArray:
    """dx + plus, where dx is the gradient that a chain of layers makes of dy: J.T dy + plus.

    A Conv2D at the beginning of the chain adds `plus` itself while its dx is in the cache, to the same bits.
    """
    for position, layer in reversed([*enumerate(layers)]):
        if position == 0 and adds(layer):
            return cast(Conv2D | ConvThenNorm, layer).backward(dy, plus)
        dy = returned(layer, "backward", layer.backward(dy))
    return add(dy, plus, LINEAR)


@compiled_as(kernels.merging.add)
def add(a: NDArray, b: NDArray, activation: int) -> NDArray:
    """f(a + b), for arrays of the same shape."""
    return activations.activate(a + b, activation)


@compiled_as(kernels.batch_norm.add_normalized)
def add_normalized(
    x: NDArray, around: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float, activation: int
) -> NDArray:
    """f(a + around) for a = gamma xhat + beta, BatchNorm's output."""
    a = normalization.batch_norm_forward(x, statistics, gamma, beta, epsilon, LINEAR)
    return add(a, around, activation)


@compiled_as(kernels.batch_norm.add_normalized_backward)
def add_normalized_backward(
    dy: NDArray, x: NDArray, y: NDArray, statistics: Statistics, gamma: NDArray, beta: NDArray, epsilon: float,
    activation: int, training: bool, dgamma: NDArray | None, dbeta: NDArray | None,
) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Add to dgamma and dbeta, as batch_norm_backward does; return dL/dx, and da, which is also dL/daround."""
    da = activations.activation_gradient(dy, y, activation)
    rest = statistics, gamma, beta, epsilon, LINEAR, training, dgamma, dbeta
    return normalization.batch_norm_backward(da, x, y, *rest), da
