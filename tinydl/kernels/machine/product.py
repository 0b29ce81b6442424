"""Matrix products inside compiled kernels.

`product` multiplies `Rows` of flat arrays, `matmul` whole matrices; both can transpose and accumulate. `affine` and
`product_through_relu` also do what follows a layer's product, while the numbers are in registers. A block of c stays in
registers until it is complete. With AVX-512 it has 8 rows of 3 vectors: 24 sums, to which every step adds the
products of a column of a, 8 numbers, and a row of b, 3 vectors; with AVX2 there is room for 12 sums. A BLAS library
does the same on copies of both operands that suit the cache. The pieces of a convolution are in the cache already, so
copying them would cost more than it saves; those of LARGE products are copied. The loops here are compiled for the
processor they run on, whichever code OPENBLAS_CORETYPE asks for. `python -m benchmarks.convolution` prints their speed
beside that of BLAS.

The loops take a few seconds to compile and have a dozen callers, so they are `CompiledOnce`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from .compile import CompiledOnce, kernel
from .loops import copy
from .registers import MANY, VECTOR
from .simd import keep_rolled, load, multiply_add, pointers, splat, store
from .transpose import turn

# A block of c: its rows, and the vectors of a row. The sums, as many vectors of b, and an entry of a have to fit into
# the processor's registers.
HEIGHTS, WIDEST = ({1: 8, 2: 8, 3: 8} if MANY else {1: 8, 2: 6, 3: 4}), 3  # rows by vectors
# Rows of b at a time, which stay in the L1 cache. Sums of so many products each are added up: in a single sum of many
# thousands, rounding errors would be several times larger.
DEEP = 256
# Columns of b are copied for at least FEWEST rows of c, if the rows of b are more than FAR entries apart: they compete
# for the same places of the L1 cache, which is larger on processors with AVX-512.
FEWEST, FAR = (200, 512) if MANY else (50, 100)
# With so many columns, blocks of a and b are copied, at most COPIED bytes of a row: rows of a that are far apart
# compete, too, and longer pieces of b's rows are read faster. Both stay in the L2 cache. (Not measured with AVX-512.)
LARGE, COPIED = (1 << 40) if MANY else 256, 512
# What is done to c at the end, as bits of `then`, in this order, with the numbers of the array `extra`.
BIAS, RELU, MASK = 1, 2, 4
MISMATCH = "matmul: the shapes of the matrices do not match: was a parameter array replaced by another?"


class Rows(NamedTuple):
    """The rows of a matrix in a flat array: row i begins at entry start + i step.

    (The array is passed separately: Numba counts references to arrays in tuples, which is slow for small products.)
    """

    start: int
    step: int


@kernel(inline="always")
def product(transpose_a, transpose_b, sizes, a, in_a, b, in_b, accumulate, c, in_c):
    """c = op(a) @ op(b) or, if `accumulate`, c += op(a) @ op(b), where op transposes or leaves the matrix as it is.

    sizes = m, n, k: op(a) is m x k, op(b) is k x n, c is m x n. Shapes are not checked; `matmul` checks them.
    """
    m, n, k = sizes
    _call(
        transpose_a, transpose_b, m, n, k, a, in_a.start, in_a.step, b, in_b.start, in_b.step, accumulate, c,
        in_c.start, in_c.step, 0, c, 0,
    )  # fmt: skip


@kernel(inline="always")
def affine(sizes, a, in_a, b, in_b, bias, bias_at, relu, c, in_c):
    """c = a @ b + bias (unless bias is empty), with negative numbers replaced by 0 if `relu`: a layer's forward pass.

    sizes are those of `product`. The bias begins at bias[bias_at]. NaN remains NaN.
    """
    m, n, k = sizes
    _call(
        False, False, m, n, k, a, in_a.start, in_a.step, b, in_b.start, in_b.step, False, c, in_c.start, in_c.step,
        (BIAS if bias.size else 0) | (RELU if relu else 0), bias, bias_at,
    )  # fmt: skip


@kernel(inline="always")
def product_through_relu(sizes, a, in_a, b, in_b, y, c, in_c):
    """c = (a @ b.T) 1[y > 0]: a layer's dx, taken on through the relu whose result is y, which lies in y as c in c."""
    m, n, k = sizes
    _call(
        False, True, m, n, k, a, in_a.start, in_a.step, b, in_b.start, in_b.step, False, c, in_c.start, in_c.step,
        MASK, y, in_c.start,
    )  # fmt: skip


