"""CIFAR-10: 60,000 color photographs of 32x32 pixels, 6,000 in each of 10 classes; 10,000 photographs are for testing.

    train, test = cifar10.load()

Both published versions can be read, unpacked or as archives. The files of the Python version are pickles, and a pickle
can call any function of any package while it is read. This module imports nothing that a pickle names: the names that
NumPy arrays need map to small classes that collect the parts of an array, and all other names are rejected. A file of a
few bytes can also ask for gigabytes or hours, so sizes, the number of a pickle's steps, and its keys are limited.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import gzip
import io
import pickle
import re
import reprlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..files import PathLike
from .images import Images
from .locate import DataFiles, open_unzipped

__all__ = ["CIFAR10", "CLASS_NAMES", "load"]

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")  # the last is the test set
_META = {"": "batches.meta", ".bin": "batches.meta.txt"}  # the class names' file, by the suffix of the batches
FILES = DataFiles(
    title="CIFAR-10",
    names=("cifar-10-batches-py", "cifar-10-batches-bin", "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
    parts=tuple(f"{batch}{end}" for batch in _BATCHES for end in _META),
    origin="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    instead="tinydl.datasets.digits.load() has small images and needs no files",
)
_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_LARGEST = 2**26  # bytes of one file; the original files are 31 MB each
_LARGEST_ARCHIVE = 2**29  # bytes of an unpacked archive; the original ones have 186 MB
_MOST_MEMBERS = 1000  # in an archive; the original ones have 9
_MOST_STEPS = 500_000  # of a pickle; the original files have 40,000 to 60,000

_WITHOUT_DATA = (  # in an archive
    tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE,
)  # fmt: skip

File = tuple[str, bytes]  # the location of a file, for messages, and its content


class CIFAR10(NamedTuple):
    """The 50,000 training images and the 10,000 test images, in the files' order."""

    train: Images
    test: Images


def load(path: PathLike | None = None, *, download: bool = False) -> CIFAR10:
    """Read the data from `path`, else from the folder in TINYDL_DATA, else from the cache (see locate.py).

    path: the folder cifar-10-batches-py or cifar-10-batches-bin, the archive cifar-10-python.tar.gz or
        cifar-10-binary.tar.gz, or a folder that contains one of these. Archives are read in place, which takes a
        second or two longer; nothing is unpacked.
    download: if the data are not found, fetch the Python version's archive (163 MB) into the cache, once, and check
        it; this needs pooch.

    FileNotFoundError: the data, or a part of them, were not found.
    ValueError: a file is not as expected; the message names the file.
    ImportError: pooch is missing. OSError: the download failed.
    """
    return _read(FILES.locate(path, download=download))


def _read(place: Path) -> CIFAR10:
    files = _in_folder(place) if place.is_dir() else _in_archive(place)
    names: tuple[str, ...] = CLASS_NAMES
    labels: dict[str, NDArray[np.int64]] = {}
    images = np.empty((0, 0, _SIDE, _SIDE, 3), np.uint8)  # (batch, n, height, width, channel)
    first = ""  # the location of the first batch; all others must have its length
    for name, (where, content) in files:
        if name in _META.values():
            names = _names(where, content)
            continue
        batch = name.removesuffix(".bin")
        planes, labels[batch] = (_binary if name.endswith(".bin") else _pickled)(where, content)
        n = len(planes)
        if not first:
            first = where
            images = np.empty((len(_BATCHES), n, _SIDE, _SIDE, 3), np.uint8)
        elif n != images.shape[1]:
            raise ValueError(f"{where}: {n:,} images, but {first} has {images.shape[1]:,}: is one of them truncated?")
        for channel, plane in enumerate(np.split(planes, 3, axis=1)):  # five times faster than copying a transpose
            images[_BATCHES.index(batch), ..., channel] = plane.reshape(-1, _SIDE, _SIDE)
    if missing := [batch for batch in _BATCHES if batch not in labels]:
        raise FileNotFoundError(f"{place}: {', '.join(missing)} missing: get it again from {FILES.origin}")
    *train, test = (labels[batch] for batch in _BATCHES)
    return CIFAR10(
        Images(images[:-1].reshape(-1, _SIDE, _SIDE, 3), np.concatenate(train), names),
        Images(images[-1].copy(), test, names),  # a view would keep the training images in memory
    )


def _in_folder(folder: Path) -> Iterator[tuple[str, File]]:
    """Yield (name, file) for the batches and class names that exist, from the Python version if both versions exist."""
    end = next(end for end in _META if any((folder / f"{batch}{end}").is_file() for batch in _BATCHES))
    for name in (*(f"{batch}{end}" for batch in _BATCHES), _META[end]):
        path = folder / name
        if path.is_file():
            _check_size(str(path), path.stat().st_size)
            yield name, (str(path), path.read_bytes())


