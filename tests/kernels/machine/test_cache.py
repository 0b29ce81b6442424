"""Compiled kernels on disk: staleness, damaged files, and disks that cannot be written to."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinydl
from tinydl import kernels
from tinydl.kernels.machine import cache
from tinydl.kernels.machine.compile import COMPILES, kernel

pytestmark = pytest.mark.skipif(not COMPILES, reason="NUMBA_DISABLE_JIT is set, so nothing is compiled")

# --- a network's step in a process of its own, with its own copy of the package ---------------------------------------

LISTEN = """
    import numpy as np
    from numba.core import event

    class Compiled(event.Listener):
        def on_start(self, event):
            function = event.data["dispatcher"].py_func
            if function.__module__.startswith("tinydl.") and "<locals>" not in function.__qualname__:
                print(f"{function.__module__.removeprefix('tinydl.kernels.')}.{function.__name__}")

        def on_end(self, event): ...

    event.register("numba:compile", Compiled())
    from tinydl.losses import MeanSquaredError

    x = np.random.default_rng(0).normal(size=(8, 6))
"""
STEP = (
    LISTEN
    + """
    from tinydl import Model
    from tinydl.layers import Dense
    from tinydl.optimizers import Adam

    model = Model([Dense(5, "relu"), Dense(6)], 6, 0)
    model.compile(Adam(), MeanSquaredError())
    print(model.train_on_batch(x, x))
"""
)
LOSS = (
    LISTEN
    + """
    loss = MeanSquaredError()
    value = loss.forward(x, x - 3)
    loss.backward()
    print(value)
"""
)  # two kernels, which compile sooner than a step's


class Step(NamedTuple):
    """The output of a process: the kernels that it compiled, the loss, and the lines on stderr."""

    compiled: list[str]
    loss: float
    said: list[str]


class Copy:
    """A copy of the package, with a folder for its compiled kernels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, folder / "kept"
        source = Path(tinydl.__path__[0])
        shutil.copytree(source, folder / "tinydl", ignore=shutil.ignore_patterns("__pycache__"))

    def step(self, kept: Path | None = None, program: str = STEP) -> Step:
        environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TINYDL_KERNELS")
        }
        process = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], cwd=self.folder, capture_output=True, text=True, check=False,
            env={**environment, "NUMBA_CACHE_DIR": str(kept or self.kept), "TINYDL_NUM_THREADS": "1"},
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        *compiled, loss = process.stdout.splitlines()
        said = [
            line for line in process.stderr.splitlines() if not line.startswith("tinydl: OpenBLAS runs its code for")
        ]
        return Step(compiled, float(loss), said)

    def files(self) -> dict[str, Path]:
        """The cached files by name, without the hash of the source."""
        found = {re.sub(r"(\.py\d+)\.\w+\.", r"\1.", path.name): path for path in self.kept.glob("*/*")}
        assert len(found) == len(list(self.kept.glob("*/*")))  # one version of each function
        return found

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / "tinydl" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Step]:
    """A copy that has run one step, and the output of that step."""
    copy = Copy(tmp_path_factory.mktemp("copy"))
    return copy, copy.step()


@pytest.mark.slow
def test_the_first_process_says_what_it_does_and_the_next_compiles_nothing(cold: tuple[Copy, Step]) -> None:
    copy, first = cold
    assert {"dense._affine", "losses._mean_squared_error", "optimizers._adam"} <= set(first.compiled)
    (line,) = first.said
    assert line.startswith("tinydl: compiling kernels for this machine as they are needed")
    assert len(copy.files()) == len(first.compiled) + 1  # and the products, a C function
    assert copy.step() == Step([], first.loss, [])
    (products,) = copy.kept.rglob("machine.product._product.*")
    products.unlink()  # kernels that call them are loaded nevertheless
    assert copy.step() == Step([], first.loss, [])
    assert products.exists()


