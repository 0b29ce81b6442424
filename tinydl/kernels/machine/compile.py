"""@kernel, the decorator that compiles the functions of the hot path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import config, njit
from numba.core import event

from .cache import PACKAGE, KernelCache, described, folder, say_once

COMPILES = not config.DISABLE_JIT  # with NUMBA_DISABLE_JIT=1 (for debugging), the definitions run instead


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function at its first call for given types and cache it on disk. It runs without Python's lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = njit(nogil=True, **options)(function)
        if COMPILES:
            try:
                compiled._cache = KernelCache(function)  # like njit(cache=True), but with tinydl's cache
            except OSError as error:  # there is no source to fingerprint
                say_once(f"compiled kernels are not kept; each process compiles its own: {described(error)}")
        return compiled

    return decorate


class _Announcement(event.Listener):
    """Prints once why the first batch is slow, because Numba itself compiles silently."""

    def on_start(self, event: event.Event) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith(PACKAGE):
            say_once(f"compiling kernels for this machine as they are needed (about 40 s in all) into {folder()}")

    def on_end(self, event: event.Event) -> None: ...


event.register("numba:compile", _Announcement())
