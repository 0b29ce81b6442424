"""Every lesson runs, draws, prints only figures that it has computed, and turns into a notebook."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess as Done

import matplotlib.pyplot as plt
import pytest
from matplotlib import rc_context

from examples.execute_notebook import execute

LESSONS = Path(__file__).parents[3] / "examples" / "lessons"
ALL = sorted(path.stem for path in LESSONS.glob("[0-9][0-9]_*.py"))
FAST: set[str] = set()


def source_of(name: str) -> str:
    return (LESSONS / f"{name}.py").read_text(encoding="utf-8")


each_lesson = pytest.mark.parametrize("name", ALL)


def test_lessons_are_numbered_and_listed() -> None:
    assert [name[:2] for name in ALL] == [f"{number:02}" for number in range(1, 21)]
    listed = re.findall(r"\]\((\d\d_\w+)\.py\)", (LESSONS / "README.md").read_text(encoding="utf-8"))
    assert listed == ALL


@each_lesson
def test_help_says_how_the_lesson_is_run(run: Callable[..., Done], name: str) -> None:
    assert f"python examples/lessons/{name}.py" in run(f"lessons/{name}.py", "--help").stdout


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in ALL])
def test_lesson_runs_and_draws(
    run: Callable[..., Done], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: starting Python and importing Matplotlib would take longer than most lessons."""
    monkeypatch.chdir(tmp_path)
    with rc_context():
        done = run(f"lessons/{name}.py", "--out", tmp_path / "out")
    plt.close("all")
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"], "a lesson writes only into --out"
    assert any(path.suffix in (".png", ".gif", ".html") for path in (tmp_path / "out").iterdir())


def typed_figures(source: str) -> Iterator[str]:
    """Decimal numbers, percentages and numbers of two or more digits in the constant text of calls of print."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            specs = {spec for part in ast.walk(call) if isinstance(part, ast.FormattedValue) if part.format_spec
                     for spec in ast.walk(part.format_spec)}  # fmt: skip
            for part in ast.walk(call):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part not in specs:
                    yield from re.findall(r"(?<![\w.\[])(?:\d+\.\d+|\d+(?= ?%)|\d{2,})(?!\w)", part.value)


def test_typed_figures_are_found() -> None:
    source = "print(f'{x:10.3f} {y} in block_16 of 2, W[0, 1], {f(\"a\")}', 'loss 0.12, 7 %', '128 rows')"
    assert sorted(typed_figures(source)) == ["0.12", "128", "7"]


@each_lesson
def test_printed_figures_are_computed(name: str) -> None:
    assert not list(typed_figures(source_of(name)))


@each_lesson
def test_lesson_becomes_a_notebook(name: str) -> None:
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed: pip install -e '.[test]'")
    cells = jupytext.reads(source_of(name), fmt="py:percent").cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith(f"# Lesson {int(name[:2])}: ")
    assert {cell.cell_type for cell in cells} == {"markdown", "code"}
    for cell in cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


def test_a_notebook_shows_what_the_lesson_prints_and_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed: pip install -e '.[test]'")
    monkeypatch.chdir(tmp_path)
    notebook = jupytext.reads(source_of("01_a_neuron_by_hand"), fmt="py:percent")
    done = execute(notebook)
    outputs = [output for cell in done["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("dw" in "".join(output.get("text", [])) for output in outputs)
    assert not list(tmp_path.iterdir()), "a notebook saves no pictures"


def test_all_lessons_run_with_one_command(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run("lessons/run_all.py", "1", "--quiet", "--out", tmp_path)
    assert re.fullmatch(r" *[\d.]+ s  01_a_neuron_by_hand\n *[\d.]+ s  in all\n", done.stdout)
    assert list((tmp_path / "01_a_neuron_by_hand").glob("*.png"))


def test_a_lesson_that_does_not_exist_is_refused(refused: Callable[..., None]) -> None:
    refused("lessons/run_all.py", ["99"], "NUMBER must be one of 01 ")


def test_pictures_go_into_a_folder(refused: Callable[..., None]) -> None:
    refused("lessons/01_a_neuron_by_hand.py", ["--out", __file__], "--out must be a folder that can be written to")
