"""Files that were made to do harm: pickles that call functions, and small files that claim to be huge.

A pickle may call any function of any module when it is read; an audit hook watches for that. A bomb is loaded or
refused within 1 GB and 10 s, whatever it claims. Both kinds of file are refused with one clear error.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tinydl import Model
from tinydl.datasets import cifar10, creditcard, movielens

from .mutated import BATCHES, Kind, _batch, _read_cifar, _record, read_one
from .subjects import data, network
from .trial import GIGABYTES, SECONDS, Tally, in_child

# --- pickles ----------------------------------------------------------------------------------------------------------

CALLED = [
    ("os", "system"), ("posix", "system"), ("os", "popen"), ("os", "execv"), ("os", "remove"), ("os", "mkdir"),
    ("subprocess", "Popen"), ("subprocess", "getoutput"), ("subprocess", "check_output"), ("builtins", "eval"),
    ("builtins", "exec"), ("builtins", "open"), ("builtins", "getattr"), ("builtins", "__import__"),
    ("__builtin__", "eval"), ("__builtin__", "apply"), ("importlib", "import_module"), ("runpy", "run_path"),
    ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy.f2py.crackfortran", "myeval"),
    ("numpy.testing._private.utils", "runstring"), ("shutil", "rmtree"), ("pickle", "loads"), ("ctypes", "CDLL"),
    ("functools", "partial"), ("operator", "attrgetter"), ("copyreg", "_reconstructor"), ("code", "interact"),
    ("socket", "create_connection"), ("pty", "spawn"), ("webbrowser", "open"), ("timeit", "timeit"),
    ("tinydl.files", "write_whole"), ("tinydl.datasets.cifar10", "load"), ("numpy", "ndarray.tofile"),
    ("_codecs", "lookup"), ("numpy", "dtype.newbyteorder"), ("numba.core.serialize", "_rebuild_function"),
]  # fmt: skip
DATA = pickle.dumps(np.zeros((1, 3072), np.uint8), 2)[2:-1]


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _calls(module: str, name: str, argument: str, protocol: int) -> list[bytes]:
    """Opcodes that call module.name(argument), in every way there is."""
    ways = [
        f"c{module}\n{name}\n(".encode() + _text(argument) + b"tR",
        b"(" + _text(argument) + f"i{module}\n{name}\n".encode(),
        f"(c{module}\n{name}\n".encode() + _text(argument) + b"o",
        f"c{module}\n{name}\n".encode() + _text(argument) + b"\x85\x81",
        f"c{module}\n{name}\n)R".encode() + b"}" + _text("values") + _text(argument) + b"sb",
    ]
    if protocol >= 4:
        found = _text(module) + _text(name) + b"\x93"
        ways += [found + _text(argument) + b"\x85R", found + _text(argument) + b"\x85}\x92", found + b"]\x94b"]
    return ways


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "alone": lambda call: call,
    "a value": lambda call: b"}(" + _text("data") + call + _text("labels") + b"](K\x01eu",
    "the labels": lambda call: b"}(" + _text("data") + DATA + _text("labels") + call + b"u",
    "a label": lambda call: b"}(" + _text("data") + DATA + _text("labels") + b"](" + call + b"eu",
    "another entry": lambda call: b"}(" + call + b"K\x01" + _text("data") + DATA + _text("labels") + b"](K\x01eu",
    "an array's state": lambda call: b"}(" + _text("data") + b"cnumpy\nndarray\n)R(K\x01" + call + b"tbu",
    "a dtype": lambda call: b"cnumpy\ndtype\n" + call + b"K\x00K\x01\x87R",
    "a stand-in's state": lambda call: b"cnumpy\ndtype\n" + call + b"b",
}


def _hostile(rng: random.Random, mark: str) -> tuple[str, bytes]:
    module, name = rng.choice(CALLED)
    protocol = rng.choice((0, 2, 3, 4, 5))
    place = rng.choice(list(PLACES))
    arguments = (f"touch {mark}", f"open({mark!r}, 'w')", mark, f"__import__('os').system('touch {mark}')")
    call = rng.choice(_calls(module, name, rng.choice(arguments), protocol))
    start = bytes([0x80, protocol]) if protocol >= 2 else b""
    return f"{module}.{name}, {place}, protocol {protocol}", start + PLACES[place](call) + b"."


WATCHED = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.mkdir", "subprocess.Popen",
           "socket.connect", "shutil.rmtree", "ctypes.dlopen", "exec", "import")  # fmt: skip


def pickles(number: int, seed: int) -> Tally:
    """Hostile pickles in the place of a batch or of the class names."""
    tally, each = Tally(), 100

    def some(start: int, count: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        rng = random.Random(f"pickles {seed} {start}")
        seen: list[str] = []
        watching = False

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            if watching and (event in WATCHED or (event == "open" and str(arguments[1] or "r")[0] in "wax")):
                seen.append(f"{event} {arguments[:1]}")

        with tempfile.TemporaryDirectory() as temporary:
            folder, mark = Path(temporary, "data"), Path(temporary, "mark")
            folder.mkdir()
            for index, name in enumerate(BATCHES):
                (folder / name).write_bytes(_batch(index))
            cifar10.load(folder)  # imports what it needs
            sys.addaudithook(watch)
            for _ in range(count):
                attack, content = _hostile(rng, str(mark))
                target = rng.choice(("data_batch_1", "batches.meta"))
                (folder / "data_batch_1").write_bytes(_batch(0))
                (folder / target).write_bytes(content)
                seen.clear()
                watching = True
                trouble = read_one(Kind(target, content, {}, _refused), folder, folder / target)
                watching = False
                if seen or mark.exists():
                    trouble = f"it ran: {', '.join(seen) or 'its mark is there'}"
                    mark.unlink(missing_ok=True)
                (folder / target).unlink()
                found.append((attack, trouble))
        return found

    for start in range(0, number, each):
        count = min(each, number - start)
        ending = in_child(partial(some, start, count))
        for attack, trouble in ending.answer or [(f"seed {seed} {start}", ending.trouble)] * count:
            tally.count(attack, trouble)
    return tally


def _refused(folder: Path, file: Path) -> str:
    _read_cifar(folder, file)
    return "it was read"


# --- bombs ------------------------------------------------------------------------------------------------------------

Bomb = Callable[[Path], object]  # writes the file, and what belongs beside it, to the folder


def _safetensors(metadata: Any, arrays: dict[str, tuple[int, ...]] | None = None, text: str | None = None) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"tinydl": json.dumps(metadata) if text is None else text}}
    at = 0
    for name, shape in (arrays or {}).items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    return struct.pack("<Q", len(content)) + content + bytes(at)


def _architecture(layers: Any, shape: Any = (10,), **others: Any) -> dict[str, Any]:
    return {"format": 1, "model": "model", "input_shape": shape, "seed": 0, "dtype": "float32", "layers": layers,
            "compiled": None, **others}  # fmt: skip


def _layer(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"layer": kind, "name": f"{kind}_1", "arguments": arguments}


MODEL = "model.safetensors"
Part = bytes | tuple[bytes, int]  # bytes, or bytes to be written so many times


def _write(file: Path, *parts: Part) -> None:
    """Write the parts, one after the other."""
    with file.open("wb") as whole:
        for part in parts:
            whole.write(part if isinstance(part, bytes) else part[0] * part[1])


def _loads(content: bytes) -> Bomb:
    return lambda folder: _write(folder / MODEL, content)


def _model(layers: Any, shape: Any = (10,), **others: Any) -> Bomb:
    """A model's file of this architecture, without arrays."""
    return lambda folder: _write(folder / MODEL, _safetensors(_architecture(layers, shape, **others)))


