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

from . import dense, losses, optimizers, reference
from .dense import dense_backward, dense_forward
from .losses import mean_squared_error, mean_squared_error_gradient
from .optimizers import adam, rmsprop, sgd, sum_of_squares
from .reference import LINEAR, RELU, SIGMOID, TANH

__all__ = [
    "ACTIVATIONS", "LINEAR", "RELU", "SIGMOID", "TANH",
    "adam", "dense_backward", "dense_forward", "mean_squared_error", "mean_squared_error_gradient",
    "reference", "rmsprop", "sgd", "sum_of_squares", "using",
]  # fmt: skip

ACTIVATIONS = {None: LINEAR, "linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}

_COMPILED = {
    name: getattr(module, name)
    for module, names in {
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
    """Run a block on the "reference" (plain NumPy) or the "compiled" (Numba) kernels."""
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
