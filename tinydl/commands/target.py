"""Find the targets of a command: import the user's classes, layers or functions, and make the objects to check."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..gradcheck.dialects.names import (
    BACKWARD,
    CONTEXT,
    DERIVATIVE,
    FORWARD,
    LOSS,
    LOSS_BACKWARD,
    MODES,
    TRUE,
    method_of,
    methods_of,
    plain,
)
from ..gradcheck.reach import parameters_of, places_of

# Traceback frames in these files do not help the author of a layer.
NOT_THEIRS = (str(Path(__file__).parents[1]), "<frozen", *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
FORMS = "package.module:NAME or path/to/file.py:NAME, or the file or module alone"
PREFIX = "gradcheck_"  # of the names of modules imported from files

METHODS_FORWARD = {*FORWARD, *LOSS}
METHODS_BACKWARD = {*BACKWARD, *DERIVATIVE, *LOSS_BACKWARD} - METHODS_FORWARD
STEM = re.compile(r"(?:forward_|fwd_)?(\w+?)(?:_forward|_fwd|_fprop)?")
BACKWARDS = (
    "{}_backward", "backward_{}", "{}_back", "{}_bwd", "{}_bprop", "{}_backprop", "{}_gradient", "{}_grad", "grad_{}",
    "{}_prime", "{}_derivative", "{}_deriv", "d_{}", "d{}",
)  # fmt: skip
OF_LOSSES = re.compile(r"loss|cost|entropy|mse|bce|error|criterion|hinge|huber|likelihood", re.IGNORECASE)
SHORT = ("t", "y", "ys")  # names of targets, but also of a layer's second input


class CannotCheckError(Exception):
    """The check is impossible: the object to check could not be found, created or run."""


@dataclass(frozen=True)
class Target:
    """The name, in a file or module, of a layer, a loss, a class or function that makes one, or "f,f_backward"."""

    where: str
    name: str
    of_whole_file: bool = False  # not named on the command line

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"

    @property
    def key(self) -> str:
        """The target's name in options; for a pair of functions, the name of the first."""
        return self.name.split(",")[0]


@dataclass
class Found:
    """The targets on a command line, and the other contents of whole files, each with the reason for leaving it out."""

    targets: list[Target] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def found_in(words: Sequence[str]) -> Found:
    """The targets named by FILE, FILE:NAME and NAME (in the preceding file), in order. Files are imported anew."""
    for module in [name for name in sys.modules if name.startswith(PREFIX)]:
        del sys.modules[module]
    found = Found()
    where = ""
    for word in words:
        file, colon, name = word.rpartition(":")
        if word.endswith(".py") or (not colon and not where):
            where = word
            _add_all(imported(where), where, found)
        elif not colon:
            found.targets.append(Target(where, word))
        elif not file or not name:
            raise CannotCheckError(f"TARGET: expected {FORMS}, got {word!r}")
        else:
            where = file
            found.targets.append(Target(file, name))
    return found


# --- whole files ------------------------------------------------------------------------------------------------------


def _add_all(module: ModuleType, where: str, found: Found) -> None:
    """Add everything in a module that can be checked, in the order of the file, and the reasons for the rest."""
    own = {name: value for name, value in vars(module).items() if _is_own(name, value, module)}
    functions = {name for name, value in own.items() if isinstance(value, FunctionType)}
    pairs = {name: backward for name in functions if (backward := _backward_of(name, functions))}
    made = {type(value): name for name, value in own.items() if not isinstance(value, type | FunctionType)}
    count = len(found.targets)
    for name, value in own.items():
        reason = ""
        if name in pairs:
            name = f"{name},{pairs[name]}"
        elif name in pairs.values():
            continue
        elif isinstance(value, FunctionType) and not (OF_LOSSES.search(name) and len(forward_names(value) or ()) >= 2):
            reason = "no function has the name of its backward"
        elif isinstance(value, type) and not has_backward(value):
            reason = "no backward"
        elif isinstance(value, type) and inspect.isabstract(value):
            reason = "abstract"
        elif isinstance(value, type) and value in made and _needs_arguments(value):
            reason = f"checked as {made[value]}"
        if reason:
            found.left_out[f"{where}:{name}"] = reason
        else:
            found.targets.append(Target(where, name, of_whole_file=True))
    if len(found.targets) == count:
        names = ", ".join(own) or "nothing"
        nothing = "it holds neither layers nor losses nor pairs of functions forward and backward"
        raise CannotCheckError(f"TARGET {where}: {nothing}, but {names}")


