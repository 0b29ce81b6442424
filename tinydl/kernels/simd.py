"""A small constant matrix times many columns, in vector instructions written out by hand.

The compiler vectorises a loop with one result. A loop that makes five results out of five inputs, each read once, it
leaves alone: it would have to prove for all 25 pairs that they do not overlap in memory. `linear_map` builds such a
loop as LLVM code, for the processor's 64-byte vectors (LLVM splits them where those are shorter), with the matrix's
entries as constants in it, so zeros cost nothing and ones no multiplication.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

VECTOR = 64  # bytes


def linear_map(matrix: NDArray) -> Callable[..., None]:
    """A function for kernels: apply(source, at, step, target, to, apart, count) does, for all i and q < count,

        target[to + i apart + q] = sum_k matrix[i, k] source[at + k step + q]

    on flat arrays of one dtype. Source and target may be the same numbers: all are read before one is written.
    """
    rows = matrix.tolist()

    @intrinsic
    def apply(typingctx, source, at, step, target, to, apart, count):  # type: ignore[no-untyped-def]
        size = source.dtype.bitwidth // 8

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            source_at, target_at = (
                context.make_array(kind)(context, builder, value).data
                for kind, value in ((signature.args[0], args[0]), (signature.args[3], args[3]))
            )
            _, at, step, _, to, apart, count = args
            real = context.get_value_type(source.dtype)

            def block(q: Any, lanes: int) -> None:
                kind = ir.VectorType(real, lanes) if lanes > 1 else real

                def place(base: Any, first: Any, number: int, distance: Any) -> Any:
                    index = builder.add(first, builder.mul(distance, ir.Constant(distance.type, number)))
                    return builder.bitcast(builder.gep(base, [builder.add(index, q)]), kind.as_pointer())

                inputs = [builder.load(place(source_at, at, k, step), align=size) for k in range(len(rows[0]))]
                for i, row in enumerate(rows):
                    builder.store(weighted_sum(builder, inputs, row), place(target_at, to, i, apart), align=size)

            lanes = VECTOR // size
            whole = builder.sub(count, builder.srem(count, ir.Constant(count.type, lanes)))
            zero, one, many = (ir.Constant(count.type, number) for number in (0, 1, lanes))
            with cgutils.for_range_slice(builder, zero, whole, many, inc=True) as (q, _):
                block(q, lanes)
            with cgutils.for_range_slice(builder, whole, count, one, inc=True) as (q, _):
                block(q, 1)
            return context.get_dummy_value()

        whole_numbers = (types.intp,) * 2
        return types.void(source, *whole_numbers, target, *whole_numbers, types.intp), codegen

    return apply


def weighted_sum(builder: ir.IRBuilder, inputs: list[Any], weights: list[float]) -> Any:
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
