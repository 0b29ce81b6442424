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
