"""Handing parts of a kernel's work to threads without Python: nobody waits for Python's lock, or wakes another thread.

A kernel whose first argument is a `Part` computes a part of some work. `launcher` makes a kernel of it that computes
all parts, together with the workers, which wait in `serve`. They meet at a board, an array of integers: the caller
writes on it how many parts there are, and the addresses of the kernel's code and arguments. A thread takes a part by
adding 1 to the number of parts taken, in an instruction that does nothing if another thread was faster. Last, it adds
1 to the number of parts done, for which the caller waits. This takes a few microseconds. (A thread that sleeps wakes up
50 to 100 later: a tenth of a training step of ResNet-20. Workers therefore sleep only after PATIENCE rounds; until
then, they offer their core to other threads and processes again and again.)

- One caller at a time uses a board. Another one, in another Python thread, computes all of its parts itself.
- The caller waits only for parts that have been taken. A worker that comes late finds none left.
- If a part raises an exception, the caller computes it again after all others have ended, and so raises it itself.
  (Its message must be a constant.)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import int64, njit, typeof, types
from numba.core import cgutils
from numba.core.compiler import Flags, compile_internal
from numba.core.typing import signature as signature_of
from numba.extending import intrinsic
from numpy.typing import NDArray

from .atomic import CODE_TYPE, add, call_code, lower, nap, offer_core, pause, read, replace, write
from .cache import KernelCache
from .compile import keep, kernel

# The words of a board. Those that several threads write are on pairs of cache lines of their own. The state has the
# number of the job, of its parts, and of its parts that have been taken, in the last 16 bits each.
STATE, DONE, USED, CODE, ARGUMENTS, COUNT, FAILED, WORDS = 0, 16, 32, 48, 49, 50, 51, 64
BITS, MASK = 16, (1 << 16) - 1
NONE = -1  # in place of a part's number
PATIENCE = 50_000  # rounds of waiting, about a millisecond, after which a thread sleeps
OFFER = 64  # rounds after which it offers its core


class Part(NamedTuple):
    """A range of units of work, start .. stop - 1, and its number among the ranges."""

    number: int
    start: int
    stop: int


def board() -> NDArray[np.int64]:
    """A new board, without work. Whoever uses its address keeps it alive."""
    words = np.zeros(2 * WORDS, np.int64)
    return words[-(words.ctypes.data // 8) % WORDS :][:WORDS]


def launcher(task: Any) -> Callable[..., None]:
    """A kernel launch(address, parts, count, *arguments) that calls task(Part, *arguments) for `parts` even ranges of
    range(count), and returns when all are done. The address is a board's, or 0 if the caller does everything alone."""
    given = "".join(f"x{k}, " for k in range(len(inspect.signature(task.py_func).parameters) - 1))
    text = (
        f"def {task.__name__}(board, parts, count, {given}):\n"
        f"    arguments = ({given})\n"
        "    failed = _compute(board, parts, count, *_addresses(arguments))\n"
        "    if failed != NONE:\n"
        "        _again(failed, count * failed // parts, count * (failed + 1) // parts, arguments)\n"
        "        raise RuntimeError('a part of the work failed in another thread, but not again')\n"
    )
    found: dict[str, Any] = {"_compute": _compute, "NONE": NONE, "__name__": task.__module__}
    found["_addresses"], found["_again"] = _entries(task)
    exec(compile(text, inspect.getfile(task.py_func), "exec"), found)
    function = found[task.__name__]
    compiled = njit(nogil=True)(function)
    if isinstance(task._cache, KernelCache):
        keep(compiled, function)
    return compiled


