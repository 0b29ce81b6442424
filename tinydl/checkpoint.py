"""Models on disk: safetensors files with the architecture as JSON in their metadata.

A safetensors file holds nothing but numbers and text, so reading one can run no code; layers are made from a fixed
registry of classes. Files are written beside their target and renamed into place: a program that is stopped leaves the
old file or the new one, never half of one.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from . import layers as _layers
from .layer import Layer

FORMAT = 1
REGISTRY: dict[str, type[Layer]] = {
    name: getattr(_layers, name) for name in _layers.__all__ if name not in ("Layer", "Container")
}


def layer_to_config(value: Any) -> Any:
    """A layer as JSON: {"layer": class, "arguments": {...}}, with layers (and lists of them) inside likewise."""
    if isinstance(value, Layer):
        arguments = {name: layer_to_config(argument) for name, argument in value.get_config().items()}
        return {"layer": type(value).__name__, "name": value.name, "arguments": arguments}
    if isinstance(value, list | tuple):
        return [layer_to_config(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        raise TypeError(f"an argument of a layer must be a number, a string, a layer or a list of these, got {value!r}")
    return value


def object_to_config(value: Any) -> Any:
    """An optimizer as JSON: {"class": ..., "arguments": {...}}, with its schedules likewise."""
    if hasattr(value, "get_config"):
        arguments = {name: object_to_config(argument) for name, argument in value.get_config().items()}
        return {"class": type(value).__name__, "arguments": arguments}
    return value


def layer_from_config(config: Any, registry: Mapping[str, type[Layer]] = REGISTRY) -> Any:
    """The inverse of `layer_to_config`: new, unbuilt layers."""
    if isinstance(config, list):
        return [layer_from_config(entry, registry) for entry in config]
    if isinstance(config, dict):
        if config.get("layer") not in registry:
            raise ValueError(
                f"the file needs a layer {config.get('layer')!r}, which is not tinydl's own: "
                "pass its class, Model.load(path, custom_layers=[...])"
            )
        arguments = {name: layer_from_config(value, registry) for name, value in config["arguments"].items()}
        layer = registry[config["layer"]](**arguments)
        layer.name = config["name"]
        return layer
    return config


def write(path: str | os.PathLike[str], tensors: Mapping[str, NDArray], metadata: Mapping[str, Any]) -> None:
    """Write arrays and JSON-able metadata to `path`, all or nothing; missing folders are made."""
    path = Path(path).expanduser()
    try:
        text = json.dumps({"format": FORMAT, **metadata})
    except TypeError as error:
        raise TypeError(f"{path.name}: the model cannot be written as JSON: {error}") from error
    # safetensors silently scrambles arrays that are not C-contiguous
    content = to_bytes({key: np.ascontiguousarray(value) for key, value in tensors.items()}, {"tinydl": text})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # it is still there only if something went wrong


def read(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """(tensors, metadata) of a file that `write` made.

    Raises FileNotFoundError, or ValueError when it is truncated, of another kind, or from a newer tinydl.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = (file.metadata() or {}).get("tinydl")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        content = json.loads(metadata) if metadata is not None else None
    except (SafetensorError, ValueError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise ValueError(f"{path}: not a readable model file (truncated, or not safetensors): {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a safetensors file, but not one of tinydl's: its metadata hold no architecture")
    if content.get("format") != FORMAT:
        raise ValueError(f"{path}: written in format {content.get('format')!r}, this tinydl reads {FORMAT}: upgrade it")
    return tensors, content
