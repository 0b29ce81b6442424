"""BLAS held at one thread while a model works.

The products of small networks are too short to share. OpenBLAS shares them all the same, and its workers spin between
two calls: on a busy machine a step then waits for a worker that is not running, for many times its own length. One
thread also makes the bits of a run independent of the number of cores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _blas() -> Any:
    """All BLAS libraries of the process; looked for once, as that takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


_lock = threading.Lock()
_users = 0
_limiter: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread inside; the last to leave restores what the first found (Python threads may nest and overlap)."""
    global _users, _limiter
    with _lock:
        if _users == 0:
            _limiter = _blas().limit(limits=1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limiter.restore_original_limits()
