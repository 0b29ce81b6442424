"""@kernel, the decorator that compiles the functions of the hot path, and CompiledOnce for what many of them call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from llvmlite.binding import add_symbol
from numba import config, njit, types
from numba.core import cgutils, event
from numba.core.ccallback import CFunc
from numba.core.errors import TypingError

from .cache import PACKAGE, KernelCache, described, folder, say_once

DTYPES = (types.float32, types.float64)
COMPILES = not config.DISABLE_JIT  # with NUMBA_DISABLE_JIT=1 (for debugging), the definitions run instead


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function at its first call for given types and cache it on disk. It runs without Python's lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = njit(nogil=True, **options)(function)
        if COMPILES:
            keep(compiled, function)
            regardless_of_constants(compiled)
        return compiled

    return decorate


def keep(compiled: Any, function: Callable[..., Any]) -> None:
    """Like Numba's cache=True, but with tinydl's cache."""
    try:
        compiled._cache = KernelCache(function)
    except OSError as error:  # there is no source to fingerprint
        say_once(f"compiled kernels are not kept; each process compiles its own: {described(error)}")


def regardless_of_constants(compiled: Any) -> None:
    """Let kernels that call it with a constant share it with those that call it with a variable.

    Numba would compile it anew for each pattern of constants among its arguments, which took a fifth of the time.
    """
    found = compiled.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        return found(map(types.unliteral, args), {name: types.unliteral(kind) for name, kind in kws.items()})

    compiled.get_call_template = get_call_template


class CompiledOnce:
    """A function without a result that is compiled once for each dtype; kernels call it by a name.

    Numba compiles a function anew into each kernel that calls it. A long function with many callers is therefore a C
    function, which gets pointers instead of arrays: `arguments(dtype)` are its types.
    """

    def __init__(self, function: Callable[..., None], arguments: Callable[[types.Float], list[types.Type]]) -> None:
        self._function, self._arguments = function, arguments
        self._compiled: dict[types.Float, CFunc] = {}
        for dtype in DTYPES:
            KernelCache.symbols[self._symbol(dtype)] = partial(self._provide, dtype)

    def call(self, dtype: types.Float, *given: types.Type) -> tuple[Any, Callable[..., Any]]:
        """What an intrinsic that calls the function has to return, if it is given these types."""
        if dtype not in DTYPES:
            raise TypingError(f"{self._function.__qualname__}: expected arrays of float32 or float64, got {dtype}")
        wanted = self._arguments(dtype)
        for kind, pointer in zip(given, wanted, strict=True):
            if isinstance(pointer, types.CPointer) and (kind.dtype != pointer.dtype or kind.layout != "C"):
                expected = f"a C-contiguous array of {pointer.dtype}"
                raise TypingError(f"{self._function.__qualname__}: expected {expected}, got {kind}")
        self._provide(dtype)

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            values = []
            for kind, value in zip(signature.args, args, strict=True):
                if isinstance(kind, types.Array):
                    values.append(context.make_array(kind)(context, builder, value).data)
                else:
                    values.append(builder.zext(value, ir.IntType(8)) if kind == types.boolean else value)
            function = ir.FunctionType(ir.VoidType(), [value.type for value in values])
            builder.call(cgutils.get_or_insert_function(builder.module, function, self._symbol(dtype)), values)
            return context.get_dummy_value()

        pairs = zip(given, wanted, strict=True)
        return types.void(*(kind if isinstance(kind, types.Array) else own for kind, own in pairs)), codegen

    def _provide(self, dtype: types.Float) -> None:
        """Compile the function, or load it from disk, and let LLVM know its address, unless this has been done."""
        if dtype not in self._compiled:  # Numba's lock is held here
            compiled = CFunc(self._function, (tuple(self._arguments(dtype)), types.void), {}, {})
            keep(compiled, self._function)
            compiled.compile()
            add_symbol(self._symbol(dtype), compiled.address)
            self._compiled[dtype] = compiled

    def _symbol(self, dtype: types.Float) -> str:
        return f"{self._function.__module__}.{self._function.__qualname__}.{dtype}"


class _Announcement(event.Listener):
    """Prints once why the first batch is slow, because Numba itself compiles silently."""

    def on_start(self, event: event.Event) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith(PACKAGE):
            say_once(f"compiling kernels for this machine as they are needed (10 s to a minute, once) into {folder()}")

    def on_end(self, event: event.Event) -> None: ...


event.register("numba:compile", _Announcement())
