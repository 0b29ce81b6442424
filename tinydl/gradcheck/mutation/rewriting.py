"""Mutants of a function: its syntax tree is changed in one place by one of the operators and compiled again.

    for mutant in mutants_of(dense_backward):
        print(mutant.operator, "|", mutant.change)        += to =  |  dW += x.T @ da  ->  dW = x.T @ da

The operators are in operators.py. Argument checks (`if ...: raise`) are not changed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import indent
from types import FunctionType
from typing import Any, cast

from .operators import OPERATORS, Change, Place


@dataclass(frozen=True)
class Mutant:
    """A changed function that replaces the original."""

    operator: str
    change: str  # the statement before -> after
    source: str  # the source of the changed function
    function: FunctionType


@dataclass(frozen=True)
class Rewrite:
    """One change of a definition: an operator's new node in a place, and the source of the whole with it."""

    operator: str
    place: Place
    new: Change
    source: str
    statement: str  # the statement with the change, or the statements in its place

    @property
    def shown(self) -> str:
        """The statement before -> after, on one line."""
        whole = self.new if self.place.node is self.place.statement else self.place.statement
        with _replaced(self.place, self.new):
            after = "; ".join(map(_shown, whole if isinstance(whole, list) else [whole]))
        return f"{_shown(self.place.statement)}  ->  {after}"


def rewrites_of(definition: ast.FunctionDef) -> Iterator[Rewrite]:
    """Every change of a definition by the operators, in the order of its source, without duplicates."""
    seen = {ast.unparse(definition)}
    for place in list(_places(definition)):
        for name, operator in OPERATORS.items():
            for new in list(operator(place)):
                with _replaced(place, new):
                    source = ast.unparse(ast.fix_missing_locations(definition))
                    whole = new if place.node is place.statement else place.statement
                    statement = "\n".join(map(ast.unparse, whole if isinstance(whole, list) else [whole]))
                if source not in seen:
                    seen.add(source)
                    yield Rewrite(name, place, new, source, statement)


def mutants_of(function: FunctionType) -> Iterator[Mutant]:
    """Every mutant of a function, a method or a lambda, in the order of its source, without duplicates."""
    for rewrite in rewrites_of(definition_of(function)):
        yield Mutant(rewrite.operator, rewrite.shown, rewrite.source, compiled(rewrite.source, function))


@lru_cache
def _module(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def definition_of(function: FunctionType) -> ast.FunctionDef:
    """The function's syntax tree, without its docstring; a lambda is turned into a def with one return."""
    code = function.__code__
    return definition_in(
        _module(code.co_filename), code.co_firstlineno, code.co_name, code.co_varnames[: code.co_argcount]
    )


def definition_in(module: ast.Module, line: int, name: str, arguments: tuple[str, ...]) -> ast.FunctionDef:
    """The definition of that name and with these arguments that begins in a line, as `definition_of` gives it."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            first = min([node.lineno, *(line.lineno for line in getattr(node, "decorator_list", []))])
            own = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
            if (first, own, tuple(argument.arg for argument in node.args.args)) == (line, name, arguments):
                found.append(node)
    if len(found) != 1:
        raise ValueError(f"mutants_of: expected one definition of {name} in line {line}, got {len(found)}")
    node = copy.deepcopy(found[0])
    if isinstance(node, ast.Lambda):
        definition = cast(ast.FunctionDef, ast.parse("def function(): pass").body[0])
        definition.args, definition.body = node.args, [ast.copy_location(ast.Return(node.body), node.body)]
        return ast.fix_missing_locations(definition)
    node.decorator_list = []
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        del node.body[0]
    return node


def _places(definition: ast.FunctionDef) -> Iterator[Place]:
    """Every node of the body, outermost first, except argument checks, annotations and defaults."""

    def below(parent: ast.AST, statement: ast.stmt | None) -> Iterator[Place]:
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            for node in value if isinstance(value, list) else [value]:
                inside = node if isinstance(node, ast.stmt) else statement  # None in an argument's default
                if isinstance(node, ast.expr | ast.stmt | ast.keyword) and not _is_guard(node) and inside is not None:
                    yield Place(node, parent, field, inside, definition)
                    yield from below(node, inside)

    return below(definition, None)


def _is_guard(node: ast.AST) -> bool:
    is_check = isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise) and not node.orelse
    return is_check or isinstance(node, ast.Raise)


@contextmanager
def _replaced(place: Place, new: Change) -> Iterator[None]:
    """Put another node in the place for the duration of the block."""
    held = getattr(place.parent, place.field)
    if isinstance(held, list):
        at = held.index(place.node)
        new = [*held[:at], *(new if isinstance(new, list) else [new]), *held[at + 1 :]]
    setattr(place.parent, place.field, new)
    try:
        yield
    finally:
        setattr(place.parent, place.field, held)


def compiled(source: str, original: FunctionType) -> FunctionType:
    """Compile the source with the original's globals and with its closure, which super() needs."""
    cells = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
    # Memory that a mutant leaves uninitialized would differ from run to run.
    source = source.replace("np.empty(", "np.zeros(").replace("np.empty_like(", "np.zeros_like(")
    name = "function" if original.__name__ == "<lambda>" else original.__name__
    maker = f"def make({', '.join(cells)}):\n{indent(source, '    ')}\n    return {name}"
    namespace: dict[str, Any] = {}
    exec(compile(maker, "<mutant>", "exec"), original.__globals__, namespace)
    function = cast(FunctionType, namespace["make"](*(cell.cell_contents for cell in cells.values())))
    function.__qualname__ = original.__qualname__
    return function


def _shown(statement: ast.AST) -> str:
    """A statement on one line; for a block, only its first line."""
    lines = ast.unparse(statement).splitlines()
    return lines[0] if hasattr(statement, "body") else " ".join(lines)
