"""The hot path: functions on arrays, no layer logic, no classes.

`reference` defines every kernel in plain NumPy; the other modules hold the same names compiled with Numba. Layers
call `kernels.dense_forward(...)` through this package, so that one switch runs the whole library on either:

    TINYDL_KERNELS=reference python ...          # for a whole process
    with kernels.using("reference"): ...         # for a block
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import batch_norm, conv, dense, losses, maps, normalization, optimizers, pooling, reference
from .batch_norm import batch_norm_backward, batch_norm_forward, batch_norm_statistics
from .conv import col2im, conv2d_backward, conv2d_forward, im2col
from .dense import dense_backward, dense_forward
from .losses import mean_squared_error, mean_squared_error_gradient
from .maps import add, cut, join, relu, relu_gradient
from .normalization import local_response_norm_backward, local_response_norm_forward
from .optimizers import adam, rmsprop, sgd, sum_of_squares
from .pooling import average_pool_backward, average_pool_forward, max_pool_backward, max_pool_forward
from .reference import LINEAR, RELU, SIGMOID, TANH, Padding, output_size

__all__ = [
    "ACTIVATIONS", "LINEAR", "Padding", "RELU", "SIGMOID", "TANH",
    "adam", "add", "average_pool_backward", "average_pool_forward", "batch_norm_backward", "batch_norm_forward",
    "batch_norm_statistics", "col2im", "conv2d_backward", "conv2d_forward", "cut", "dense_backward", "dense_forward",
    "im2col", "join", "local_response_norm_backward", "local_response_norm_forward", "max_pool_backward",
    "max_pool_forward", "mean_squared_error", "mean_squared_error_gradient", "output_size", "reference", "relu",
    "relu_gradient", "rmsprop", "sgd", "sum_of_squares", "using",
]  # fmt: skip

ACTIVATIONS = {None: LINEAR, "linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}

_COMPILED = {
    name: getattr(module, name)
    for module, names in {
        conv: ("im2col", "col2im", "conv2d_forward", "conv2d_backward"),
        pooling: ("max_pool_forward", "max_pool_backward", "average_pool_forward", "average_pool_backward"),
        batch_norm: ("batch_norm_statistics", "batch_norm_forward", "batch_norm_backward"),
        maps: ("add", "cut", "join", "relu", "relu_gradient"),
        normalization: ("local_response_norm_forward", "local_response_norm_backward"),
        dense: ("dense_forward", "dense_backward"),
        losses: ("mean_squared_error", "mean_squared_error_gradient"),
        optimizers: ("sgd", "rmsprop", "adam", "sum_of_squares"),
    }.items()
    for name in names
}
_REFERENCE = {name: getattr(reference, name) for name in _COMPILED}
_CHOICES = {"compiled": _COMPILED, "reference": _REFERENCE}


@contextmanager
def using(which: str) -> Iterator[None]:
    """Run a block on the "reference" (plain NumPy) or the "compiled" (Numba) kernels.

    The switch is the library's, not the thread's: blocks in two threads must not overlap.
    """
    if which not in _CHOICES:
        raise ValueError(f"kernels: expected one of {sorted(_CHOICES)}, got {which!r}")
    before = {name: globals()[name] for name in _COMPILED}
    globals().update(_CHOICES[which])
    try:
        yield
    finally:
        globals().update(before)


_wanted = os.environ.get("TINYDL_KERNELS", "compiled")
if _wanted not in _CHOICES:
    raise ValueError(f"TINYDL_KERNELS: expected one of {sorted(_CHOICES)}, got {_wanted!r}")
globals().update(_CHOICES[_wanted])