def _is_own(name: str, value: Any, module: ModuleType) -> bool:
    """Whether a name in a module stands for a class or function defined there, or for an object to check."""
    if name.startswith("_"):
        return False
    if isinstance(value, type | FunctionType):
        return value.__module__ == module.__name__ and value.__name__ == name
    is_pair = isinstance(value, tuple) and len(value) == 2 and all(callable(each) for each in value)
    return is_pair or (not isinstance(value, ModuleType) and has_backward(value))


def has_backward(thing: Any) -> bool:
    """Whether an object or a class has methods for both directions, judged by the methods' names.

    A network may have one method for both, loss(X, y).
    """
    kind = thing if isinstance(thing, type) else type(thing)  # looking at the object itself would run its properties
    own = [] if kind is thing else [name for name, value in getattr(thing, "__dict__", {}).items() if callable(value)]
    names = {plain(name) for name in (*methods_of(kind), *own)}
    if _own_call(kind) is not None:
        names.add("call")
    if names & METHODS_FORWARD and names & METHODS_BACKWARD:
        return True
    loss = method_of(kind, ("loss",))
    return loss is not None and len(places_of(getattr(kind, loss))) >= 3  # self, X, y


def _own_call(kind: type) -> Any:
    """The __call__ that a class defines or inherits; None if it has none."""
    return next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)


def _backward_of(name: str, functions: set[str]) -> str:
    """The function named as the backward of the function of that name; "" if there is none."""
    match = STEM.fullmatch(name)
    stems = (name, match[1] if match else name)
    names = [template.format(stem) for stem in stems for template in BACKWARDS]
    names += [name.replace(*pair) for pair in (("forward", "backward"), ("fwd", "bwd"), ("fprop", "bprop"))]
    return next((each for each in names if each in functions and each != name), "")


def _needs_arguments(kind: type) -> bool:
    parameters = inspect.signature(kind).parameters.values()
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters)


# --- one target -------------------------------------------------------------------------------------------------------


def named(target: Target) -> Any:
    """The object that the target's name stands for: a class, a function, a layer, or a pair of functions."""
    module = imported(target.where)
    if "," not in target.name:
        return _attribute(module, target.where, target.name)
    names = [name.strip() for name in target.name.split(",")]
    pair = tuple(_attribute(module, target.where, name) for name in names)
    if len(pair) != 2 or not all(isinstance(each, FunctionType) for each in pair):
        several = f"separate the names of several targets by spaces: {target.where}:{' '.join(names)}"
        raise CannotCheckError(f"TARGET {target}: expected two functions, forward and backward; {several}")
    return pair


