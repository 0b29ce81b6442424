"""A disk that fails: the file operations beneath a folder are counted, and one of them is spoiled.

Two layers do the same. `Preloaded` is a library in C (failing_disk.c), built here where a compiler is found, which sees
every call of the process, also those of other libraries. `Patched` is written in Python and needs nothing: it replaces
the functions of `os` and `io` that create, write, sync, rename and remove files.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import io
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol


class Action(IntEnum):
    """What happens to the operation; the numbers are those in failing_disk.c."""

    FAIL = 0  # it fails, this once
    FULL = 1  # the disk is full from this operation on: whatever needs room fails
    HALF = 2  # it writes half of its bytes and says so
    KILL_BEFORE = 3  # the process is killed right before it,
    KILL_HALF = 4  # after half of its bytes,
    KILL_AFTER = 5  # or right after it


ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)


class Layer(Protocol):
    """Either of the two layers."""

    def arm(self, folder: Path, at: int, action: Action, error: int = errno.EIO) -> None:
        """From now on, spoil the operation number `at`, counted from 1, beneath the folder; 0 only counts."""

    def disarm(self) -> int:
        """Spoil nothing any more; return the number of operations so far."""


class Preloaded:
    """The library in C, which the process must have preloaded."""

    def __init__(self, library: str) -> None:
        self.library = ctypes.CDLL(library)

    def arm(self, folder: Path, at: int, action: Action, error: int = errno.EIO) -> None:
        where = os.fsencode(folder)
        self.library.failing_disk_arm(ctypes.c_char_p(where), ctypes.c_long(at), int(action), error)

    def disarm(self) -> int:
        return int(self.library.failing_disk_disarm())


def build(folder: Path) -> tuple[Path | None, str]:
    """Compile the library into the folder; return its path, or None and the reason why there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not os.path.exists("/proc/self/fd"):
        return None, "no C compiler" if compiler is None else "no /proc"
    library = folder / "failing_disk.so"
    source = Path(__file__).with_name("failing_disk.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (library, "") if done.returncode == 0 else (None, f"failing_disk.c does not compile: {done.stderr[:200]}")


class Patched:
    """The layer in Python."""

    def __init__(self) -> None:
        self.folder, self.at, self.action, self.error, self.seen = "", 0, Action.FAIL, errno.EIO, 0
        self.armed = False

    def arm(self, folder: Path, at: int, action: Action, error: int = errno.EIO) -> None:
        self.folder, self.at, self.action, self.error, self.seen = str(folder), at, action, error, 0
        if not self.armed:
            self.armed = True
            for name, grows in (("replace", False), ("rename", False), ("unlink", False), ("remove", False),
                                ("mkdir", True), ("fsync", True), ("fdatasync", True)):  # fmt: skip
                self._patch(os, name, grows)
            self.os_open, self.real_open = os.open, io.open
            os.open = self._os_open
            builtins.open = io.open = self._open

    def disarm(self) -> int:
        self.folder = ""
        return self.seen

    def _patch(self, module: Any, name: str, grows: bool) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def spoiled(*arguments: Any, **keywords: Any) -> Any:
            if not self._within(arguments[-1] if name in ("replace", "rename") else arguments[0]):
                return real(*arguments, **keywords)
            self._before(grows)
            result = real(*arguments, **keywords)
            self._after()
            return result

        setattr(module, name, spoiled)

    def _within(self, file: Any) -> bool:
        if not self.folder:
            return False
        if isinstance(file, int):
            try:
                file = os.readlink(f"/proc/self/fd/{file}")
            except OSError:
                return False
        return os.fspath(file).startswith(self.folder)

    def _before(self, grows: bool) -> None:
        self.seen += 1
        if self.action is Action.FULL and self.at and self.seen >= self.at and grows:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.seen == self.at:
            if self.action is Action.FAIL:
                raise OSError(self.error, os.strerror(self.error))
            if self.action is Action.KILL_BEFORE:
                os.kill(os.getpid(), signal.SIGKILL)

    def _after(self) -> None:
        if self.seen == self.at and self.action in (Action.KILL_AFTER, Action.KILL_HALF):
            os.kill(os.getpid(), signal.SIGKILL)

    def _os_open(self, path: Any, flags: int, mode: int = 0o777, **keywords: Any) -> int:
        if flags & os.O_ACCMODE == os.O_RDONLY or not self._within(path):
            return self.os_open(path, flags, mode, **keywords)
        self._before(bool(flags & os.O_CREAT))
        descriptor = self.os_open(path, flags, mode, **keywords)
        self._after()
        return descriptor

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
              newline: Any = None, closefd: bool = True, opener: Any = None) -> Any:  # fmt: skip
        if not set(mode) & set("wax+") or not self._within(file):
            return self.real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(file, int):
            self._before(True)
        raw = _File(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        raw.disk = self
        if not isinstance(file, int):
            self._after()
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline, line_buffering=buffering == 1)


class _File(io.FileIO):
    """A file beneath the folder, whose writes are counted."""

    disk: Patched

    def write(self, content: Any) -> int:
        if not self.disk.folder:
            return super().write(content)
        self.disk._before(True)
        view = memoryview(content).cast("B")
        halved = self.disk.seen == self.disk.at and self.disk.action in (Action.HALF, Action.KILL_HALF)
        written = super().write(view[: max(1, len(view) // 2)] if halved else view)
        self.disk._after()
        return written
