"""A definition and its twin: plain NumPy, written to be read, and the compiled function that runs in its place.

    @compiled_as(kernels.dense.backward)
    def dense_backward(dy, x, W, y, activation, dW, db, need_dx, accumulate):
        da = dy * derivative(y, activation)
        ...

The definition stands in the file of its layer, loss or optimizer, under the derivation. Its name is bound to the twin
itself: a wrapper around it would cost 0.3 to 0.9 us a call, too much for a training step of 20 us. One switch binds all
names to the definitions, and back:

    TINYDL_KERNELS=reference python ...          # for a whole process
    with kernels.using("reference"): ...         # for a block

Because names are bound again, a file calls another file's definition through its module (`conv.im2col(...)`): a name
that it had imported would stay what it was. Where Numba does not compile (NUMBA_DISABLE_JIT), the definitions run.

The complex-step derivative asks for f(x + ih), in complex numbers, which twins are not compiled for. A definition is
analytic wherever its function has a derivative, and a forward twin hands complex arrays on to it: `@or_complex`.
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
    """A definition, its twin, and the module's names among which `holder[name]` is the one that runs."""

    name: str
    holder: dict[str, Any]
    definition: Callable[..., Any]
    twin: Callable[..., Any]


PAIRS: list[Pair] = []
_definitions: dict[Callable[..., Any], Callable[..., Any]] = {}
_mode = "compiled"


def compiled_as(twin: Callable[..., Any]) -> Callable[[Function], Function]:
    """Bind the definition that follows to its twin."""

    def bind(definition: Function) -> Function:
        PAIRS.append(Pair(definition.__name__, definition.__globals__, definition, twin))
        _definitions[twin] = definition
        return twin if _mode == "compiled" else definition  # type: ignore[return-value]

    return bind


def definition_of(twin: Callable[..., Any]) -> Callable[..., Any]:
    """The plain NumPy function that a compiled one stands in for."""
    return _definitions[twin]


def or_complex(twin: Function) -> Function:
    """A twin whose definition takes complex arrays: the definition runs where the first argument is complex."""

    @wraps(twin)
    def either(x: Any, *rest: Any) -> Any:
        if x.dtype.kind == "c":
            return _definitions[either](x, *rest)
        return twin(x, *rest)

    return either  # type: ignore[return-value]


def current_mode() -> str:
    """Which of the two runs: "compiled" or "reference"."""
    return _mode


@contextmanager
def using(mode: str) -> Iterator[None]:
    """Run a block on the "reference" (plain NumPy) definitions, or on their "compiled" twins.

    The switch is the library's, not the thread's: blocks in two threads must not overlap.

    Raises ValueError for another mode, RuntimeError for "compiled" where Numba does not compile.
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
        raise RuntimeError(f"{owner}: Numba's compiler is switched off by NUMBA_DISABLE_JIT: only 'reference' can run")
    _mode = mode
    for pair in PAIRS:
        pair.holder[pair.name] = pair.twin if mode == "compiled" else pair.definition


_switch("TINYDL_KERNELS", os.environ.get("TINYDL_KERNELS") or ("compiled" if COMPILES else "reference"))
