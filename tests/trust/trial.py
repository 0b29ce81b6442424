"""Attacks run one at a time in a forked process, with limits on its memory and time.

Whatever an attack does to memory, signals, open files or threads ends with its process. A fork takes milliseconds, so
thousands of attacks need neither a new interpreter nor another import of NumPy.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

GIGABYTES, SECONDS = 1.0, 10.0  # what reading one file may need
HANGS = 120.0  # seconds of wall time after which a process counts as hanging


@dataclass
class Tally:
    """The attacks of one kind: how many were made, and what went wrong."""

    attacks: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: str = ""  # why no attack could be made
    note: str = ""  # what the table says beside the count

    def count(self, attack: str, trouble: str) -> None:
        """Count one attack; `trouble` is empty if all was well."""
        self.attacks += 1
        if trouble:
            self.failures.append(f"{attack}: {trouble}")

    def __iadd__(self, other: Tally) -> Tally:
        self.attacks += other.attacks
        self.failures += other.failures
        self.skipped = self.skipped or other.skipped
        self.note = other.note or self.note
        return self


class Ending(NamedTuple):
    """How a child process ended."""

    answer: Any  # what its task returned, sent as JSON; None if it did not return
    trouble: str  # "", the exception, "killed by SIGKILL" or "hangs"
    seconds: float  # of processor time
    gigabytes: float  # the most memory that was resident, the parent's share included


def peak_gigabytes() -> float:
    """The most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


class Child:
    """A forked process that runs `task` and sends its result."""

    def __init__(self, task: Callable[[], Any], memory: float = 3.0) -> None:
        """`memory`: gigabytes of address space beyond what the parent has; above, MemoryError."""
        self.started = time.perf_counter()
        self.end, its_end = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn about a fork beside threads
            self.pid = os.fork()
        if self.pid == 0:
            os.close(self.end)
            _work(task, its_end, memory)
        os.close(its_end)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = HANGS) -> Ending:
        """Wait until the process ends; kill it if it takes longer than `seconds`."""
        received, late = b"", False
        while True:
            left = self.started + seconds - time.perf_counter()
            if left <= 0 or not select.select([self.end], [], [], left)[0]:
                late = True
                self.kill()
                break
            if not (piece := os.read(self.end, 1 << 16)):
                break
            received += piece
        os.close(self.end)
        _, status, usage = os.wait4(self.pid, 0)
        try:
            answer, trouble = json.loads(received)
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            answer, trouble = None, "hangs" if late else reason
        size = usage.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
        return Ending(answer, trouble, usage.ru_utime + usage.ru_stime, size)


def _work(task: Callable[[], Any], end: int, memory: float) -> None:
    """The whole life of a child process."""
    try:
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")  # a test run turns warnings into errors, users' programs do not
        _limit_memory(memory)
        try:
            message: tuple[Any, str] = (task(), "")
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error}"[:400]
            message = (None, f"{text} ({os.path.basename(where.filename)}, line {where.lineno})")
        with open(end, "wb") as pipe:
            pipe.write(json.dumps(message).encode())
    finally:
        os._exit(0)


def _limit_memory(gigabytes: float) -> None:
    if not os.path.exists("/proc/self/statm"):
        return
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + int(gigabytes * 1e9), resource.RLIM_INFINITY))


def in_child(task: Callable[[], Any], seconds: float = HANGS, memory: float = 3.0) -> Ending:
    """Run `task` in a forked process; return how that ended."""
    return Child(task, memory).wait(seconds)


def shares(number: int, parts: int) -> list[int]:
    """`number` attacks, spread evenly over `parts` kinds."""
    return [number * (part + 1) // parts - number * part // parts for part in range(parts)]


def spread(total: int, wanted: int) -> Iterable[int]:
    """At most `wanted` of the numbers 1 .. total, evenly spaced."""
    return sorted({1 + total * i // max(1, min(total, wanted)) for i in range(min(total, wanted))})


def shown(text: object) -> str:
    """A text in one short line of printable characters."""
    return re.sub(r"[^ -~]+", "?", str(text))[:300]
