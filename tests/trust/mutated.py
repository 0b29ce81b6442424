"""Files with random damage: each loads correctly or is refused with one clear error, within 1 GB and 10 seconds.

A model or a checkpoint is loaded correctly only if it is the one that was saved, bit for bit. A text or a pickle has no
checksum, so a changed digit or pixel is another number; such a file must give data of the right kind. A clear error is
a ValueError or an OSError whose message begins with the file's path.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import re
import struct
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinydl import Model
from tinydl.datasets import cifar10, creditcard

from .subjects import data, fingerprint, network, warm_up
from .trial import GIGABYTES, SECONDS, Tally, in_child, peak_gigabytes, shares, shown

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
EACH = 50  # attacks made by one process


class Kind(NamedTuple):
    """A kind of file: the name and content of a good one, the files beside it, and how it is read.

    `read` gets the folder and the file's path, and returns what is wrong with what it read, "" if nothing.
    """

    name: str
    content: bytes
    beside: dict[str, bytes]
    read: Callable[[Path, Path], str]
    text: bool = False


# --- the kinds --------------------------------------------------------------------------------------------------------


def _trained() -> Model:
    model = network()
    x, y = data()
    model.fit(x, y, epochs=2, verbose=0)
    return model


def _saved(save: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        getattr(_trained(), save)(file)
        return file.read_bytes()


def _model() -> Kind:
    expected = fingerprint_of_weights(_trained())

    def read(folder: Path, file: Path) -> str:
        return "" if fingerprint_of_weights(Model.load(file)) == expected else "another model was loaded"

    return Kind("model.safetensors", _saved("save"), {}, read)


def fingerprint_of_weights(model: Model) -> str:
    """A model's arrays, and what it predicts."""
    arrays = {name: array.tolist() for name, array in {**model.params, **model.state}.items()}
    slots = {} if model.optimizer is None else {name: slot.tolist() for name, slot in model.optimizer.slots.items()}
    steps = None if model.optimizer is None else model.optimizer.iterations
    return json.dumps([arrays, slots, steps, model.predict(data()[0][:5]).tolist()])


def _checkpoint() -> Kind:
    expected = fingerprint(_trained())

    def read(folder: Path, file: Path) -> str:
        model = network(7)
        before = fingerprint(model)
        try:
            model.load_checkpoint(file)
        except (ValueError, OSError):
            if fingerprint(model) != before:
                return "a refused checkpoint has changed the model"
            raise
        return "" if fingerprint(model) == expected else "another state was loaded"

    return Kind("run.checkpoint", _saved("save_checkpoint"), {}, read)


def _batch(number: int, protocol: int = 2) -> bytes:
    rng = np.random.default_rng(number)
    return pickle.dumps(
        {b"data": rng.integers(0, 256, (3, 3072), np.uint8), b"labels": rng.integers(0, 10, 3).tolist()}, protocol
    )


def _record(number: int) -> bytes:
    rng = np.random.default_rng(number)
    return np.column_stack([rng.integers(0, 10, (3, 1), np.uint8), rng.integers(0, 256, (3, 3072), np.uint8)]).tobytes()


def _read_cifar(folder: Path, file: Path) -> str:
    train, test = cifar10.load(file if file.suffix == ".gz" else folder)
    good = all(
        part.x.dtype == np.uint8 and part.x.shape[1:] == (32, 32, 32, 3)[1:] and len(part.labels) == len(part.x)
        and len(part.x) > 0 and set(part.labels.tolist()) <= set(range(10)) for part in (train, test)
    )  # fmt: skip
    return "" if good else "the images are not images"


def _python_batch(protocol: int) -> Kind:
    beside = {name: _batch(number) for number, name in enumerate(BATCHES)}
    return Kind("data_batch_2", _batch(1, protocol), beside, _read_cifar)


def _names() -> Kind:
    beside = {name: _batch(number) for number, name in enumerate(BATCHES)}
    content = pickle.dumps({b"label_names": [name.encode() for name in cifar10.CLASS_NAMES]}, 2)
    return Kind("batches.meta", content, beside, _read_cifar)


def _binary_batch() -> Kind:
    beside = {f"{name}.bin": _record(number) for number, name in enumerate(BATCHES)}
    return Kind("data_batch_2.bin", _record(1), beside, _read_cifar)


def _archive(zipped: bool) -> Kind:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, name in enumerate(BATCHES):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            content = _batch(number)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    content = gzip.compress(packed.getvalue(), 1, mtime=0) if zipped else packed.getvalue()
    return Kind("cifar-10-python.tar.gz", content, {}, _read_cifar)


def _table(zipped: bool) -> Kind:
    rng = np.random.default_rng(3)
    names = ["Time", *creditcard.FEATURE_NAMES, "Class"]
    rows = [",".join([str(row), *(f"{v:.6f}" for v in rng.standard_normal(29)), str(row % 2)]) for row in range(20)]
    content = "\n".join([",".join(f'"{name}"' for name in names), *rows, ""]).encode()

    def read(folder: Path, file: Path) -> str:
        found = creditcard.load(file)
        good = found.features.shape == (found.n_rows, 29) and bool(np.isfinite(found.features).all())
        return "" if good and set(found.labels.tolist()) <= {0, 1} else "the table is not one"

    if zipped:
        return Kind("creditcard.csv.gz", gzip.compress(content, 1, mtime=0), {}, read)
    return Kind("creditcard.csv", content, {}, read, text=True)