def _in_archive(archive: Path) -> Iterator[tuple[str, File]]:
    """Yield (name, file) from a tar archive, gzip or plain, in its order, ignoring links, folders and other files."""
    wanted = {*_META.values(), *FILES.parts}
    try:
        with open_unzipped(archive) as unzipped:
            file = _AtMost(unzipped)
            for header in _headers(file):
                name = header.name.rpartition("/")[2]
                where = f"{archive}: {arguments.shown(name)}"
                _check_size(where, header.size)
                content = file.read(header.size)
                padding = -header.size % tarfile.BLOCKSIZE
                if len(content) < header.size or len(file.read(padding)) < padding:
                    raise EOFError(f"it ends within {arguments.shown(name)}")
                if name in wanted and header.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    wanted.remove(name)  # a second file of this name is not read
                    yield name, (where, content)
            while file.read(2**20):  # read to the end, where gzip's checksum is
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        trouble = f"not a tar archive, or a truncated or damaged one ({error})"
        raise ValueError(f"{archive}: {trouble}: get it again") from error


class _AtMost:
    """A stream of at most _LARGEST_ARCHIVE bytes: a gzip file may unpack to a thousand times its size."""

    def __init__(self, file: gzip.GzipFile | io.BufferedReader) -> None:
        self.file, self.left = file, _LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {_LARGEST_ARCHIVE:,} bytes")
        return content


