"""Saved files, changed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save_file


def parts_of(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The JSON of a saved file, its arrays, and its metadata as text."""
    with safe_open(path, framework="numpy") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a dict)
        return json.loads(file.metadata()["tinydl"]), tensors, file.metadata()


def rewritten(path: Path, change: Callable[[Any, Any], object]) -> Path:
    """The file with its JSON, or its tensors, changed by `change(metadata, tensors)`, and without checksums, as older
    versions wrote it."""
    metadata, tensors, _ = parts_of(path)
    metadata.pop("checksums", None)
    change(metadata, tensors)
    save_file(tensors, path, {"tinydl": json.dumps(metadata)})
    return path
