"""Checks, before training, of the paths that callbacks write to during it. They create nothing."""

from __future__ import annotations

import os
from pathlib import Path


def check_file(owner: str, path: str, more: int = 0) -> Path:
    """Return `path` with "~" expanded; raise ValueError unless a file can be written there.

    more: the number of characters that the name of a temporary file adds to the file's name.
    """
    file = Path(path).expanduser()
    folder = _nearest_folder(file.absolute())
    if not path or file.is_dir():
        raise ValueError(f"{owner}: path must be a writable file in {folder}, got the folder {path!r}: add a file name")
    _check_folder(owner, "path", path, folder)
    _check_names(owner, "path", path, folder, file.absolute(), more)
    if file.exists() and not os.access(file, os.W_OK):
        raise ValueError(f"{owner}: path must be a writable file, got {path!r}, which is read-only")
    return file


def check_new_folder(owner: str, name: str, path: str) -> Path:
    """Return `path` with "~" expanded; raise ValueError unless it is a writable folder or one can be made there."""
    folder = Path(path).expanduser()
    nearest = folder if folder.exists() else _nearest_folder(folder.absolute())
    _check_folder(owner, name, path, nearest)
    _check_names(owner, name, path, nearest, folder.absolute(), 0)
    return folder


def _nearest_folder(path: Path) -> Path:
    """The nearest of the path's parents that exists."""
    for parent in path.parents:
        try:
            parent.lstat()
        except OSError:  # it does not exist, lies below a file, or its name is too long
            continue
        return parent
    return path


def _check_folder(owner: str, name: str, path: str, folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{owner}: {name} must lie in a writable folder, got {path!r}, but {folder} is none")


def _check_names(owner: str, name: str, path: str, existing: Path, full: Path, more: int) -> None:
    """Look up each new name in an existing folder: the file system refuses the ones that it could not hold."""
    parts = full.relative_to(existing).parts
    for part in (*parts[:-1], *(last + "x" * more for last in parts[-1:])):
        try:
            os.lstat(existing / part)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:  # too long, or with a null character
            expected = "a path that the file system can hold"
            raise ValueError(f"{owner}: {name} must be {expected}, got {path!r}: {error}") from None
