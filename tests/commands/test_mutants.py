"""Tests of python -m tinydl mutants, on a small course with a weak and a strong test suite."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinydl.__main__ import main

pytestmark = pytest.mark.slow  # each test runs other test suites in processes of their own

Run = Callable[..., tuple[int, str, str]]

LAYERS = '''
import numpy as np


class Dense:
    """y = x W + b."""

    def __init__(self, size=3, units=4):
        rng = np.random.default_rng(0)
        self.W = rng.normal(size=(size, units))
        self.b = rng.normal(size=units)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0)  # b is added to every row
        return dy @ self.W.T


class Shift:
    """y = x + b."""

    def __init__(self, units=4):
        self.b = np.random.default_rng(0).normal(size=units)

    def forward(self, x):
        return x + self.b

    def backward(self, dy):
        self.db = dy.sum(axis=0)  # b is added to every row
        return dy.copy()


class Wrong(Dense):
    def backward(self, dy):
        return -super().backward(dy)


def helper(x):
    return x
'''
# The suites are plain programs: an assert that fails gives exit code 1.
WEAK = """
import numpy as np
from layers import Dense

layer, x, dy = Dense(), np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 0.0, -1.0, 2.0]])
assert np.allclose(layer.forward(x), x @ layer.W + layer.b)
dx = layer.backward(dy)
assert np.allclose(layer.dW, x.T @ dy)
assert np.allclose(layer.db, dy[0])  # the sum over one row is also its mean
assert np.allclose(dx, dy @ layer.W.T)
"""
SHIFT = """
import numpy as np
from layers import Shift

layer, x, dy = Shift(), np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1.0, 0.0, -1.0, 2.0]])
assert np.allclose(layer.forward(x), x + layer.b)
assert np.allclose(layer.backward(dy), dy)
assert np.allclose(layer.db, dy[0])  # the sum over one row is also its mean
"""
STRONG = (
    WEAK
    + """
x, dy = np.arange(15.0).reshape(5, 3), np.arange(20.0).reshape(5, 4) - 7
other, order = x[:3] ** 2, np.array([3, 0, 4, 1, 2])
for rows, dys in ((x, dy), (other, dy[:3]), (x[order], dy)):
    assert np.allclose(layer.forward(rows), rows @ layer.W + layer.b)
    kept = dys.copy()
    dx = layer.backward(dys)
    assert np.allclose(layer.dW, rows.T @ kept) and np.allclose(layer.db, kept.sum(axis=0))
    assert np.allclose(dx, kept @ layer.W.T) and np.array_equal(dys, kept)
