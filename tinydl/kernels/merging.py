"""Operations where the graph forks and rejoins: adding arrays, joining their channels, cutting and adding channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .machine.codes import RELU
from .machine.compile import kernel
from .machine.exponential import finish
from .machine.loops import clear, copy
from .machine.memory import empty
from .machine.threads import parts_for, share
from .twins import definition_of

WORK = 2  # cost per entry, in multiply-adds


def add(a: NDArray, b: NDArray, activation: int) -> NDArray:
    """Twin of layers.residual.add."""
    if "c" in (a.dtype.kind, b.dtype.kind):  # either array may be complex
        return definition_of(add)(a, b, activation)
    if a.shape != b.shape:  # the kernel would read past the end of the shorter array
        raise ValueError(f"add: both arrays must have the same shape, got {a.shape} and {b.shape}")
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    y = empty(a.shape, a.dtype)
    flat = a.reshape(-1), b.reshape(-1), y.reshape(-1)
    share(parts_for(a.size, a.size * WORK), a.size, _add, *flat, activation == RELU)
    finish(y, activation)
    return y


def join(arrays: Sequence[NDArray]) -> NDArray:
    """Twin of layers.branches.join."""
    widths = [array.shape[-1] for array in arrays]
    y, start = empty((*arrays[0].shape[:-1], sum(widths)), np.result_type(*arrays)), 0
    for array, width in zip(arrays, widths, strict=True):
        _copy_channels(array, 0, y, start, width)
        start += width
    return y


def cut(x: NDArray, start: int, stop: int) -> NDArray:
    """Twin of layers.branches.cut."""
    y = empty((*x.shape[:-1], stop - start), x.dtype)
    _copy_channels(x, start, y, 0, stop - start)
    return y


def pad_channels(x: NDArray, channels: int) -> NDArray:
    """Twin of layers.reshape.pad_channels."""
    y = empty((*x.shape[:-1], channels), x.dtype)
    _copy_channels(x, 0, y, 0, x.shape[-1], channels - x.shape[-1])
    return y


def _copy_channels(source: NDArray, at: int, target: NDArray, to: int, width: int, zeros: int = 0) -> None:
    """target[..., to:] = source[..., at:], for `width` channels; then set `zeros` channels to 0."""
    source, rows = np.ascontiguousarray(source), math.prod(target.shape[:-1])
    given = source.reshape(-1), source.shape[-1], at, target.reshape(-1), target.shape[-1], to, width, zeros
    share(parts_for(rows, rows * (width + zeros) * WORK), rows, _copy_rows, *given)


@kernel()
def _add(part, a, b, y, relu):
    zero = a.dtype.type(0)
    if relu:
        for k in range(np.uintp(part.start), np.uintp(part.stop)):
            total = a[k] + b[k]
            y[k] = zero if total < zero else total  # written this way so that NaN passes through
    else:
        for k in range(np.uintp(part.start), np.uintp(part.stop)):
            y[k] = a[k] + b[k]


@kernel()
def _copy_rows(part, source, between, at, target, apart, to, width, zeros):
    for row in range(part.start, part.stop):
        copy(source, row * between + at, target, row * apart + to, width)
        clear(target, row * apart + to + width, zeros)
