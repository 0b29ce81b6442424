"""Watch the user's forward and backward while they run: their local arrays, line by line."""

from __future__ import annotations

import linecache
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reach import Path, at, attribute, reach, text
from .experiment import STEP, Trial
from .held import functions_inside

Array = NDArray[Any]
Key = tuple[CodeType, str, int]  # a function, one of its locals, and the line that binds the local
Line = tuple[CodeType, int]
Operand = tuple[str, Path]  # an array that a line can read: a local, and the path from it

RETURNED = "the returned value"  # the name of a function's result
DEEPEST = 3  # most steps from a local to an array that a line reads
MOST_OPERANDS = 40  # of one line
LONGEST = 1.0  # seconds of processor time that a watched pass may take


@dataclass
class Bound:
    """One binding of a local variable, or of an attribute of self, to an array."""

    name: str
    value: Array
    line: int
    code: CodeType

    @property
    def key(self) -> Key:
        return self.code, self.name, self.line


OnBind = Callable[[Bound, int], None]
OnLine = Callable[[FrameType, int], Callable[[], None] | None]


def nothing(*_: Any) -> None:
    """The hook that does nothing."""


def source_of(code: CodeType, line: int) -> str:
    """A line for messages: its number and, if known, its text."""
    source = linecache.getline(code.co_filename, line).split("#")[0].strip()
    return f"line {line}" + (f", `{source[:70]}{'...' if len(source) > 70 else ''}`" if source else "")


@contextmanager
def watched(functions: list[FunctionType], on_bind: OnBind = nothing, on_line: OnLine = nothing) -> Iterator[None]:
    """Watch some functions while the block runs.

    A pass that takes too long, because the changes made it run forever, is ended by an exception.

    on_bind(bound, k): an array was bound to a local, passed as an argument, or returned; k counts the bindings by one
    line, 0, 1, ... in a loop. on_line(frame, k): a line is about to run for the k-th time; the function that on_line
    returns is called once the line has run. Both hooks may change arrays in place.
    """
    codes = {function.__code__ for function in functions}
    counts: dict[Any, int] = {}
    before = sys.gettrace()
    end = time.thread_time() + LONGEST

    def count(key: Any) -> int:
        counts[key] = counts.get(key, -1) + 1
        return counts[key]

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code not in codes:
            return None
        last = _arrays(frame)
        line = code.co_firstlineno
        undo: Callable[[], None] | None = None
        for name, value in last.items():
            if name in frame.f_locals:
                on_bind(Bound(name, value, line, code), count((code, name, line)))

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal line, undo
            if time.thread_time() > end:
                raise TimeoutError("the pass takes too long")
            if undo is not None:
                undo()
                undo = None
            for name, value in _arrays(frame).items():
                if last.get(name) is not value:
                    last[name] = value
                    on_bind(Bound(name, value, line, code), count((code, name, line)))
            if event == "return" and _is_floating(argument):
                on_bind(Bound(RETURNED, argument, line, code), count((code, RETURNED, line)))
            elif event == "line":
                line = frame.f_lineno
                undo = on_line(frame, count((code, line)))
            return step

        return step

    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


