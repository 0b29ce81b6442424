"""Hand-written vector code: small constant matrices times many columns, and short rows of numbers.

The compiler vectorizes a loop with one result, but not a loop that computes five results from five inputs, each read
once: it would have to prove that none of the 25 pairs overlaps in memory. `tile_map` builds such a loop as LLVM code,
for vectors of a cache line (LLVM splits them on processors with shorter vectors). The matrix entries are constants in
this code, so zeros cost nothing and ones need no multiplication. `window_sum` is a sum of short vectors,
`window_spread` its transpose; `copy_vectors` and `add_bias` are for short rows. Matrix products are built from the
pieces at the end of this file, in product.py and window_product.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from .memory import LINE
from .registers import MANY, VECTOR

MOST_ROWS, UNITS = 4, VECTOR  # of `stream_row_gradients`, whose sums stay in registers
READ, KEEP, DATA = 0, 3, 1  # LLVM's codes: to be read, in all caches, not code


def tile_map(left: NDArray, right: NDArray, add: bool = False) -> Callable[..., None]:
    """Return a function apply(source, at, row, column, target, to, down, across, count) that sets, for all q < count,

        target[to + i down + j across + q] = sum_kl left[i, k] right[j, l] source[at + k row + l column + q]

    on flat arrays of the same dtype: left T right.T for `count` adjacent tiles T. With `add`, `apply` adds to target.
    Source and target may be the same memory: each tile is read before it is written. (A 5x5 tile fits in 32 registers.)
    """
    left_rows, right_rows = left.tolist(), right.tolist()

    @intrinsic
    def apply(typingctx, source, at, row, column, target, to, down, across, count):
        size = source.dtype.bitwidth // 8

        def codegen(context, builder, signature, args):
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

            lanes = LINE // size
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


@intrinsic
def prefetch(typingctx, array, index):
    """Ask the processor to load the cache line of array[index], of a flat array, without waiting for it."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, *(ir.Constant(number, value) for value in (READ, KEEP, DATA))])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def weighted_sum(builder: ir.IRBuilder, inputs: Sequence[Any], weights: Sequence[float]) -> Any:
    """LLVM code that computes sum_i weights[i] inputs[i]."""
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
    """The LLVM constant for a weight, in every lane if `kind` is a vector."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [ir.Constant(kind.element, weight)] * kind.count)
    return ir.Constant(kind, weight)


@intrinsic
def window_sum(typingctx, x, at, rows, down, columns, across, scale, y, to, count):
    """For kernels: y[to + k] = scale sum_pq x[at + p down + q across + k] over p < rows, q < columns, for k < count.

    Sums stay in registers, and a count that does not fill its last vector takes no longer than one that does.
    """

    def codegen(context, builder, signature, args):
        x, at, rows, down, columns, across, scale, y, to, count = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])
        total = cgutils.alloca_once(builder, vector)

        def block(k: Any, left: Any) -> None:
            builder.store(ir.Constant(vector, None), total)
            with _window(builder, rows, down, columns, across) as offset:
                value = load(builder, vector_at(builder, x, vector, at, offset, k), size, left)
                builder.store(builder.fadd(builder.load(total), value), total)
            mean = builder.fmul(builder.load(total), splat(builder, scale, vector.count))
            store(builder, mean, vector_at(builder, y, vector, to, k), size, left)

        _by_vectors(builder, count, vector.count, block)
        return context.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, n, n, n, x.dtype, y, n, n), codegen


@intrinsic
def copy_vectors(typingctx, source, at, target, to, count):
    """For kernels: target[to + k] = source[at + k] for k < count, for short rows (see `add_bias`)."""

    def codegen(context, builder, signature, args):
        source, at, target, to, count = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])

        def block(k: Any, left: Any) -> None:
            numbers = load(builder, vector_at(builder, source, vector, at, k), size, left)
            store(builder, numbers, vector_at(builder, target, vector, to, k), size, left)

        _by_vectors(builder, count, vector.count, block)
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, target, n, n), codegen


@intrinsic
def add_bias(typingctx, y, at, b, b_at, count, relu):
    """For kernels: y[at + k] += b[b_at + k] for k < count; with `relu`, negative results become 0.

    The compiler's own loop does a short row's last numbers one by one, which takes longer than all the others.
    """

    def codegen(context, builder, signature, args):
        y, at, b, b_at, count, relu = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])
        none = ir.Constant(vector, None)

        def block(k: Any, left: Any) -> None:
            place = vector_at(builder, y, vector, at, k)
            bias = load(builder, vector_at(builder, b, vector, b_at, k), size, left)
            total = builder.fadd(load(builder, place, size, left), bias)
            negative = builder.fcmp_ordered("<", total, none)  # false for NaN, which therefore passes through
            positive = builder.select(negative, none, total)
            store(builder, builder.select(relu, positive, total), place, size, left)

        _by_vectors(builder, count, vector.count, block)
        return context.get_dummy_value()

    n = types.intp
    return types.void(y, n, b, n, n, types.boolean), codegen


@intrinsic
def stream_row_gradients(typingctx, rows, x, x_at, x_step, da, units, W, dW, at, dx):
    """For kernels: the gradients that belong to one row of W, in one pass over it, for at most MOST_ROWS rows of x:

        dW[at + j] = sum_r x[x_at + r x_step] da[r units + j]
        dx[x_at + r x_step] = sum_j W[at + j] da[r units + j]

    The units must be a multiple of UNITS, and dW[at] must begin a cache line. dW goes to memory without being read
    into the cache first, which leaves a third less to move. Other threads may read them after a `fence`.
    """

    def codegen(context, builder, signature, args):
        rows, x, x_at, x_step, da, units, W, dW, at, dx = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[1])
        lanes, n = vector.count, units.type
        chains = UNITS // lanes

        def place(base: Any, *distances: Any) -> Any:
            return vector_at(builder, base, vector, *distances)

        def row(count: int) -> None:
            numbers = [builder.add(x_at, builder.mul(x_step, n(r))) for r in range(count)]
            entries = [splat(builder, builder.load(builder.gep(x, [number])), lanes) for number in numbers]
            sums = {(r, v): cgutils.alloca_once(builder, vector) for r in range(count) for v in range(chains)}
            for total in sums.values():
                builder.store(ir.Constant(vector, None), total)
            with cgutils.for_range_slice(builder, n(0), units, n(UNITS), inc=True) as (j, _):
                for v in range(chains):
                    column = builder.add(j, n(v * lanes))
                    weight, outer = load(builder, place(W, at, column), size), ir.Constant(vector, None)
                    for r, entry in enumerate(entries):
                        gradient = load(builder, place(da, builder.mul(units, n(r)), column), size)
                        outer = multiply_add(builder, entry, gradient, outer)
                        total = multiply_add(builder, weight, gradient, builder.load(sums[r, v]))
                        builder.store(total, sums[r, v])
                    line = builder.store(outer, place(dW, at, column), align=VECTOR)
                    line.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
            for r, number in enumerate(numbers):
                total = builder.load(sums[r, 0])
                for v in range(1, chains):
                    total = builder.fadd(total, builder.load(sums[r, v]))
                builder.store(sum_of_lanes(builder, total), builder.gep(dx, [number]))

        for count in range(1, MOST_ROWS + 1):
            with builder.if_then(builder.icmp_signed("==", rows, n(count))):
                row(count)
        return context.get_dummy_value()

    i = types.intp
    return types.void(i, x, i, i, da, i, W, dW, i, dx), codegen


@intrinsic
def fence(typingctx):
    """For kernels: all that this thread has stored so far is in memory before anything that it stores later."""

    def codegen(context, builder, signature, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def window_spread(typingctx, dy, at, scale, dx, to, rows, down, columns, across, count, add):
    """For kernels: the transpose of window_sum, dx[to + p down + q across + k] = scale dy[at + k]; with `add`, +=."""

    def codegen(context, builder, signature, args):
        dy, at, scale, dx, to, rows, down, columns, across, count, add = pointers(context, builder, signature, args)
        size, vector = vector_of(context, signature.args[0])

        def block(k: Any, left: Any) -> None:
            gradient = load(builder, vector_at(builder, dy, vector, at, k), size, left)
            part = builder.fmul(gradient, splat(builder, scale, vector.count))
            with _window(builder, rows, down, columns, across) as offset:
                place = vector_at(builder, dx, vector, to, offset, k)
                with builder.if_else(add) as (then, otherwise):
                    with then:
                        store(builder, builder.fadd(load(builder, place, size, left), part), place, size, left)
                    with otherwise:
                        store(builder, part, place, size, left)

        _by_vectors(builder, count, vector.count, block)
        return context.get_dummy_value()

    n = types.intp
    return types.void(dy, n, dy.dtype, dx, n, n, n, n, n, n, types.boolean), codegen


def pointers(context: Any, builder: ir.IRBuilder, signature: Any, args: Sequence[Any]) -> list[Any]:
    """The arguments of an intrinsic, with a pointer to its numbers in place of each array."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


