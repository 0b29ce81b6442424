"""The disk cache of compiled kernels: its folder, its stale entries, and its treatment of disk errors.

Numba's own cache has three flaws. It is kept beside the source, where uninstalling tinydl would leave it behind; it
ignores changes in the files that a function's file imports; and a damaged or unwritable cache file ends the program.
This cache works as follows:

- The folder is inside NUMBA_CACHE_DIR if that variable is set, and inside the user's cache folder otherwise.
- An entry is valid as long as the function's file, and all files of this package that it imports, are unchanged.
  Writing a new version of a function deletes its older versions.
- A kernel that cannot be read is compiled again; one that cannot be written is not kept. A message reports either case.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

from numba import __version__ as numba_version
from numba import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.serialize import dumps

from ...files import user_cache_folder, write_whole

KERNELS = Path(__file__).resolve().parents[1]
PACKAGE = __name__.rsplit(".", 2)[0]
DIGEST = 32  # bytes
LARGEST = 1 << 26  # bytes of a kernel; the largest ones of tinydl have less than a million
IMPORT = re.compile(r"^from (\.+)([\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)  # (parsing takes 30 ms)


@cache
def say_once(text: str) -> None:
    """Print a line to stderr, once per text, unless TINYDL_QUIET is set. (Warnings would become errors in tests.)"""
    if not os.environ.get("TINYDL_QUIET"):
        print(f"tinydl: {text}", file=sys.stderr, flush=True)


def described(error: Exception) -> str:
    """The error on one line, without its file name, which would make `say_once` print a line for every file."""
    reason = getattr(error, "strerror", None) or re.sub(r"'[^']*\.nbc': ", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {reason}"


@cache
def folder() -> Path:
    """The cache folder; each copy of tinydl on a machine has its own."""
    try:
        base = Path(config.CACHE_DIR) if config.CACHE_DIR else user_cache_folder()
    except RuntimeError:  # the user has no home folder, as in some containers
        base = Path(os.devnull)  # no file can be created in it
    return base / f"kernels-{hashlib.sha256(str(KERNELS).encode()).hexdigest()[:12]}"


def content() -> tuple[int, int]:
    """The number of compiled kernels in the folder, and their size in bytes."""
    sizes = []
    for file in folder().glob("*.nbc"):
        with suppress(OSError):  # another process may have deleted it
            sizes.append(file.stat().st_size)
    return len(sizes), sum(sizes)


@cache
def fingerprint(file: Path) -> str:
    """A hash of Numba's version, a file of this package, and all files of the package that it imports."""
    texts = {each.relative_to(KERNELS).as_posix(): each.read_bytes() for each in _with_imports(file, set())}
    total = hashlib.sha256(numba_version.encode())
    for name, text in sorted(texts.items()):
        total.update(name.encode() + b"\0" + text + b"\0")
    return total.hexdigest()


def _with_imports(file: Path, seen: set[Path]) -> set[Path]:
    if file not in seen:
        seen.add(file)
        for other in _imports(file):
            _with_imports(other, seen)
    return seen


@cache
def _imports(file: Path) -> tuple[Path, ...]:
    """The files of this package that a file imports (the package uses only relative imports)."""
    found = []
    for dots, module, names in IMPORT.findall(file.read_text(encoding="utf-8")):
        base = file.parents[len(dots) - 1].joinpath(*module.split("."))
        if KERNELS in (base, *base.parents):
            for name in re.findall(r"\w+", names):
                ways = base / f"{name}.py", base / name / "__init__.py", base.with_suffix(".py")
                found.append(next((way for way in ways if way.is_file()), base / "__init__.py"))
    return tuple(dict.fromkeys(found))


class _Files:
    """The cache files of one function: one for each list of argument types and each processor.

    Each file begins with a hash of its content, because a damaged file may be readable, and machine code with one wrong
    bit can crash the process.
    """

    def __init__(self, name: str, stamp: str) -> None:
        self.name = f"{name}.py{sys.version_info.major}{sys.version_info.minor}"
        self.stamp = stamp[:16]

    def _path(self, key: Any) -> Path:
        inputs = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return folder() / f"{self.name}.{self.stamp}.{inputs}.nbc"

    def load(self, key: Any) -> Any:
        try:
            if self._path(key).stat().st_size > LARGEST:
                raise ValueError(f"it is larger than {LARGEST:,} bytes")
            content = self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            raise ValueError("its content does not match its hash")
        return pickle.loads(content[DIGEST:])

    def save(self, key: Any, data: Any) -> None:
        for old in folder().glob(f"{self.name}.*"):
            if not old.name.startswith(f"{self.name}.{self.stamp}."):
                old.unlink(missing_ok=True)
        content = dumps(data)
        write_whole(self._path(key), hashlib.sha256(content).digest() + content, durable=False)  # its hash protects it


class _Place(_CacheLocator):
    """Tells Numba the cache folder of a function and the fingerprint of its current source."""

    def __init__(self, file: str) -> None:
        self._py_file = file  # Numba prints this name in a warning

    def get_cache_path(self) -> str:
        return str(folder())

    def get_source_stamp(self) -> str:
        return fingerprint(Path(self._py_file).resolve())

    def get_disambiguator(self) -> str:
        return ""

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Place:
        return cls(file)


class _Kept(CompileResultCacheImpl):
    _locator_classes = [_Place]  # noqa: RUF012  (as in Numba's classes)


class KernelCache(FunctionCache):
    """Keeps the machine code of a compiled function; it replaces Numba's own cache.

    `symbols` has, by name, what provides the functions that kernels call by a name. A kernel that calls one is stored
    with a note to provide it again before LLVM loads the kernel.
    """

    symbols: ClassVar[dict[str, Callable[[], None]]] = {}

    _impl_class = _Kept

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        name = f"{function.__module__.removeprefix(f'{PACKAGE}.')}.{function.__qualname__}"
        self._cache_file = _Files(re.sub(r"[<>]", "", name), self._impl.locator.get_source_stamp())

    def load_overload(self, types: Any, target: Any) -> Any:
        """The compiled function for these argument types, or None."""
        try:
            return super().load_overload(types, target)
        except Exception as error:  # reading a pickle may raise any exception
            say_once(f"a cached kernel in {folder()} cannot be used and is compiled again: {described(error)}")
            return None

    def save_overload(self, types: Any, compiled: Any) -> None:
        """Keep the compiled function if the folder is writable."""
        text = compiled.library.get_llvm_str()
        called = [partial(provide, symbol) for symbol in self.symbols if symbol in text]
        compiled = compiled._replace(reload_init=[*compiled.reload_init, *called])
        try:
            super().save_overload(types, compiled)
        except OSError as error:
            trouble = f"compiled kernels cannot be kept in {folder()}; each process compiles its own"
            say_once(f"{trouble}: {described(error)}: set NUMBA_CACHE_DIR to a writable folder")


def provide(symbol: str) -> None:
    """Let LLVM know a function that kernels call by this name."""
    KernelCache.symbols[symbol]()