def _is_floating(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0


def _arrays(frame: FrameType) -> dict[str, Array]:
    code = frame.f_code
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    own = attribute(first, "__dict__", {})
    named = {**{f"self.{name}": value for name, value in own.items()}, **frame.f_locals}
    return {name: array for name, array in named.items() if _is_floating(array)}


class Looked:
    """The inside of a trial's pass, and further passes in which a part of the inside is changed.

    Attributes:
        forward, backward: the values that each line binds to a local.
        made: the values of each local of forward, bound by any line, in order.
        lines: the arrays that each line of backward could read, in each run of the line.
        first: the place of each local and each line in the order of a backward pass.
        given: the array's gradient.
    """

    def __init__(self, trial: Trial, name: str) -> None:
        self.trial, self.name = trial, name
        self.functions = functions_inside(trial.runner)
        self.forward: dict[Key, list[Bound]] = {}
        self.made: dict[tuple[CodeType, str], list[Bound]] = {}

        def bind(bound: Bound, k: int) -> None:
            self.forward.setdefault(bound.key, []).append(bound)
            self.made.setdefault((bound.code, bound.name), []).append(bound)

        with watched(self.functions, bind):
            trial.runner.forward(trial.x)
        _keep(self.forward)  # before backward overwrites them
        self.apart = True  # whether only backward is watched; both are if forward gives the gradients
        self._look()
        if not self.lines:
            self.apart = False
            self._look()

    def _look(self) -> None:
        self.backward: dict[Key, list[Bound]] = {}
        self.lines: dict[Line, list[dict[Operand, Array]]] = {}
        self.first: dict[Key | Line, int] = {}

        def bind(bound: Bound, k: int) -> None:
            self.backward.setdefault(bound.key, []).append(bound)
            self.first.setdefault(bound.key, len(self.first))

        def read(frame: FrameType, k: int) -> None:
            line = frame.f_code, frame.f_lineno
            self.lines.setdefault(line, []).append(_operands(frame))
            self.first.setdefault(line, len(self.first))

        self.given = self._back(bind, read)
        _keep(self.backward)

    def _back(self, on_bind: OnBind = nothing, on_line: OnLine = nothing) -> Array:
        """The array's gradient from a pass whose backward is watched."""
        watch = watched(self.functions, on_bind, on_line)
        if not self.apart:
            with watch:
                return self.trial.gradient(self.name)
        with ExitStack() as stack:
            return self.trial.gradient(self.name, lambda _: stack.enter_context(watch))

    def back_with_local(self, key: Key, contents: Callable[[Array, int], Array], hold: bool = False) -> Array:
        """The array's gradient if a local is given other contents each time it is bound; all arrays are restored.

        hold: whether the contents stay even if later lines of the same function write into the array.
        """
        saved: list[tuple[Array, Array]] = []
        held: list[tuple[Array, Array]] = []

        def change(bound: Bound, k: int) -> None:
            if bound.key == key:
                saved.append((bound.value, bound.value.copy()))
                bound.value[...] = contents(bound.value, k)
                if hold:
                    held[:] = [(bound.value, bound.value.copy())]

        def keep(frame: FrameType, k: int) -> None:
            if frame.f_code is key[0]:
                for array, content in held:
                    array[...] = content

        try:
            return self._back(change, keep)
        finally:
            for array, content in reversed(saved):
                array[...] = content

    def back_with_line(self, line: Line, operand: Operand, contents: Callable[[Array, int], Array]) -> Array:
        """The array's gradient if one line of backward, and no other, reads other contents in an array."""
        name, path = operand

        def change(frame: FrameType, k: int) -> Callable[[], None] | None:
            if (frame.f_code, frame.f_lineno) != line:
                return None
            array = at(frame.f_locals[name] if name in frame.f_locals else frame.f_globals[name], path)
            old = array.copy()
            new = np.array(contents(old, k))
            array[...] = new

            def undo() -> None:
                if np.array_equal(array, new):  # otherwise the line itself has changed it
                    array[...] = old

            return undo

        return self._back(on_line=change)

    def slope(self, key: Key, k: int, index: tuple[int, ...]) -> float:
        """The derivative of the objective with respect to one entry of the k-th value of forward's local."""
        values = []
        for h in (STEP, -STEP):

            def move(bound: Bound, count: int, h: float = h) -> None:
                if bound.key == key and count == k:
                    bound.value[index] += h

            with watched(self.functions, move):
                values.append(self.trial.runner.values(self.trial.x))
        return float(self.trial.weights @ (values[0] - values[1])) / (2 * STEP)


def _keep(bindings: dict[Key, list[Bound]]) -> None:
    """Replace the arrays of bindings by copies."""
    for bounds in bindings.values():
        for bound in bounds:
            bound.value = bound.value.copy()


def _operands(frame: FrameType) -> dict[Operand, Array]:
    """The arrays that the next line could read: those whose names occur in the line."""
    words = set(re.findall(r"[A-Za-z_]\w*", linecache.getline(frame.f_code.co_filename, frame.f_lineno)))
    found: dict[Operand, Array] = {}
    shared = {name: frame.f_globals[name] for name in words if isinstance(frame.f_globals.get(name), np.ndarray)}
    for name, value in {**shared, **frame.f_locals}.items():
        for path, array in reach(value) if name in words else ():
            attributes = [key for kind, key in path if kind == "attribute"]
            if _is_floating(array) and len(path) <= DEEPEST and words.issuperset(attributes[:1]):
                found[name, path] = array.copy()
            if len(found) == MOST_OPERANDS:
                return found
    return found


def shown(operand: Operand) -> str:
    """An operand as written in the user's code."""
    name, path = operand
    return text((("attribute", name), *path))
