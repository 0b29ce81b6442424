"""Large arrays from memory that was used before.

The system hands out fresh memory a page at a time, and clears each page when it is first touched: for the some 200 MB
of activations and gradients in a training step of the CIFAR-10 network that costs about as much as its optimizer. So
the blocks behind large arrays are kept, and given out again once nobody holds an array in them.

Nobody can notice: every array that is a view into a block, or a view of such a view, holds a reference to it, and a
block is free only while the list here holds the one reference there is. What a caller can still see is never written
to.
"""

from __future__ import annotations

import math
import os
import sys
import threading

import numpy as np
from numpy.typing import DTypeLike, NDArray

LARGE = 1 << 20  # bytes; below, the C library keeps memory by itself
KEPT = 2 << 30  # bytes in blocks, above which those that lie free are given back
SLACK = 1.25  # a block may be so many times larger than what is asked for
LINE = 64  # bytes in a line of the cache, where arrays begin

_lock = threading.Lock()
_blocks: list[NDArray] = []


def _after_fork() -> None:
    """A lock that another thread held would never be released in the forked process."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _references(blocks: list[NDArray], position: int) -> int:
    return sys.getrefcount(blocks[position])


_FREE = _references([np.empty(1, np.uint8)], 0)  # what a block has that only a list holds


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """np.empty, for arrays that come and go with every batch."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    with _lock:
        block = _smallest_free(size)
        if block is None:
            if sum(map(len, _blocks)) + size > KEPT:
                _drop_free()
            block = np.empty(size + LINE, np.uint8)
            _blocks.append(block)
    start = -block.ctypes.data % LINE
    return block[start : start + size].view(dtype).reshape(shape)


def release() -> None:
    """Give all blocks that lie free back to the system."""
    with _lock:
        _drop_free()


def _smallest_free(size: int) -> NDArray | None:
    fitting = [p for p in range(len(_blocks)) if size + LINE <= len(_blocks[p]) <= SLACK * size + LINE]
    free = [p for p in fitting if _references(_blocks, p) == _FREE]
    return _blocks[min(free, key=lambda p: len(_blocks[p]))] if free else None


def _drop_free() -> None:
    _blocks[:] = [_blocks[p] for p in range(len(_blocks)) if _references(_blocks, p) != _FREE]
