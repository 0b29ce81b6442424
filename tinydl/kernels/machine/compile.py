"""@kernel: how every function of the hot path is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import config, njit
from numba.core import event

from .cache import KernelCache, described, folder, say_once

PACKAGE = __name__.rsplit(".", 2)[0]
COMPILES = not config.DISABLE_JIT  # NUMBA_DISABLE_JIT=1, for a debugger: the definitions run then (see ../twins.py)


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiled at the first call for the dtypes it gets, kept on disk; runs without holding Python's lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = njit(nogil=True, **options)(function)
        if COMPILES:
            try:
                compiled._cache = KernelCache(function)  # what njit(cache=True) does, with a cache of our own
            except OSError as error:  # no source to take a fingerprint of
                say_once(f"compiled kernels are not kept, each process compiles its own: {described(error)}")
        return compiled

    return decorate


class _Announcement(event.Listener):
    """Says once, on the terminal, why the first batch takes so long; Numba itself compiles in silence."""

    def on_start(self, event: event.Event) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith(PACKAGE):
            say_once(
                f"compiling kernels for this machine as they are needed, some 20 s in all, to be kept in {folder()}"
            )

    def on_end(self, event: event.Event) -> None: ...


event.register("numba:compile", _Announcement())
