"""Atomic file writes, JSON and Markdown output, and the user's cache folder."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]


def write_whole(path: PathLike, content: bytes) -> None:
    """Write a temporary file, then rename it to `path`: an interruption leaves either the old or the new file intact.

    Missing folders are created.
    """
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # the temporary file still exists only after an error


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