@kernel(inline="always")
def matmul(transpose_a, transpose_b, a, b, accumulate, c):
    """`product` of whole C-contiguous matrices. Raises ValueError if their shapes do not match."""
    m, n = c.shape
    k = a.shape[0] if transpose_a else a.shape[1]
    rows, columns = (a.shape[1] if transpose_a else a.shape[0]), (b.shape[0] if transpose_b else b.shape[1])
    if rows != m or columns != n or (b.shape[1] if transpose_b else b.shape[0]) != k:
        raise ValueError(MISMATCH)
    product(
        transpose_a, transpose_b, (m, n, k), a.reshape(-1), Rows(0, a.shape[1]), b.reshape(-1), Rows(0, b.shape[1]),
        accumulate, c.reshape(-1), Rows(0, n),
    )  # fmt: skip


def _product(
    transpose_a, transpose_b, m, n, k, a, a_at, a_between, b, b_at, b_between, accumulate, c, c_at, c_between, then,
    extra, extra_at,
):  # fmt: skip
    """`product` on pointers: the matrices begin at entry `at`, and their rows are `between` entries apart. At the end,
    c becomes c + extra (a row) with BIAS in `then`, max(c, 0) with RELU, c 1[extra > 0] (extra lying as c) with MASK.

    Columns of op(b) are copied, a few at a time, if b is transposed, or if its rows are so far apart that they compete
    for the same places of the cache. In a `large` product, more columns are copied at a time, and rows of op(a), too.
    """
    a, b, c, extra = carray(a, (1,)), carray(b, (1,)), carray(c, (1,)), carray(extra, (1,))  # (no length is used)
    a_row, a_step = (1, a_between) if transpose_a else (a_between, 1)
    b_step, b_column = (1, b_between) if transpose_b else (b_between, 1)
    copied = transpose_b or (m >= FEWEST and b_between > FAR)
    large = copied and m >= FEWEST and n >= LARGE and a_between > FAR
    lanes, most = VECTOR // c.itemsize, COPIED // c.itemsize
    copy_of_a, copy_of_b = carray(_room_for_copy(c), (1,)), carray(_room_for_copy(c), (1,))
    for k_from in range(0, max(k, 1), DEEP):
        deep, add = min(DEEP, k - k_from), accumulate or k_from > 0
        now = then if k_from + DEEP >= k else 0
        for i in range(0, m, most if large else max(m, 1)):
            rows = min(most, m - i) if large else m
            left, a_from, a_by_row, a_by_step = a, a_at + i * a_row + k_from * a_step, a_row, a_step
            if large:
                count, length = (deep, rows) if transpose_a else (rows, deep)
                apart = _apart(length, c)
                for r in range(count):
                    copy(a, a_from + r * a_between, copy_of_a, r * apart, length)
                left, a_from, a_by_row, a_by_step = copy_of_a, 0, apart, 1
                if transpose_a:
                    a_by_row, a_by_step = 1, apart
            j, first, end, step = 0, 0, 0, b_step  # columns first .. end - 1 are in the copy of b
            while j < n:
                fresh = not large or j == end  # whether the next columns have not been copied yet
                if large and fresh:
                    end = min(j + most, n)
                columns = _columns((end if large else n) - j, c)
                filled = lanes * -(-columns // lanes)
                if not (MANY or large or add) and columns < filled <= n:
                    j, columns = n - filled, filled  # computes a few columns twice, which takes less time
                if not large:
                    end = j + columns
                if copied and fresh:
                    first, step = j, _apart(end - j, c) if large else columns
                    here = b_at + k_from * b_step + j * b_column
                    if transpose_b:
                        turn(b, here, b_between, end - j, deep, copy_of_b, 0, step)
                    else:
                        for r in range(deep):
                            copy(b, here + r * b_between, copy_of_b, r * step, end - j)
                right, at = (copy_of_b, j - first) if copied else (b, b_at + k_from * b_step + j * b_column)
                to = i * c_between + j
                _block(
                    rows, deep, columns, left, a_from, a_by_row, a_by_step, right, at, step, add, c, c_at + to,
                    c_between, now, extra, extra_at + (to if now & MASK else j),
                )  # fmt: skip
                j += columns


@kernel(inline="always")
def _apart(numbers, c):
    """The distance of rows of so many numbers: an odd number of cache lines, so that they do not compete for places."""
    line = 64 // c.itemsize
    return line * (-(-numbers // line) | 1)


@intrinsic
def _room_for_copy(typingctx, like):
    """Space on the stack, 147 kB: `np.empty` could fail, and a C function cannot raise an error."""
    numbers = DEEP * (COPIED + 64) // (like.dtype.bitwidth // 8)

    def codegen(context, builder, signature, args):
        with builder.goto_entry_block():
            space = builder.alloca(context.get_value_type(like.dtype), numbers)
            space.align = 64  # a vector that lies in two cache lines is read twice
            return space

    return types.CPointer(like.dtype)(like), codegen


@kernel(inline="always")
def _columns(left, c):
    """The columns of the next block if `left` columns are left: whole vectors, of 4 rather 2 and 2 than 3 and 1."""
    lanes = VECTOR // c.itemsize
    vectors = -(-left // lanes)
    if MANY:
        return min(left, lanes * (2 if vectors == 4 else 3))
    # 2 vectors need the fewest loads, then 3, for which a mask would be one register too many.
    return min(left, lanes * (3 if vectors % 2 and left >= 3 * lanes else 2))


@kernel(inline="always")
def _block(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at):
    """`column_block` for at most WIDEST vectors."""
    lanes = VECTOR // c.itemsize
    if columns == 3 * lanes:
        _3(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at)
    elif columns == 2 * lanes:
        _2(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at)
    elif columns == lanes:
        _1(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at)
    elif columns > 2 * lanes:
        _part3(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at)
    elif columns > lanes:
        _part2(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at)
    else:
        _part1(m, k, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra, extra_at)


def column_block(vectors: int, whole: bool) -> Callable[..., None]:
    """Return a function for kernels that computes `columns` columns of a product, which take `vectors` vectors:

        c[c_at + i c_row + q] = sum_k a[a_at + i a_row + k a_step] b[b_at + k b_step + q]

    for i < rows, k < length and q < columns; with `add`, the sum is added to c. `then` says what is done to the result,
    see `_product`. Unless the columns fill `whole` vectors, the last one is neither read nor written beyond them.
    """

    @intrinsic
    def apply(
        typingctx, rows, length, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra,
        extra_at,
    ):  # fmt: skip
        size = c.dtype.bitwidth // 8
        lanes = VECTOR // size

        def codegen(context, builder, signature, args):
            (rows, length, columns, a, a_at, a_row, a_step, b, b_at, b_step, add, c, c_at, c_row, then, extra,
             extra_at) = pointers(context, builder, signature, args)  # fmt: skip
            vector = ir.VectorType(context.get_value_type(signature.args[11].dtype), lanes)
            zero = ir.Constant(vector, None)

            def number(value: int) -> ir.Constant:
                return ir.Constant(rows.type, value)

            last = None if whole else builder.sub(columns, number((vectors - 1) * lanes))  # numbers in the last vector
            counts = [None] * (vectors - 1) + [last]

            def has(bit: int) -> Any:
                return builder.icmp_signed("!=", builder.and_(then, number(bit)), number(0))

            def place(base, at, v):
                return builder.bitcast(builder.gep(base, [builder.add(at, number(v * lanes))]), vector.as_pointer())

            def block(first, height):
                """Rows first .. first + height - 1 of c."""
                i = [builder.add(first, number(r)) for r in range(height)]
                from_a = [builder.gep(a, [builder.add(a_at, builder.mul(a_row, each))]) for each in i]
                to = [builder.add(c_at, builder.mul(c_row, each)) for each in i]
                places = {(r, v): place(c, to[r], v) for r in range(height) for v in range(vectors)}
                sums = {key: cgutils.alloca_once(builder, vector) for key in places}  # LLVM turns them into registers
                for each in sums.values():
                    builder.store(zero, each)
                with cgutils.for_range(builder, length) as inner:
                    at = builder.add(b_at, builder.mul(inner.index, b_step))
                    factors = [load(builder, place(b, at, v), size, counts[v]) for v in range(vectors)]
                    along = builder.mul(inner.index, a_step)
                    for r in range(height):
                        entry = splat(builder, builder.load(builder.gep(from_a[r], [along])), lanes)
                        for v, factor in enumerate(factors):
                            total = multiply_add(builder, entry, factor, builder.load(sums[r, v]))
                            builder.store(total, sums[r, v])
                    body = builder.basic_block
                keep_rolled(builder, body)
                with builder.if_then(add):
                    for (r, v), pointer in places.items():
                        before = load(builder, pointer, size, counts[v])
                        builder.store(builder.fadd(before, builder.load(sums[r, v])), sums[r, v])
                with builder.if_then(builder.icmp_signed("!=", then, number(0))):
                    finish(sums, [builder.add(extra_at, builder.mul(c_row, each)) for each in i])
                for (r, v), pointer in places.items():
                    store(builder, builder.load(sums[r, v]), pointer, size, counts[v])

            def finish(sums, places):
                """What `then` asks for. The rows of `extra`, if it has several, begin at the places."""
                with builder.if_then(has(BIAS)):
                    bias = [load(builder, place(extra, extra_at, v), size, counts[v]) for v in range(vectors)]
                    for (_, v), total in sums.items():
                        builder.store(builder.fadd(builder.load(total), bias[v]), total)
                with builder.if_then(has(RELU)):
                    for total in sums.values():
                        value = builder.load(total)
                        negative = builder.fcmp_ordered("<", value, zero)  # false for NaN, which therefore remains
                        builder.store(builder.select(negative, zero, value), total)
                with builder.if_then(has(MASK)):
                    for (r, v), total in sums.items():
                        y = load(builder, place(extra, places[r], v), size, counts[v])
                        positive = builder.fcmp_ordered(">", y, zero)
                        builder.store(builder.select(positive, builder.load(total), zero), total)

            full = HEIGHTS[vectors]
            first = builder.sub(rows, builder.srem(rows, number(full)))  # of the rows left by blocks of full height
            with cgutils.for_range_slice(builder, number(0), first, number(full), inc=True) as (i, _):
                block(i, full)
            for height in (each for each in (4, 2, 1) if each < full):
                fits = builder.icmp_signed(">=", builder.sub(rows, first), number(height))
                with builder.if_then(fits):
                    block(first, height)
                first = builder.select(fits, builder.add(first, number(height)), first)
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, n, n, a, n, n, n, b, n, n, types.boolean, c, n, n, n, extra, n), codegen

    return apply


_1, _2, _3 = (column_block(vectors, True) for vectors in (1, 2, 3))
_part1, _part2, _part3 = (column_block(vectors, False) for vectors in (1, 2, 3))


def _arguments(dtype: types.Float) -> list[types.Type]:
    n, yes, array = types.intp, types.boolean, types.CPointer(dtype)
    return [yes, yes, n, n, n, array, n, n, array, n, n, yes, array, n, n, n, array, n]


_compiled_product = CompiledOnce(_product, _arguments)


@intrinsic
def _call(
    typingctx, transpose_a, transpose_b, m, n, k, a, a_at, a_row, b, b_at, b_row, accumulate, c, c_at, c_row, then,
    extra, extra_at,
):  # fmt: skip
    """Call `_product`."""
    given = (
        transpose_a, transpose_b, m, n, k, a, a_at, a_row, b, b_at, b_row, accumulate, c, c_at, c_row, then, extra,
        extra_at,
    )  # fmt: skip
    return _compiled_product.call(c.dtype, *given)
