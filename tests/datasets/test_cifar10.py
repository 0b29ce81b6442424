"""CIFAR-10: small files in both formats, written here byte by byte, and the real data if TINYDL_DATA has it."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinydl.datasets import cifar10
from tinydl.datasets.cifar10 import CIFAR10, CLASS_NAMES, load

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
OTHER_NAMES = tuple(f"class {i}" for i in range(10))
ROWS = 7


@pytest.fixture(scope="module")
def real() -> CIFAR10:
    if "TINYDL_DATA" not in os.environ or cifar10.FILES.find() is None:
        pytest.skip("needs CIFAR-10: set TINYDL_DATA to a folder with cifar-10-batches-py")
    return load()


# -- files in the published formats


def planes(batch: str, n: int = ROWS) -> np.ndarray:
    return np.random.default_rng(BATCHES.index(batch)).integers(0, 256, (n, 3072), dtype=np.uint8)


def labels(batch: str, n: int = ROWS) -> list[int]:
    return [(BATCHES.index(batch) + 3 * i) % 10 for i in range(n)]


def string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + len(text).to_bytes(4, "little") + text


def array_of_python2(x: np.ndarray, code: bytes = b"u1") -> bytes:
    shape = b"".join(b"J" + side.to_bytes(4, "little") for side in x.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R"
        b"(K\x01(" + shape + b"tcnumpy\ndtype\n" + string(code) + b"K\x00K\x01\x87R"
        b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + string(x.tobytes()) + b"tb"
    )


def python2(batch: str, n: int = ROWS) -> bytes:
    """A batch as Python 2's cPickle wrote the published files, with protocol 2."""
    numbers = b"".join(b"K" + bytes([label]) for label in labels(batch, n))
    return (
        b"\x80\x02}(" + string(b"batch_label") + string(b"some batch") + string(b"labels") + b"](" + numbers + b"e"
        + string(b"data") + array_of_python2(planes(batch, n)) + string(b"filenames") + b"](" + string(b"a.png") + b"eu."
    )  # fmt: skip


def meta_of_python2(names: tuple[str, ...]) -> bytes:
    return b"\x80\x02}(" + string(b"label_names") + b"](" + b"".join(string(n.encode()) for n in names) + b"eu."


def python3(batch: str, protocol: int, text: bool) -> bytes:
    """A batch as Python 3 would pickle it again, with keys of bytes (as read) or of text."""
    content = {"data": planes(batch), "labels": labels(batch), "batch_label": "some batch"}
    return pickle.dumps(content if text else {k.encode(): v for k, v in content.items()}, protocol)


def binary(batch: str, n: int = ROWS) -> bytes:
    return np.column_stack([np.array(labels(batch, n), np.uint8), planes(batch, n)]).tobytes()


def files(version: str = "py", names: tuple[str, ...] | None = None) -> dict[str, bytes]:
    if version == "py":
        content = {batch: python2(batch) for batch in BATCHES}
        return content if names is None else {**content, "batches.meta": meta_of_python2(names)}
    content = {f"{batch}.bin": binary(batch) for batch in BATCHES}
    return content if names is None else {**content, "batches.meta.txt": "\n".join([*names, ""]).encode()}


