"""Files: written whole or not at all; and the folder for those that can be made again."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

PathLike = str | os.PathLike[str]


def write_whole(path: PathLike, content: bytes) -> None:
    """Write beside `path`, then rename into place: whoever is stopped leaves the old file or the new one.

    Missing folders are made.
    """
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # it is still there only if something went wrong


def user_cache_folder() -> Path:
    """The user's folder for what tinydl can make or fetch again, such as compiled kernels; it need not exist.

    Where the system wants it: $XDG_CACHE_HOME or ~/.cache, ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows.
    """
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "tinydl"