def vector_of(context: Any, array: Any) -> tuple[int, ir.VectorType]:
    """The size of an array's numbers in bytes, and the type of a vector of them."""
    size = array.dtype.bitwidth // 8
    return size, ir.VectorType(context.get_value_type(array.dtype), VECTOR // size)


def vector_at(builder: ir.IRBuilder, base: Any, vector: Any, *distances: Any) -> Any:
    """LLVM code for a pointer to the vector that begins at the sum of the distances."""
    for distance in distances:
        base = builder.gep(base, [distance])
    return builder.bitcast(base, vector.as_pointer())


def _by_vectors(builder: ir.IRBuilder, count: Any, lanes: int, block: Callable[..., None]) -> None:
    """LLVM code for block(k, None) at every whole vector of `count` numbers, then block(k, numbers left) if any are."""
    left = builder.srem(count, count.type(lanes))
    whole = builder.sub(count, left)
    with cgutils.for_range_slice(builder, count.type(0), whole, count.type(lanes), inc=True) as (k, _):
        block(k, None)
    with builder.if_then(builder.icmp_signed(">", left, count.type(0))):
        block(whole, left)


@contextmanager
def _window(builder: ir.IRBuilder, rows: Any, down: Any, columns: Any, across: Any) -> Iterator[Any]:
    """LLVM code for a loop over the offsets of a window's entries, p down + q across."""
    with cgutils.for_range(builder, rows) as p, cgutils.for_range(builder, columns) as q:
        yield builder.add(builder.mul(p.index, down), builder.mul(q.index, across))


def keep_rolled(builder: ir.IRBuilder, body: ir.Block) -> None:
    """Tell LLVM not to unroll the loop that `body` is the last block of: a long body gains nothing from being repeated,
    and takes longer to compile."""
    module = builder.module
    wish = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = ir.values.MDValue(module, [wish], str(len(module.metadata)))
    loop.operands = (loop, wish)  # LLVM knows a loop by a node that refers to itself
    body.terminator.set_metadata("llvm.loop", loop)


def splat(builder: ir.IRBuilder, value: Any, lanes: int) -> Any:
    """LLVM code for a vector with the same value in all lanes."""
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
    return builder.shuffle_vector(builder.insert_element(undefined, value, zeros.type.element(0)), undefined, zeros)


def multiply_add(builder: ir.IRBuilder, a: Any, b: Any, total: Any) -> Any:
    """LLVM code for total + a b, rounded once."""
    return builder.fadd(total, builder.fmul(a, b, flags=("contract",)), flags=("contract",))


def sum_of_lanes(builder: ir.IRBuilder, vector: Any) -> Any:
    """LLVM code that adds up the lanes of a vector, its upper to its lower half until one is left."""
    while vector.type.count > 1:
        vector = builder.fadd(*_halves(builder, vector))
    return builder.extract_element(vector, ir.IntType(32)(0))


def load(builder: ir.IRBuilder, pointer: Any, size: int, count: Any = None) -> Any:
    """LLVM code that loads a vector of `size`-byte numbers. If `count` is given and below the number of lanes, lanes
    from `count` on are not read, and 0."""
    if count is None:
        return builder.load(pointer, align=size)
    none = ir.Constant(pointer.type.pointee, None)
    mask = _first_lanes(builder, count, none.type.count)
    return _masked(builder, "load", none.type, size, none.type, pointer, ir.IntType(32)(size), mask, none)


def store(builder: ir.IRBuilder, value: Any, pointer: Any, size: int, count: Any = None) -> None:
    """LLVM code that stores a vector of `size`-byte numbers; lanes from `count` on, if it is given, are left out."""
    if count is None:
        builder.store(value, pointer, align=size)
    elif MANY:
        mask = _first_lanes(builder, count, value.type.count)
        _masked(builder, "store", value.type, size, ir.VoidType(), value, pointer, ir.IntType(32)(size), mask)
    else:  # AVX2 has masks, but a store takes as long as ten others
        with builder.if_else(builder.icmp_signed(">=", count, count.type(value.type.count))) as (then, otherwise):
            with then:
                builder.store(value, pointer, align=size)
            with otherwise:
                _store_by_halves(builder, value, pointer, size, count)


def _store_by_halves(builder: ir.IRBuilder, value: Any, pointer: Any, size: int, count: Any) -> None:
    """LLVM code that stores the first `count` lanes, fewer than all: 4, 2 and 1 of them, as the bits of `count` say."""
    place = builder.bitcast(pointer, value.type.element.as_pointer())
    while value.type.count > 1:
        lower, upper = _halves(builder, value)
        bit = builder.and_(count, count.type(lower.type.count))
        wanted = builder.icmp_signed("!=", bit, count.type(0))
        with builder.if_then(wanted):
            builder.store(lower, builder.bitcast(place, lower.type.as_pointer()), align=size)
        value, place = builder.select(wanted, upper, lower), builder.gep(place, [bit])


def _halves(builder: ir.IRBuilder, vector: Any) -> list[Any]:
    """LLVM code for the lower and the upper half of a vector's lanes."""
    half = vector.type.count // 2
    undefined, kind = ir.Constant(vector.type, ir.Undefined), ir.VectorType(ir.IntType(32), half)
    return [
        builder.shuffle_vector(vector, undefined, ir.Constant(kind, list(range(first, first + half))))
        for first in (0, half)
    ]


def _first_lanes(builder: ir.IRBuilder, count: Any, lanes: int) -> Any:
    """LLVM code for a mask of the first `count` lanes."""
    numbers = ir.Constant(ir.VectorType(count.type, lanes), list(range(lanes)))
    return builder.icmp_signed("<", numbers, splat(builder, count, lanes))


def _masked(builder: ir.IRBuilder, what: str, vector: Any, size: int, result: Any, *arguments: Any) -> Any:
    """Call LLVM's masked load or store of a vector of `size`-byte numbers."""
    kind = ir.FunctionType(result, [each.type for each in arguments])
    name = f"llvm.masked.{what}.v{vector.count}f{8 * size}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