def _metadata(*parts: str | tuple[str, int]) -> Bomb:
    """A model's file with this text as its architecture."""

    def bomb(folder: Path) -> None:
        text = "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)
        _write(folder / MODEL, _safetensors(None, text=text))

    return bomb


def _nested(depth: int, times: int) -> Any:
    """Layers that repeat the one before, `times` at each level."""
    inner: Any = _layer("Sequential", layers=[_layer("Dense", units=4)])
    for level in range(depth):
        again = [{"same_as": level * 1 + 1}] * (times - 1)
        inner = _layer("Sequential", layers=[inner, *again])
    return [inner]


def _deep(depth: int) -> Bomb:
    """Containers in containers. (json.dumps would need as many calls in one another.)"""
    whole = json.dumps(_architecture(["LAYER"]))
    before, after = whole.split('"LAYER"')
    start = '{"layer": "Sequential", "name": "s", "arguments": {"layers": ['
    return _metadata(before, (start, depth), json.dumps(_layer("Dense", units=4)), ("]}}", depth), after)


def _sparse(folder: Path, name: str, size: int, start: bytes = b"") -> Path:
    file = folder / name
    with file.open("wb") as sparse:
        sparse.write(start)
        sparse.truncate(size)
    return file


def _cifar(make: Callable[[Path], object], end: str = "") -> Bomb:
    def bomb(folder: Path) -> None:
        for number, name in enumerate(BATCHES):
            (folder / f"{name}{end}").write_bytes(_record(number) if end else _batch(number))
        make(folder)

    return bomb


