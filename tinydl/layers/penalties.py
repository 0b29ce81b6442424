"""Penalties: identity layers that add a term to the loss, and the gradient of this term to dx.

    total loss = loss + sum of penalty() over all layers
    forward    y = x                         (the term is computed from x)
    backward   dx = dy + d(term)/dx          (the gradient of the loss plus that of the penalty)

Each term is a mean over the rows m = 1 .. n of the batch, so its weight relative to the loss does not depend on n.
(Keras 2.2 summed its activity penalty over the batch: its factor 3e-5 at 64 rows is 64 * 3e-5 = 1.92e-3 in tinydl.)
Shapes: x, y, dy and dx all have shape (n, units).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments
from ..kernels import ACTIVATIONS
from ..layer import Layer, Shape
from . import sums  # the module, not its names: see kernels/twins.py
from .activations import derivative
from .containers import Container
from .dense import Dense


class Penalty(Layer):
    """Base class of the identity layers with a penalty; subclasses define the term and its gradient."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x = self.as_input(x)
        return x


class ActivityL1(Penalty):
    """L1 penalty on activations, which pushes most of them to zero and so makes the code sparse.

    Term       P = factor / n sum_m sum_j |x_mj|
    Backward   dx = dy + factor / n sign(x)
    Cache      x
    Edge       at x = 0 the slope used is 0, so the penalty does not move a silent unit
    Raises     ValueError if factor is negative or not finite
    Check      check_layer(ActivityL1(0.1), x=(5, 3))
    """

    live = ("factor",)

    def __init__(self, factor: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.factor = arguments.number("ActivityL1", "factor", factor, 0)

    def penalty(self) -> float:
        x = self._x
        return 0.0 if x is None else self.factor / len(x) * np.where(x > 0, x, -x).sum().item()  # |x|, but analytic

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        return dy + (self.factor / len(dy)) * np.sign(self._x)


class KLSparsity(Penalty):
    """Pull each unit's mean activation toward `rho`, with the Kullback-Leibler divergence as the penalty.

    Term       r_j = mean_m x_mj                        a unit's mean activation over the batch
               P = factor sum_j ( rho log(rho / r_j) + (1 - rho) log((1 - rho) / (1 - r_j)) )
    Backward   dP/dr_j = factor ( -rho / r_j + (1 - rho) / (1 - r_j) ), and dr_j/dx_mj = 1 / n:
               dx_mj = dy_mj + dP/dr_j / n
    Cache      x
    Edge       P is infinite for r_j = 0 or 1. With c_j = r_j clipped to [1e-7, 1 - 1e-7], P goes on beyond the clip as
               its tangent there, P(c_j) + dP/dr(c_j) (r_j - c_j): a unit that is always silent, or always active, has
               a finite penalty, and a (large) gradient that is the slope of just this penalty
    Raises     ValueError unless 0 < rho < 1 and factor >= 0, and for activations outside [0, 1] (put a sigmoid first)
    Reference  Ng 2011, CS294A lecture notes, "Sparse autoencoder"
    Check      check_layer(KLSparsity(0.1, 0.5), x=rng.uniform(0.1, 0.9, (5, 3)))
    """

    margin = 1e-7

    live = ("rho", "factor")

    def __init__(self, rho: float = 0.05, factor: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.rho = arguments.positive("KLSparsity", "rho", rho, 1)
        self.factor = arguments.number("KLSparsity", "factor", factor, 0)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = super().forward(x, training)
        if x.size and (x.min() < 0 or x.max() > 1):
            got = f"{x.min():.4g} to {x.max():.4g}: put it after a sigmoid"
            raise ValueError(f"{self.label}: expected activations in [0, 1], got {got}")
        return x

    def _mean_activation(self) -> NDArray:
        x = self._x.reshape(len(self._x), -1)
        return (sums.over_rows(x) / len(x)).reshape(self._x.shape[1:])

    def _clipped(self, r: NDArray) -> NDArray:
        return np.clip(r, self.margin, 1 - self.margin)

    def _slope(self, c: NDArray) -> NDArray:
        return (1 - self.rho) / (1 - c) - self.rho / c

    def penalty(self) -> float:
        if self._x is None:
            return 0.0
        r, rho = self._mean_activation(), self.rho
        c = self._clipped(r)
        divergence = rho * np.log(rho / c) + (1 - rho) * np.log((1 - rho) / (1 - c))
        return self.factor * (divergence + self._slope(c) * (r - c)).sum().item()

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        c = self._clipped(self._mean_activation())
        return dy + (self.factor / len(dy)) * self._slope(c)


class ContractivePenalty(Container):
    """A Dense encoder with a penalty on its Jacobian, so that its output changes little when its input changes.

    It wraps the encoder, as in ContractivePenalty(Dense(40, "sigmoid"), 1e-5), because the term needs its weights.

    Forward    a = x @ W + b,  h = f(a)                 the encoder itself; the output is h
    Term       The Jacobian of row m is dh_mj/dx_mi = f'(a_mj) W_ij. With d = f'(a) and s_j = sum_i W_ij^2, the mean
               squared Frobenius norm times the factor is
                   P = factor / n sum_m sum_j d_mj^2 s_j
    Backward   P depends on W along two roads. The first is direct, through s:
                   dW_ij += factor / n 2 W_ij sum_m d_mj^2
               The second, through d, also leads to b and x. As d is a function of h alone (sigmoid h (1 - h), tanh
               1 - h^2, relu 1[h > 0]), this road adds a term to the gradient at h, the encoder's dy:
                   dh_mj = dy_mj + factor / n 2 d_mj s_j dd_mj/dh_mj      sigmoid 1 - 2h, tanh -2h, relu 0
               (f''(a) = dd/dh f'(a), so a derivation in terms of a gives the same term, 2 d f'' s.)
    Shapes     x (n, inputs), W (inputs, units), h (n, units)
    Cache      h, and the encoder's cache
    Edge       for relu, d is constant between kinks, so the penalty only shrinks the weights of active units
    Raises     TypeError if the encoder is not a Dense layer; ValueError if factor is negative
    Reference  Rifai et al. 2011
    Check      check_layer(ContractivePenalty(Dense(4, "sigmoid"), 0.1), x=(5, 3))
    """

    _h: Any = None  # None until the first forward pass

    live = ("factor",)

    def __init__(self, encoder: Dense, factor: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(encoder, Dense):
            raise TypeError(f"ContractivePenalty: encoder must be a Dense layer, got {encoder!r}")
        self.encoder = encoder
        self.factor = arguments.number("ContractivePenalty", "factor", factor, 0)

    def sublayers(self) -> list[Layer]:
        return [self.encoder]

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self.name_sublayers()
        self.output_shape = self.encoder.build(input_shape, rng, dtype)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._h = h = self.encoder.forward(x, training)
        return h

    def _slopes(self) -> tuple[NDArray, NDArray]:
        """d and s for the last forward pass."""
        W = self.encoder.params["W"]
        return derivative(self._h, ACTIVATIONS[self.encoder.activation]), sums.over_rows(W * W)

    def penalty(self) -> float:
        of_weights = super().penalty()  # the encoder's kernel_regularizer
        if self._h is None:
            return of_weights
        d, s = self._slopes()
        return self.factor / len(d) * (sums.over_rows(d * d) @ s).item() + of_weights

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._h)
        d, s = self._slopes()
        scale = 2 * self.factor / len(dy)
        if self.encoder.trainable:
            self.encoder.grads["W"] += scale * sums.over_rows(d * d) * self.encoder.params["W"]
        return self.encoder.backward(dy + scale * (d * slope_of_derivative(self._h, self.encoder.activation) * s))


def slope_of_derivative(h: NDArray, activation: str | None) -> NDArray:
    """dd/dh, where d = f'(a) is written in terms of h = f(a)."""
    if activation == "sigmoid":
        return 1 - 2 * h
    if activation == "tanh":
        return -2 * h
    return np.zeros_like(h)
