"""One setting for threads, and the threads themselves.

    tinydl.set_num_threads(2)          # or TINYDL_NUM_THREADS=2 in the environment; default: the cores there are

Compiled kernels release Python's lock, so ordinary Python threads can run them side by side: `share` cuts a piece of
work into ranges and runs one of them here, the others in a pool of workers. Nothing else in the process is parallel:

- BLAS is held at one thread while kernels run. Its own workers spin between two calls and steal the cores from ours; on
  a busy machine a step then waits for a worker that is not running, for many times its own length.
- Numba's parallel loops are not used. Its default threading layer aborts the process when two Python threads enter it
  at once, and its OpenMP layer when a process forks after use. Python threads do neither.

Which thread does what depends on the number of threads alone, so a run is the same to the bit whenever that is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

VARIABLES = ("TINYDL_NUM_THREADS", "OMP_NUM_THREADS")  # the first that is set counts
WORTH_SHARING = 2e6  # multiply-adds; handing work to another thread costs some 30 us


def _wanted() -> int:
    for name in VARIABLES:
        text = os.environ.get(name)
        if text:
            if not text.strip().isdigit() or int(text) < 1:
                raise ValueError(f"{name}: expected a whole number of 1 or more, got {text!r}")
            return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_threads = _wanted()
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_users = 0
_limiter: Any = None


def num_threads() -> int:
    """How many threads a model uses."""
    return _threads


def set_num_threads(threads: int) -> None:
    """How many threads a model may use from now on, its BLAS included.

    Raises ValueError unless it is a whole number of 1 or more.
    """
    global _threads, _pool
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"set_num_threads: expected a whole number of 1 or more, got {threads!r}")
    with _lock:
        if _pool is not None:
            _pool.shutdown(wait=False)  # what it was given is still done
        _threads, _pool = threads, None


def parts_for(count: int, work: float) -> int:
    """Into how many ranges `count` units are best cut, when they are `work` multiply-adds in all."""
    return max(1, min(_threads, count, int(2 * work / WORTH_SHARING)))


def share(parts: int, count: int, task: Callable[[int, int, int], object]) -> None:
    """task(part, start, stop) for `parts` even ranges that make up range(count), all at once; back when all are done.

    An exception in any of them is raised here, after the others have ended: no thread goes on writing into arrays that
    the caller may by then have given up (Ctrl-C included).
    """
    ranges = [(part, count * part // parts, count * (part + 1) // parts) for part in range(parts)]
    with one_blas_thread():
        others = _hand_out(task, ranges[1:])
        trouble: BaseException | None = None
        try:
            for mine in [ranges[0], *ranges[1 + len(others) :]]:
                task(*mine)
        except BaseException as error:
            trouble = error
        while others:
            try:
                wait(others)
                break
            except BaseException as error:  # Ctrl-C while waiting
                trouble = error
        if trouble is not None:
            raise trouble
        for other in others:
            other.result()


def _hand_out(task: Callable[[int, int, int], object], ranges: list[tuple[int, int, int]]) -> list[Future[object]]:
    """Give ranges to the workers, those that they take: none once the interpreter is shutting down."""
    global _pool
    taken: list[Future[object]] = []
    with _lock, suppress(RuntimeError):
        for one in ranges:
            if _pool is None:
                _pool = ThreadPoolExecutor(max(1, _threads - 1), "tinydl")
            taken.append(_pool.submit(task, *one))
    return taken


@cache
def _blas() -> Any:
    """All BLAS libraries of the process; looked for once, as that takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


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


def _after_fork() -> None:
    """A forked process has none of its parent's threads, and a lock that one of them held would never be released."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
