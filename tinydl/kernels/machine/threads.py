"""The number of threads, and the worker threads themselves.

    tinydl.set_num_threads(2)          # or TINYDL_NUM_THREADS=2 in the environment; default: the cores available

Compiled kernels release Python's lock, so ordinary Python threads can run them in parallel: `share` cuts a piece of
work into ranges for this thread and some workers. (A pool of the standard library takes twice as long to hand over a
range: about 60 us, for each of the 25 shared kernels in a training step.) Nothing else in the process is parallel:

- BLAS is limited to one thread while kernels run. Its own workers spin between two calls and take the cores from these
  threads; on a busy machine a step then waits for a worker that is not running, for many times its own length.
- Numba's parallel loops are not used. Its default threading layer aborts the process when two Python threads enter it
  at once, and its OpenMP layer when a process forks after use. Python threads do neither.

The ranges depend only on the number of threads, and each range has its own sums, whichever thread computes them, so a
run gives the same bits whenever the number of threads is the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ContextDecorator, suppress
from functools import cache
from numbers import Integral
from queue import SimpleQueue
from typing import Any, NamedTuple

from threadpoolctl import ThreadpoolController

WORTH_SHARING = 2e6  # multiply-adds; handing work to another thread costs about 30 us


def _wanted() -> int:
    """TINYDL_NUM_THREADS, else the first number of OMP_NUM_THREADS, else the cores that this process may use."""
    text = os.environ.get("TINYDL_NUM_THREADS", "").strip()
    if text:
        if not _is_number(text):
            raise ValueError(f"TINYDL_NUM_THREADS: expected an integer >= 1, got {text!r}")
        return int(text)
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if _is_number(first):
        return int(first)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) >= 1


_threads = _wanted()
_lock = threading.RLock()  # so that a signal's handler may fork within it
_queue: SimpleQueue[_Piece | None] | None = None  # where the workers wait
_users = 0  # the number of open one_blas_thread blocks; _own.depth: this thread's share of them
_own = threading.local()
_threads_before: list[int] = []  # for each BLAS library


def num_threads() -> int:
    """The number of threads that models use."""
    return _threads


def set_num_threads(threads: int) -> None:
    """Set the number of threads that models use from now on, BLAS included.

    Raises ValueError unless it is an integer >= 1.
    """
    global _threads, _queue
    if isinstance(threads, bool) or not isinstance(threads, Integral) or threads < 1:
        raise ValueError(f"set_num_threads: expected an integer >= 1, got {threads!r}")
    with _lock:
        if _queue is not None:
            for _ in range(_threads - 1):
                _queue.put(None)
        _threads, _queue = int(threads), None


def parts_for(count: int, work: float) -> int:
    """The best number of ranges for `count` units of `work` multiply-adds in all."""
    if work < WORTH_SHARING:  # first, as small networks call this several times per step
        return 1
    return max(1, min(_threads, count, int(2 * work / WORTH_SHARING)))


class Part(NamedTuple):
    """The range start .. stop - 1 of the units of some work, and its number among the ranges."""

    number: int
    start: int
    stop: int


def share(parts: int, count: int, task: Callable[..., object], *arguments: Any) -> None:
    """Call task(Part, *arguments) for `parts` even ranges of range(count), in parallel; return when all are done.

    An exception in any of them (Ctrl-C included) is raised here, but only after the others have ended, so that no
    thread still writes into arrays that the caller may have dropped.
    """
    ranges = [Part(part, count * part // parts, count * (part + 1) // parts) for part in range(parts)]
    pieces = [_Piece(task, part, *arguments) for part in ranges]
    with one_blas_thread():
        trouble: BaseException | None = None
        try:
            _offer(pieces[1:])
        except BaseException as error:  # Ctrl-C
            trouble = error
        for piece in pieces:  # the first, and all that no worker has claimed by then
            while not piece.ended:
                try:
                    if piece.claim():
                        piece.do()
                    else:
                        piece.done.acquire()  # its worker releases it
                except BaseException as error:  # Ctrl-C
                    trouble = error
            trouble = trouble or piece.error
        if trouble is not None:
            raise trouble


class _Piece:
    """A range of work for the thread that claims it first."""

    def __init__(self, task: Callable[..., object], *arguments: Any) -> None:
        self.task, self.arguments = task, arguments
        self.owner: dict[str, int] = {}
        self.error: BaseException | None = None
        self.ended = False
        self.done = threading.Lock()
        self.done.acquire()

    def claim(self) -> bool:
        """Claim the piece; whether this thread has it. (Atomic and idempotent, as Ctrl-C may come at any time.)"""
        me = threading.get_ident()
        return self.owner.setdefault("thread", me) == me

    def do(self, tell_blas: bool = False) -> None:
        """Do the piece; keep an exception for the waiting thread."""
        try:
            if tell_blas:
                with _lock:
                    _set_blas([])
            self.task(*self.arguments)
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self.done.release()


def _offer(pieces: list[_Piece]) -> None:
    """Queue pieces for the workers."""
    global _queue
    if not pieces:
        return
    with _lock:
        if _queue is None:
            _queue = SimpleQueue()
            for number in range(_threads - 1):
                with suppress(RuntimeError):  # the interpreter is shutting down: the calling thread does all the work
                    threading.Thread(target=_work, args=(_queue,), name=f"tinydl-{number + 1}", daemon=True).start()
        queue = _queue
    for piece in pieces:
        queue.put(piece)


def _work(queue: SimpleQueue[_Piece | None]) -> None:
    """Do pieces until told to stop: the loop of a worker thread."""
    new = True
    while (piece := queue.get()) is not None:
        if piece.claim():
            piece.do(tell_blas=new)  # for libraries with a separate setting per thread
            new = False
        del piece  # or its arrays would stay alive until the next one


@cache
def _blas() -> list[Any]:
    """All BLAS libraries of the process, searched only once, as it takes milliseconds."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