def _entries(task: Any) -> tuple[Any, Any]:
    """Two functions for the launcher: the addresses of the task's code and arguments, and a call of the task itself."""

    made: dict[tuple[Any, types.BaseTuple], Any] = {}  # by the library, Numba's word for a kernel with all it calls

    def compiled(context: Any, given: types.BaseTuple) -> tuple[Any, Any]:
        """The task, compiled as a part of the launcher, and its signature."""
        library, signature = context.active_code_library, signature_of(types.none, PART, *given)
        if (library, given) not in made:
            flags = Flags()
            task.targetdescr.options.parse_as_flags(flags, task.targetoptions)
            flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
            made[library, given] = compile_internal(
                context.typing_context, context, library, task.py_func, signature.args, types.none, flags, {}
            )
        return made[library, given], signature

    def call(context: Any, builder: ir.IRBuilder, given: Any, kind: types.BaseTuple, *part: Any) -> Any:
        result, signature = compiled(context, kind)
        values = [cgutils.pack_array(builder, part), *cgutils.unpack_tuple(builder, given, len(kind))]
        return context.call_internal_no_propagate(builder, result.fndesc, signature, values)[0]

    @intrinsic
    def addresses(typingctx, arguments):
        def codegen(context, builder, signature, args):
            (kind,), (given,) = signature.args, args
            place = cgutils.alloca_once_value(builder, given)
            number = ir.IntType(64)
            code = ir.Function(builder.module, CODE_TYPE, context.mangler(f"{task.__name__}.part", list(kind)))
            code.linkage = "internal"
            inside = ir.IRBuilder(code.append_basic_block())
            where, *part = code.args
            status = call(context, inside, inside.load(inside.inttoptr(where, place.type)), kind, *part)
            inside.ret(inside.zext(status.is_error, number))
            both = builder.ptrtoint(code, number), builder.ptrtoint(place, number)
            return context.make_tuple(builder, signature.return_type, both)

        return types.UniTuple(int64, 2)(arguments), codegen

    @intrinsic
    def again(typingctx, number, start, stop, arguments):
        def codegen(context, builder, signature, args):
            status = call(context, builder, args[3], signature.args[3], *args[:3])
            with builder.if_then(status.is_error, likely=False):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.none(int64, int64, int64, arguments), codegen

    return addresses, again


PART = typeof(Part(0, 0, 0))
SERVED = (int64,)  # the types of the arguments of `serve`


@kernel()
def _compute(board, parts, count, code, arguments):
    """Compute all parts; return the number of one that failed, or NONE."""
    if parts == 1 or board == 0 or not replace(board, USED, 0, 1):
        for number in range(parts):
            if call_code(code, arguments, number, count * number // parts, count * (number + 1) // parts):
                return number
        return NONE
    write(board, CODE, code)
    write(board, ARGUMENTS, arguments)
    write(board, COUNT, count)
    write(board, FAILED, NONE)
    write(board, DONE, 0)
    job = (read(board, STATE) >> (2 * BITS)) + 1
    write(board, STATE, (job << (2 * BITS)) + (parts << BITS) + 1)  # the first part is the caller's
    number = 0
    while number != NONE:
        _do(board, number, parts)
        number = _take(board)
    rounds = 0
    while read(board, DONE) < parts:
        rounds += 1
        _wait(rounds)
    failed = read(board, FAILED)
    write(board, USED, 0)
    return failed


@kernel()
def serve(board):
    """Do parts of the jobs at a board until there have been none for PATIENCE rounds."""
    rounds = 0
    while rounds < PATIENCE:
        number = _take(board)
        if number == NONE:
            rounds += 1
            _wait(rounds)
        else:
            rounds = 0
            _do(board, number, (read(board, STATE) >> BITS) & MASK)


@kernel()
def _wait(rounds):
    """Wait for a moment: less than a microsecond, unless others want this core, or `rounds` have been many."""
    if rounds > PATIENCE:
        nap()
    elif rounds % OFFER == 0:
        offer_core()
    else:
        pause()


@kernel()
def _take(board):
    """Take a part of the job on the board; return its number, or NONE if all are taken."""
    while True:
        state = read(board, STATE)
        if state & MASK >= (state >> BITS) & MASK:
            return NONE
        if replace(board, STATE, state, state + 1):
            return state & MASK


@kernel()
def _do(board, number, parts):
    """Do a part that this thread has taken. (The job stays on the board until its last part is done.)"""
    count = read(board, COUNT)
    start, stop = count * number // parts, count * (number + 1) // parts
    if call_code(read(board, CODE), read(board, ARGUMENTS), number, start, stop):
        lower(board, FAILED, number)  # NONE is the largest number without a sign
    add(board, DONE, 1)
