"""Messages between the checker and a submission's process: a JSON object and named arrays, as raw bytes.

Nothing is unpickled or evaluated, and nothing beyond the limits is read, because a submission may write anything.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fields = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

MOST_TEXT = 1 << 22  # bytes of JSON in one message
MOST_NUMBERS = 1 << 26  # bytes of arrays in one message
LENGTH = struct.Struct(">I")


class BrokenOffError(BaseException):
    """The other process ended, took too long, or sent something other than a message.

    This class is not an Exception, because the checker catches every Exception that a forward may raise.
    """


class TookTooLongError(BrokenOffError):
    """The other process did not answer in time."""


class Channel:
    """One end of a connected pair of sockets; after the deadline, a value of time.monotonic, every operation fails."""

    def __init__(self, end: socket.socket, deadline: float | None = None) -> None:
        self.end, self.deadline = end, deadline

    def send(self, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Send a message."""
        arrays = arrays or {}
        heads = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
        text = json.dumps({**fields, "arrays": heads}).encode()
        parts = [LENGTH.pack(len(text)), text, *(array.tobytes() for array in arrays.values())]
        with self._limited():
            self.end.sendall(b"".join(parts))

    def receive(self) -> tuple[Fields, Arrays]:
        """Receive a message; raise BrokenOffError if none arrives within the limits."""
        size = LENGTH.unpack(self._read(LENGTH.size))[0]
        if size > MOST_TEXT:
            raise BrokenOffError(f"it sent a message of {size} bytes")
        try:
            fields = json.loads(self._read(size))
            kinds = [(str(name), _dtype(kind), _shape(shape)) for name, kind, shape in fields.pop("arrays")]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BrokenOffError(f"it sent something other than a message ({type(error).__name__})") from error
        sizes = [dtype.itemsize * math.prod(shape) for _, dtype, shape in kinds]
        if sum(sizes) > MOST_NUMBERS:
            raise BrokenOffError(f"it sent arrays of {sum(sizes)} bytes")
        arrays = {
            name: np.frombuffer(self._read(size), dtype).reshape(shape).copy()
            for (name, dtype, shape), size in zip(kinds, sizes, strict=True)
        }
        return fields, arrays

    def in_time(self) -> None:
        """Raise TookTooLongError after the deadline."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TookTooLongError("it took too long")

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            with self._limited():
                part = self.end.recv(min(size, 1 << 20))
            if not part:
                raise BrokenOffError("it ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _limited(self) -> _Limited:
        return _Limited(self)


class _Limited:
    """Limits the socket to the time that is left, and turns the socket's errors into BrokenOffError."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __enter__(self) -> None:
        if self._channel.deadline is not None:
            self._channel.in_time()
            self._channel.end.settimeout(max(self._channel.deadline - time.monotonic(), 1e-3))

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TimeoutError):
            raise TookTooLongError("it took too long") from error
        if isinstance(error, OSError):
            raise BrokenOffError("it ended") from error


def _dtype(text: Any) -> np.dtype[Any]:
    dtype = np.dtype(str(text))
    if dtype.kind not in "fciub" or dtype.hasobject:
        raise ValueError(f"expected an array of numbers, got {dtype}")
    return dtype


def _shape(sizes: Any) -> tuple[int, ...]:
    shape = tuple(sizes)
    if len(shape) > 32 or not all(type(size) is int and 0 <= size <= MOST_NUMBERS for size in shape):
        raise ValueError("expected at most 32 sizes >= 0")
    return shape
