"""Transposing matrices.

Entries that are neighbours in the transpose lie a whole row apart in the matrix. Rows of a power of 2 are the worst:
their entries share a few sets of the L1 cache, where each one pushes another out. A block of rows is therefore first
copied, row by row, to a tile whose rows are one number longer. (NumPy does not do so: its transpose of 2048 x 512
numbers takes several times as long.) What is in the cache is transposed in registers, by `turn`.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .compile import kernel
from .loops import copy
from .memory import empty
from .registers import VECTOR
from .simd import load, pointers, store, vector_at, vector_of
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
            turn(tile, 0, APART, height, width, target, to + i + j * row, row)


@kernel(inline="always")
def turn(source, at, step, rows, columns, target, to, row):
    """`transpose` for numbers in the cache. Squares of whole vectors overlap where the last ones would not fit."""
    lanes = VECTOR // source.itemsize
    if rows < lanes or columns < lanes:
        for j in range(np.uintp(columns)):
            first, place = np.uintp(at) + j, np.uintp(to) + j * np.uintp(row)
            for i in range(np.uintp(rows)):
                target[place + i] = source[first + i * np.uintp(step)]
    else:
        for j in range(0, columns, lanes):
            q = min(j, columns - lanes)
            for i in range(0, rows, lanes):
                k = min(i, rows - lanes)
                _turn_square(source, at + k * step + q, step, target, to + q * row + k, row)


@intrinsic
def _turn_square(typingctx, source, at, step, target, to, row):
    """For kernels: target[to + j row + i] = source[at + i step + j] for i and j below the numbers in a vector.

    A square of four blocks is transposed by exchanging the two off the diagonal, and transposing each of the four. Here
    halves of rows are exchanged, then the quarters inside them, and so on down to single numbers.
    """

    def codegen(context, builder, signature, args):
        source, at, step, target, to, row = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])
        lanes = vector.count

        def line(base, at, step, i):
            return vector_at(builder, base, vector, at, builder.mul(step, step.type(i)))

        rows = [load(builder, line(source, at, step, i), size) for i in range(lanes)]
        block, places = lanes // 2, ir.VectorType(ir.IntType(32), lanes)
        while block:
            for i in (i for i in range(lanes) if not i & block):
                # places in the row above, and after its `lanes` numbers, in the row below
                left = [lanes + k - block if k & block else k for k in range(lanes)]
                right = [lanes + k if k & block else k + block for k in range(lanes)]
                above, below = rows[i], rows[i + block]
                rows[i] = builder.shuffle_vector(above, below, ir.Constant(places, left))
                rows[i + block] = builder.shuffle_vector(above, below, ir.Constant(places, right))
            block //= 2
        for i, numbers in enumerate(rows):
            store(builder, numbers, line(target, to, row, i), size)
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, n, target, n, n), codegen
