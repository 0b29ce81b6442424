"""What `python -m tinydl gradcheck` does: find what to check, check it, show what was found."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from tqdm import tqdm

from ..gradcheck import GradientCheckError, GradientCheckReport, check_layer

# Frames in these say nothing to whoever wrote a layer.
NOT_THEIRS = (str(Path(__file__).parents[1]), "<frozen", *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
FORMS = "package.module:Factory or path/to/file.py:Factory"
COLUMNS = ("kind", "name", "arrays", "probes", "dropped", "max rel error", "method", "verdict", "ms")


class CannotCheckError(Exception):
    """There is nothing to say about the gradient: what was to be checked could not be found, made or run."""


@dataclass(frozen=True)
class Outcome:
    """One check: its report (None where a rule was broken before any probe), and what is wrong."""

    kind: str
    name: str
    report: GradientCheckReport | None
    message: str
    ms: float

    @property
    def passed(self) -> bool:
        return not self.message

    @property
    def cells(self) -> tuple[str, ...]:
        """Its line of the table, as in COLUMNS."""
        report = self.report
        if report is None or (report.passed and not self.passed):
            return (self.kind, self.name, "-", "-", "-", "-", "-", "RULE BROKEN", f"{self.ms:.0f}")
        counts = (str(len(report.arrays)), str(report.probes), str(report.dropped))
        error = f"{report.max_relative_error:.1e}"
        return (self.kind, self.name, *counts, error, report.method, report.verdict, f"{self.ms:.0f}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "passed": self.passed,
            "message": self.message,
            "ms": round(self.ms, 1),
            "report": self.report.to_dict() if self.report else None,
        }


def library() -> list[tuple[str, str, Callable[..., GradientCheckReport]]]:
    """Kind, name and check of every row of LAYERS, LOSSES and MODELS."""
    from . import cases  # builds them all

    tables: dict[str, dict[str, Any]] = {"layer": cases.LAYERS, "loss": cases.LOSSES, "model": cases.MODELS}
    return [(kind, name, case.check) for kind, table in tables.items() for name, case in table.items()]


def check_library(options: dict[str, Any]) -> list[Outcome]:
    """All of `library`; progress on a terminal."""
    outcomes = []
    columns, lines = shutil.get_terminal_size()  # 80 x 24 where the terminal does not say; tqdm would show nothing
    with tqdm(library(), unit="check", disable=None, leave=False, ncols=columns, nrows=lines) as rows:
        for kind, name, check in rows:
            rows.set_postfix_str(name, refresh=False)
            try:
                outcomes.append(outcome(kind, name, partial(check, **options)))
            except (Exception, SystemExit) as error:
                raise CannotCheckError(f"{kind} {name}: {described(error)}") from error
    return outcomes


def check_target(
    target: str, arguments: dict[str, Any] | None, shape: tuple[int, ...], options: dict[str, Any]
) -> Outcome:
    """Someone's layer, at an x of that shape."""
    layer = made(target, arguments)
    try:
        return outcome("layer", target, partial(check_layer, layer, shape, **options))
    except (Exception, SystemExit) as error:
        crash = f"{target} crashed, called with an x of shape {shape}: " if place(error) else ""
        raise CannotCheckError(crash + described(error)) from error


def outcome(kind: str, name: str, check: Callable[[], GradientCheckReport]) -> Outcome:
    """Run the check, timed."""
    start = time.perf_counter()
    report: GradientCheckReport | None
    try:
        report, message = check(), ""
    except GradientCheckError as error:
        report, message = error.report, str(error)
    return Outcome(kind, name, report, message, 1e3 * (time.perf_counter() - start))


# --- someone's layer ------------------------------------------------------------------------------------------------


def made(target: str, arguments: dict[str, Any] | None) -> Any:
    """The layer, or the pair (forward, backward), that TARGET is or makes."""
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise CannotCheckError(f"TARGET: expected {FORMS}, got {target!r}")
    found: Any = imported(where)
    for depth, part in enumerate(name.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            owner = ":".join([where, ".".join(name.split(".")[:depth])]).rstrip(":")
            names = [each for each in vars(found) if not each.startswith("_")] if hasattr(found, "__dict__") else []
            near = get_close_matches(part, names, 1)
            mend = f"; is it {near[0]}?" if near else f"; it has {', '.join(names)}" if names else ""
            raise CannotCheckError(f"TARGET {target}: {owner} has no {part!r}{mend}") from error
    if isinstance(found, tuple) or (hasattr(found, "forward") and not isinstance(found, type)):
        if arguments is not None:
            raise CannotCheckError(
                f"--arguments: {target} is no class or function that could take them; leave them out"
            )
        return found
    if not callable(found):
        raise CannotCheckError(
            f"TARGET {target}: expected a class, a layer, a pair (forward, backward), or a function that returns one, "
            f"got {found!r:.80}"
        )
    try:
        return found(**(arguments or {}))
    except (Exception, SystemExit) as error:
        call = f"{name}({', '.join(f'{key}={value!r}' for key, value in (arguments or {}).items())})"
        mend = """; give its arguments by --arguments '{"name": value}'""" if isinstance(error, TypeError) else ""
        raise CannotCheckError(f"TARGET {target}: {call} failed: {described(error)}{mend}") from error


def imported(where: str) -> ModuleType:
    """The module of that name, seen from the current directory, or the file at that path."""
    file = Path(where).expanduser()
    by_path = file.suffix == ".py"
    if by_path and not file.is_file():
        raise CannotCheckError(f"TARGET: there is no file {where}")
    sys.path.insert(0, str(file.resolve().parent if by_path else Path.cwd()))
    try:
        if not by_path:
            return importlib.import_module(where)
        spec = importlib.util.spec_from_file_location("gradcheck_target", file.resolve())
        assert spec is not None and spec.loader is not None  # a .py file has both  # noqa: PT018
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses and pickle look there
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        raise CannotCheckError(f"TARGET: importing {where} failed: {described(error)}") from error


def described(error: BaseException) -> str:
    """What went wrong, and in which line of theirs."""
    spot = place(error)
    return f"{type(error).__name__}: {error}" + (f"\n  {spot}" if spot else "")


def place(error: BaseException) -> str:
    """The innermost line that belongs neither to tinydl nor to a library; "" if there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(NOT_THEIRS):
            return f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"
    return ""


# --- what was found ---------------------------------------------------------------------------------------------------


def table(outcomes: list[Outcome]) -> str:
    """A row a check."""
    lines = [COLUMNS, *(each.cells for each in outcomes)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
