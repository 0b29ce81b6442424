"""Reused memory for large arrays.

The system provides new memory page by page, and clears each page when it is first touched: for the roughly 200 MB of
activations and gradients in a training step of the CIFAR-10 network, this takes about as long as the optimizer step.
The blocks behind large arrays are therefore kept, and reused once no array refers to them.

Callers cannot tell: every array in a block, and every view of such an array, holds a reference to its memory, and a
block is free only while the block itself holds the only reference. Memory that a caller can still access is never
handed out again.

Arrays begin at a cache line: a vector is as long as a line, so it would otherwise be read from two lines.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .compile import kernel

REUSED = 1 << 14  # bytes; for smaller arrays, the time for finding a block would count
KEPT = 2 << 30  # bytes in all blocks; above this limit, free blocks are returned to the system
SLACK = 1.25  # the largest ratio of a block's size to the size requested
LINE = 64  # bytes in a cache line, to which arrays are aligned


class Block(NamedTuple):
    """Memory for an array, and the number of bytes before its first cache line."""

    memory: NDArray
    start: int


_lock = threading.RLock()
_blocks: dict[int, list[Block]] = {}  # by the number of bytes in an array that fills them


def _after_fork() -> None:
    """Replace the lock: if another thread held it, the forked process would never see it released."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _new(size: int) -> Block:
    """A block for an array of `size` bytes."""
    memory = np.empty(size + LINE, np.uint8)
    return Block(memory, -memory.ctypes.data % LINE)


def _references(block: Block) -> int:
    return sys.getrefcount(block.memory)


_FREE = _references(_new(1))  # the number of references to the memory of a block that is free


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """Like np.empty, but reuses memory: for arrays that are created and dropped in every batch."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < REUSED:
        return np.empty(shape, dtype)
    with _lock:
        found = _smallest_free(size)
        if found is None:
            if sum(length * len(blocks) for length, blocks in _blocks.items()) + size > KEPT:
                _drop_free()
            found = _new(size)
            _blocks.setdefault(size, []).append(found)
        return np.ndarray(shape, dtype, found.memory, found.start)  # before another thread finds the block


def zeros(size: int, dtype: DTypeLike) -> NDArray:
    """A flat array of zeros that begins at a cache line: a part of an array of the same dtype, its `base`."""
    block = np.zeros(size + LINE // np.dtype(dtype).itemsize, dtype)
    start = -block.ctypes.data % LINE // block.itemsize
    return block[start : start + size]


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


def _smallest_free(size: int) -> Block | None:
    for block in _blocks.get(size, ()):  # looked at first: every step asks for the same sizes
        if _references(block) == _FREE:
            return block
    for length in sorted(length for length in _blocks if size < length <= SLACK * size):
        for block in _blocks[length]:
            if _references(block) == _FREE:
                return block
    return None


def _drop_free() -> None:
    for length, blocks in list(_blocks.items()):
        blocks[:] = [block for block in blocks if _references(block) != _FREE]
        if not blocks:
            del _blocks[length]