KINDS: dict[str, Callable[[], Kind]] = {
    "model": _model,
    "checkpoint": _checkpoint,
    "CIFAR-10 pickle, protocol 2": partial(_python_batch, 2),
    "CIFAR-10 pickle, protocol 4": partial(_python_batch, 4),
    "CIFAR-10 class names": _names,
    "CIFAR-10 records": _binary_batch,
    "CIFAR-10 archive": partial(_archive, True),
    "CIFAR-10 archive, not compressed": partial(_archive, False),
    "CSV": partial(_table, False),
    "CSV, compressed": partial(_table, True),
}


# --- damage -----------------------------------------------------------------------------------------------------------

NUMBERS = ("-1", "0", "1e400", "NaN", "2147483648", "9223372036854775808", "1" + "0" * 30, "null", "[]", '"x"', "true")
WORDS = (b"\x00", b"\xff" * 4, b"\xff" * 8, b"{", b"]", b'"', b"\n", b",", b"\x80\x04", b"\x1b[31m", b"999999999")


def damaged(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return the name of the damage and the damaged content."""
    kind = rng.choice(list(DAMAGES))
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if changed:
            DAMAGES[kind](changed, rng)
    return kind, bytes(changed)


def _place(content: bytearray, rng: random.Random) -> int:
    """Half of the damage is done to the first 2,000 bytes, where the headers are."""
    return rng.randrange(min(len(content), 2000) if rng.random() < 0.5 else len(content))


def _flip(content: bytearray, rng: random.Random) -> None:
    content[_place(content, rng)] ^= 1 << rng.randrange(8)


def _replace(content: bytearray, rng: random.Random) -> None:
    content[_place(content, rng)] = rng.randrange(256)


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[_place(content, rng) :]


def _lose(content: bytearray, rng: random.Random) -> None:
    start = _place(content, rng)
    del content[start : start + rng.choice((1, 4, 64, 512, 4096))]


def _blank(content: bytearray, rng: random.Random) -> None:
    start = _place(content, rng)
    stop = min(len(content), start + rng.choice((1, 8, 512, 4096)))
    content[start:stop] = bytes(stop - start)


def _repeat(content: bytearray, rng: random.Random) -> None:
    start = _place(content, rng)
    content[start:start] = content[start : start + rng.choice((1, 16, 512, 4096))]


def _insert(content: bytearray, rng: random.Random) -> None:
    start = _place(content, rng)
    content[start:start] = rng.choice(WORDS)


def _noise(content: bytearray, rng: random.Random) -> None:
    start = _place(content, rng)
    stop = min(len(content), start + rng.choice((4, 64, 1024)))
    content[start:stop] = rng.randbytes(stop - start)


def _swap(content: bytearray, rng: random.Random) -> None:
    one, other = sorted((_place(content, rng), _place(content, rng)))
    size = min(other - one, len(content) - other, rng.choice((1, 8, 512)))
    content[one : one + size], content[other : other + size] = content[other : other + size], content[one : one + size]


def _number(content: bytearray, rng: random.Random) -> None:
    """Another number in the place of one that is written out."""
    found = list(re.finditer(rb"\d+(\.\d+)?", content[:20_000]))
    if found:
        match = rng.choice(found)
        content[match.start() : match.end()] = rng.choice(NUMBERS).encode()


def _size(content: bytearray, rng: random.Random) -> None:
    """Another size in the place of four or eight bytes."""
    start = _place(content, rng)
    code, largest = rng.choice((("<I", 2**32 - 1), ("<Q", 2**64 - 1), (">I", 2**31), ("<Q", 2**40), ("<I", 2**31)))
    size = struct.calcsize(code)
    content[start : start + size] = struct.pack(code, largest)


DAMAGES: dict[str, Callable[[bytearray, random.Random], None]] = {
    "bits flipped": _flip, "bytes replaced": _replace, "cut": _cut, "bytes lost": _lose, "blanked": _blank,
    "repeated": _repeat, "inserted": _insert, "noise": _noise, "swapped": _swap, "another number": _number,
    "another size": _size,
}  # fmt: skip


# --- the attacks ------------------------------------------------------------------------------------------------------


def read_one(kind: Kind, folder: Path, file: Path) -> str:
    """Read one damaged file in this process; return what is wrong."""
    start, before = time.process_time(), peak_gigabytes()
    try:
        trouble = kind.read(folder, file)
    except (ValueError, OSError) as error:
        trouble = unclear(error, folder)
    except BaseException as error:
        trouble = f"{type(error).__name__}: {shown(error)}"
    seconds, peak = time.process_time() - start, peak_gigabytes()
    if not trouble and seconds > SECONDS:
        trouble = f"takes {seconds:.1f} s"
    if not trouble and peak > GIGABYTES and peak > before + 0.01:
        trouble = f"takes {peak:.2f} GB"
    return trouble


def unclear(error: Exception, folder: Path) -> str:
    """What is wrong with an error about a file: it is of the right class, names the file first and is printable."""
    text = str(error)
    if not text.startswith(str(folder)):
        return f"the error does not begin with the path: {type(error).__name__}: {shown(text)}"
    if type(error) not in (ValueError, FileNotFoundError, IsADirectoryError):
        return f"the error is a {type(error).__name__}: {shown(text)}"
    if any((ord(character) < 32 and character != "\n") or 127 <= ord(character) < 160 for character in text):
        return f"the error has control characters: {shown(text)}"
    return "the error is too long" if len(text) > 4000 else ""


def _some(name: str, number: int, seed: str) -> list[tuple[str, str]]:
    """Make attacks on one kind of file; return the failures."""
    kind, rng, found = KINDS[name](), random.Random(seed), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for other, content in kind.beside.items():
            (folder / other).write_bytes(content)
        file = folder / kind.name
        file.write_bytes(kind.content)
        if trouble := read_one(kind, folder, file):
            return [(name, f"the undamaged file: {trouble}")] * number
        for attack in range(number):
            damage, content = damaged(kind.content, rng)
            file.write_bytes(content)
            if content == kind.content:
                continue
            if trouble := read_one(kind, folder, file):
                found.append((f"{name}, {damage}, {seed}, attack {attack}", trouble.replace(str(folder), "")))
    return found


def files(number: int, seed: int) -> Tally:
    """`number` damaged files, of all kinds in turn."""
    warm_up()
    tally = Tally()
    for name, part in zip(KINDS, shares(number, len(KINDS)), strict=True):
        for start in range(0, part, EACH):
            some = min(EACH, part - start)
            ending = in_child(partial(_some, name, some, f"{name} {seed} {start}"))
            tally.attacks += some
            if ending.trouble:
                tally.failures.append(f"{name}, seed {seed} {start}: {ending.trouble}")
            tally.failures += [": ".join(each) for each in ending.answer or []]
    return tally


def flips_in_arrays(number: int, seed: int) -> Tally:
    """Single bits flipped in the arrays of models and checkpoints: every one must be noticed, and its array named."""
    warm_up()
    tally, rng = Tally(), random.Random(f"flips {seed}")
    for name, part in zip(("model", "checkpoint"), shares(number, 2), strict=True):
        kind = KINDS[name]()
        size = int.from_bytes(kind.content[:8], "little")
        entries = {key: entry for key, entry in json.loads(kind.content[8 : 8 + size]).items() if key != "__metadata__"}
        flips = [(8 + size + rng.randrange(len(kind.content) - 8 - size), rng.randrange(8)) for _ in range(part)]

        def noticed(kind: Kind = kind, size: int = size, entries: Any = entries, flips: Any = flips) -> list[str]:
            found = []
            with tempfile.TemporaryDirectory() as folder:
                for at, bit in flips:
                    content = bytearray(kind.content)
                    content[at] ^= 1 << bit
                    file = Path(folder, kind.name)
                    file.write_bytes(content)
                    inside = at - 8 - size
                    array = next(key for key, entry in entries.items()
                                 if entry["data_offsets"][0] <= inside < entry["data_offsets"][1])  # fmt: skip
                    try:
                        kind.read(Path(folder), file)
                    except ValueError as error:
                        trouble = "" if array in str(error) else f"{array} is not named: {shown(error)}"
                    else:
                        trouble = f"not noticed in {array}"
                    found.append(trouble)
            return found

        ending = in_child(noticed)
        for (at, bit), trouble in zip(flips, ending.answer or [ending.trouble] * part, strict=True):
            tally.count(f"{name}, byte {at}, bit {bit}", trouble)
    return tally


def flips_in_headers(number: int, seed: int) -> Tally:
    """Single bits flipped before the arrays of models and checkpoints: every one must be noticed, in one clear error."""
    warm_up()
    tally, rng = Tally(), random.Random(f"header flips {seed}")
    for name, part in zip(("model", "checkpoint"), shares(number, 2), strict=True):
        kind = KINDS[name]()
        bits = range(8 * (8 + int.from_bytes(kind.content[:8], "little")))
        chosen = sorted(rng.sample(bits, min(part, len(bits))))
        for start in range(0, len(chosen), 20 * EACH):
            some = chosen[start : start + 20 * EACH]
            ending = in_child(partial(_unnoticed, kind, some))
            for bit, trouble in zip(some, ending.answer or [ending.trouble] * len(some), strict=True):
                tally.count(f"{name}, byte {bit // 8}, bit {bit % 8}", trouble)
    return tally


def _unnoticed(kind: Kind, bits: list[int]) -> list[str]:
    """Flip each bit in turn; return what is wrong each time."""
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for bit in bits:
            content = bytearray(kind.content)
            content[bit // 8] ^= 1 << bit % 8
            (folder / kind.name).write_bytes(content)
            try:
                kind.read(folder, folder / kind.name)
            except (ValueError, OSError) as error:
                found.append(unclear(error, folder))
            else:
                found.append("not noticed")
    return found
