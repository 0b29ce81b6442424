"""Transposing matrices.

Entries that are neighbours in the transpose lie a whole row apart in the matrix. Rows of a power of 2 are the worst:
their entries share a few sets of the L1 cache, where each one pushes another out. A block of rows is therefore first
copied, row by row, to a tile whose rows are one number longer. (NumPy does not do so: its transpose of 2048 x 512
numbers takes several times as long.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .compile import kernel
from .loops import copy
from .memory import empty
from .threads import parts_for, share

BLOCK = 64  # rows and columns in a tile
APART = BLOCK + 1  # numbers from one row of a tile to the next
WORK = 8  # cost per entry, in multiply-adds


def transposed(a: NDArray) -> NDArray:
    """The transpose of a C-contiguous matrix, in memory of its own."""
    b, blocks = empty((a.shape[1], a.shape[0]), a.dtype), -(-a.shape[1] // BLOCK)
    share(parts_for(blocks, WORK * a.size), blocks, _part, a, b)
    return b


@kernel()
def _part(part, a, b):
    """Write this part's blocks of rows of b."""
    rows, columns = a.shape
    start, stop = part.start * BLOCK, min(part.stop * BLOCK, columns)
    transpose(a.reshape(-1), start, columns, rows, stop - start, b.reshape(-1), start * rows, rows)


@kernel()
def transpose(source, at, step, rows, columns, target, to, row):
    """target[to + j row + i] = source[at + i step + j] for i < rows and j < columns."""
    tile = np.empty(BLOCK * APART, source.dtype)
    for i in range(0, rows, BLOCK):
        height = min(BLOCK, rows - i)
        for j in range(0, columns, BLOCK):
            width = min(BLOCK, columns - j)
            for k in range(height):
                copy(source, at + (i + k) * step + j, tile, k * APART, width)
            for q in range(np.uintp(width)):
                place = np.uintp(to + i) + (np.uintp(j) + q) * np.uintp(row)
                for k in range(np.uintp(height)):
                    target[place + k] = tile[k * np.uintp(APART) + q]
