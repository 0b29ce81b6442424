"""Reused memory for large arrays.

The system provides new memory page by page, and clears each page when it is first touched: for the roughly 200 MB of
activations and gradients in a training step of the CIFAR-10 network, this takes about as long as the optimizer step.
The blocks behind large arrays are therefore kept, and reused once no array refers to them.

Callers cannot tell: every array in a block, and every view of such an array, holds a reference to the block, and a
block is free only while a list in `_blocks` holds the only reference. Memory that a caller can still access is never
handed out again.

Arrays begin at a cache line: a vector is as long as a line, so it would otherwise be read from two lines.
"""

from __future__ import annotations

import math
import os
import sys
import threading

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .compile import kernel

LARGE = 1 << 18  # bytes; the C library keeps the memory of smaller arrays, but may return that of larger ones
ALIGNED = 1 << 14  # bytes; smaller arrays are not worth the microsecond that it takes to align them
KEPT = 2 << 30  # bytes in all blocks; above this limit, free blocks are returned to the system
SLACK = 1.25  # the largest ratio of a block's size to the size requested
LINE = 64  # bytes in a cache line, to which arrays are aligned

_lock = threading.RLock()
_blocks: dict[int, list[NDArray]] = {}  # by their number of bytes


def _after_fork() -> None:
    """Replace the lock: if another thread held it, the forked process would never see it released."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _references(blocks: list[NDArray], position: int) -> int:
    return sys.getrefcount(blocks[position])


_FREE = _references([np.empty(1, np.uint8)], 0)  # the reference count of a block that only a list refers to


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """Like np.empty, but reuses memory: for arrays that are created and dropped in every batch."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < ALIGNED:
        return np.empty(shape, dtype)
    if size < LARGE:
        return _array_in(np.empty(size + LINE, np.uint8), shape, dtype, size)
    with _lock:
        block = _smallest_free(size)
        if block is None:
            if sum(length * len(blocks) for length, blocks in _blocks.items()) + size > KEPT:
                _drop_free()
            block = np.empty(size + LINE, np.uint8)
            _blocks.setdefault(len(block), []).append(block)
    return _array_in(block, shape, dtype, size)


def zeros(size: int, dtype: DTypeLike) -> NDArray:
    """A flat array of zeros that begins at a cache line: a part of an array of the same dtype, its `base`."""
    block = np.zeros(size + LINE // np.dtype(dtype).itemsize, dtype)
    start = -block.ctypes.data % LINE // block.itemsize
    return block[start : start + size]


def _array_in(block: NDArray, shape: tuple[int, ...], dtype: DTypeLike, size: int) -> NDArray:
    """An array of `size` bytes in the block, from its first cache line on."""
    start = -block.ctypes.data % LINE
    return block[start : start + size].view(dtype).reshape(shape)


@kernel()
def scratch(size, dtype):
    """A flat array for a kernel's intermediate results, which begins at a cache line (see above)."""
    block = np.empty(size + LINE, dtype)
    start = -block.ctypes.data % LINE // block.itemsize
    return block[start : start + size]


def release() -> None:
    """Return all free blocks to the system."""
    with _lock:
        _drop_free()


def _smallest_free(size: int) -> NDArray | None:
    for length in sorted(length for length in _blocks if size + LINE <= length <= SLACK * size + LINE):
        blocks = _blocks[length]
        for position in range(len(blocks)):
            if _references(blocks, position) == _FREE:
                return blocks[position]
    return None


def _drop_free() -> None:
    for length, blocks in list(_blocks.items()):
        blocks[:] = [blocks[p] for p in range(len(blocks)) if _references(blocks, p) != _FREE]
        if not blocks:
            del _blocks[length]
