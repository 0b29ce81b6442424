"""A submission's process: it runs on a copy of the files, with limits, and is killed with all that it started."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from .channel import Channel

PACKAGES = Path(__file__).parents[3]  # the folder that holds tinydl
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")  # the variables passed on; none is secret
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
MOST_PRINTED = 4000  # characters kept of a submission's output
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
ROUNDS = 50  # of killing: a process may fork while it is being killed


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent has ended, so that `Process.stop` finds them (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


class Process:
    """A process with a worker that imports the submission; `channel` connects to the worker until the deadline."""

    def __init__(self, submission: Path, file: str, seconds: float, memory: int, user: str | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="grade-"))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by stop)
        self._others = _descendants()
        ours, theirs = socket.socketpair()
        try:
            missing = _copied(submission, self._folder, file)
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            environment |= {
                "PYTHONPATH": str(PACKAGES), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
                "PYTHONUNBUFFERED": "1", "HOME": str(self._folder), **dict.fromkeys(ONE_THREAD, "1"),
            }  # fmt: skip
            ids = _given_to(self._folder, user)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tinydl.gradcheck.grading.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, cwd=self._folder,
                env=environment, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        except BaseException:
            ours.close()
            self._log.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        finally:
            theirs.close()
        self.missing = missing
        self.channel = Channel(ours, time.monotonic() + seconds)
        self.start = {"folder": str(self._folder), "file": file, "memory": memory, "seconds": seconds, "user": ids}

    def ending(self) -> str:
        """Describe, for a message, how the process ended."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "it closed the connection"
        return f"its process was killed by signal {-code}" if code < 0 else f"its process ended with exit code {code}"

    def stop(self) -> str:
        """Kill the process and all that it started; return what it printed."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for _ in range(ROUNDS):
            left = _descendants() - self._others
            if not left:
                break
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        self.channel.end.close()
        self._log.seek(0)
        printed = self._log.read(4 * MOST_PRINTED).decode(errors="replace")[:MOST_PRINTED]
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        return printed


def _copied(submission: Path, folder: Path, file: str) -> str:
    """Copy the submission's files; return "", or a message if the file is missing."""
    if submission.is_dir():
        shutil.copytree(submission, folder, symlinks=True, ignore=_no_special_files, dirs_exist_ok=True)
    else:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(submission, folder / file)
    return "" if (folder / file).is_file() else f"there is no {file} in the submission"


def _no_special_files(folder: str, names: list[str]) -> list[str]:
    paths = {name: Path(folder, name) for name in names}
    return [name for name, path in paths.items() if not (path.is_symlink() or path.is_file() or path.is_dir())]


def _given_to(folder: Path, user: str | None) -> list[int] | None:
    """Give the copy to another user; return the ids of the user and of the user's group."""
    if user is None:
        return None
    import pwd  # not on Windows

    entry = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    return [entry.pw_uid, entry.pw_gid]


def _descendants() -> set[int]:
    """The ids of this process's descendants; empty on systems without /proc."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parents[int(path.parent.name)] = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
    found: set[int] = set()
    new = {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found
