"""Mutants of a file's text: one change each, in the smallest piece, with everything else unchanged."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tinydl.gradcheck.mutation.files import FileMutant, Function, functions_run, mutants_in
from tinydl.gradcheck.mutation.rewriting import definition_in, rewrites_of

TEXT = '''"""A file — with a dash, so that bytes and characters differ."""
import numpy as np

HALF = np.array([0.5])  # stays


def decorated(function):
    return function


class Layer:
    """A layer."""

    @decorated
    def forward(self, x):
        """Docstrings stay."""
        self.note, self.x = "—", x  # kept
        return helper(x) * HALF

    def backward(self, dy):
        total = (dy    * self.x).sum(
            axis=0,   # over the rows
        )
        self.dW = total
        if dy.ndim > 1:  # a comment
            self.dW += 0 * total

        return dy *  HALF * 3

    def unused(self, x):
        return x + 1


def helper(x):
    return 3 * x  # a comment

square = lambda x: x * x
'''
FUNCTIONS = {
    "forward": ("    @decorated", ("self", "x")), "backward": ("    def backward(self, dy):", ("self", "dy")),
    "helper": ("def helper(x):", ("x",)), "<lambda>": ("square = lambda x: x * x", ("x",)),
}  # fmt: skip


def line_of(text: str) -> int:
    return 1 + TEXT.splitlines().index(text)


def functions(*names: str) -> list[Function]:
    """The functions with the interpreter's first lines: a decorated function begins with its decorator."""
    return [
        Function(line_of(first), name, arguments) for name, (first, arguments) in FUNCTIONS.items() if name in names
    ]


EVERY = functions(*FUNCTIONS)


@pytest.fixture(scope="module")
def mutants() -> list[FileMutant]:
    return list(mutants_in(TEXT, EVERY))


def changed_lines(mutant: FileMutant) -> tuple[list[str], list[str]]:
    lines = mutant.diff("layer.py").splitlines()[3:]
    return [line[1:] for line in lines if line[0] == "-"], [line[1:] for line in lines if line[0] == "+"]


def test_every_rewrite_that_can_be_written_is_there(mutants: list[FileMutant]) -> None:
    module = ast.parse(TEXT)
    rewrites = sum(len(list(rewrites_of(definition_in(module, *each)))) for each in EVERY)
    assert len(mutants) >= 0.95 * rewrites
    assert {each.function for each in mutants} == set(FUNCTIONS)


def test_each_is_the_rewrite_that_it_says(mutants: list[FileMutant]) -> None:
    sources = {rewrite.source for each in EVERY for rewrite in rewrites_of(definition_in(ast.parse(TEXT), *each))}
    for mutant in mutants:
        (changed,) = functions(mutant.function)
        assert ast.unparse(definition_in(ast.parse(mutant.text), *changed)) in sources


def test_the_diff_is_small_and_keeps_comments_and_line_breaks(mutants: list[FileMutant]) -> None:
    (mean,) = [each for each in mutants if each.operator == "mean and sum"]
    before, after = changed_lines(mean)
    assert before == ["        total = (dy    * self.x).sum("]
    assert after == ["        total = (dy * self.x).mean("]
    (factor,) = [each for each in mutants if each.change == "return 3 * x  ->  return x"]
    assert changed_lines(factor) == (["    return 3 * x  # a comment"], ["    return x  # a comment"])
    (true,) = [each for each in mutants if each.change.endswith("->  if True:")]
    assert changed_lines(true) == (["        if dy.ndim > 1:  # a comment"], ["        if True:  # a comment"])
    assert all(len(changed_lines(each)[0]) <= 3 for each in mutants)


def test_columns_count_bytes(mutants: list[FileMutant]) -> None:
    of_note = [each for each in mutants if each.line == line_of('        self.note, self.x = "—", x  # kept')]
    assert of_note
    for each in of_note:
        assert "—" in each.diff("layer.py")
        compile(each.text, "layer.py", "exec")


def test_operators_can_be_left_out() -> None:
    every = {each.operator for each in mutants_in(TEXT, functions("backward"))}
    assert {"float32", "sign"} <= every
    assert {each.operator for each in mutants_in(TEXT, functions("backward"), but=("float32",))} == every - {"float32"}


def test_what_is_not_there_is_passed_over() -> None:
    assert list(mutants_in(TEXT, [Function(1, "nothing", ())])) == []


def test_the_functions_that_run_are_found(tmp_path: Path) -> None:
    file = tmp_path / "layer.py"
    file.write_text(TEXT, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("layer", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    layer = module.Layer()

    def run() -> float:
        y = layer.forward(np.ones((2, 1)))
        return float(layer.backward(y).sum())

    result, found = functions_run(run, str(file))
    assert result == 2 * 1.5 * 1.5
    assert found == functions("forward", "backward", "helper")