"""
)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "course"
    folder.mkdir()
    for name, text in (("layers", LAYERS), ("weak", WEAK), ("shift", SHIFT), ("strong", STRONG)):
        (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, tests: str = "weak.py") -> tuple[int, str, str]:
        try:
            code = main(["mutants", *arguments, "--tests", f"{sys.executable} {tests}"])
        except SystemExit as error:  # argparse
            code = error.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_a_weak_suite_lets_a_mean_pass_for_a_sum(run: Run, course: Path) -> None:
    before = contents(course)
    code, out, err = run(
        "layers.py:Shift", "--shape", "5,4", "--json", "--limit", "1000", "--jobs", "2", tests="shift.py"
    )  # fmt: skip
    assert code == 1, err
    assert contents(course) == before
    document = json.loads(out)
    assert not document["passed"]
    assert document["tried"] == document["changes"] > 30
    assert document["wrong"] == document["caught"] + document["let_through"]
    assert document["tried"] == document["wrong"] + document["right"] + document["crashed"]
    assert document["let_through"] == len(document["survivors"]) < document["caught"]
    assert document["score"] == pytest.approx(document["caught"] / document["wrong"])
    (mean,) = [each for each in document["survivors"] if each["operator"] == "mean and sum"]
    assert list(mean["arrays"]) == ["b"]
    assert "1/N" in mean["arrays"]["b"]
    assert mean["function"] == "backward"
    line = "        self.db = dy.sum(axis=0)  # b is added to every row"
    assert mean["line"] == 1 + LAYERS.splitlines().index(line, LAYERS.splitlines().index("class Shift:"))
    assert mean["diff"] == (
        "--- layers.py\n+++ layers.py\n@@ -31,5 +31,5 @@\n \n     def backward(self, dy):\n"
        "-        self.db = dy.sum(axis=0)  # b is added to every row\n"
        "+        self.db = dy.mean(axis=0)  # b is added to every row\n"
        "         return dy.copy()\n \n"
    )


@pytest.mark.slow
def test_a_strong_suite_lets_nothing_through(run: Run, course: Path) -> None:
    code, out, err = run("layers.py:Dense", "--shape", "5,3", "--limit", "25", "--jobs", "2", tests="strong.py")
    assert code == 0, out + err
    counts, last = out.splitlines()
    assert counts.startswith("layers.py:Dense: ")
    assert counts.endswith("that crash are left out")
    assert last.endswith(" caught by the tests, 0 let through: 100.0%")


def test_a_seed_draws_the_same_changes_again(run: Run, course: Path) -> None:
    given = ("layers.py:Dense", "--shape", "5,3", "--limit", "4", "--json")
    first, again = json.loads(run(*given)[1]), json.loads(run(*given)[1])
    assert first == again
    assert first["tried"] == 4 < first["changes"]


def test_survivors_are_shown_as_diffs(run: Run, course: Path) -> None:
    """A suite that only imports the layer lets every wrong version through."""
    (course / "idle.py").write_text("import layers\n")
    code, out, _ = run("layers.py:Dense", "--shape", "5,3", "--limit", "6", tests="idle.py")
    assert code == 1
    blocks = out.split("--- layers.py\n")
    assert len(blocks) >= 3
    assert blocks[0].startswith("1. ")
    assert " wrong" in blocks[0]
    assert all(block.startswith("+++ layers.py\n@@ ") for block in blocks[1:])
    assert out.splitlines()[-1].endswith(f"0 caught by the tests, {len(blocks) - 1} let through: 0.0%")


def test_an_endless_loop_of_a_version_is_caught(run: Run, course: Path) -> None:
    (course / "original.txt").write_text(LAYERS)
    (course / "endless.py").write_text(
        "import layers\nif open(layers.__file__).read() != open('original.txt').read():\n    while True: pass\n"
    )
    given = ("layers.py:Dense", "--shape", "5,3", "--limit", "2", "--json", "--timeout", "2")
    code, out, err = run(*given, tests="endless.py")
    assert code == 0, err
    assert json.loads(out)["caught"] >= 1


def test_a_pair_of_functions_in_a_subfolder(run: Run, course: Path) -> None:
    package = course / "ops"
    package.mkdir()
    (package / "cube.py").write_text(
        "def cube(x):\n    return x**3\n\ndef cube_backward(dy, x):\n    return 3 * dy * x**2\n"
    )
    (course / "cubes.py").write_text("from ops.cube import cube_backward\nassert cube_backward(1.0, 2.0) == 12\n")
    given = ("ops/cube.py:cube,cube_backward", "--shape", "5", "--folder", ".", "--limit", "5", "--json")
    code, out, err = run(*given, tests="cubes.py")
    assert code in (0, 1), err
    assert json.loads(out)["wrong"] >= 1


@pytest.mark.parametrize(("arguments", "tests", "message"), [
    (["layers.py:Wrong", "--shape", "5,3"], "weak.py", "layers.py:Wrong does not pass the check as it is: gradient check of Wrong"),
    (["layers.py:Dense"], "weak.py", "does not pass the check as it is: --shape: expected the shape of x"),
    (["layers.py:Dense", "--shape", "5,3"], "wrong.py", "the tests fail on the file as it is, with exit code 1:\nTraceback"),
    (["layers.py:Dense", "--shape", "5,3"], "unrelated.py", "the tests pass even if layers.py raises an error on import"),
    (["layers.py:Dense", "--shape", "5,3", "--timeout", "1"], "slow.py", "the tests take more than 1 s: raise --timeout"),
    (["layers.py", "--shape", "5,3"], "weak.py", "FILE:NAME: expected a name such as layers.py:Dense, got 'layers.py'"),
    (["nobody.py:Dense", "--shape", "5,3"], "weak.py", "FILE:NAME: there is no file nobody.py"),
    (["layers.py:Dense", "--shape", "5,3", "--folder", "sub"], "weak.py", "--folder: layers.py is not in "),
])  # fmt: skip
def test_what_cannot_be_said(run: Run, course: Path, arguments: list[str], tests: str, message: str) -> None:
    (course / "sub").mkdir()
    (course / "wrong.py").write_text("import layers\nassert False\n")
    (course / "unrelated.py").write_text("")
    (course / "slow.py").write_text("import time\ntime.sleep(60)\n")
    code, out, err = run(*arguments, tests=tests)
    assert (code, out) == (2, "")
    assert message in err
    assert json.loads(run(*arguments, "--json", tests=tests)[1])["error"] in err


def test_a_command_that_there_is_not(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, message in (
        ("./nobody", "nobody cannot be run"),
        ("", "got nothing"),
        ("a 'b", "No closing quotation"),
    ):
        assert main(["mutants", "layers.py:Dense", "--shape", "5,3", "--tests", command]) == 2
        assert message in capsys.readouterr().err


def test_as_a_process_of_its_own(course: Path) -> None:
    arguments = ["layers.py:Dense", "--shape", "5,3", "--limit", "3", "--tests", f"{sys.executable} strong.py"]
    done = subprocess.run(
        [sys.executable, "-m", "tinydl", "mutants", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
