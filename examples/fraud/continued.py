"""Trainings that --resume continues: each saves its checkpoint in a file of its own."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from tinydl.callbacks import Checkpoint

SECONDS = 60.0  # between checkpoints inside an epoch


def continued(out: Path, name: str, settings: dict[str, Any], resume: bool) -> tuple[Checkpoint, Path | None]:
    """The callback that saves a training, and `fit`'s argument resume. A finished training is read, not repeated.

    The settings are part of the file's name, so that a training with other settings starts at its beginning.
    """
    mark = zlib.crc32(json.dumps(settings, sort_keys=True).encode())
    path = out / "checkpoints" / f"{name}-{mark:08x}.safetensors"
    if not resume:
        path.unlink(missing_ok=True)
    return Checkpoint(path, every_epochs=1, every_seconds=SECONDS), path if resume else None
