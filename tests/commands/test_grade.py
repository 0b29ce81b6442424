"""`python -m tinydl grade`: formats, files and exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gradcheck.grading import schemas
from tests.gradcheck.grading.hostile import RIGHT
from tinydl.__main__ import main

SPEC = """
from tinydl.gradcheck.grading import Assignment, Task

homework = Assignment("Homework", [
    Task("Dense", "Dense(3, 4)", [(5, 3)], points=6, arrays={"x": 2, "W": 3, "b": 1}, visibility="after_due_date"),
    Task("again", "Dense(2, 2)", [(4, 2)], points=2),
])
"""
WRONG = RIGHT.replace("dy.sum(axis=0)", "dy.mean(axis=0)")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"spec": SPEC, "right": RIGHT, "wrong": WRONG, "broken": "1 +\n"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def grade(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["grade", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_table_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = grade(capsys, "spec.py", "right.py")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["submission", "points", "Dense", "again"], ["right.py", "8/8", "6", "2"],
    ]  # fmt: skip
    code, out, _ = grade(capsys, "spec.py", "right.py", "wrong.py", "broken.py")
    assert code == 1
    assert out.splitlines()[2].split() == ["wrong.py", "6.3333/8", "5", "1.3333"]
    assert out.splitlines()[3].split() == ["broken.py", "0/8", "0", "(error)", "0", "(error)"]
    assert "the mean belongs in the loss" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.py", "right.py"], "SPEC: there is no file none.py"),
        (["right.py", "right.py"], "SPEC right.py: expected one Assignment(...)"),
        (["spec.py", "nobody.py"], "SUBMISSION: there is no file or folder nobody.py"),
        (["spec.py", "right.py", "wrong.py", "--format", "gradescope"], "pass --output FOLDER for several"),
        (["spec.py", "right.py", "--user", "no-such-user"], "--user: there is no user no-such-user"),
    ],
)
def test_a_wrong_spec_or_command(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    code, out, err = grade(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("grade: ")
    assert message in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "parse"), [("json", schemas.own), ("gradescope", schemas.gradescope), ("junit", schemas.junit)]
)
def test_formats_on_stdout_and_in_a_file_are_the_same(
    capsys: pytest.CaptureFixture[str], folder: Path, form: str, parse: Any
) -> None:
    code, out, _ = grade(capsys, "spec.py", "wrong.py", "--format", form)
    assert code == 1
    parse(out)
    code, table, _ = grade(capsys, "spec.py", "wrong.py", "--format", form, "--output", "made/results")
    assert code == 1
    assert table.splitlines()[1].split() == ["wrong.py", "6.3333/8", "5", "1.3333"]
    parse((folder / "made" / "results").read_text())
    assert [path.name for path in (folder / "made").iterdir()] == ["results"]


def test_gradescope(capsys: pytest.CaptureFixture[str]) -> None:
    document = schemas.gradescope(grade(capsys, "spec.py", "wrong.py", "--format", "gradescope")[1])
    first, second = document["tests"]
    assert document["score"] == pytest.approx(19 / 3, abs=1e-3)
    assert (first["name"], first["score"], first["max_score"], first["status"]) == ("Dense", 5, 6, "failed")
    assert (first["visibility"], second["visibility"]) == ("after_due_date", "visible")
    assert first["output"] == "gradient check of Dense FAILED\n  b: WRONG"  # hints are at level 1
    assert "likely cause" in first["extra_data"]["message"]
    assert document["stdout_visibility"] == "hidden"


@pytest.mark.slow
def test_gradescope_for_several(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    command = ["spec.py", "right.py", "wrong.py", "--format", "gradescope", "--output", "all"]
    assert grade(capsys, *command)[0] == 1
    files = sorted((folder / "all").iterdir())
    assert [file.name for file in files] == ["001-right.json", "002-wrong.json"]
    assert [schemas.gradescope(file.read_text())["score"] for file in files] == [8, pytest.approx(19 / 3, abs=1e-3)]


def test_junit(capsys: pytest.CaptureFixture[str]) -> None:
    root = schemas.junit(grade(capsys, "spec.py", "right.py", "wrong.py", "broken.py", "--format", "junit")[1])
    assert root.attrib == {"name": "Homework", "tests": "6", "failures": "2", "errors": "2"}
    assert [suite.attrib["name"] for suite in root] == ["right.py", "wrong.py", "broken.py"]
    failure, error = next(root.iter("failure")), next(root.iter("error"))
    assert failure.attrib["message"] == "gradient check of Dense FAILED\n  b: WRONG"
    assert "likely cause" in (failure.text or "")
    assert "SyntaxError" in (error.text or "")


def test_texts_that_xml_cannot_hold(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "odd.py").write_text("raise ValueError('\\x00\\x1b[31m <&> ]]> \\ud800 \\uffff ü')\n", encoding="utf-8")
    root = schemas.junit(grade(capsys, "spec.py", "odd.py", "--format", "junit")[1])
    assert "ValueError: ??[31m <&> ]]> ? ? ü" in (next(root.iter("error")).text or "")


@pytest.mark.slow
def test_it_needs_numpy_alone(folder: Path) -> None:
    forbidden = "numba", "scipy", "sklearn", "matplotlib", "tqdm"
    script = f"""
import sys
for name in {forbidden!r}:
    sys.modules[name] = None  # importing it raises ImportError
from argparse import ArgumentParser
from tinydl.commands import grade
parser = ArgumentParser()
grade.add_to(parser.add_subparsers())
arguments = parser.parse_args(["grade", "spec.py", "right.py"])
sys.exit(arguments.run(arguments))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "8/8" in done.stdout