def write(folder: Path, content: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder


def tar(content: dict[str, bytes], folder: str = "cifar-10-batches-py/") -> bytes:
    """A tar archive in reverse order, because the published archive's batches are not in order either."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in reversed(content.items()):
            member = tarfile.TarInfo(folder + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def assert_right(data: CIFAR10, names: tuple[str, ...] = CLASS_NAMES) -> None:
    """Compare with the definition, pixel by pixel: planes R, G and B, each stored row by row."""
    for part, batches in ((data.train, BATCHES[:5]), (data.test, BATCHES[5:])):
        flat = np.concatenate([planes(batch) for batch in batches])
        assert part.x.shape == (len(flat), 32, 32, 3)
        assert part.x.dtype == np.uint8
        assert part.x.flags.c_contiguous
        for channel in range(3):
            for i in (0, 1, 31):
                for j in (0, 2, 31):
                    np.testing.assert_array_equal(part.x[:, i, j, channel], flat[:, 1024 * channel + 32 * i + j])
        np.testing.assert_array_equal(part.x.transpose(0, 3, 1, 2).reshape(-1, 3072), flat)
        assert part.labels.tolist() == [label for batch in batches for label in labels(batch)]
        assert part.labels.dtype == np.int64
        assert part.class_names == names


# -- reading


def test_the_files_written_here_are_pickles_as_python_2_wrote_them() -> None:
    content = pickle.loads(python2("test_batch"), encoding="bytes")
    np.testing.assert_array_equal(content[b"data"], planes("test_batch"))
    assert content[b"labels"] == labels("test_batch")
    assert content[b"filenames"] == [b"a.png"]


@pytest.mark.parametrize("version", ["py", "bin"])
def test_reads_a_folder(tmp_path: Path, version: str) -> None:
    folder = write(tmp_path / f"cifar-10-batches-{version}", files(version))
    assert_right(load(folder))
    assert_right(load(str(folder)))
    assert_right(load(tmp_path))
    train, test = load(folder)
    assert (len(train), len(test)) == (5 * ROWS, ROWS)


@pytest.mark.parametrize("version", ["py", "bin"])
def test_class_names_come_from_the_files(tmp_path: Path, version: str) -> None:
    names = OTHER_NAMES if version == "py" else tuple(name.replace(" ", "_") for name in OTHER_NAMES)
    assert_right(load(write(tmp_path, files(version, names))), names)


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_reads_what_python_3_wrote(tmp_path: Path, protocol: int, text: bool) -> None:
    assert_right(load(write(tmp_path, {batch: python3(batch, protocol, text) for batch in BATCHES})))


@pytest.mark.parametrize("order", ["<i8", ">i4", "u1"])
def test_labels_and_data_may_be_other_arrays(tmp_path: Path, order: str) -> None:
    content = {
        batch: pickle.dumps(
            {b"data": np.asfortranarray(planes(batch)), b"labels": np.array(labels(batch)).astype(order)}, protocol
        )
        for batch, protocol in zip(BATCHES, [2, 3, 4, 5, 2, 4], strict=True)
    }
    assert_right(load(write(tmp_path, content)))


@pytest.mark.parametrize("version", ["py", "bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_reads_an_archive_where_it_is(tmp_path: Path, version: str, zipped: bool) -> None:
    packed = tar(files(version, CLASS_NAMES), f"cifar-10-batches-{version}/")
    path = tmp_path / "whatever.name"
    path.write_bytes(gzip.compress(packed) if zipped else packed)
    assert_right(load(path))
    assert list(tmp_path.iterdir()) == [path], "nothing must be unpacked"


def test_an_archive_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(tar(files("bin"))))
    assert_right(load(tmp_path))


def test_links_and_paths_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(python2("test_batch"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
            member.type, member.linkname = kind, str(outside)
            archive.addfile(member)
        for name, data in list(files().items())[:5]:
            member = tarfile.TarInfo(f"../../../{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    path = tmp_path / "in" / "archive.tar"
    path.parent.mkdir()
    path.write_bytes(packed.getvalue())
    with pytest.raises(FileNotFoundError, match=r"archive\.tar: test_batch missing"):
        load(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "secret"]


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def place(name: str) -> Path:
        return write(tmp_path / name / "cifar-10-batches-py", files("py", (name, *OTHER_NAMES[1:]))).parent

    place("cache")
    assert load().train.name(0) == "cache"
    assert load(download=True).train.name(0) == "cache", "cached data must not be fetched again"
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    assert load().train.name(0) == "cache", "TINYDL_DATA may hold other data only"
    monkeypatch.setenv("TINYDL_DATA", str(place("data")))
    assert load().train.name(0) == "data"
    assert load(place("path")).train.name(0) == "path"


# -- missing or damaged files


def test_nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere' does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds neither cifar-10-batches-py nor cifar-10-batches-bin nor"):
        load(tmp_path)
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        load()
    for way in (
        "path",
        "TINYDL_DATA",
        "download=True",
        "digits",
        cifar10.FILES.origin,
        str(tmp_path),
        str(tmp_path / "cache"),
    ):
        assert way in str(caught.value)


@pytest.mark.parametrize("version", ["py", "bin"])
@pytest.mark.parametrize("archived", [True, False])
def test_missing_batches_are_named(tmp_path: Path, version: str, archived: bool) -> None:
    content = {name: data for name, data in files(version).items() if "_3" not in name and "test" not in name}
    if archived:
        path = tmp_path / "archive.tar.gz"
        path.write_bytes(gzip.compress(tar(content)))
    else:
        path = write(tmp_path / "folder", content)
    with pytest.raises(FileNotFoundError, match=f"{path}: data_batch_3, test_batch missing"):
        load(path)


def dictionary(**entries: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(string(name.encode()) + value for name, value in entries.items()) + b"u."


GOOD = array_of_python2(planes("data_batch_2"))
SEVEN = b"](" + b"K\x01" * 7 + b"e"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (python2("data_batch_2")[:-9000], "truncated or damaged .*EOFError"),
        (python2("data_batch_2")[:-1], "truncated or damaged .*EOFError"),
        (b"", "truncated or damaged .*EOFError"),
        (b"<html>not found</html>", "not a CIFAR-10 file"),
        (b"\x80\x02h\x05.", "not a CIFAR-10 file"),
        (pickle.dumps([1, 2]), r"data must be a uint8 array \(n, 3072\), got NoneType"),
        (dictionary(labels=SEVEN), "got NoneType"),
        (dictionary(data=b"](K\x01e", labels=SEVEN), "got list"),
        (dictionary(data=array_of_python2(planes("test_batch")[:, :3000]), labels=SEVEN), r"uint8 \(7, 3000\)"),
        (dictionary(data=array_of_python2(planes("test_batch")[0]), labels=SEVEN), r"uint8 \(3072,\)"),
        (dictionary(data=GOOD.replace(b"U\x02u1", b"U\x02i1"), labels=SEVEN), r"got int8 \(7, 3072\)"),
        (dictionary(data=GOOD.replace(b"U\x02u1", b"U\x02i2"), labels=SEVEN), "not a CIFAR-10 file,.*reshape"),
        (dictionary(data=GOOD), "labels must be a list, got NoneType"),
        (dictionary(data=GOOD, labels=b"](" + b"K\x01" * 6 + b"e"), "7 images and 6 labels"),
        (dictionary(data=GOOD, labels=SEVEN.replace(b"K\x01e", b"K\x0ae")), "label of image 6 must .* 0 to 9, got 10"),
        (dictionary(data=GOOD, labels=SEVEN.replace(b"(K\x01", b"(J\xff\xff\xff\xff")), "image 0 must .*, got -1"),
        (dictionary(data=GOOD, labels=SEVEN.replace(b"(K\x01", b"(]")), r"image 0 must .*, got \[\]"),
        (dictionary(data=GOOD, labels=SEVEN.replace(b"(K\x01", b"(\x88")), "image 0 must .*, got True"),
        (dictionary(data=b"cnumpy\nndarray\n)R", labels=SEVEN), "data must be .*, got _Array"),
        (dictionary(data=b"cnumpy\nndarray\n", labels=SEVEN), "data must be .*, got type"),
        (python2("data_batch_2", 6), "data_batch_2: 6 images, but .*data_batch_1 has 7: is one of them truncated"),
    ],
)
def test_faulty_batches_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    write(tmp_path, {**files(), "data_batch_2": content})
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "data_batch_2"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (binary("test_batch")[:-1], "21,510 bytes are not a whole number of records of 3,073: is the file truncated"),
        (b"", "0 bytes are not"),
        (binary("test_batch", 6), "6 images, but .*data_batch_1.bin has 7: is one of them truncated"),
        (b"\x0a" + binary("test_batch")[1:], "label of image 0 must be one of 0 to 9, got 10"),
    ],
)
def test_faulty_records_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    write(tmp_path, {**files("bin"), "test_batch.bin": content})
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "test_batch.bin"))


@pytest.mark.parametrize(
    "content",
    [dictionary(labels=SEVEN), meta_of_python2(CLASS_NAMES[:9]), dictionary(label_names=SEVEN),
     meta_of_python2(("cat", *CLASS_NAMES[:3], *CLASS_NAMES[3:9])), b"nonsense"],
)  # fmt: skip
def test_faulty_names_are_named(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {**files(), "batches.meta": content})
    with pytest.raises(ValueError, match=r"names of 10 classes|not a CIFAR-10 file") as caught:
        load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "batches.meta"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: gzip.compress(packed)[:-1000],
        lambda packed: gzip.compress(packed)[:-8] + bytes(8),  # only gzip's checksum is wrong
        lambda packed: packed[: len(packed) // 2],
        lambda packed: gzip.compress(packed[: len(packed) // 2 + 100]),
        lambda packed: b"no archive at all" * 99,
        lambda packed: gzip.compress(b"no archive at all" * 99),
    ],
)
def test_faulty_archives_are_named(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "faulty.tar.gz"
    path.write_bytes(spoil(tar(files())))
    with pytest.raises(ValueError, match="not a tar archive, or a truncated or damaged one") as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def test_a_faulty_file_in_an_archive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(gzip.compress(tar({**files(), "data_batch_4": b"nonsense"})))
    with pytest.raises(ValueError, match=r"archive\.tar\.gz: data_batch_4: not a CIFAR-10 file"):
        load(path)
    monkeypatch.setattr(cifar10, "_LARGEST", 20_000)
    path.write_bytes(gzip.compress(tar(files())))
    with pytest.raises(ValueError, match=r"archive\.tar\.gz: test_batch: .* bytes are more than any"):
        load(path)


# -- pickles with more than arrays


class Reduced:
    """An object whose pickle calls `function` when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def attacks(mark: Path) -> dict[str, tuple[bytes, str]]:
    """By name: a pickle that creates `mark` if its code runs, and the expected error text."""
    command = f"touch {mark}"
    code = f"__import__('os').mkdir({str(mark)!r}) or 1"

    def dumps(thing: Any, protocol: int = 2) -> bytes:
        return pickle.dumps({b"data": thing, b"labels": [1]}, protocol)

    def calls(module: str, name: str, argument: str) -> bytes:
        return dictionary(data=f"c{module}\n{name}\n(V{argument}\ntR".encode(), labels=SEVEN)

    hidden = Reduced(np.zeros(1).__reduce__()[0], np.ndarray, Reduced(os.system, command), b"b")
    as_state = b"cnumpy\nndarray\n)R(K\x01cposix\nsystem\n(V" + command.encode() + b"\ntRtb"
    return {
        "os.system": (dumps(Reduced(os.system, command)), f"{os.name}.system"),
        "os.system, protocol 4": (dumps(Reduced(os.system, command), 4), f"{os.name}.system"),
        "os.system, protocol 0": (dumps(Reduced(os.system, command), 0), f"{os.name}.system"),
        "eval": (dumps(Reduced(eval, code)), "__builtin__.eval"),
        "eval, protocol 4": (dumps(Reduced(eval, code), 4), "builtins.eval"),
        "exec": (dumps(Reduced(exec, code)), "__builtin__.exec"),
        "subprocess": (calls("subprocess", "getoutput", command), "subprocess.getoutput"),
        "f2py": (calls("numpy.f2py.crackfortran", "myeval", code), "numpy.f2py.crackfortran.myeval"),
        "numpy.load": (calls("numpy", "load", str(mark)), "numpy.load"),
        "numpy.memmap": (calls("numpy", "memmap", str(mark)), "numpy.memmap"),
        "numpy.fromfile": (calls("numpy.core.multiarray", "fromfile", str(mark)), "numpy.core.multiarray.fromfile"),
        "numpy.save": (calls("numpy", "save", str(mark)), "numpy.save"),
        "runstring": (calls("numpy.testing._private.utils", "runstring", code), "utils.runstring"),
        "dotted": (b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93(\x8c\x01xtR.", "numpy.ndarray.dump"),
        "codecs": (dictionary(data=b"c_codecs\nencode\n(V6f6e\nVhex\ntR"), "only text in latin1"),
        "codecs.lookup": (calls("_codecs", "lookup", "zlib"), "_codecs.lookup"),
        "getattr": (calls("__builtin__", "getattr", "x"), "__builtin__.getattr"),
        "copyreg": (calls("copy_reg", "_reconstructor", "x"), "copy_reg._reconstructor"),
        "INST": (f"(V{command}\niposix\nsystem\n.".encode(), "posix.system"),
        "OBJ": (f"(cposix\nsystem\nV{command}\no.".encode(), "posix.system"),
        "NEWOBJ": (b"\x80\x02csubprocess\nPopen\nV" + command.encode() + b"\n\x85\x81.", "subprocess.Popen"),
        "as a key": (b"\x80\x02}(cposix\nsystem\n(V" + command.encode() + b"\ntRK\x01u.", "posix.system"),
        "in an array's arguments": (dumps(hidden), f"{os.name}.system"),
        "in an array's state": (dictionary(data=as_state), "posix.system"),
        "object array": (dumps(np.array([Reduced(os.system, command)], object)), "dtype 'O8'|posix.system"),
        "object array of nothing": (dumps(np.array([None, 1], object)), "dtype 'O8'"),
        "object dtype over bytes": (dictionary(data=GOOD.replace(b"U\x02u1", b"U\x02O8")), "dtype 'O8'"),
        "record dtype": (dumps(np.zeros(2, "u1,O")), "dtype 'V9'"),
        "text dtype": (dumps(np.array(["a"])), "dtype 'U1'"),
        "fields in a dtype's state": (dictionary(data=GOOD.replace(b"NNNJ", b"N(tNJ")), "plain numbers"),
        "a list for an array's bytes": (
            dictionary(data=b"cnumpy\nndarray\n)R(K\x01(K\x01tcnumpy\ndtype\nU\x02u1\x85R\x89](K\x01etb"), "plain numbers"),
        "a class for a dtype": (dictionary(data=b"cnumpy\nndarray\n)R(K\x01)cnumpy\ndtype\n\x89U\x01atb"), "plain numbers"),
        "persistent": (b"\x80\x02K\x01Q.", "persistent"),
    }  # fmt: skip


@pytest.mark.parametrize("attack", attacks(Path()))
@pytest.mark.parametrize("target", ["data_batch_1", "batches.meta"])
def test_no_code_of_a_pickle_runs(tmp_path: Path, attack: str, target: str) -> None:
    mark = tmp_path / "it_ran"
    content, message = attacks(mark)[attack]
    folder = write(tmp_path / "folder", {**files(), target: content})
    before = set(sys.modules)
    with pytest.raises(ValueError, match=message) as caught:
        load(folder)
    assert str(caught.value).startswith(str(folder / target)), "the error must name the file"
    assert not mark.exists()
    assert set(sys.modules) == before, "nothing must be imported"


@pytest.mark.parametrize("attack", ["os.system", "eval", "f2py", "in an array's arguments", "INST", "as a key"])
def test_the_attacks_would_work(tmp_path: Path, attack: str) -> None:
    """Otherwise the test above would prove nothing."""
    mark = tmp_path / "mark"
    with contextlib.suppress(TypeError):  # NumPy cannot use os.system's result
        pickle.loads(attacks(mark)[attack][0], encoding="bytes")
    assert mark.exists()


def test_a_message_does_not_quote_the_whole_file(tmp_path: Path) -> None:
    write(tmp_path, {**files(), "data_batch_1": b"\x80\x02c" + b"\0" * 5000 + b"\nname\n."})
    with pytest.raises(ValueError, match="data_batch_1: rejected") as caught:
        load(tmp_path)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "target", ["numpy\nndarray", "numpy\ndtype", "_codecs\nencode", "numpy.core.numeric\n_frombuffer"]
)
@pytest.mark.parametrize(
    "state",
    [b"}(U\x06valuesK\x01u", b"(N}(X\x06\x00\x00\x00valuesK\x01X\x07\x00\x00\x00__new__K\x01ut", b"N", b"(K\x01K\x02t"],
)
def test_a_pickle_cannot_change_what_reads_it(tmp_path: Path, target: str, state: bytes) -> None:
    """The opcode BUILD sets attributes of the object on the stack, which may be a class."""
    write(tmp_path, {**files(), "data_batch_1": b"\x80\x02c" + target.encode() + b"\n" + state + b"b."})
    before = [dict(vars(stand_in)) for stand_in in cifar10._ADMITTED.values()]
    with pytest.raises(ValueError, match="data_batch_1: "):
        load(tmp_path)
    assert [dict(vars(stand_in)) for stand_in in cifar10._ADMITTED.values()] == before
    assert_right(load(write(tmp_path, files())))


def outcome_of(content: bytes) -> Any:
    try:
        return cifar10._pickled("the file", content)
    except ValueError as error:
        return error


def test_damage_anywhere_is_a_value_error() -> None:
    """Changed bytes or a missing end give a ValueError that names the file, or harmless content."""
    good = python2("test_batch", 1)
    head = [i for i in range(len(good)) if not 60 < good.find(planes("test_batch", 1).tobytes()) <= i < len(good) - 60]
    rng = np.random.default_rng(0)
    for _ in range(2000):
        content = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            content[rng.choice(head)] = rng.integers(256)
        end = rng.choice([len(good), rng.integers(len(good))])
        outcome = outcome_of(bytes(content[:end]))
        if isinstance(outcome, ValueError):
            assert str(outcome).startswith("the file: ")
        else:
            found, numbers = outcome
            assert (found.shape, found.dtype, numbers.shape) == ((1, 3072), np.uint8, (1,))


# -- download


class FakePooch(SimpleNamespace):
    """A stand-in for pooch, whose `retrieve` writes `content` to the requested path."""

    def __init__(self, content: bytes = b"", error: Exception | None = None) -> None:
        super().__init__(content=content, error=error, asked=[])

    def retrieve(self, url: str, known_hash: str, **settings: Any) -> str:
        self.asked.append((url, known_hash, settings))
        if self.error is not None:
            raise self.error
        write(Path(settings["path"]), {settings["fname"]: self.content})
        return str(Path(settings["path"]) / settings["fname"])


def test_download_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = FakePooch(gzip.compress(tar(files())))
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    with pytest.raises(FileNotFoundError, match="download=True"):
        load()
    assert pooch.asked == []
    assert_right(load(download=True))
    settings = {"fname": "cifar-10-python.tar.gz", "path": tmp_path / "cache", "progressbar": True}
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert pooch.asked == [(url, "md5:c58f30108f718f92721af3b95e74349a", settings)]
    assert_right(load())
    assert_right(load(download=True))
    assert len(pooch.asked) == 1


def test_a_given_path_is_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = FakePooch()
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "nowhere", download=True)
    assert pooch.asked == []


def test_download_failures_are_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", FakePooch(error=ValueError("MD5 hash of downloaded file does not match")))
    with pytest.raises(ValueError, match=r"not CIFAR-10's file \(its MD5 is not c58f.*deleted.*path="):
        load(download=True)
    monkeypatch.setitem(sys.modules, "pooch", FakePooch(error=ConnectionError("network is unreachable")))
    with pytest.raises(OSError, match=r"cs\.toronto\.edu.* could not be fetched \(network is unreachable\).*path="):
        load(download=True)


def test_without_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pooch":
            raise ModuleNotFoundError("No module named 'pooch'")
        return usual(name, *rest)

    monkeypatch.delitem(sys.modules, "pooch", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install pooch"):
        load(download=True)


def publish(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    """Change the address or the checksum of the published files."""
    monkeypatch.setattr(cifar10, "FILES", dataclasses.replace(cifar10.FILES, **changes))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """A small archive, served over HTTP on this machine."""
    content = gzip.compress(tar(files()))
    folder = write(tmp_path / "served", {"cifar-10-python.tar.gz": content})

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        publish(monkeypatch, origin=f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield content
        server.shutdown()
        thread.join()


def test_pooch_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: bytes) -> None:
    pytest.importorskip("pooch", reason="the real download needs pooch; a stand-in is tested above")
    with pytest.raises(ValueError, match="its MD5 is not c58f30108f718f92721af3b95e74349a"):
        load(download=True)
    assert list((tmp_path / "cache").iterdir()) == [], "a wrong file must not be kept"
    publish(monkeypatch, md5=hashlib.md5(served).hexdigest())
    assert_right(load(download=True))
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["cifar-10-python.tar.gz"]
    publish(monkeypatch, origin=cifar10.FILES.origin.replace("cifar-10", "nowhere"))
    assert_right(load(download=True))


def test_pooch_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: bytes) -> None:
    pytest.importorskip("pooch", reason="the real download needs pooch; a stand-in is tested above")
    publish(monkeypatch, origin=cifar10.FILES.origin.replace("cifar-10", "nowhere"))
    with pytest.raises(OSError, match=r"nowhere.* could not be fetched \(404"):
        load(download=True)
    assert list((tmp_path / "cache").iterdir()) == []


# -- the real data


def test_all_of_cifar10_is_read(real: CIFAR10) -> None:
    train, test = real
    assert (train.x.shape, test.x.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert train.x.dtype == test.x.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(train.labels), np.full(10, 5_000))
    np.testing.assert_array_equal(np.bincount(test.labels), np.full(10, 1_000))
    assert train.class_names == test.class_names == CLASS_NAMES


def test_figures_of_the_real_images(real: CIFAR10) -> None:
    train = real.train.standardised()
    np.testing.assert_allclose(train.mean, [0.4914, 0.4822, 0.4465], atol=5e-5)
    np.testing.assert_allclose(train.std, [0.2470, 0.2435, 0.2616], atol=5e-5)
    total, squares = np.zeros((2, 32, 32, 3))
    for x, _ in train.draw(5000):
        assert x.dtype == np.float32
        total += x.sum(axis=0, dtype=np.float64)
        squares += np.square(x).sum(axis=0, dtype=np.float64)
    np.testing.assert_allclose(total.sum(axis=(0, 1)) / 51_200_000, 0, atol=1e-6)
    np.testing.assert_allclose(squares.sum(axis=(0, 1)) / 51_200_000, 1, atol=1e-5)


def test_validation_images_of_the_real_ones(real: CIFAR10) -> None:
    train, validation = real.train.split(5_000, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(train.labels), np.full(10, 4_500))
    np.testing.assert_array_equal(np.bincount(validation.labels), np.full(10, 500))


def test_an_archive_that_declares_an_endless_file_is_refused_at_once(tmp_path: Path) -> None:
    """Skipping a file in a compressed archive means reading it; 10 TiB of zeros would take an hour."""
    member = tarfile.TarInfo("readme.html")
    member.size = 10 * 2**40
    packed = io.BytesIO(member.tobuf(tarfile.GNU_FORMAT))
    path = tmp_path / "cifar-10-python.tar"
    path.write_bytes(packed.getvalue())
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"readme.html: 10,995,116,277,760 bytes are more than any"):
        cifar10.load(path)
    assert time.perf_counter() - start < 10


def test_a_pickle_of_seven_bytes_takes_no_gigabytes(tmp_path: Path) -> None:
    """The pickle stores None in memo slot 2^28; a memo kept as an array would need that length."""
    write(tmp_path, {**files(), "data_batch_2": b"Nr\x00\x00\x00\x10."})
    start = time.perf_counter()
    with pytest.raises(ValueError, match="data_batch_2"):
        cifar10.load(tmp_path)
    assert time.perf_counter() - start < 2


# -- files that ask for much


def header(kind: bytes, size: int, name: str = "name") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def refused(path: Path, message: str) -> None:
    """Check that loading is refused in a second and 100 MB."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(ValueError, match=message) as caught:
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 1e8
        assert time.perf_counter() - start < 5
        assert str(caught.value).startswith(str(path))
    finally:
        tracemalloc.stop()


TUPLES = b"K\x01" + b"2\x86" * 40  # t = (t, t), 40 times: its hash takes 2^40 steps


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}" + TUPLES + b"K\x01s.", "a key must be text, bytes or a whole number, got a tuple"),
        (b"\x80\x02}(" + TUPLES + b"K\x01u.", "a key must be text, bytes or a whole number, got a tuple"),
        (b"\x80\x02(" + TUPLES + b"K\x01d.", "a key must be text, bytes or a whole number, got a tuple"),
        (b"\x80\x02}K\x01NNsNNs.", "a key must be text, bytes or a whole number, got a NoneType"),
        (b"\x80\x04\x8f(" + TUPLES + b"\x90.", "it makes a set, or uses a buffer from elsewhere"),
        (b"\x80\x04(" + TUPLES + b"\x91.", "it makes a set, or uses a buffer from elsewhere"),
        (b"\x80\x05\x97.", "it makes a set, or uses a buffer from elsewhere"),
        (b"\x80\x05\x96" + (3 * 2**30).to_bytes(8, "little") + b"abc.", "ends within an array"),
        (b"\x80\x04\x8e" + (3 * 2**30).to_bytes(8, "little") + b"abc.", "not a CIFAR-10 file"),
        (b"\x80\x02" + b"(" * 30_000 + b".", "more than 500,000 steps"),
        (b"\x80\x02](" + b"K\x01" * 30_000 + b"e.", "more than 500,000 steps"),
        (
            b"\x80\x02X" + (10**6).to_bytes(4, "little") + b"a" * 10**6 + b"q\x00c_codecs\nencode\nq\x01"
            + string(b"latin1") + b"q\x02(" + b"h\x01h\x00h\x02\x86R" * 1000 + b"l.",
            "it makes more bytes than it holds",
        ),
    ],
)  # fmt: skip
def test_a_pickle_that_asks_for_much_is_refused_at_once(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10._Steps, "left", 20_000)
    write(tmp_path, {**files(), "data_batch_2": content})
    refused(tmp_path, message)


@pytest.mark.parametrize("name", ["data_batch_1.bin", "batches.meta.txt"])
def test_sparse_files_of_3_gb_are_not_read(name: str, tmp_path: Path) -> None:
    write(tmp_path, files("bin", OTHER_NAMES))
    with (tmp_path / name).open("r+b") as file:
        file.truncate(3073 * 10**6)
    refused(tmp_path, f"{name}: 3,073,000,000 bytes are more than any CIFAR-10 file has")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g", b"X", b"S", b"0", b"?"])
def test_headers_of_2_gb_in_an_archive_are_refused(kind: bytes, zipped: bool, tmp_path: Path) -> None:
    content = header(kind, 2**31) + bytes(10_000)
    path = tmp_path / "a.tar"
    path.write_bytes(gzip.compress(content) if zipped else content)
    refused(path, r"name: 2,147,483,648 bytes are more than any CIFAR-10 file has")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header(tarfile.REGTYPE, -256), "-256 bytes are more than any CIFAR-10 file has"),
        (header(tarfile.DIRTYPE, 0) * 2000, "more than 1,000 files, not 9"),
        ((header(tarfile.GNUTYPE_LONGNAME, 512) + bytes(512)) * 2000, "more than 1,000 files, not 9"),
        (header(tarfile.REGTYPE, 1, "a\x1b[31m") + b"a", "it ends within a\\\\x1b"),
    ],
)
def test_other_archives_that_never_end_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    refused(tmp_path / "a.tar", message)


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "_LARGEST_ARCHIVE", 10**6)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar(files()) + bytes(10**7)))
    refused(tmp_path / "a.tar.gz", "it unpacks to more than 1,000,000 bytes")


def test_long_names_and_links_in_an_archive_are_passed_over(tmp_path: Path) -> None:
    """A link's header may claim a size, but no data follow it."""
    long_name = header(tarfile.GNUTYPE_LONGNAME, 600) + b"a" * 600 + bytes(424) + header(tarfile.REGTYPE, 3) + b"abc"
    content = long_name + bytes(509) + header(tarfile.SYMTYPE, 10**6, "data_batch_1") + tar(files())
    (tmp_path / "a.tar").write_bytes(content)
    assert len(load(tmp_path / "a.tar").train) == 5 * ROWS