def _headers(file: _AtMost) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each member of a tar archive that has data, which the caller reads.

    (tarfile itself reads some headers' data at once, whatever size they claim, and keeps every header in memory.)
    """
    for _ in range(_MOST_MEMBERS):
        try:
            header = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # a block of zeros
            return
        if header.type not in _WITHOUT_DATA:
            yield header
    raise tarfile.ReadError(f"it has more than {_MOST_MEMBERS:,} files, not 9")


def _check_size(where: str, size: int) -> None:
    if not 0 <= size <= _LARGEST:
        raise ValueError(f"{where}: {size:,} bytes are more than any CIFAR-10 file has")


def _checked(where: str, planes: NDArray[np.uint8], labels: list[Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if len(labels) != len(planes) or not labels:
        raise ValueError(f"{where}: expected a label per image, got {len(planes):,} images and {len(labels):,} labels")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < len(CLASS_NAMES):
            raise ValueError(f"{where}: the label of image {row} must be one of 0 to 9, got {reprlib.repr(label)}")
    return planes, np.array(labels, np.int64)


def _names(where: str, content: bytes) -> tuple[str, ...]:
    """The class names: the lines of batches.meta.txt, or label_names in batches.meta."""
    found = content.split() if where.endswith(".txt") else _field(_unpickled(where, content), "label_names")
    names = [_text(name) for name in found] if isinstance(found, list) else []
    if len(names) != len(CLASS_NAMES) or not all(isinstance(name, str) for name in names) or len(set(names)) < 10:
        raise ValueError(f"{where}: expected the names of 10 classes, got {reprlib.repr(found)}")
    return tuple(names)


def _binary(where: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read records of one label byte and 3,072 pixel bytes."""
    if not content or len(content) % (1 + _PIXELS):
        trouble = f"{len(content):,} bytes are not a whole number of records of {1 + _PIXELS:,}"
        raise ValueError(f"{where}: {trouble}: is the file truncated?")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return _checked(where, records[:, 1:], records[:, 0].tolist())


def _pickled(where: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = _unpickled(where, content)
    data, labels = _field(batch, "data"), _field(batch, "labels")
    planes = data.values if isinstance(data, _Array) else None
    if planes is None or planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[1] != _PIXELS:
        got = type(data).__name__ if planes is None else f"{planes.dtype} {planes.shape}"
        raise ValueError(f"{where}: data must be a uint8 array (n, {_PIXELS}), got {got}")
    if isinstance(labels, _Array) and labels.values is not None:
        labels = labels.values.tolist()
    if not isinstance(labels, list):
        raise ValueError(f"{where}: labels must be a list, got {type(labels).__name__}")
    return _checked(where, planes, labels)


def _field(batch: Any, name: str) -> Any:
    """An entry of a file's dictionary, whose keys are bytes if Python 2 wrote the file."""
    return batch.get(name.encode(), batch.get(name)) if isinstance(batch, dict) else None


def _text(value: Any) -> Any:
    """Convert bytes to text, since Python 2 used one type for both."""
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def _unpickled(where: str, content: bytes) -> Any:
    try:
        return _Unpickler(content).load()
    except _Refused as error:
        raise ValueError(f"{where}: rejected before any of it was run: {_short(error)}") from error
    except Exception as error:  # a damaged pickle can raise almost anything: EOFError, KeyError, MemoryError, TypeError
        trouble = f"{type(error).__name__}: {_short(error)}"
        raise ValueError(f"{where}: not a CIFAR-10 file, or a truncated or damaged one ({trouble})") from error


def _short(error: Exception) -> str:
    """An error's text, which may quote much of the file."""
    return arguments.shown(f"{error!s:.300}")


class _Refused(Exception):
    """Raised if a pickle requires something that no CIFAR-10 file needs."""


class _StandIn:
    """A class that a pickle may call but not modify: without __setstate__, a pickle could set its attributes."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise _Refused("it would change a function")


class _Array(_StandIn):
    """Stands in for numpy.ndarray and for the function that creates an empty array."""

    __slots__ = ("values",)
    values: NDArray[Any] | None

    def __new__(cls, *arguments: Any) -> _Array:
        self = super().__new__(cls)
        self.values = None
        return self

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, data = state
        self._fill(data, dtype, shape, "F" if is_fortran else "C")

    def _fill(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        if not isinstance(dtype, _DType) or dtype.values is None or not isinstance(data, bytes | bytearray):
            raise _Refused("arrays must be contiguous and of plain numbers")
        self.values = np.frombuffer(data, dtype.values).reshape(shape, order=order)


class _FromBuffer(_StandIn):
    """Stands in for the function that restores NumPy arrays in pickle protocol 5."""

    __slots__ = ()

    def __new__(cls, data: Any, dtype: Any, shape: Any, order: Any) -> Any:
        array = _Array()
        array._fill(data, dtype, shape, order)
        return array


class _DType(_StandIn):
    """Stands in for numpy.dtype; accepts integers and floats, and rejects Python objects, records and text."""

    __slots__ = ("values",)
    values: np.dtype[Any] | None

    def __new__(cls, code: Any, *arguments: Any) -> _DType:
        code = _text(code)
        if not isinstance(code, str) or not re.fullmatch("[iu][1248]|f[48]", code):
            raise _Refused(f"it holds arrays of dtype {reprlib.repr(code)}")
        self = super().__new__(cls)
        self.values = np.dtype(code)
        return self

    def __setstate__(self, state: Any) -> None:
        order: Any
        _, order, *record = state
        order = _text(order)
        if order not in ("<", ">", "=", "|") or any(part is not None for part in record[:3]) or self.values is None:
            raise _Refused("a dtype must be plain numbers")
        self.values = self.values.newbyteorder(order)


class _Bytes(_StandIn):
    """Stands in for the function with which Python 3 encodes bytes in the pickle protocols of Python 2."""

    __slots__ = ()

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
            raise _Refused("only text in latin1 is allowed")
        return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], type[_StandIn]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _Bytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},  # NumPy 1, NumPy 2
    **{(f"numpy.{core}.numeric", "_frombuffer"): _FromBuffer for core in ("core", "_core")},
}


class _Steps(dict[int, Any]):
    """The methods of an unpickler by opcode, for a limited number of look-ups: one per step of the pickle."""

    left = _MOST_STEPS

    def __getitem__(self, opcode: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _Refused(f"it has more than {_MOST_STEPS:,} steps")
        return super().__getitem__(opcode)


# 7 bytes can make the version in C allocate gigabytes. (Any: its annotations lack its methods.)
_Python: Any = pickle._Unpickler


class _Unpickler(_Python):
    """An unpickler for plain containers, numbers, text and arrays of numbers; it rejects every other name.

    Keys must be text, bytes or whole numbers: the hash of a tuple of two equal tuples of ... takes 2^40 steps.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.left = len(content)
        self.dispatch = _Steps(_STEPS)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _Refused(f"it asks for {module}.{name}, but only NumPy arrays and plain containers are allowed")
        return _ADMITTED[module, name]

    def load_set_or_buffer(self) -> None:
        raise _Refused("it makes a set, or uses a buffer from elsewhere")

    def load_bytearray8(self) -> None:  # the original makes an array of the size that the file claims, then fills it
        size = int.from_bytes(self.read(8), "little")
        if len(content := self.read(min(size, self.left))) < size:
            raise EOFError("it ends within an array")
        self.append(bytearray(content))

    def load_reduce(self) -> None:
        super().load_reduce()
        if isinstance(self.stack[-1], bytes):  # from a text of the file, which may be used again and again
            self.left -= len(self.stack[-1])
            if self.left < 0:
                raise _Refused("it makes more bytes than it holds")

    def load_setitem(self) -> None:
        self._check_keys(self.stack[-2:])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._check_keys(self.stack)
        super().load_setitems()

    def load_dict(self) -> None:
        self._check_keys(self.stack)
        super().load_dict()

    def _check_keys(self, items: list[Any]) -> None:
        for key in items[::2]:
            if type(key) not in (str, bytes, int):
                raise _Refused(f"a key must be text, bytes or a whole number, got a {type(key).__name__}")


_SETS_AND_BUFFERS = (
    pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
_STEPS = {
    **{opcode: getattr(_Unpickler, method.__name__) for opcode, method in _Python.dispatch.items()},
    **{ord(code): _Unpickler.load_set_or_buffer for code in _SETS_AND_BUFFERS},
}