def _attribute(module: ModuleType, where: str, name: str) -> Any:
    found: Any = module
    for depth, part in enumerate(name.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            owner = ":".join([where, ".".join(name.split(".")[:depth])]).rstrip(":")
            names = [each for each in vars(found) if not each.startswith("_")] if hasattr(found, "__dict__") else []
            near = get_close_matches(part, names, 1)
            mend = f": did you mean {near[0]}?" if near else f", only {', '.join(names)}" if names else ""
            raise CannotCheckError(f"TARGET {where}:{name}: {owner} has no {part!r}{mend}") from error
    return found


def made(target: Target, arguments: dict[str, Any] | None, as_it_is: bool = False) -> Any:
    """The layer, the loss or the pair (forward, backward) that the target names or makes.

    as_it_is: whether to check a function itself; otherwise the function is called to make the object.
    """
    found = named(target)
    is_maker = isinstance(found, type) or inspect.isroutine(found)
    if isinstance(found, tuple) or (not is_maker and (hasattr(found, "forward") or has_backward(found))):
        if arguments is not None:
            raise CannotCheckError(f"--arguments: {target} is not a class or function: omit --arguments")
        return found
    if not callable(found):
        expected = "a layer, a pair (forward, backward), or a class or function that makes one"
        raise CannotCheckError(f"TARGET {target}: expected {expected}, got {found!r:.80}")
    if isinstance(found, FunctionType) and as_it_is:
        return found
    try:
        return found(**(arguments or {}))
    except (Exception, SystemExit) as error:
        call = f"{target.name}({', '.join(f'{key}={value!r}' for key, value in (arguments or {}).items())})"
        mend = """: pass its arguments with --arguments '{"name": value}'""" if isinstance(error, TypeError) else ""
        raise CannotCheckError(f"TARGET {target}: {call} failed: {described(error)}{mend}") from error


def forward_of(thing: Any) -> Callable[..., Any] | None:
    """The forward function of a layer, a loss, a class of these, or a pair of functions."""
    if isinstance(thing, tuple):
        forward: Callable[..., Any] = thing[0]
        return forward
    if isinstance(thing, FunctionType):
        return thing
    name = method_of(thing, LOSS)
    if name is None and isinstance(thing, type):
        return _own_call(thing)
    return None if name is None else getattr(thing, name)


def forward_names(thing: Any) -> list[str] | None:
    """The names of forward's inputs, without training flags; None if the names cannot be known."""
    forward = forward_of(thing)
    names = places_of(forward) if forward is not None else []
    return [name for name in names if name not in ("self", "cls", *MODES) and not CONTEXT.fullmatch(name)] or None


def is_loss(thing: Any, name: str) -> bool:
    """Whether an object or a function is a loss, judged by its own name and by those of its arguments."""
    names = forward_names(thing)
    is_network = isinstance(getattr(thing, "params", None), dict | list)
    if isinstance(thing, tuple) or is_network or names is None or len(names) < 2:
        return False
    if OF_LOSSES.search(name) or OF_LOSSES.search(type(thing).__name__):
        return True
    backward = method_of(thing, LOSS_BACKWARD)
    if backward is None:
        return False
    theirs = [p for p in parameters_of(getattr(thing, backward)).values() if p.name != "self"]
    takes_no_dy = all(p.default is not p.empty for p in theirs) or [p.name for p in theirs[:2]] == names[:2]
    return any(is_answer(each) for each in names[:2]) or (names[1] in SHORT and takes_no_dy)


def is_answer(name: str) -> bool:
    """Whether an argument's name is used only for the targets of a loss."""
    return TRUE.fullmatch(name) is not None and name not in SHORT


def imported(where: str) -> ModuleType:
    """Import a module, looked up from the current directory, or a file; return it if it is already imported."""
    file = Path(where).expanduser()
    by_path = file.suffix == ".py"
    if by_path and not file.is_file():
        raise CannotCheckError(f"TARGET: there is no file {where}")
    file, folder, name = file.resolve(), Path.cwd(), where
    if by_path:
        folder, parts = file.parent, [file.stem]
        while (folder / "__init__.py").is_file():  # relative imports need the package
            folder, parts = folder.parent, [folder.name, *parts]
        name = ".".join(parts) if len(parts) > 1 else PREFIX + file.stem
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))
    known = sys.modules.get(name)
    if known is not None and (not by_path or Path(str(known.__file__)) == file):
        return known
    try:
        if not by_path or folder != file.parent:
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None  # a .py file has both  # noqa: PT018
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look modules up there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
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
