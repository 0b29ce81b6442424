"""Checks, before training, of the paths that callbacks write to during it. They create nothing."""

from __future__ import annotations

import os
from pathlib import Path


def check_file(owner: str, path: str) -> Path:
    """Return `path` with "~" expanded; raise ValueError unless a file can be written there."""
    file = Path(path).expanduser()
    folder = _writable_folder(owner, "path", path, file.absolute().parent)
    if not path or os.path.isdir(file):
        raise ValueError(f"{owner}: path must be a writable file in {folder}, got the folder {path!r}: add a file name")
    _check_names(owner, "path", path, folder, file.absolute())
    if os.path.exists(file) and not os.access(file, os.W_OK):
        raise ValueError(f"{owner}: path must be a writable file, got {path!r}, which is read-only")
    return file


def check_new_folder(owner: str, name: str, path: str) -> Path:
    """Return `path` with "~" expanded; raise ValueError unless it is a writable folder or one can be made there."""
    folder = Path(path).expanduser()
    existing = _writable_folder(owner, name, path, folder.absolute())
    _check_names(owner, name, path, existing, folder.absolute())
    return folder


def _writable_folder(owner: str, name: str, path: str, folder: Path) -> Path:
    """The folder, or the nearest of its parents that exists."""
    while not os.path.lexists(folder):  # false for names that are too long, too
        folder = folder.parent
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise ValueError(f"{owner}: {name} must lie in a writable folder, got {path!r:.200}, but {folder} is not one")
    return folder


def _check_names(owner: str, name: str, path: str, existing: Path, full: Path) -> None:
    """Look up the path, and each new name in an existing folder: the file system says what it could not hold."""
    for place in (full, *(existing / part for part in full.relative_to(existing).parts)):
        try:
            os.lstat(place)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:  # too long, or with a null character
            expected, why = "a path that the file system can hold", getattr(error, "strerror", None) or error
            raise ValueError(f"{owner}: {name} must be {expected}, got {path!r:.200}: {why}") from None
