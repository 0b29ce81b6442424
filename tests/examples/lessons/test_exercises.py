"""Every exercise explains itself when it is new, accepts its solution, and leads three mistakes to their causes.

The solutions are in the folder solutions/, one file for each exercise. A file has three tables of code, in the order of
the exercise's gaps (the lines that contain `...  # your code`; the code replaces the whole line):

    SOLUTION    what to write
    MISTAKES    by name: the gaps that are filled in another way, by number from 0
    MESSAGES    by the same names: words that the message must contain
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from examples.lessons.exercises.exercise import Wrong, compare

EXERCISES = Path(__file__).parents[3] / "examples" / "lessons" / "exercises"
SOLUTIONS = Path(__file__).parent / "solutions"
ALL = sorted(path.stem for path in EXERCISES.glob("[0-9][0-9]_*.py"))
GAP = re.compile(r"^( *)[^\n]*\.\.\.  # your code[^\n]*$", re.MULTILINE)

each_exercise = pytest.mark.parametrize("name", ALL)


def answers(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"solution_{name}", SOLUTIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(name: str, code: list[str]) -> str:
    """The exercise with code in its gaps."""
    parts = iter(code)
    text = (EXERCISES / f"{name}.py").read_text(encoding="utf-8")
    assert len(GAP.findall(text)) == len(code)
    return GAP.sub(lambda gap: textwrap.indent(textwrap.dedent(next(parts)).strip("\n"), gap[1]), text)


def result_of(path: Path) -> tuple[int, str]:
    """The exit code and the output of an exercise."""
    before, sys.argv = sys.argv, [str(path)]
    code: object = None
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    assert code in (None, 1)
    return (1 if code else 0), printed.getvalue()


def test_every_lesson_has_an_exercise_and_every_exercise_a_solution() -> None:
    assert sorted(path.stem for path in EXERCISES.parent.glob("[0-9][0-9]_*.py")) == ALL
    assert sorted(path.stem for path in SOLUTIONS.glob("*.py")) == ALL


@each_exercise
def test_a_new_exercise_says_what_to_write(run: Callable[..., Done], name: str) -> None:
    code, printed = result_of(EXERCISES / f"{name}.py")
    assert code == 1
    assert printed.startswith(f"Exercise {int(name[:2])}: ")
    assert f"python examples/lessons/exercises/{name}.py" in printed
    lines = (EXERCISES / f"{name}.py").read_text(encoding="utf-8").splitlines()
    gaps = [number for number, line in enumerate(lines, start=1) if GAP.match(line)]
    assert gaps == [int(number) for number in re.findall(r"^  line (\d+):", printed, re.MULTILINE)] != []


@each_exercise
def test_the_solution_is_right(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(filled(name, answers(name).SOLUTION), encoding="utf-8")
    code, printed = result_of(path)
    assert code == 0, printed
    assert printed.endswith("Right: every check of this exercise passed.\n")


@pytest.mark.parametrize(
    ("name", "mistake"), [(name, mistake) for name in ALL for mistake in answers(name).MISTAKES]
)  # fmt: skip
def test_the_message_leads_to_the_mistake(name: str, mistake: str, tmp_path: Path) -> None:
    tables = answers(name)
    code = [tables.MISTAKES[mistake].get(gap, right) for gap, right in enumerate(tables.SOLUTION)]
    path = tmp_path / f"{name}.py"
    path.write_text(filled(name, code), encoding="utf-8")
    ended, printed = result_of(path)
    assert ended == 1, printed
    for words in tables.MESSAGES[mistake]:
        assert words in printed


@each_exercise
def test_there_are_at_least_three_mistakes(name: str) -> None:
    tables = answers(name)
    assert len(tables.MISTAKES) >= 3
    assert tables.MISTAKES.keys() == tables.MESSAGES.keys()
    assert all(tables.MESSAGES.values())


def test_an_error_in_the_code_is_shown_with_its_line(tmp_path: Path) -> None:
    name = "01_a_neuron_by_hand"
    path = tmp_path / f"{name}.py"
    code = [*answers(name).SOLUTION[:-1], "db = da * missing"]
    path.write_text(filled(name, code), encoding="utf-8")
    ended, printed = result_of(path)
    assert ended == 1
    assert printed.startswith("Your code stopped with an error, NameError: name 'missing' is not defined\n")
    assert re.search(r"line \d+, in backward:  db = da \* missing\n", printed)


def test_the_first_part_is_checked_while_the_second_is_open(tmp_path: Path) -> None:
    name = "02_the_chain_rule_as_two_passes"
    path = tmp_path / f"{name}.py"
    path.write_text(filled(name, [answers(name).SOLUTION[0], "...  # your code, part 2"]), encoding="utf-8")
    ended, printed = result_of(path)
    assert ended == 1
    assert printed.startswith("right: dx of Tanh = ")
    assert re.search(r"Still to be written in .*:\n  line \d+:  \.\.\.  # your code, part 2\n", printed)


def test_the_manual_quotes_a_message(tmp_path: Path) -> None:
    path = tmp_path / "03_dense.py"
    tables = answers("03_dense")
    code = [tables.MISTAKES["mean in db"].get(gap, right) for gap, right in enumerate(tables.SOLUTION)]
    path.write_text(filled("03_dense", code), encoding="utf-8")
    manual = Path(__file__).parents[3] / "docs" / "lessons.md"
    assert f"```text\n{result_of(path)[1]}```" in manual.read_text(encoding="utf-8")


def test_results_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    compare("y", np.array([-0.0, 2.0 + 1e-9]), [0.0, 2.0])
    compare("y", 0.0, 0.0)
    assert capsys.readouterr().out == "right: y = [0., 2.]\nright: y = 0.\n"


@pytest.mark.parametrize(
    ("got", "expected", "message"),
    [
        (np.array([1.0]), [1.0, 2.0], "y must have shape (2,), got shape (1,)"),
        (np.array([1.0]), 2.0, "y must be one number, got shape (1,)"),
        (1.0, [2.0], "y must have shape (1,), got one number"),
        (None, 1.0, "y is None: its value is missing"),
        (..., 1.0, "y is still `...`: write its value"),
        ([1.0], [1.0], "y must be an array, got a list: np.array(...) makes an array of it"),
        (np.array(["1"]), [1.0], "y must be an array of numbers, got array(['1'], dtype='<U1')"),
        (np.array([1]), [1.0], "y holds whole numbers (int64) and would cut off all others: make an array of floats"),
        (np.array([1.0, 2.00001]), [1.0, 2.0], "y must be\n    [1., 2.]\ngot\n    [1.     , 2.00001]"),
        (np.nan, 1.0, "y must be\n    1.\ngot\n    nan"),
    ],
)
def test_wrong_results_are_refused(got: Any, expected: Any, message: str) -> None:
    with pytest.raises(Wrong) as caught:
        compare("y", got, expected, {"another": 3.0})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("got", "cause"),
    [
        ([[1.0, 2.5], [3.0, 4.0]], "rounded"),
        ([[-1.0, -2.0], [-3.0, -4.0]], "the sign is wrong"),
        ([[1.0, 3.0], [2.0, 4.0]], "this is the transpose of the right matrix"),
        ([[0.0, 0.0], [0.0, 0.0]], "nothing arrives here: every entry is 0"),
        ([[0.5, 1.0], [1.5, 2.0]], "a factor is missing, or one too many: every entry is 0.5 times the right one"),
        ([1.0, 2.0], "one row"),
        ([[1.0, 2.0, 3.0, 4.0]], "the numbers are right, only the shape is not"),
        ([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [2.0, 3.0]]], "the rows must be added up, with .sum(axis=0)"),
    ],
)
def test_causes_are_named(got: Any, cause: str) -> None:
    with pytest.raises(Wrong) as caught:
        compare(
            "y", np.array(got), [[1.0, 2.0], [3.0, 4.0]], {"rounded": [[1.0, 2.5], [3.0, 4.0]], "one row": [1.0, 2]}
        )
    assert re.findall("Likely cause: (.*)", str(caught.value)) == [cause]
