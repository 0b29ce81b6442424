"""Mutants of a file: its text with one place changed, everything else (comments, line breaks) as it was.

    for mutant in mutants_in(text, functions):
        print(mutant.diff("layers.py"))

The functions are named by Function, as the interpreter knows them: `functions_run` records those that code runs.
"""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from textwrap import indent
from types import FrameType
from typing import Any, NamedTuple

from .operators import Change
from .rewriting import Rewrite, definition_in, rewrites_of


class Function(NamedTuple):
    """A function or lambda in a file: its first line (of a decorator, too), its name and its arguments."""

    line: int
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class FileMutant:
    """The text of a file with one change by an operator, in the function of that name."""

    operator: str
    function: str
    change: str  # the statement before -> after
    line: int
    original: str
    text: str

    def diff(self, name: str) -> str:
        """The change as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.original, self.text))
        return "".join(difflib.unified_diff(before, after, name, name, n=2))


def functions_run(run: Callable[[], Any], file: str) -> tuple[Any, list[Function]]:
    """What run() returns, and the functions of a file that it ran, in the order of the file."""
    found: set[Function] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename == file:
            found.add(Function(code.co_firstlineno, code.co_name, code.co_varnames[: code.co_argcount]))

    sys.setprofile(note)
    try:
        result = run()
    finally:
        sys.setprofile(None)
    return result, sorted(found)


def mutants_in(text: str, functions: Sequence[Function], but: Collection[str] = ()) -> Iterator[FileMutant]:
    """Every mutant of the functions by the operators, except those in `but`.

    Comprehensions, and lambdas that share a line with others, are left as they are.
    """
    module = ast.parse(text)
    for function in functions:
        try:
            definition = definition_in(module, *function)
        except ValueError:
            continue
        for rewrite in rewrites_of(definition):
            for changed in _texts(text, rewrite) if rewrite.operator not in but else ():
                if _is(changed, function, rewrite.source):
                    yield FileMutant(
                        rewrite.operator, function.name, rewrite.shown, rewrite.place.statement.lineno, text, changed
                    )
                    break


def _texts(text: str, rewrite: Rewrite) -> Iterator[str]:
    """The text with the change, in the smallest piece of it first; which of them are right remains to be seen."""
    old, new = _smallest(rewrite.place.node, rewrite.new)
    written = "\n".join(map(ast.unparse, new if isinstance(new, list) else [new]))
    for piece in (written, f"({written})") if isinstance(new, ast.expr) else (written,):
        yield _with(text, old, piece)
    yield _with(text, rewrite.place.statement, rewrite.statement)


def _smallest(old: ast.AST, new: Change) -> tuple[ast.AST, Change]:
    """The innermost expressions that differ, if only one does."""
    if isinstance(new, list) or type(old) is not type(new):
        return old, new
    pairs = [(getattr(old, name), getattr(new, name)) for name in old._fields]
    pairs = [pair for a, b in pairs for pair in (zip(a, b, strict=False) if _are_lists(a, b) else [(a, b)])]
    differing = [(a, b) for a, b in pairs if a is not b]
    if len(differing) == 1 and all(isinstance(each, ast.expr | ast.keyword) for each in differing[0]):
        return _smallest(*differing[0])
    return old, new


def _are_lists(a: Any, b: Any) -> bool:
    return isinstance(a, list) and isinstance(b, list) and len(a) == len(b)


def _with(text: str, node: Any, piece: str) -> str:
    """The text with another piece in the place of a node (whose columns count bytes)."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    first, last = lines[node.lineno - 1], lines[node.end_lineno - 1]
    head, tail = first[: node.col_offset].decode(), last[node.end_col_offset :].decode()
    margin = head if not head.strip() else " " * (len(head) - len(head.lstrip()))
    written = indent(piece, margin)[len(margin) :] if isinstance(node, ast.stmt) else piece
    return b"".join([*lines[: node.lineno - 1], f"{head}{written}{tail}".encode(), *lines[node.end_lineno :]]).decode()


def _is(text: str, function: Function, source: str) -> bool:
    """Whether the function in the text is the one whose source is given."""
    try:
        return ast.unparse(definition_in(ast.parse(text), *function)) == source
    except (SyntaxError, ValueError):
        return False