@pytest.mark.slow
def test_an_edit_compiles_what_depends_on_it_and_nothing_else(cold: tuple[Copy, Step]) -> None:
    """After an edit to a kernel file, even to a comment, its kernels are compiled again; after an edit to a layer's
    docstring, none are. Old versions are deleted."""
    copy, _ = cold
    before = copy.files()
    copy.edit("layers/dense.py", '"""Dense: every output', '"""Dense:  every output')
    copy.edit("layers/dense.py", "Add the gradients derived in Dense to dW", "Add the derived gradients to dW")
    assert copy.step().compiled == []
    assert copy.files() == before
    copy.edit("kernels/losses.py", "import numpy as np\n", "import numpy as np  # for arrays\n")
    assert sorted(copy.step().compiled) == ["losses._mean_squared_error", "losses.mean_squared_error_gradient"]
    after = copy.files()
    assert set(after) == set(before)
    assert {name.split(".")[0] for name in before if before[name] != after[name]} == {"losses"}


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_stops_nothing(cold: tuple[Copy, Step], tmp_path: Path) -> None:
    copy, _ = cold
    (tmp_path / "file").touch()
    step = copy.step(kept=tmp_path / "file" / "folder", program=LOSS)
    assert step.compiled == ["losses._mean_squared_error", "losses.mean_squared_error_gradient"]
    assert step.loss == pytest.approx(9)
    _, line = step.said
    assert line.startswith(f"tinydl: compiled kernels cannot be kept in {tmp_path}/file/folder/kernels-")
    assert line.endswith("Not a directory: set NUMBA_CACHE_DIR to a writable folder")


@pytest.mark.slow
def test_an_edit_reaches_the_kernels_that_call_what_was_edited(cold: tuple[Copy, Step]) -> None:
    """Numba's own cache checks only the kernel's own file, here dense.py, and not product.py, whose code it contains."""
    copy, first = cold
    before = copy.files()
    copy.edit(
        "kernels/machine/product.py", "multiply_add(builder, entry, factor,", "multiply_add(builder, entry, entry,"
    )
    changed = copy.step()
    assert changed.loss != pytest.approx(first.loss, rel=0.1)
    assert {name.rsplit(".", 1)[0] for name in changed.compiled} == {"dense"}
    functions = [sorted(name.split(".py")[0] for name in files) for files in (copy.files(), before)]
    assert functions[0] == functions[1]  # old versions are deleted


# --- one kernel in this process ---------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for compiled kernels; messages that are printed only once may appear again."""
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "kept")
    cache.say_once.cache_clear()
    return tmp_path / "kept"


def new_kernel() -> Any:
    """The gradient of the squared error as in a new process, without a compiled version in memory."""
    return kernel()(kernels.losses.mean_squared_error_gradient.py_func)


def compiles(function: Any, dtype: Any = np.float64) -> bool:
    """Whether a call compiles the function instead of finding it cached; the result is checked in either case."""
    before = sum(function.stats.cache_misses.values())
    np.testing.assert_allclose(function(np.array([1, 2], dtype), np.array([0, 4], dtype)), [1, -2])
    return sum(function.stats.cache_misses.values()) > before


def test_a_kernel_is_kept_by_the_types_of_its_arguments(kept: Path) -> None:
    assert compiles(new_kernel())
    again = new_kernel()
    assert not compiles(again)
    assert compiles(again, np.float32)
    assert len(list(kept.iterdir())) == 2


def test_older_versions_of_a_kernel_are_deleted_and_no_other_file(kept: Path) -> None:
    assert compiles(new_kernel())
    (file,) = kept.iterdir()
    start, version = file.name.split(".py")[0], f"py{sys.version_info.major}{sys.version_info.minor}"
    older = kept / f"{start}.{version}.0123456789abcdef.0123456789abcdef.nbc"
    others = [
        kept / f"{start}.py39.0123456789abcdef.0123456789abcdef.nbc",  # from another Python version
        kept / f"{start}_too.{version}.0123456789abcdef.0123456789abcdef.nbc",
        kept / "notes.txt",
    ]
    for path in (older, *others):
        path.touch()
    assert compiles(new_kernel(), np.float32)
    assert not older.exists()
    assert file.exists()
    assert all(path.exists() for path in others)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[:-100],
    "empty": lambda content: b"",
    "one bit": _flipped,
    "its hash": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "garbage": lambda content: bytes(range(256)) * 100,
}


