"""Matrix products of rows that lie anywhere in an array: windows of an image, say, which may overlap.

`products` need not copy windows into the rows of a matrix first, as product.py would. `register_product` builds its
inner loops: a block of the result stays in registers until it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from .compile import CompiledOnce, kernel
from .registers import MANY, VECTOR
from .simd import load, multiply_add, pointers, splat, store

BLOCK = 16  # float32 numbers in a block of a product: a vector or, without AVX-512, two; it may read so many in excess
LONG = 96  # terms in a run that are added up by themselves: one sum of many hundreds would lose digits


def register_product(heights: Sequence[int], vectors: int) -> Callable[..., None]:
    """Return a function for kernels that computes a matrix product of `height` rows, which has to be one of `heights`,
    and `vectors` vectors in registers:

        c[c_at + c_rows[i] + q] = start[q]
            + sum_rk a[a_at + a_rows[i] + r a_run + k a_step] b[b_at + r b_run + k b_step + q]

    over r < runs and k < length, for i = first .. first + height - 1 and q < width. With `add`, start is the old c,
    otherwise bias[bias_at + q]. With `relu`, negative results are replaced by 0. The places of rows (two arrays) and
    the steps are arbitrary, so `a` can be an image with overlapping windows, which need not be copied into rows first.

    The width may end inside the last vector. The product then reads a whole vector of b, whose entries must exist but
    do not count; c and bias are neither read nor written there.
    """

    @intrinsic
    def apply(
        typingctx, height, first, a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length,
        bias, bias_at, c, c_at, c_rows, width, add, relu,
    ):  # fmt: skip
        size = a.dtype.bitwidth // 8
        lanes = VECTOR // size

        def codegen(context, builder, signature, args):
            values = pointers(context, builder, signature, args)
            height, first, a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length, *results = values
            bias, bias_at, c, c_at, c_rows, width, add, relu = results
            vector = ir.VectorType(context.get_value_type(signature.args[2].dtype), lanes)

            def number(value: int) -> ir.Constant:
                return ir.Constant(width.type, value)

            def place(base: Any, at: Any, v: int) -> Any:
                pointer = builder.gep(base, [builder.add(at, number(v * lanes))])
                return builder.bitcast(pointer, vector.as_pointer())

            def entry(table: Any, i: int) -> Any:
                return builder.load(builder.gep(table, [builder.add(first, number(i))]))

            def block(rows: int) -> None:
                lines = [builder.add(c_at, entry(c_rows, i)) for i in range(rows)]
                places = {(i, v): place(c, lines[i], v) for i in range(rows) for v in range(vectors)}
                sums = {key: cgutils.alloca_once(builder, vector) for key in places}  # LLVM turns them into registers
                whole = builder.icmp_signed(">=", width, number(vectors * lanes))
                last = builder.sub(width, number((vectors - 1) * lanes))  # numbers in the last vector

                def each_sum(move: Callable[..., None]) -> None:
                    """Move all sums; of the last vectors only the numbers within the width."""
                    with builder.if_else(whole) as (then, otherwise):
                        with then:
                            for (i, v), pointer in places.items():
                                move(sums[i, v], pointer, v, None)
                        with otherwise:
                            for (i, v), pointer in places.items():
                                move(sums[i, v], pointer, v, last if v == vectors - 1 else None)

                def fetch(total: Any, pointer: Any, v: int, count: Any) -> None:
                    source = builder.select(add, pointer, place(bias, bias_at, v))
                    builder.store(load(builder, source, size, count), total)

                def deliver(total: Any, pointer: Any, v: int, count: Any) -> None:
                    store(builder, builder.load(total), pointer, size, count)

                each_sum(fetch)
                before = {key: cgutils.alloca_once(builder, vector) for key in places}  # the sums of earlier runs
                none = ir.Constant(vector, None)
                long = builder.icmp_signed(">=", length, number(LONG))
                with builder.if_then(long):
                    for key, pointer in sums.items():
                        builder.store(builder.load(pointer), before[key])
                        builder.store(none, pointer)
                offsets = [entry(a_rows, i) for i in range(rows)]
                a_next, b_next = (cgutils.alloca_once(builder, base.type) for base in (a, b))
                with cgutils.for_range(builder, runs) as run:
                    builder.store(builder.gep(a, [builder.add(a_at, builder.mul(run.index, a_run))]), a_next)
                    builder.store(builder.gep(b, [builder.add(b_at, builder.mul(run.index, b_run))]), b_next)
                    with cgutils.for_range(builder, length):
                        a_here, b_here = builder.load(a_next), builder.load(b_next)
                        factors = [load(builder, place(b_here, number(0), v), size) for v in range(vectors)]
                        for i in range(rows):
                            value = splat(builder, builder.load(builder.gep(a_here, [offsets[i]])), lanes)
                            for v, factor in enumerate(factors):
                                total = multiply_add(builder, value, factor, builder.load(sums[i, v]))
                                builder.store(total, sums[i, v])
                        builder.store(builder.gep(a_here, [a_step]), a_next)
                        builder.store(builder.gep(b_here, [b_step]), b_next)
                    with builder.if_then(long):
                        for key, pointer in sums.items():
                            builder.store(builder.fadd(builder.load(before[key]), builder.load(pointer)), before[key])
                            builder.store(none, pointer)
                with builder.if_then(long):
                    for key, pointer in sums.items():
                        builder.store(builder.load(before[key]), pointer)
                with builder.if_then(relu):
                    for pointer in sums.values():
                        total = builder.load(pointer)
                        negative = builder.fcmp_ordered("<", total, none)  # false for NaN, which therefore remains
                        builder.store(builder.select(negative, none, total), pointer)
                each_sum(deliver)

            for rows in heights:
                with builder.if_then(builder.icmp_signed("==", height, number(rows))):
                    block(rows)
            return context.get_dummy_value()

        n, yes = types.intp, types.boolean
        return types.void(n, n, a, n, a_rows, n, n, b, n, n, n, n, n, bias, n, c, n, c_rows, n, yes, yes), codegen

    return apply


# Rows of a block of one or two vectors. The sums, a row's factors and an entry have to fit into the registers.
_one = register_product((10, 9, 8, 4, 2, 1), 1)
_two = register_product((9, 8, 4, 2, 1) if MANY else (6, 5, 4, 3, 2, 1), 2)
TALLEST = 9 if MANY else 6  # of two vectors


def _products(
    a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length, bias, c, c_at, c_rows, rows, width, add, relu
):  # fmt: skip
    """Apply register_product to any number of rows and columns of flat arrays, given as pointers.

    a_step has to be 1 unless `add`, and `relu` is for products without it: y, dx and dW of a convolution come in turn.
    With constants in place of variables, the short loops take up to two fifths less time.
    """
    a, b, bias, c = carray(a, (1,)), carray(b, (1,)), carray(bias, (1,)), carray(c, (1,))  # (no length is used)
    a_rows, c_rows = carray(a_rows, (1,)), carray(c_rows, (1,))
    if not add:
        _blocks(
            a, a_at, a_rows, a_run, 1, b, b_at, b_run, b_step, runs, length,
            bias, c, c_at, c_rows, rows, width, False, relu,
        )  # fmt: skip
    elif a_step == 1:
        _blocks(
            a, a_at, a_rows, a_run, 1, b, b_at, b_run, b_step, runs, length,
            bias, c, c_at, c_rows, rows, width, True, False,
        )  # fmt: skip
    else:
        _blocks(
            a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length,
            bias, c, c_at, c_rows, rows, width, True, False,
        )  # fmt: skip


@kernel(inline="always")
def _blocks(
    a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length, bias, c, c_at, c_rows, rows, width, add, relu
):  # fmt: skip
    """Rows are cut into as few blocks as possible: the 27 taps of a 3x3 kernel into 9 + 9 + 9, the 25 of a 5x5 kernel
    into 9 + 8 + 8. Smaller blocks than 8, where there are registers for 8, take as long."""
    lanes = VECTOR // c.itemsize
    for j in range(0, width, 2 * lanes):
        q, r, left, i = b_at + j, c_at + j, width - j, 0
        tallest = TALLEST if left > lanes else 10
        blocks = max(1, -(-rows // tallest))
        even, taller = rows // blocks, rows % blocks  # `taller` blocks have one row more than the others
        if tallest > 8 and (even < 8 or rows % 8 == 0):
            even, taller = 8, 0
        while i < rows:
            height, taller = even + (taller > 0), taller - 1
            if height > rows - i:
                height = 4 if rows - i >= 4 else 2 if rows - i >= 2 else 1
            if left > lanes:
                _two(
                    height, i, a, a_at, a_rows, a_run, a_step, b, q, b_run, b_step, runs, length,
                    bias, j, c, r, c_rows, left, add, relu,
                )  # fmt: skip
            else:
                _one(
                    height, i, a, a_at, a_rows, a_run, a_step, b, q, b_run, b_step, runs, length,
                    bias, j, c, r, c_rows, left, add, relu,
                )  # fmt: skip
            i += height


def _arguments(dtype: types.Float) -> list[types.Type]:
    n, yes, array, places = types.intp, types.boolean, types.CPointer(dtype), types.CPointer(types.intp)
    return [array, n, places, n, n, array, n, n, n, n, n, array, array, n, places, n, n, yes, yes]


_compiled_products = CompiledOnce(_products, _arguments)


@intrinsic
def products(
    typingctx, a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length, bias, c, c_at, c_rows, rows, width,
    add, relu,
):  # fmt: skip
    """For kernels: `register_product` for any number of rows and columns (see `_products`)."""
    given = (
        a, a_at, a_rows, a_run, a_step, b, b_at, b_run, b_step, runs, length, bias, c, c_at, c_rows, rows, width, add,
        relu,
    )  # fmt: skip
    return _compiled_products.call(c.dtype, *given)
