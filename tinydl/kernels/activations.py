"""relu on whole arrays, and the gradient through any activation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .machine.codes import LINEAR
from .machine.compile import kernel
from .machine.loops import times_slope
from .machine.memory import empty
from .machine.threads import parts_for, share
from .twins import or_complex

WORK = 2  # cost per entry, in multiply-adds


@or_complex
def relu(x: NDArray) -> NDArray:
    """Twin of layers.activations.relu."""
    x = np.ascontiguousarray(x)
    y = empty(x.shape, x.dtype)
    share(parts_for(x.size, x.size * WORK), x.size, _relu, x.reshape(-1), y.reshape(-1))
    return y


def gradient(dy: NDArray, y: NDArray, activation: int) -> NDArray:
    """Twin of layers.activations.activation_gradient."""
    if dy.shape != y.shape:  # the kernel would read past the end of the shorter array
        raise ValueError(f"activation_gradient: dy and y must have the same shape, got {dy.shape} and {y.shape}")
    if activation == LINEAR:
        return dy
    dy, y = np.ascontiguousarray(dy), np.ascontiguousarray(y)
    da = empty(y.shape, y.dtype)
    share(
        parts_for(y.size, y.size * WORK), y.size, _gradient, dy.reshape(-1), y.reshape(-1), activation, da.reshape(-1)
    )
    return da


@kernel()
def _relu(part, x, y):
    zero = x.dtype.type(0)
    for k in range(np.uintp(part.start), np.uintp(part.stop)):
        y[k] = zero if x[k] < zero else x[k]  # written this way so that NaN passes through


@kernel()
def _gradient(part, dy, y, activation, da):
    times_slope(dy, y, activation, part.start, da, part.start, part.stop - part.start)
