"""Definitions in plain NumPy, written to be read, and their twins, the compiled functions that run instead.

    @compiled_as(kernels.dense.backward)
    def dense_backward(dy, x, W, y, activation, dW, db, need_dx, accumulate):
        da = dy * derivative(y, activation)
        ...

Each definition is in the file of its layer, loss or optimizer, below the derivation. Its name is bound to the twin
itself, because a wrapper would cost 0.3 to 0.9 us per call, too much for a training step of 20 us. One switch rebinds
all names to the definitions, or back to the twins:

    TINYDL_KERNELS=reference python ...          # for a whole process
    with kernels.using("reference"): ...         # for a block

Because names are rebound, a file calls another file's definition through its module (`conv.im2col(...)`): a name
imported from that file would keep its old binding. If Numba's compiler is off (NUMBA_DISABLE_JIT), the definitions run.

The complex-step derivative needs f(x + ih), but twins are not compiled for complex numbers. Each definition is analytic
wherever its function has a derivative, so `@or_complex` makes a forward twin pass complex arrays to its definition.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from .machine.compile import COMPILES

MODES = ("compiled", "reference")
Function = TypeVar("Function", bound=Callable[..., Any])


class Pair(NamedTuple):
    """A definition, its twin, and the namespace of the definition's module: `holder[name]` is what runs."""

    name: str
    holder: dict[str, Any]
    definition: Callable[..., Any]
    twin: Callable[..., Any]


PAIRS: list[Pair] = []
_definitions: dict[Callable[..., Any], Callable[..., Any]] = {}
_mode = "compiled"


def compiled_as(twin: Callable[..., Any]) -> Callable[[Function], Function]:
    """Decorate a definition: bind its name to the twin."""

    def bind(definition: Function) -> Function:
        PAIRS.append(Pair(definition.__name__, definition.__globals__, definition, twin))
        _definitions[twin] = definition
        return twin if _mode == "compiled" else definition  # type: ignore[return-value]

    return bind


def definition_of(twin: Callable[..., Any]) -> Callable[..., Any]:
    """The plain NumPy definition of a compiled twin."""
    return _definitions[twin]


def or_complex(twin: Function) -> Function:
    """Decorate a twin so that its definition runs instead if the first argument is complex."""

    @wraps(twin)
    def either(x: Any, *rest: Any) -> Any:
        if x.dtype.kind == "c":
            return _definitions[either](x, *rest)
        return twin(x, *rest)

    return either  # type: ignore[return-value]


def current_mode() -> str:
    """The mode in use, "compiled" or "reference"."""
    return _mode


@contextmanager
def using(mode: str) -> Iterator[None]:
    """Run a block with the "reference" (plain NumPy) definitions, or with their "compiled" twins.

    The switch affects all threads, so blocks in different threads must not overlap.

    Raises ValueError for any other mode, and RuntimeError for "compiled" if Numba's compiler is off.
    """
    before = _mode
    _switch("kernels", mode)
    try:
        yield
    finally:
        _switch("kernels", before)


def _switch(owner: str, mode: str) -> None:
    global _mode
    if mode not in MODES:
        raise ValueError(f"{owner}: expected one of {sorted(MODES)}, got {mode!r}")
    if mode == "compiled" and not COMPILES:
        raise RuntimeError(f"{owner}: NUMBA_DISABLE_JIT switches Numba's compiler off: only 'reference' can run")
    _mode = mode
    for pair in PAIRS:
        pair.holder[pair.name] = pair.twin if mode == "compiled" else pair.definition


_switch("TINYDL_KERNELS", os.environ.get("TINYDL_KERNELS") or ("compiled" if COMPILES else "reference"))
