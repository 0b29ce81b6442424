"""The number of threads, and the worker threads themselves.

    tinydl.set_num_threads(2)          # or TINYDL_NUM_THREADS=2 in the environment; default: all available cores

`share` cuts a kernel's work into ranges for the calling thread and some workers: Python threads that wait in compiled
code, without Python's lock (see launch.py). Nothing else runs in parallel:

- Kernels call no BLAS, but layers that users write in NumPy do. Models limit BLAS to one thread (`one_blas_thread`):
  BLAS's own workers spin between two calls and take cores away from these threads. On a busy machine, a step may then
  wait many times its own duration for a worker that has no core.
- Numba's parallel loops are not used. Numba's default threading layer aborts the process when two Python threads enter
  it at once; its OpenMP layer aborts the process when it forks after use. Python threads have neither problem.

The ranges depend only on the work and the number of threads, and each range has its own sums, whichever thread computes
it. Runs with the same number of threads therefore give the same bits.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from importlib import import_module
from numbers import Integral
from queue import SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

from numba.core.compiler_lock import global_compiler_lock
from threadpoolctl import ThreadpoolController

from ... import interrupts
from . import processor
from .cache import say_once
from .launch import SERVED, board, launcher, serve

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MOST_THREADS = 1024  # more would only take up memory, and the system may end a process that starts too many
WORTH_SHARING = 4e5  # multiply-adds, some 10 us; handing over a part of it costs about 3 us


def _wanted() -> int:
    """TINYDL_NUM_THREADS, else the first number of OMP_NUM_THREADS, else the number of cores this process may use."""
    text = os.environ.get("TINYDL_NUM_THREADS", "").strip()
    if text:
        if not _is_number(text):
            raise ValueError(f"TINYDL_NUM_THREADS: expected an integer from 1 to {MOST_THREADS}, got {text!r:.100}")
        return int(text)
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if _is_number(first):
        return int(first)
    if first:
        say_once(f"OMP_NUM_THREADS should be an integer from 1 to {MOST_THREADS}, got {first!r:.100}: it is ignored")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_THREADS


_threads = _wanted()
_lock = threading.RLock()  # reentrant: a signal handler may fork while its thread holds the lock
_workers: _Workers | None = None  # started at the first shared work
_launchers: dict[Any, Callable[..., None]] = {}  # by task
_users: dict[int, int] = {}  # the number of open one_blas_thread blocks of each thread that has any
_threads_before: list[int] = []  # the setting of each BLAS library outside one_blas_thread


def num_threads() -> int:
    """The number of threads that models use."""
    return _threads


@interrupts.held
def set_num_threads(threads: int) -> None:
    """Set the number of threads that models use from now on.

    Raises ValueError unless `threads` is an integer from 1 to MOST_THREADS.
    """
    global _threads, _workers
    if isinstance(threads, bool) or not isinstance(threads, Integral) or not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"set_num_threads: expected an integer from 1 to {MOST_THREADS}, got {threads!r:.100}")
    with _lock:
        before, _threads, _workers = _workers, int(threads), None
        if before is not None:
            before.end()


def parts_for(count: int, work: float) -> int:
    """The best number of ranges for `count` units of work that take `work` multiply-adds in total."""
    if work < WORTH_SHARING:  # checked first: small networks call this several times per step
        return 1
    return max(1, min(_threads, count, int(2 * work / WORTH_SHARING)))


class _Library(NamedTuple):
    """The two functions of a BLAS library that are needed here."""

    get_num_threads: Callable[[], int]
    set_num_threads: Callable[[int], object]


@cache
def _blas() -> list[_Library]:
    """All BLAS libraries of the process. The search takes milliseconds and runs only once."""
    import_module("scipy.linalg")  # Numba loads it with the first kernel, too late for its BLAS to be found
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    processor.say_if_old(getattr(library, "architecture", None) for library in libraries)
    return [_Library(_function(each, "get_num_threads"), _function(each, "set_num_threads")) for each in libraries]


def _function(library: Any, name: str) -> Callable[..., Any]:
    """OpenBLAS's own function, or threadpoolctl's for another library.

    threadpoolctl lets only the first thread that has set OpenBLAS's number of threads set it again, and takes many
    times as long as OpenBLAS's function, which small training steps would notice. If OpenBLAS uses OpenMP, each thread
    has a number of its own, which threadpoolctl sets.
    """
    if library.internal_api == "openblas" and library.threading_layer != "openmp":
        for prefix in ("", "scipy_"):
            for suffix in ("", "64_", "_64"):
                own = getattr(library.dynlib, f"{prefix}openblas_{name}{suffix}", None)
                if own is not None:
                    return own
    return getattr(library, name)


def _set_blas(threads: list[int]) -> None:
    """Set the number of threads of each BLAS library; an empty list sets all to 1. Called under a lock."""
    libraries = _blas()
    for library, number in zip(libraries, threads or [1] * len(libraries), strict=True):
        library.set_num_threads(number)


class one_blas_thread:
    """Limit BLAS to one thread in a block, or in a function that this decorates.

    Blocks may nest and overlap; the last to end restores the old setting. (This is a class because every training step
    enters it, and a @contextmanager function takes four times as long.)
    """

    def __enter__(self) -> None:
        _enter(_users.get(threading.get_ident(), 0))

    def __exit__(self, *error: object) -> None:
        _leave(_users.get(threading.get_ident(), 1) - 1)

    def __call__(self, function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(function)
        def limited(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
            before = _users.get(threading.get_ident(), 0)
            try:
                _enter(before)
                result = function(*args, **keywords)
                _leave(before)
            except BaseException:
                _leave(before)  # again, as the exception may have come in the line above
                _unlock()
                raise
            return result

        return limited


@interrupts.sealed
def _enter(depth: int) -> None:
    """Open a block of this thread, in which `depth` blocks are open."""
    global _threads_before
    with _lock:
        first = not _users
        if first:
            _threads_before = [library.get_num_threads() for library in _blas()]
        _users[threading.get_ident()] = depth + 1
        if first:
            _set_blas([])


@interrupts.sealed
def _leave(depth: int) -> None:
    """Close the blocks of this thread except for the first `depth`; a block that was cut while it closed is mended."""
    me = threading.get_ident()
    with _lock:
        if depth:
            _users[me] = depth
        elif me in _users:
            if len(_users) == 1:
                _set_blas(_threads_before)
            del _users[me]


def _unlock() -> None:
    """Release the lock if this thread still holds it: an exception may come between a block and its release."""
    with suppress(RuntimeError):  # not held
        while True:
            _lock.release()


def share(parts: int, count: int, task: Any, *arguments: Any) -> None:
    """Call the kernel task(Part, *arguments) for `parts` even ranges of range(count), in parallel; return when all are
    done. Ctrl-C acts after that. If parts raise exceptions, the first of them is raised after all others have ended."""
    launch = _launchers.get(task) or _launchers.setdefault(task, launcher(task))
    if parts == 1:
        launch(0, parts, count, *arguments)
        return
    workers = _workers or _start()
    workers.calls += 1
    if workers.asleep:
        workers.wake(parts - 1)
    launch(workers.address, parts, count, *arguments)


class _Workers:
    """Threads that do parts of the jobs at a board, and sleep when there have been none for a while."""

    def __init__(self, number: int) -> None:
        self._board, self._number, self._ended = board(), number, False
        self.address = self._board.ctypes.data
        self.asleep: list[SimpleQueue[None]] = []  # the bells of the workers that sleep
        self.calls = 0  # of `share`
        serve.compile(SERVED)  # now: a process that is forked while a worker compiles could never compile
        for name in range(number):
            with suppress(RuntimeError):  # during interpreter shutdown, the calling thread does all the work
                threading.Thread(target=self._work, name=f"tinydl-{name + 1}", daemon=True).start()

    @interrupts.held
    def wake(self, wanted: int) -> None:
        """See to it that as many workers as wanted are awake."""
        while self.asleep and self._number - len(self.asleep) < wanted:
            with suppress(IndexError):  # another thread was faster
                self.asleep.pop().put(None)

    def end(self) -> None:
        self._ended = True
        self.wake(self._number)

    def _work(self) -> None:
        """The loop of a worker. It sleeps if there was no call since it began to look for work."""
        bell: SimpleQueue[None] = SimpleQueue()
        while not self._ended:
            calls = self.calls
            serve(self.address)
            self.asleep.append(bell)
            if self.calls == calls and not self._ended:  # asked last: who calls, or ends, looks for the bell after that
                bell.get()
                continue
            try:
                self.asleep.remove(bell)
            except ValueError:  # it is being rung
                bell.get()


@interrupts.held
def _start() -> _Workers:
    """The workers, which another thread may just have started."""
    global _workers
    with _lock:
        if _workers is None:
            _workers = _Workers(_threads - 1)
        return _workers


def _after_fork() -> None:
    """Reset the state in a forked process. It has only the thread that forked, so there are no workers, and no other
    thread will release a lock or leave one_blas_thread."""
    global _lock, _workers, _users
    _lock, _workers = threading.RLock(), None
    global_compiler_lock.release()
    me, others = threading.get_ident(), _users
    _users = {me: others[me]} if me in others else {}
    if others and not _users:
        _set_blas(_threads_before)


def _before_fork() -> None:
    """Wait until no thread is setting OpenBLAS's threads or compiling or loading a kernel: the lock that it holds then
    would stay locked in the child."""
    _lock.acquire()
    global_compiler_lock.acquire()


def _after_fork_in_parent() -> None:
    global_compiler_lock.release()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
