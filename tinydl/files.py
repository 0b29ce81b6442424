"""Atomic file writes, JSON and Markdown output, and the user's cache folder."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

if sys.platform != "win32":
    import fcntl

PathLike = str | os.PathLike[str]
LONGEST_JSON = 1 << 24
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


def write_whole(path: PathLike, content: bytes | Callable[[BinaryIO], None], durable: bool = True) -> None:
    """Write a temporary file, then rename it to `path`: an interruption leaves either the old or the new file intact.

    content  or a function that writes it to the open file
    durable  also survive a power cut: the file is on the disk before it is renamed, and the new name is on the disk
             when this function returns. (macOS may still hold both in the drive's own cache.)

    Missing folders are created. A symbolic link is kept and its target replaced; a file that is replaced keeps its
    permissions, and its owner if the system allows that. (A hard link is not kept: its other names keep the old file.)
    Temporary files that killed processes left of earlier writes to `path` are deleted.

    Raises as `destination` does, before anything is written; OSError if the disk is full or fails.
    """
    file = destination(path)
    before = file.stat() if file.exists() else None
    created = [folder for folder in file.parents if not folder.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    _delete_left_overs(file)
    temporary = file.with_name(f"{_temporary_start(file)}{secrets.token_hex(4)}.part")
    try:
        with _locked(temporary, 0o666 if before is None else 0o600) as out:  # a private file stays private meanwhile
            if callable(content):
                content(out)
            else:
                out.write(content)
            out.flush()
            if before is not None:
                _keep_owner(temporary, before)
                temporary.chmod(stat.S_IMODE(before.st_mode))
            if durable:
                os.fsync(out.fileno())
            if sys.platform == "win32":
                out.close()  # Windows does not rename an open file
            os.replace(temporary, file)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(file)) from error  # with the name that the caller knows
    finally:
        temporary.unlink(missing_ok=True)  # the temporary file still exists only after an error
    if durable:
        for folder in {file.parent, *(each.parent for each in created)}:
            sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the folder's list of names is on the disk. Systems that cannot do so, such as Windows, do it later."""
    descriptor = None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
    except PermissionError:  # Windows opens no folder; elsewhere, a folder may be writable but not readable
        return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # some network file systems cannot
            raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _temporary_start(file: Path) -> str:
    """The first part of the names of the temporary files for `file`; a long name has no room for more."""
    return f".{file.name[:50]}."


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Create and open a file, locked until it is closed or the process dies: see `_delete_left_overs`."""
    while True:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as out:
            _lock(out.fileno(), wait=True)
            if path.exists():  # otherwise another process took it for a left-over before it was locked
                yield out
                return


def _lock(descriptor: int, wait: bool) -> bool:
    """Lock an open file; return whether that succeeded. Windows and some network file systems have no such locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _delete_left_overs(file: Path) -> None:
    """Delete the temporary files of killed processes: those for `file` that nobody holds locked.

    Only the owner of a file's lock renames or deletes it, so that no process deletes what another one still writes.
    """
    pattern = re.compile(rf"{re.escape(_temporary_start(file))}[0-9a-f]{{8}}\.part")
    no_link = getattr(os, "O_NOFOLLOW", 0)
    with suppress(OSError):  # such as a folder that may not be listed: left-overs do no harm
        for name in filter(pattern.fullmatch, os.listdir(file.parent)):
            path = file.parent / name
            with (
                suppress(OSError),  # such as a file that has just been renamed, or is another user's
                open(path, "r+b", buffering=0, opener=lambda name, flags: os.open(name, flags | no_link)) as left,
            ):
                regular = stat.S_ISREG(os.fstat(left.fileno()).st_mode)
                if regular and _lock(left.fileno(), wait=False) and os.fstat(left.fileno()).st_nlink:
                    path.unlink()


def destination(path: PathLike) -> Path:
    """The file that a write to `path` creates or replaces: "~" is expanded and symbolic links are followed.

    Raises an OSError, without changing anything, for a folder, a pipe, a device, a read-only file or folder, or a path
    that the file system cannot hold.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a pathlib.Path, got {path!r:.200}")
    given = os.fspath(path)
    try:
        file = Path(os.path.realpath(Path(given).expanduser()))
        mode = _mode(Path(given).expanduser())  # Linux's links to open files, such as /dev/stdout, have no real path
        folder = next(parent for parent in (*file.parents, file) if _mode(parent) is not None)  # "/" has no parent
        for name in file.relative_to(folder).parts:
            _mode(folder / name)  # raises for a new name that the file system cannot hold
    except (OSError, RuntimeError, ValueError) as error:  # also an unknown ~user, a loop of links, a null character
        kind = type(error) if isinstance(error, OSError) else OSError
        reason = getattr(error, "strerror", None) or error
        raise kind(f"{given!r}: expected the path of a file, got one that cannot be used: {reason}") from None
    if given.endswith(SEPARATORS) or (mode is not None and stat.S_ISDIR(mode)):
        raise IsADirectoryError(f"{given!r}: expected the path of a file, got a folder: add a file name")
    if mode is not None and not stat.S_ISREG(mode):
        raise OSError(f"{given!r}: expected the path of a file, got a pipe or a device, which cannot be replaced")
    if mode is not None and not (mode & 0o222 and os.access(file, os.W_OK)):
        raise PermissionError(f"{given!r}: expected a writable file, got a read-only one: choose another path")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise PermissionError(f"{given!r}: expected a path in a writable folder, got one in {str(folder)!r}")
    return file


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _keep_owner(file: Path, before: os.stat_result) -> None:
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root may give a file away
            os.chown(file, before.st_uid, before.st_gid)


def write_json(path: PathLike, content: dict[str, Any]) -> None:
    """Write `content` as indented JSON, with `write_whole`."""
    write_whole(path, f"{json.dumps(content, indent=1)}\n".encode())


def read_json(path: PathLike, longest: int | None = None) -> dict[str, Any]:
    """Read a file that `write_json` wrote.

    Raises OSError if it cannot be read, ValueError if it is damaged, longer than `longest` bytes (LONGEST_JSON if not
    given), or not an object.
    """
    longest = LONGEST_JSON if longest is None else longest
    try:
        with open(path, "rb") as file:
            text = file.read(longest + 1)
        if len(text) > longest:
            raise ValueError(f"it is longer than {longest:,} bytes")
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: expected a file with a JSON object, got a damaged or different one: {error}"
        ) from None
    return content


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows of cells, the header first, as a Markdown table with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [rows[0], ["-" * width for width in widths], *rows[1:]]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def user_cache_folder() -> Path:
    """The folder for files that tinydl can create or download again, such as compiled kernels. It need not exist.

    It is the subfolder `tinydl` of $XDG_CACHE_HOME or ~/.cache, ~/Library/Caches (macOS) or %LOCALAPPDATA% (Windows).
    """
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "tinydl"
