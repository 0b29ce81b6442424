"""@kernel: how every function of the hot path is compiled, and when its compiled form is still good."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event

# Numba's cache on disk looks at the file a function stands in, and not at those it calls into: after an edit of blas.py
# alone it would go on using the old product inside every layer's kernel. So the text of all kernels is part of the name
# under which each is cached.
_fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiled at the first call for the dtypes it gets, kept on disk; runs without holding Python's lock."""

    def decorate(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"_{_fingerprint.hexdigest()[:12]}"
        return njit(cache=True, nogil=True, **options)(function)

    return decorate


class _Announcement(event.Listener):
    """Says once, on the terminal, why the first batch takes so long; Numba itself compiles in silence."""

    said = False

    def on_start(self, event: event.Event) -> None:
        dispatcher = event.data["dispatcher"]
        if self.said or not dispatcher.py_func.__module__.startswith(__package__):
            return
        self.said = True
        print(
            "tinydl: compiling kernels for this machine as they are needed, some 20 s in all; they are kept for the "
            f"next time (in {dispatcher.stats.cache_path})",
            file=sys.stderr,
            flush=True,
        )

    def on_end(self, event: event.Event) -> None: ...


event.register("numba:compile", _Announcement())