def _pickle(*parts: Part) -> Bomb:
    return _cifar(lambda folder: _write(folder / "data_batch_1", b"\x80\x02", *parts, b"."))


def _tuples(depth: int, use: bytes) -> bytes:
    """t = (t, t), nested, then used as a key or a value: hashing it or showing it takes 2^depth steps."""
    return b"}" + b"K\x01" + b"2\x86" * depth + use


@cache
def _tar_header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def _archive(members: list[tuple[bytes, int]], zipped: bool = False) -> Bomb:
    """A tar archive of members given by type and claimed size, whose content is a hole."""

    def bomb(folder: Path) -> None:
        file = folder / "cifar-10-python.tar.gz"
        with gzip.open(file, "wb", 1) if zipped else file.open("wb") as archive:
            for kind, size in members:
                archive.write(_tar_header(kind, size))
                if zipped:
                    for _ in range(size >> 24):
                        archive.write(bytes(1 << 24))
                else:
                    archive.seek(size, os.SEEK_CUR)
                    archive.truncate()

    return bomb


def _unzipped(name: str, start: bytes, piece: bytes, gigabytes: float = 3) -> Bomb:
    """A gzip file of many members: a few MB that unpack to gigabytes."""

    def bomb(folder: Path) -> None:
        file, block = folder / name, piece * ((1 << 24) // len(piece))
        member = gzip.compress(block, 9)
        with file.open("wb") as packed:
            packed.write(gzip.compress(start))
            for _ in range(int(gigabytes * 1e9 / len(block))):
                packed.write(member)

    return bomb


HEADER = (",".join(["Time", *creditcard.FEATURE_NAMES, "Class"]) + "\n").encode()


def _csv(*parts: Part) -> Bomb:
    return lambda folder: _write(folder / "creditcard.csv", HEADER, *parts)


def _ratings(ratings: Callable[[Path], object]) -> Bomb:
    def bomb(folder: Path) -> None:
        (folder / "u.item").write_text("1|A film (1990)|01-Jan-1990||x|" + "|".join("0" * 19) + "\n")
        (folder / "u.data").write_text("1\t1\t5\t100\n")
        ratings(folder)

    return bomb


def _zip(folder: Path) -> None:
    """A zip archive of a few kB whose u.data unpacks to 192 MB."""
    with zipfile.ZipFile(folder / "ml-100k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml-100k/u.item", "1|A film (1990)|01-Jan-1990||x|" + "|".join("0" * 19) + "\n")
        with archive.open("ml-100k/u.data", "w", force_zip64=True) as member:
            for _ in range(64):
                member.write(b"1\t1\t5\t100\n" * 300_000)


def _checkpoint(**changes: Any) -> Bomb:
    """A checkpoint with impossible numbers about training."""

    def bomb(folder: Path) -> None:
        file = folder / "run.checkpoint"
        network().save_checkpoint(file)
        content = file.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        metadata = json.loads(header["__metadata__"]["tinydl"])
        metadata["training"] |= changes
        del metadata["checksums"]  # as in a file of an older version
        header["__metadata__"] = {"tinydl": json.dumps(metadata)}
        text = json.dumps(header).encode()
        file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])

    return bomb