def _set_blas(threads: list[int]) -> None:
    """Set the number of threads of each library; [] sets all to 1.

    threadpoolctl lets only the first thread that sets OpenBLAS's number do so, and ignores all others. This function
    runs under a lock and releases that ownership before and after.
    """
    libraries = _blas()
    for library, number in zip(libraries, threads or [1] * len(libraries), strict=True):
        disown = getattr(library, "clear_controlling_thread", None)
        if disown is not None:
            disown(force=True)
        library.set_num_threads(number)
        if disown is not None:
            disown(force=True)


class one_blas_thread(ContextDecorator):
    """Limit BLAS to one thread inside. Blocks may nest and overlap: the last to end restores what the first found.

    (It is a class, as every kernel call enters it and contextlib's generators take four times as long.)
    """

    def __enter__(self) -> None:
        global _users, _threads_before
        with _lock:
            if _users == 0:
                _threads_before = [library.get_num_threads() for library in _blas()]
                _set_blas([])
            _users += 1
            _own.depth = getattr(_own, "depth", 0) + 1

    def __exit__(self, *error: object) -> None:
        global _users
        with _lock:
            _users -= 1
            _own.depth -= 1
            if _users == 0:
                _set_blas(_threads_before)


def _after_fork() -> None:
    """Reset the state in a forked process, which has only the thread that forked: no workers, and no other thread to
    release a lock or leave one_blas_thread."""
    global _lock, _queue, _users
    _lock, _queue = threading.RLock(), None
    others, _users = _users, getattr(_own, "depth", 0)
    if others and not _users:
        _set_blas(_threads_before)


def _before_fork() -> None:
    """Wait until no thread is setting OpenBLAS's threads: the child could never take the OpenBLAS lock it holds."""
    _lock.acquire()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=lambda: _lock.release(), after_in_child=_after_fork)
