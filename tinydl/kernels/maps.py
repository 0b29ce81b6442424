"""What happens to whole maps where ways meet and part: sums, relu and its mask, joining and cutting along channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import reference
from .compile import kernel
from .elementwise import finish
from .memory import empty
from .reference import RELU
from .threads import parts_for, share

WORK = 2  # multiply-adds that a number costs, in time


def add(a: NDArray, b: NDArray, activation: int) -> NDArray:
    """See reference.add."""
    if "c" in (a.dtype.kind, b.dtype.kind):
        return reference.add(a, b, activation)
    if a.shape != b.shape:  # the kernel would read on behind the shorter one
        raise ValueError(f"add: expected two arrays of one shape, got {a.shape} and {b.shape}")
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    y, relu = empty(a.shape, a.dtype), activation == RELU

    def work(part: int, start: int, stop: int) -> None:
        _add(a.reshape(-1), b.reshape(-1), relu, start, stop, y.reshape(-1))

    share(parts_for(a.size, a.size * WORK), a.size, work)
    finish(y, activation)
    return y


def relu(x: NDArray) -> NDArray:
    """See reference.relu."""
    if x.dtype.kind == "c":
        return reference.relu(x)
    x = np.ascontiguousarray(x)
    y = empty(x.shape, x.dtype)

    def work(part: int, start: int, stop: int) -> None:
        _relu(x.reshape(-1), start, stop, y.reshape(-1))

    share(parts_for(x.size, x.size * WORK), x.size, work)
    return y


def relu_gradient(dy: NDArray, y: NDArray) -> NDArray:
    """See reference.relu_gradient."""
    if dy.shape != y.shape:
        raise ValueError(f"relu_gradient: expected two arrays of one shape, got {dy.shape} and {y.shape}")
    dy, y = np.ascontiguousarray(dy), np.ascontiguousarray(y)
    dx = empty(y.shape, y.dtype)

    def work(part: int, start: int, stop: int) -> None:
        _mask(dy.reshape(-1), y.reshape(-1), start, stop, dx.reshape(-1))

    share(parts_for(y.size, y.size * WORK), y.size, work)
    return dx


def join(arrays: Sequence[NDArray]) -> NDArray:
    """See reference.join."""
    rows, widths = arrays[0].size // arrays[0].shape[-1], [array.shape[-1] for array in arrays]
    y = empty((*arrays[0].shape[:-1], sum(widths)), np.result_type(*arrays))
    pieces = [array.reshape(rows, width) for array, width in zip(arrays, widths, strict=True)]

    def work(part: int, start: int, stop: int) -> None:
        np.concatenate([piece[start:stop] for piece in pieces], axis=1, out=y.reshape(rows, sum(widths))[start:stop])

    share(parts_for(rows, y.size * WORK), rows, work)
    return y


def cut(x: NDArray, start: int, stop: int) -> NDArray:
    """See reference.cut."""
    y = empty((*x.shape[:-1], stop - start), x.dtype)
    rows = x.size // x.shape[-1]
    source, target = x.reshape(rows, x.shape[-1])[:, start:stop], y.reshape(rows, stop - start)

    def work(part: int, first: int, last: int) -> None:
        target[first:last] = source[first:last]

    share(parts_for(rows, y.size * WORK), rows, work)
    return y


@kernel()
def _add(a, b, relu, start, stop, y):  # type: ignore[no-untyped-def]
    zero = a.dtype.type(0)
    if relu:
        for k in range(np.uintp(start), np.uintp(stop)):
            total = a[k] + b[k]
            y[k] = zero if total < zero else total  # so written, NaN passes through
    else:
        for k in range(np.uintp(start), np.uintp(stop)):
            y[k] = a[k] + b[k]


@kernel()
def _relu(x, start, stop, y):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for k in range(np.uintp(start), np.uintp(stop)):
        y[k] = zero if x[k] < zero else x[k]


@kernel()
def _mask(dy, y, start, stop, dx):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    for k in range(np.uintp(start), np.uintp(stop)):
        dx[k] = dy[k] if y[k] > zero else zero
