"""The content of a safetensors file, with a checksum (CRC-32) of every array and of the JSON text.

One flipped bit in a weight gives another valid number, so only a checksum shows it. The checksums stand in the file's
metadata beside the text, where other readers of safetensors ignore them. The text says that they exist, so that damage
to their key is not taken for a file of an older version: such files have no checksums and are loaded unchecked.
Checksums show damage, not manipulation: anyone can write a file with the right ones.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from .file_limits import LONGEST_HEADER

TEXT, CHECKSUMS = "tinydl", "tinydl_checksums"  # keys in the metadata
NAMES = {  # of the dtypes that a file can hold
    "f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8",
    "u8": "U64", "u4": "U32", "u2": "U16", "u1": "U8", "b1": "BOOL",
}  # fmt: skip
BLOCK = 1 << 20  # bytes


def write(out: BinaryIO, arrays: Mapping[str, NDArray], text: str) -> None:
    """Write arrays and the text to an open file.

    Each block of an array is copied, and the copy written: the array may change meanwhile, if another thread trains
    on, and the checksum is that of what was written. The header comes first in the file but is known last.
    """
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)  # large numbers first, so that all are aligned
    found = dict.fromkeys(["", *names], 0)
    out.write(_header(names, arrays, text, found))
    found[""] = _of_text(text)
    buffer = np.empty(BLOCK, np.uint8)
    for name in names:
        found[name] = _of_kind(arrays[name])
        for block in _blocks(arrays[name]):
            copy = buffer[: block.size]
            copy[...] = block
            found[name] = zlib.crc32(copy.data, found[name])
            out.write(copy.data)
    out.seek(0)
    out.write(_header(names, arrays, text, found))


def _header(names: Sequence[str], arrays: Mapping[str, NDArray], text: str, checksums: Mapping[str, int]) -> bytes:
    """The start of the file, as long for any checksums."""
    metadata = {TEXT: text, CHECKSUMS: json.dumps(_as_text(checksums))}
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name in names:
        start, end = end, end + arrays[name].nbytes
        dtype = NAMES[arrays[name].dtype.str[1:]]
        header[name] = {"dtype": dtype, "shape": arrays[name].shape, "data_offsets": [start, end]}
    content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    if len(content) > LONGEST_HEADER:
        raise ValueError(f"the names and the architecture must fit into {LONGEST_HEADER:,} bytes, got {len(content):,}")
    return len(content).to_bytes(8, "little") + content


def _as_text(checksums: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{each:08x}" for name, each in checksums.items()}


def _of_text(text: str) -> int:
    return zlib.crc32(text.encode())


def _of_kind(array: NDArray) -> int:
    """The start of an array's checksum: that of its dtype and shape."""
    return zlib.crc32(f"{array.dtype.newbyteorder('<').str} {array.shape}".encode())


def _blocks(array: NDArray) -> Iterator[NDArray[np.uint8]]:
    """The bytes of an array as a file holds them, in blocks that fit into the processor's cache."""
    content = np.asarray(array, array.dtype.newbyteorder("<"), order="C").reshape(-1).view(np.uint8)
    for start in range(0, content.size, BLOCK):
        yield content[start : start + BLOCK]


class DamagedError(ValueError):
    """A file's content is not what was saved."""

    def __init__(self, trouble: str) -> None:
        super().__init__(f"{trouble}: the file is damaged, so load an older one")


def check(arrays: Mapping[str, NDArray], text: str, saved: str) -> None:
    """Raise DamagedError unless the checksums are the saved ones, a JSON text."""
    sums = {"": _of_text(text)}
    for name, array in arrays.items():
        sums[name] = _of_kind(array)
        for block in _blocks(array):
            sums[name] = zlib.crc32(block.data, sums[name])
    found = _as_text(sums)
    expected: Any = saved
    if len(saved) <= 2 * len(json.dumps(found)):  # a long JSON text may take a lot of memory
        with suppress(ValueError, RecursionError):
            expected = json.loads(saved)
    if not isinstance(expected, dict) or expected.keys() != found.keys():
        raise DamagedError(f"its checksums must be those of {len(arrays)} arrays, got {arguments.brief(expected)}")
    for name, checksum in found.items():
        if checksum != expected[name]:
            thing = repr(name) if name else "the description of its layers"
            raise DamagedError(f"{thing} must have the checksum {arguments.brief(expected[name])}, got {checksum!r}")
