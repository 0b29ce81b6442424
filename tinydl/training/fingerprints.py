"""Short descriptions of data, by which a run that continues tells whether it was given the same data as before."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sources import Drawn, Feed, Rows

MOST = 1 << 20  # bytes of an array that its checksum covers
LEAST_ROWS = 64  # of long rows, the checksum covers a part each: one row may be the same in other data


def of_array(array: NDArray) -> str:
    """The dtype, the shape, and a checksum of at most MOST bytes of evenly spaced rows."""
    rows = max(LEAST_ROWS, MOST * len(array) // max(1, array.nbytes))
    chosen = array[:: math.ceil(len(array) / rows) or 1]
    flat = chosen.reshape(len(chosen), -1) if chosen.size else np.empty((0, 0), array.dtype)
    part = flat[:, :: math.ceil(flat.nbytes / MOST) or 1]
    checksum = zlib.crc32(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data) if part.size else 0
    return f"{array.dtype.name} {array.shape}, checksum {checksum:08x}"


def of_batch(batch: Drawn | None) -> Sequence[str | None] | None:
    """What tells a batch from others; None for none."""
    return None if batch is None else [None if each is None else of_array(each) for each in batch]


def of_feed(feed: Feed) -> dict[str, Any]:
    """What decides the batches of a feed, by names for messages. Batches from a stream are not known beforehand."""
    source = feed.source
    found: dict[str, Any] = {"shuffle": source.shuffle}
    if isinstance(source, Rows):
        arrays = {"x": "x", "y": "y", "sample_weight times class_weight": "sample_weight"}
        for name, attribute in arrays.items():
            array = getattr(source.data, attribute, None)  # a user's own Batches may lack it
            found[name] = of_array(array) if isinstance(array, np.ndarray) else None
    else:
        found["class_weight"] = None if source.class_weight is None else sorted(map(list, source.class_weight.items()))
    return found


def of_validation(feed: Feed) -> dict[str, Any]:
    """As `of_feed`, with what changes the figures of validation: its steps and, in the last bits, its batch size."""
    found = {f"validation {name}": each for name, each in of_feed(feed).items()}
    sizes = {"validation_steps": feed.limit, "validation_batch_size": getattr(feed.source, "batch_size", None)}
    return {**found, **sizes}
