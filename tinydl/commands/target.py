"""Find the target of a command: import the user's own class, layer or functions, and make the object to check."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

# Traceback frames in these files do not help the author of a layer.
NOT_THEIRS = (str(Path(__file__).parents[1]), "<frozen", *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
FORMS = "package.module:Factory or path/to/file.py:Factory"


class CannotCheckError(Exception):
    """The check is impossible: the object to check could not be found, created or run."""


def made(target: str, arguments: dict[str, Any] | None) -> Any:
    """The layer, or the pair (forward, backward), that TARGET names or makes."""
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
            mend = f": did you mean {near[0]}?" if near else f", only {', '.join(names)}" if names else ""
            raise CannotCheckError(f"TARGET {target}: {owner} has no {part!r}{mend}") from error
    if isinstance(found, tuple) or (hasattr(found, "forward") and not isinstance(found, type)):
        if arguments is not None:
            raise CannotCheckError(f"--arguments: {target} is not a class or function: omit --arguments")
        return found
    if not callable(found):
        expected = "a layer, a pair (forward, backward), or a class or function that makes one"
        raise CannotCheckError(f"TARGET {target}: expected {expected}, got {found!r:.80}")
    try:
        return found(**(arguments or {}))
    except (Exception, SystemExit) as error:
        call = f"{name}({', '.join(f'{key}={value!r}' for key, value in (arguments or {}).items())})"
        mend = """: pass its arguments with --arguments '{"name": value}'""" if isinstance(error, TypeError) else ""
        raise CannotCheckError(f"TARGET {target}: {call} failed: {described(error)}{mend}") from error


def imported(where: str) -> ModuleType:
    """Import the module of that name, looked up from the current directory, or the file at that path."""
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
        sys.modules[spec.name] = module  # dataclasses and pickle look modules up there
        spec.loader.exec_module(module)
        return module
    except (Exception, SystemExit) as error:
        raise CannotCheckError(f"TARGET: importing {where} failed: {described(error)}") from error


def described(error: BaseException) -> str:
    """The error, and the line of the user's code that raised it."""
    spot = place(error)
    return f"{type(error).__name__}: {error}" + (f"\n  {spot}" if spot else "")


def place(error: BaseException) -> str:
    """The innermost line of the traceback outside tinydl and other libraries; "" if there is no such line."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(NOT_THEIRS):
            return f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"
    return ""
