"""Layers that are random in training and the identity otherwise: Dropout, GaussianNoise, MaskingNoise.

Each layer draws from its own Generator, spawned from the one passed to `build`, so the same seed gives the same noise
whatever the other layers do. Shapes: x, y, dy and dx all have the same shape (batch, ...).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments
from ..layer import Layer, Shape


class Noise(Layer):
    """Base class of the noise layers. It holds a Generator and the last forward pass's mask (None: it used no mask)."""

    _mask: NDArray | None = None

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        shape = super().build(input_shape, rng, dtype)
        self.rng = rng.spawn(1)[0]
        return shape

    def generator(self) -> np.random.Generator:
        if self.rng is None:
            raise RuntimeError(f"{self.label}: no random generator yet: put it into a Model or call build first")
        return self.rng

    def backward(self, dy: NDArray) -> NDArray:
        dy = self.as_gradient(dy, self._x)
        return dy if self._mask is None else dy * self._mask


class Dropout(Noise):
    """Set random inputs to zero in training, so that units cannot rely on one another.

    Forward    training:  y = x mask / (1 - rate); each mask entry is independently 0 with probability rate, else 1
               otherwise: y = x. The scaling keeps the expected y equal to x, so inference needs no correction.
    Backward   the mask is constant within a pass: dx = dy mask / (1 - rate), with the same mask
    Cache      mask / (1 - rate)
    Raises     ValueError unless 0 <= rate < 1. `rate` is the probability of dropping (in TensorFlow 1, of keeping)
    Reference  Srivastava et al. 2014
    Check      check_layer(Dropout(0.5), x=(5, 3))
    """

    live = ("rate",)

    def __init__(self, rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.rate = arguments.number("Dropout", "rate", rate, 0, 1)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x = self.as_input(x)
        self._mask = mask = None
        if training and self.rate:
            keep = self.generator().random(x.shape, dtype=x.real.dtype) >= self.rate
            self._mask = mask = keep * x.dtype.type(1 / (1 - self.rate))
        return x if mask is None else x * mask


class MaskingNoise(Noise):
    """Set random inputs to zero in training: the corruption of a denoising autoencoder.

    Forward    training:  y = x mask; each mask entry is independently 0 with probability rate, else 1
               otherwise: y = x. Unlike in Dropout, y is not rescaled: the next layers must learn to fill the gaps.
    Backward   dx = dy mask
    Cache      mask
    Raises     ValueError unless 0 <= rate < 1
    Reference  Vincent et al. 2008
    Check      check_layer(MaskingNoise(0.4), x=(5, 3))
    """

    live = ("rate",)

    def __init__(self, rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.rate = arguments.number("MaskingNoise", "rate", rate, 0, 1)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x = self.as_input(x)
        self._mask = mask = None
        if training and self.rate:
            self._mask = mask = (self.generator().random(x.shape, dtype=x.real.dtype) >= self.rate).astype(x.dtype)
        return x if mask is None else x * mask


class GaussianNoise(Noise):
    """Add independent normal noise in training.

    Forward    training:  y = x + stddev e, e ~ N(0, 1); otherwise y = x
    Backward   dy/dx = 1: dx = dy
    Raises     ValueError if stddev is negative or not finite
    Reference  Vincent et al. 2010
    Check      check_layer(GaussianNoise(0.1), x=(5, 3))
    """

    live = ("stddev",)

    def __init__(self, stddev: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.stddev = arguments.number("GaussianNoise", "stddev", stddev, 0)

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        self._x = x = self.as_input(x)
        if training and self.stddev:
            noise = self.generator().standard_normal(x.shape, dtype=x.real.dtype)
            return x + x.dtype.type(self.stddev) * noise
        return x