def test_damaged_files_are_compiled_again_and_one_line_says_so(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiles(new_kernel())
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    capsys.readouterr()
    for damage in DAMAGE.values():
        file.write_bytes(damage(whole))
        assert compiles(new_kernel())
        assert not compiles(new_kernel())  # the file is whole again
    assert capsys.readouterr().err.splitlines() == [
        f"tinydl: a cached kernel in {kept} cannot be used and is compiled again: ValueError: its content does not match its hash"
    ]


def test_a_file_that_holds_something_else_is_compiled_again(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file's hash is right, as if another version of cache.py had written the file."""
    compiles(new_kernel())
    (file,) = kept.iterdir()
    content = cache.dumps(["no", "kernel"])
    file.write_bytes(cache.hashlib.sha256(content).digest() + content)
    assert compiles(new_kernel())
    assert f"tinydl: a cached kernel in {kept} cannot be used and is compiled again: " in capsys.readouterr().err
    assert not compiles(new_kernel())


def refuses(error: OSError) -> Callable[..., Any]:
    def write(*_: Any) -> None:
        raise error

    return write


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing_stops_nothing_and_one_line_says_so(
    code: int, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "another"):
        monkeypatch.setattr(os, "replace", refuses(OSError(code, os.strerror(code), f"{kept}/{name}")))
        assert compiles(new_kernel())  # also the second time, because it was not stored
    assert list(kept.iterdir()) == []
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "compiling kernels" not in line]
    assert line.startswith(f"tinydl: compiled kernels cannot be kept in {kept}; each process compiles its own: ")
    assert line.endswith(f": {os.strerror(code)}: set NUMBA_CACHE_DIR to a writable folder")


def test_folders_in_the_place_of_files_stop_nothing_and_one_line_says_so(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dtype in (np.float64, np.float32):
        compiles(new_kernel(), dtype)
    assert cache.content()[0] == 2
    for file in kept.iterdir():
        file.unlink()
        file.mkdir()
    (kept / "deleted meanwhile.nbc").symlink_to("nothing")
    assert cache.content()[0] == 2
    capsys.readouterr()
    for dtype in (np.float64, np.float32):
        assert compiles(new_kernel(), dtype)
    (again, nothing_kept) = capsys.readouterr().err.splitlines()
    assert again.endswith("is compiled again: IsADirectoryError: Is a directory")
    assert "each process compiles its own: IsADirectoryError: expected the path of a file, got a folder" in nothing_kept


def test_a_file_that_cannot_be_read_is_compiled_again(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiles(new_kernel())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuses(PermissionError(errno.EACCES, "Permission denied", "name")))
        assert compiles(new_kernel())
    assert "cannot be used and is compiled again: PermissionError: Permission denied" in capsys.readouterr().err


def test_a_file_of_any_size_is_not_read(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiles(new_kernel())
    for file in kept.rglob("*.nbc"):
        with file.open("r+b") as content:
            content.truncate(3 * 10**9)
    assert compiles(new_kernel())
    assert "is compiled again: ValueError: it is larger than 67,108,864 bytes" in capsys.readouterr().err


def test_a_user_without_a_home_folder_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache, "user_cache_folder", refuses(RuntimeError("Could not determine home directory.")))  # type: ignore[arg-type]
    assert os.devnull in str(cache.folder.__wrapped__())


def test_the_folder_is_the_users_or_where_numba_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for told, base in (("", cache.user_cache_folder()), (str(tmp_path / "told"), tmp_path / "told")):
        monkeypatch.setattr(cache.config, "CACHE_DIR", told)
        assert cache.folder.__wrapped__().parent == base


# --- what a kernel depends on -----------------------------------------------------------------------------------------


def test_a_fingerprint_covers_all_that_a_file_imports_from_kernels() -> None:
    def of(name: str) -> set[str]:
        files = cache._with_imports(cache.KERNELS / name, set())
        return {file.relative_to(cache.KERNELS).as_posix() for file in files}

    machine = {"machine/compile.py", "machine/cache.py"}
    assert of("machine/memory.py") == {"machine/memory.py", *machine}
    assert of("dense.py") >= {"dense.py", "activations.py", "machine/product.py", "machine/loops.py", *machine}
    assert "convolution/winograd_tiles.py" in of("convolution/winograd.py")
    assert {f"convolution/{way}.py" for way in ("direct", "patches", "winograd")} <= of("convolution/choose.py")
    assert cache.fingerprint(cache.KERNELS / "dense.py") != cache.fingerprint(cache.KERNELS / "losses.py")
