"""Operations where the graph forks and rejoins: adding arrays, joining their channels, cutting and adding channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .machine.codes import RELU
from .machine.compile import kernel
from .machine.exponential import finish
from .machine.memory import empty
from .machine.threads import Part, parts_for, share
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
    rows, widths = arrays[0].size // arrays[0].shape[-1], [array.shape[-1] for array in arrays]
    y = empty((*arrays[0].shape[:-1], sum(widths)), np.result_type(*arrays))
    pieces = [array.reshape(rows, width) for array, width in zip(arrays, widths, strict=True)]
    share(parts_for(rows, y.size * WORK), rows, _join, pieces, y.reshape(rows, sum(widths)))
    return y


def cut(x: NDArray, start: int, stop: int) -> NDArray:
    """Twin of layers.branches.cut."""
    y = empty((*x.shape[:-1], stop - start), x.dtype)
    rows = x.size // x.shape[-1]
    source, target = x.reshape(rows, x.shape[-1])[:, start:stop], y.reshape(rows, stop - start)
    share(parts_for(rows, y.size * WORK), rows, _copy, source, target)
    return y


def pad_channels(x: NDArray, channels: int) -> NDArray:
    """Twin of layers.reshape.pad_channels."""
    y, c = empty((*x.shape[:-1], channels), x.dtype), x.shape[-1]
    rows = math.prod(x.shape[:-1])
    share(parts_for(rows, y.size * WORK), rows, _pad, x.reshape(rows, c), y.reshape(rows, channels))
    return y


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


def _join(part: Part, pieces: list[NDArray], y: NDArray) -> None:
    rows = slice(part.start, part.stop)
    np.concatenate([piece[rows] for piece in pieces], axis=1, out=y[rows])


def _pad(part: Part, source: NDArray, target: NDArray) -> None:
    rows, kept = slice(part.start, part.stop), source.shape[1]
    target[rows, :kept] = source[rows]
    target[rows, kept:] = 0


def _copy(part: Part, source: NDArray, target: NDArray) -> None:
    target[part.start : part.stop] = source[part.start : part.stop]
