"""A small constant matrix times many columns, in vector instructions written out by hand.

The compiler vectorises a loop with one result. A loop that makes five results out of five inputs, each read once, it
leaves alone: it would have to prove for all 25 pairs that they do not overlap in memory. `linear_map` builds such a
loop as LLVM code, for the processor's 64-byte vectors (LLVM splits them where those are shorter), with the matrix's
entries as constants in it, so zeros cost nothing and ones no multiplication.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

VECTOR = 64  # bytes


def tile_map(left: NDArray, right: NDArray, add: bool = False) -> Callable[..., None]:
    """A function for kernels: apply(source, at, row, column, target, to, down, across, count) does, for all q < count,

        target[to + i down + j across + q] = sum_kl left[i, k] right[j, l] source[at + k row + l column + q]

    on flat arrays of one dtype: left T right' for `count` tiles T that lie side by side. With `add` it is += instead.
    Source and target may be the same numbers: all are read before one is written. A tile of 5x5 fits the 32 registers.
    """
    left_rows, right_rows = left.tolist(), right.tolist()

    @intrinsic
    def apply(typingctx, source, at, row, column, target, to, down, across, count):  # type: ignore[no-untyped-def]
        size = source.dtype.bitwidth // 8

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            source_at, target_at = (
                context.make_array(kind)(context, builder, value).data
                for kind, value in ((signature.args[0], args[0]), (signature.args[4], args[4]))
            )
            _, at, row, column, _, to, down, across, count = args
            real = context.get_value_type(source.dtype)

            def times(number: int, distance: Any) -> Any:
                return builder.mul(distance, ir.Constant(distance.type, number))

            def block(q: Any, lanes: int) -> None:
                kind = ir.VectorType(real, lanes) if lanes > 1 else real

                def place(base: Any, first: Any, i: int, y_step: Any, j: int, x_step: Any) -> Any:
                    line = builder.gep(base, [builder.add(builder.add(first, times(i, y_step)), q)])
                    return builder.bitcast(builder.gep(line, [times(j, x_step)]), kind.as_pointer())

                columns = []
                for j in range(len(right_rows[0])):
                    places = [place(source_at, at, i, row, j, column) for i in range(len(left_rows[0]))]
                    inputs = [builder.load(pointer, align=size) for pointer in places]
                    columns.append([weighted_sum(builder, inputs, weights) for weights in left_rows])
                for i, half in enumerate(zip(*columns, strict=True)):
                    for j, weights in enumerate(right_rows):
                        result, pointer = weighted_sum(builder, half, weights), place(target_at, to, i, down, j, across)
                        if add:
                            result = builder.fadd(builder.load(pointer, align=size), result)
                        builder.store(result, pointer, align=size)

            lanes = VECTOR // size
            whole = builder.sub(count, builder.srem(count, ir.Constant(count.type, lanes)))
            zero, one, many = (ir.Constant(count.type, number) for number in (0, 1, lanes))
            with cgutils.for_range_slice(builder, zero, whole, many, inc=True) as (q, _):
                block(q, lanes)
            with cgutils.for_range_slice(builder, whole, count, one, inc=True) as (q, _):
                block(q, 1)
            return context.get_dummy_value()

        numbers = (types.intp,) * 3
        return types.void(source, *numbers, target, *numbers, types.intp), codegen

    return apply


def weighted_sum(builder: ir.IRBuilder, inputs: Sequence[Any], weights: Sequence[float]) -> Any:
    """LLVM code for the sum of weights times inputs."""
    total = None
    for value, weight in zip(inputs, weights, strict=True):
        if weight == 0:
            continue
        if total is None:
            total = value if weight == 1 else builder.fmul(value, constant(value.type, weight), flags=("contract",))
        elif abs(weight) == 1:
            total = (builder.fadd if weight == 1 else builder.fsub)(total, value, flags=("contract",))
        else:
            term = builder.fmul(value, constant(value.type, weight), flags=("contract",))
            total = builder.fadd(total, term, flags=("contract",))
    return total


def constant(kind: Any, weight: float) -> ir.Constant:
    """A weight, for every lane of a vector."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [ir.Constant(kind.element, weight)] * kind.count)
    return ir.Constant(kind, weight)
