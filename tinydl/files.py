"""Atomic file writes, JSON and Markdown output, and the user's cache folder."""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


def write_whole(path: PathLike, content: bytes) -> None:
    """Write a temporary file, then rename it to `path`: an interruption leaves either the old or the new file intact.

    Missing folders are created. A symbolic link is kept and its target replaced; a file that is replaced keeps its
    permissions, and its owner if the system allows that. (A hard link is not kept: its other names keep the old file.)

    Raises as `destination` does, before anything is written.
    """
    file = destination(path)
    before = file.stat() if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name[:50]}.{secrets.token_hex(4)}.part")  # a long name has no room for more
    try:
        if before is not None:
            temporary.touch(0o600)  # a private file must not be readable by others while it is written
        temporary.write_bytes(content)
        if before is not None:
            _keep_owner(temporary, before)
            temporary.chmod(stat.S_IMODE(before.st_mode))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)  # the temporary file still exists only after an error


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
        mode = _mode(file)
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
