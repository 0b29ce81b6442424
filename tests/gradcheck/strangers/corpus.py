"""The cases of the corpus, the bugs planted in them, and the loader.

Each file in manners/ holds code in one stranger's manner and a list CASES. A case is a correct piece of that code with
its author's natural call of the checker. A bug is a replacement in the file's source that makes a gradient wrong.
"""

from __future__ import annotations

import importlib.util
import linecache
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

MANNERS = Path(__file__).parent / "manners"
PACKAGE = f"{__name__.rpartition('.')[0]}.manners"


@dataclass(frozen=True)
class Bug:
    """A mistake: `old`, which occurs exactly once in the file, becomes `new`, which makes the gradient of `array` wrong.

    `cause` is a regular expression that a good message about the mistake would match. It was written before any
    message was seen. `index` is the one wrong entry, if only one is wrong.
    """

    old: str
    new: str
    array: str | tuple[str, ...]
    cause: str
    index: int | tuple[int, ...] | None = None

    @property
    def arrays(self) -> tuple[str, ...]:
        return (self.array,) if isinstance(self.array, str) else self.array


@dataclass(frozen=True)
class Case:
    """A correct layer, loss or network, and `check`: its author's natural call of the checker, without an adapter.

    `expect` is the verdict on the code as it stands: "passed", "not checked" (for `arrays`, constants that forward
    reads), or "refused", if no program could know how to call the code; then `adapter` is a call that works.
    """

    name: str
    check: Callable[[], Any]
    bugs: Sequence[Bug] = ()
    expect: str = "passed"
    arrays: tuple[str, ...] = ()
    adapter: Callable[[], Any] | None = None
    file: Path = MANNERS  # set by the loader, as is `key`
    key: str = ""  # the names of the file and the case, unique in the corpus


def files() -> list[Path]:
    """The files of the corpus."""
    return sorted(path for path in MANNERS.glob("*.py") if path.name != "__init__.py")


@cache
def cases() -> tuple[Case, ...]:
    """The cases of the corpus."""
    return tuple(case for path in files() for case in _cases_of(path, path.read_text(encoding="utf-8"), path.stem))


def with_bug(case: Case, bug: Bug) -> Case:
    """The same case in a fresh module, executed from the file's source with the bug planted in it."""
    number = list(case.bugs).index(bug)
    name = f"{case.file.stem}__{case.name}__bug_{number}"
    bugged = _cases_of(case.file, buggy_source(case, bug), "".join(c if c.isalnum() else "_" for c in name))
    return next(other for other in bugged if other.name == case.name)


def buggy_source(case: Case, bug: Bug) -> str:
    """The file's source with the bug's replacement made in the stranger's code, not in the list of cases."""
    code, cases_list = stranger_and_cases(case.file.read_text(encoding="utf-8"))
    return code.replace(bug.old, bug.new, 1) + cases_list


def stranger_and_cases(source: str) -> tuple[str, str]:
    """A file's source in two parts: the stranger's code, and the list CASES, where every `old` occurs again."""
    code, mark, rest = source.partition("\nCASES = [")
    return code, mark + rest


def same_array(row: str, array: str) -> bool:
    """Whether a row of a report is that of `array`: "layers[0].params['W']" is the row of "0.W" and of "W"."""
    row_words = iter(_words(row))
    return all(word in row_words for word in _words(array))  # in this order


def _words(name: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in name).split()


def _cases_of(path: Path, source: str, name: str) -> list[Case]:
    """The cases of a source text, which tracebacks and `inspect` will show."""
    module = _executed(path if source == path.read_text(encoding="utf-8") else path.with_stem(name), source, name)
    return [
        Case(c.name, c.check, tuple(c.bugs), c.expect, tuple(c.arrays), c.adapter, path, f"{path.stem}:{c.name}")
        for c in module.CASES
    ]


def _executed(path: Path, source: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{PACKAGE}.{name}", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
    exec(compile(source, path, "exec"), module.__dict__)
    return module
