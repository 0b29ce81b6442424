"""Limits for files of models: a file of 400 bytes must not take gigabytes of memory or hours of time.

The header of a file holds the shapes of its arrays, and safetensors compares them with the file's length. Before a
layer creates an array, it compares the array's shape with the one in the file (`Layer.check_stored`). All models, from
files or not, have a limited number of layers and a limited depth (layers/sharing.py).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import arguments
from ..layer import Layer, Shape

LONGEST_HEADER = 1 << 24  # bytes
MOST_CONTAINERS = 1 << 18  # objects and arrays in a JSON text, of 230 bytes each in memory; a layer has about five
MOST_SHARED = 1 << 27  # entries that shared layers may initialize in their second and further places, in all
SPARSE_FROM, DENSITY = 1 << 26, 16  # bytes; a larger file must hold at least a 16th of its length on the disk


def check_file(path: Path) -> None:
    """Raise ValueError for a header longer than LONGEST_HEADER, or a large file that is little more than holes."""
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        found = os.fstat(file.fileno())
    if LONGEST_HEADER < header < found.st_size:  # the header of a file of another kind seems longer than the file
        raise ValueError(f"{path}: its header must have at most {LONGEST_HEADER:,} bytes, got {header:,}")
    stored = getattr(found, "st_blocks", found.st_size) * 512  # Windows does not say
    if found.st_size > max(SPARSE_FROM, DENSITY * stored):
        got = f"a sparse one: {stored:,} of its {found.st_size:,} bytes are on the disk"
        raise ValueError(f"{path}: expected a file that save wrote, got {got}")


def from_json(text: str) -> Any:
    """The content of a JSON text. Raises ValueError if it is none, or for more than MOST_CONTAINERS containers."""
    if (containers := text.count("[") + text.count("{")) > MOST_CONTAINERS:
        raise ValueError(f"it must have at most {MOST_CONTAINERS:,} objects and arrays, got {containers:,}")
    return json.loads(text)


def expect(layers: Any, shapes: Mapping[str, Shape]) -> None:
    """Tell new layers, not yet built, the shapes of their arrays, which a file holds under dotted names.

    Raises ValueError if the layers in second and further places would initialize more than MOST_SHARED entries.
    """
    by_layer: dict[str, dict[str, Shape]] = {}
    for key, shape in shapes.items():
        layer, _, name = key.rpartition(".")
        by_layer.setdefault(layer, {})[name] = shape
    if not isinstance(layers, list) or not all(isinstance(layer, Layer) for layer in layers):
        raise ValueError(f"expected a list of layers, got {arguments.brief(layers)}")
    entries: dict[int, int] = {}  # by a layer's id: its own and those of the layers below, for each of their places

    def tell(below: Sequence[Layer], prefix: str) -> int:
        total = 0
        for position, layer in enumerate(below):
            if id(layer) not in entries:
                key = f"{prefix}{layer.name or position}"
                layer.stored = by_layer.get(key, {})
                own = sum(map(math.prod, layer.stored.values()))
                entries[id(layer)] = own + tell(layer.sublayers(), f"{key}.")
            total += entries[id(layer)]
        return total

    most = MOST_SHARED + sum(map(math.prod, shapes.values()))
    if (total := tell(layers, "")) > most:
        raise ValueError(f"its layers must have at most {most:,} weights, counted for each place, got {total:.10g}")


def forget(root: Layer) -> None:
    """Undo `expect` after the layers are built: they belong to a model like any other."""
    for layer in root.walk():
        vars(layer).pop("stored", None)