DENSE = _layer("Dense", units=4)
BOMBS: dict[str, Bomb] = {
    **{f"Dense of {units:.0e} units": _model([_layer("Dense", units=units)])
       for units in (200_000_000, 10**10, 10**18, 10**30)},
    **{f"rows of {n:.0e} numbers": _model([DENSE], [n]) for n in (10**9, 10**15)},
    "images of 1e5 x 1e5 pixels": _model(
        [_layer("Conv2D", filters=4, kernel_size=3), _layer("Flatten"), DENSE], [100_000, 100_000, 3]),
    "Conv2D of 1e9 filters": _model(
        [_layer("Conv2D", filters=10**9, kernel_size=3)], [8, 8, 3]),
    "Conv2D of a kernel of 1e5": _model(
        [_layer("Conv2D", filters=1, kernel_size=100_001, padding="same")], [8, 8, 3]),
    "BatchNorm of 1e9 columns": _model([_layer("BatchNorm")], [10**9]),
    "dimensions without end": _model([_layer("Flatten")], [2] * 10_000),
    "20,000 layers": _model(
        [{**DENSE, "name": f"dense_{n}"} for n in range(20_000)]),
    "200,000 activations": _model([_layer("ReLU")] * 200_000),
    **{f"same_as, {times} at each of {depth} levels": _model(_nested(depth, times))
       for depth, times in ((12, 4), (30, 2), (8, 10))},
    **{f"layers nested {depth} deep": _deep(depth) for depth in (100, 400, 5000)},
    "JSON nested 200,000 deep": _metadata('{"format": 1, "layers": ', ("[", 200_000)),
    "a number of 100,000 digits": _metadata('{"format": 1', ("0", 100_000), "}"),
    "a seed of 4,000 digits": _model([DENSE], seed=10**4000),
    "a name of 1 MB": _model([{**DENSE, "name": "n" * 10**6}]),
    "100,000 arrays": lambda folder: _write(folder / MODEL, _safetensors(
        _architecture([DENSE]), {f"array {n}": (1,) for n in range(100_000)})),
    "a header of 2^60 bytes": _loads(struct.pack("<Q", 2**60) + b"{}"),
    "a sparse header of 90 MB": partial(_sparse, name="m", size=200_000_000, start=struct.pack("<Q", 90_000_000) + b"{"),
    "a sparse model of 8 GB": partial(_sparse, name="m", size=8 * 10**9, start=_safetensors(_architecture([DENSE]))),
    "an array of 8 GB, sparse": partial(
        _sparse, name="m", size=8 * 10**9 + 108, start=struct.pack("<Q", 100)
        + b'{"a": {"dtype": "F32", "shape": [2000000000], "data_offsets": [0, 8000000000]}}'.ljust(100)),
    **{f"a checkpoint after {n:.0e} steps": _checkpoint(iterations=n) for n in (2**63, 10**30)},
    "a checkpoint with a million generators": _checkpoint(generators=[None] * 10**6),
    "a checkpoint after 1e30 epochs": _checkpoint(epoch=10**30),
    **{f"a pickle's key of tuples nested {depth} deep": _pickle(_tuples(depth, b"K\x01s")) for depth in (30, 40, 1000)},
    "a pickle's value of tuples nested 40 deep": _pickle(
        b"}" + _text("data") + b"K\x01" + b"2\x86" * 40 + b"s"),
    "a pickle's labels of tuples nested 40 deep": _pickle(
        b"}(" + _text("data") + DATA + _text("labels") + b"](K\x01" + b"2\x86" * 40 + b"eu"),
    "a pickle's frozen set of tuples": _pickle(b"(K\x01" + b"2\x86" * 40 + b"\x91"),
    "a pickle's text of 2^62 bytes": _pickle(b"\x8d" + struct.pack("<Q", 2**62)),
    "a pickle's integer of 2^31 bytes": _pickle(b"\x8b" + struct.pack("<i", 2**31 - 1)),
    "a pickle's decimal of 1,000,000 digits": _pickle(b"I", (b"9", 1_000_000), b"\n"),
    "a pickle's memo at 2^31": _pickle(b"K\x01r" + struct.pack("<I", 2**31 - 1)),
    "a pickle that doubles a list": _pickle(b"]" + b"(2222222222222222e" * 3),
    "a pickle of 10 million marks": _pickle((b"(", 10_000_000)),
    "a pickle nested 100,000 deep": _pickle((b"]", 100_000), (b"a", 99_999)),
    "a pickle's array of 2^40 rows": _pickle(
        b"}" + _text("data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        b"\x8a\x06\x00\x00\x00\x00\x00\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R\x89U\x01atbs"),
    "a sparse batch of 3 GB": _cifar(lambda folder: _sparse(folder, "data_batch_1", 3 * 10**9, b"\x80\x02")),
    "sparse records of 3 GB": _cifar(lambda folder: _sparse(folder, "data_batch_1.bin", 3073 * 10**6), ".bin"),
    "six sparse batches of 1 GB": _cifar(
        lambda folder: [_sparse(folder, f"{name}.bin", 3073 * 325_000) for name in BATCHES], ".bin"),
    "class names of 3 GB": _cifar(
        lambda folder: _sparse(folder, "batches.meta.txt", 3 * 10**9, b"a\n"), ".bin"),
    **{f"tar, a long name of 2 GB{', compressed' * zipped}": _archive([(tarfile.GNUTYPE_LONGNAME, 2**31)], zipped)
       for zipped in (False, True)},
    **{f"tar, a pax header of 2 GB{', compressed' * zipped}": _archive([(tarfile.XHDTYPE, 2**31)], zipped)
       for zipped in (False, True)},
    "tar, a global pax header of 2 GB": _archive([(tarfile.XGLTYPE, 2**31)]),
    "tar, a link name of 2 GB": _archive([(tarfile.GNUTYPE_LONGLINK, 2**31)]),
    "tar, a batch of 3 GB": _archive([(tarfile.REGTYPE, 3 * 10**9)]),
    "tar, a batch of 100 MB and others of 100 MB": _archive([(tarfile.REGTYPE, 10**8)] * 12),
    "tar, a million members": _archive([(tarfile.DIRTYPE, 0)] * 1_000_000),
    "tar.gz, zeros of 3 GB": _unzipped("cifar-10-python.tar.gz", b"", b"\0"),
    "csv.gz, one line of 3 GB": _unzipped("creditcard.csv.gz", HEADER, b"1"),
    "csv.gz, a header of 3 GB": _unzipped("creditcard.csv.gz", b"Time,", b"a"),
    "csv.gz, empty lines of 3 GB": _unzipped("creditcard.csv.gz", HEADER, b"\n"),
    "csv.gz, rows of 3 GB": _unzipped(
        "creditcard.csv.gz", HEADER, b"0," * 30 + b"0\n"),
    "CSV, a field of 200 kB": _csv(b'"', (b"1", 200_000), b'"', (b",0", 30)),
    "CSV, ten million columns": _csv((b"0,", 10_000_000), b"0\n"),
    "CSV, a header of ten million columns": lambda folder: _write(
        folder / "creditcard.csv", HEADER[:-1], (b",a", 10_000_000), b"\n", (b"0,", 10_000_030), b"0\n"),
    "CSV, an open quote over 3 GB": partial(_sparse, name="creditcard.csv", size=3 * 10**9, start=HEADER + b'"'),
    "CSV, a number of 10 MB": _csv((b"0,", 30), (b"1", 10**7), b"\n"),
    "CSV, sparse, 3 GB": partial(_sparse, name="creditcard.csv", size=3 * 10**9, start=HEADER),
    "ratings, sparse, 3 GB": _ratings(lambda folder: _sparse(folder, "u.data", 3 * 10**9, b"1\t1\t5\t1\n")),
    "films, sparse, 3 GB": _ratings(lambda folder: _sparse(folder, "u.item", 3 * 10**9)),
    "ratings, one line of 100 MB": _ratings(lambda folder: _write(folder / "u.data", (b"1", 10**8))),
    "ratings, ids of 18 digits": _ratings(
        lambda folder: _write(folder / "u.data", (b"999999999999999999\t1\t5\t1\n", 1000))),
    "a zip archive of 200 MB in a few kB": _zip,
}  # fmt: skip
THREADS = ("1e20", "100000000000000000000", "-1", "0", "9999999", "two", "", "2147483648")


def bombs(number: int, seed: int) -> Tally:
    """Bombs, each once; a smaller number takes a sample of them."""
    tally, rng = Tally(), random.Random(f"bombs {seed}")
    names = list(BOMBS) if number >= len(BOMBS) else sorted(rng.sample(list(BOMBS), number))
    idle = in_child(lambda: None).gigabytes
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            written = in_child(partial(_written, name, folder))
            ending = in_child(partial(_lit, folder), 60.0, 6.0)
            trouble = written.trouble or ending.trouble or ending.answer
            if not trouble and ending.seconds > SECONDS:
                trouble = f"takes {ending.seconds:.0f} s"
            # a child has its parent's memory, of which a long test run alone may have filled more than the limit
            if ending.gigabytes > max(GIGABYTES, idle + 0.8):
                trouble += f" takes {ending.gigabytes:.1f} GB (of which {idle:.1f} are the process itself)"
            tally.count(name, trouble)
    for threads in itertools.islice(THREADS, max(1, number // 10)):
        tally.count(f"TINYDL_NUM_THREADS={threads}", _with_threads(threads))
    return tally


def _written(name: str, folder: Path) -> None:
    """Write a bomb, in a process of its own, since that may need memory."""
    BOMBS[name](folder)


def _lit(folder: Path) -> str:
    """Read a bomb; return what is wrong."""
    files = sorted(path.name for path in folder.iterdir())
    file = folder / files[0]
    read: Callable[[], object] = partial(Model.load, file)
    if "u.data" in files:
        read = partial(movielens.load, folder)
    elif "test_batch" in files or "test_batch.bin" in files:
        read = partial(cifar10.load, folder)
    elif file.name == "run.checkpoint":
        read = partial(_continued, file)
    else:
        starts = {"creditcard": creditcard.load, "cifar": cifar10.load, "ml-": movielens.load}
        read = next((partial(load, file) for start, load in starts.items() if file.name.startswith(start)), read)

    def quietly(folder: Path, file: Path) -> str:
        read()
        return ""

    return read_one(Kind("", b"", {}, quietly), folder, file)


def _continued(file: Path) -> None:
    """Load a checkpoint and take a step, in which impossible numbers would come to light."""
    model = network()
    model.load_checkpoint(file)
    model.train_on_batch(*data())


def _with_threads(text: str) -> str:
    """Predict in a process of its own with this number of threads in the environment; refused or done."""
    code = (
        "import numpy as np; from tinydl import Model; from tinydl.layers import Dense\n"
        "Model([Dense(2)], (3,)).predict(np.zeros((4000, 3))); from tinydl.kernels.machine import threads\n"
        "threads.share(4, 4, lambda part: None)"
    )
    environment = {**os.environ, "TINYDL_NUM_THREADS": text, "TINYDL_QUIET": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, timeout=60
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    last = done.stderr.strip().splitlines()[-1:] or [""]
    clear = done.returncode == 1 and last[0].startswith("ValueError: TINYDL_NUM_THREADS")
    return "" if done.returncode == 0 or clear else f"status {done.returncode}: {last[0][:200]}"
