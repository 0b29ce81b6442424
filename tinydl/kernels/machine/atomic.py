"""What threads need to work together in compiled code: words of memory that they read and write whole, and waiting.

The functions are for kernels. A word is an integer of 8 bytes: number `word` of the array at an address. What a thread
wrote before `write`, `add`, `lower` or `replace` is in memory for those that see the word's new value. (See LLVM's
"Atomic Memory Ordering Constraints": the functions acquire and release.)
"""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

from llvmlite import ir
from llvmlite.binding import add_symbol
from numba import int64, types
from numba.core import cgutils
from numba.extending import intrinsic

# The code that `call_code` calls: it gets the address of its arguments and three numbers, and returns 1 if it failed.
CODE_TYPE = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 4)


def _word(builder: ir.IRBuilder, address: Any, word: Any) -> Any:
    return builder.inttoptr(builder.add(address, builder.mul(word, word.type(8))), ir.IntType(64).as_pointer())


@intrinsic
def read(typingctx, address, word):
    """The word."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(_word(builder, *args), "acquire", 8)

    return int64(int64, int64), codegen


@intrinsic
def write(typingctx, address, word, value):
    """Set the word."""

    def codegen(context, builder, signature, args):
        builder.store_atomic(args[2], _word(builder, *args[:2]), "release", 8)
        return context.get_dummy_value()

    return types.void(int64, int64, int64), codegen


def _updating(operation: str) -> Any:
    @intrinsic
    def update(typingctx, address, word, value):
        def codegen(context, builder, signature, args):
            builder.atomic_rmw(operation, _word(builder, *args[:2]), args[2], "acq_rel")
            return context.get_dummy_value()

        return types.void(int64, int64, int64), codegen

    return update


add = _updating("add")  # to the word
lower = _updating("umin")  # the word to a smaller value, where -1 is the largest


@intrinsic
def replace(typingctx, address, word, old, new):
    """Set the word to `new` if it is `old`; return whether it was."""

    def codegen(context, builder, signature, args):
        result = builder.cmpxchg(_word(builder, *args[:2]), *args[2:], "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(int64, int64, int64, int64), codegen


@intrinsic
def call_code(typingctx, code, arguments, number, start, stop):
    """Call the code at an address: see CODE_TYPE."""

    def codegen(context, builder, signature, args):
        return builder.call(builder.inttoptr(args[0], CODE_TYPE.as_pointer()), args[1:])

    return int64(*[int64] * 5), codegen


def _calling(name: str, *numbers: int) -> Any:
    """A function that calls a function of LLVM or of the system with these numbers."""

    @intrinsic
    def call(typingctx):
        def codegen(context, builder, signature, args):
            values = [ir.IntType(32)(number) for number in numbers]
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)
            return context.get_dummy_value()

        return types.void(), codegen

    return call


_WAITING: dict[str, tuple[Any, ...]] = {
    "x86_64": ("llvm.x86.sse2.pause",), "AMD64": ("llvm.x86.sse2.pause",),
    "arm64": ("llvm.aarch64.hint", 1), "aarch64": ("llvm.aarch64.hint", 1),
}  # fmt: skip
# Wait for some 50 cycles, in which another thread on the same core may use its units.
pause = _calling(*_WAITING.get(platform.machine(), ("llvm.donothing",)))
offer_core = _calling("tinydl.offer_core")  # to any thread or process that wants it
nap = _calling("tinydl.nap", 50)  # microseconds
_system = ctypes.CDLL("kernel32" if sys.platform == "win32" else None)
_names = ("SwitchToThread", "SwitchToThread") if sys.platform == "win32" else ("sched_yield", "usleep")
for _name, _function in zip(("tinydl.offer_core", "tinydl.nap"), _names, strict=True):
    add_symbol(_name, ctypes.cast(_system[_function], ctypes.c_void_p).value)
