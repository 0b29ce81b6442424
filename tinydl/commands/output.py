"""The file that a command writes: refused before the work begins, rather than after it."""

from __future__ import annotations

from pathlib import Path

from ..files import destination

PICTURES = (".png", ".svg", ".pdf")


def check(option: str, path: Path, suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Raise ValueError or OSError if the file of this option exists, has another suffix or cannot be written."""
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{option} must end in {', '.join(suffixes)}, got {str(path)!r}")
    if destination(path).exists() and not overwrite:
        raise ValueError(f"{path} exists: choose another {option}, or pass --overwrite")


def reason(error: Exception) -> str:
    """The error in words, also where the operating system refuses the file only when it is written."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.filename}: expected a file that can be written, got {error.strerror!r}: choose another path"
    return str(error)
