"""Tests of the fixture `gradcheck` in a user's test suite: the output of failures, the table and the JSON file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # the tests read what test suites in processes of their own have printed

LAYERS = """
import numpy as np

class Swish:
    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-x))
        return x * self.s
    def backward(self, dy):
        return dy * (self.s + self.x * self.s * (1 - self.s))

class Flipped(Swish):
    def backward(self, dy):
        return -super().backward(dy)

class InPlace(Swish):
    def backward(self, dy):
        dy *= 2
        return dy

class Crashing(Swish):
    def backward(self, dy):
        return self.through(dy)
    def through(self, dy):
        return dy.no_such_thing

class Endless(Swish):
    def backward(self, dy):
        return self.backward(dy)

class Uncopied(Swish):
    def __deepcopy__(self, memo):
        raise OSError("there can be only one")
"""
TESTS = """
import numpy as np
from their_layers import *

def test_right(gradcheck):
    report = gradcheck(Swish(), x=(5, 3))
    assert report.passed
    assert gradcheck(Swish(), np.ones((2, 2)), probes=3).arrays["x"].probes == 3

def test_flipped(gradcheck):
    layer = Flipped()
    gradcheck(layer, x=(5, 3))

def test_in_place(gradcheck):
    gradcheck(InPlace(), x=(5, 3))

def test_crashing(gradcheck):
    gradcheck(Crashing(), x=(5, 3))

def test_endless(gradcheck):
    gradcheck(Endless(), x=(5, 3))

def test_uncopied(gradcheck):
    gradcheck(Uncopied(), x=(5, 3))

def test_arguments(gradcheck):
    gradcheck(Swish(), x=(5, 0))

def test_pair(gradcheck):
    gradcheck((np.sin, lambda dy, x: 2 * dy * np.cos(x)), x=(5, 3))

class TestOthers:
    def test_loss(self, gradcheck):
        from tinydl.losses import MeanSquaredError
        assert gradcheck.loss(MeanSquaredError(), (4, 3), np.zeros((4, 3)), seed=3).seed == 3

    def test_model(self, gradcheck, tmp_path, monkeypatch):
        from tinydl import Model
        from tinydl.layers import Dense
        from tinydl.losses import MeanSquaredError
        monkeypatch.chdir(tmp_path)
        gradcheck.model(Model([Dense(2, "tanh")], 3), (4, 3), np.zeros((4, 2)), loss=MeanSquaredError())

    def test_function(self, gradcheck):
        gradcheck.function(lambda a, b: a @ b, lambda dy, a, b: (dy @ b.T, a.T @ dy), (3, 4), (4, 2))

    def test_plain(self):
        pass
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *arguments]
    # The plugin of Hypothesis would take longer to load than all the rest.
    environment = {**os.environ, "COLUMNS": "150", "PYTEST_ADDOPTS": "-p no:hypothesispytest"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "their_layers.py").write_text(LAYERS)
    (folder / "test_theirs.py").write_text(TESTS)
    return folder


@pytest.fixture(scope="module")
def done(suite: Path) -> subprocess.CompletedProcess[str]:
    return run_pytest(suite, "--gradcheck-report", "--gradcheck-json=reports/checks.json")


@pytest.fixture(scope="module")
def shown(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The printed sections, keyed by their headings: each failed test, and "gradient checks"."""
    sections: dict[str, str] = {}
    name = ""
    for line in done.stdout.splitlines():
        words = line.strip("_= ")
        if line.startswith(("___", "===")) and words:
            name = words
        else:
            sections[name] = sections.get(name, "") + line + "\n"
    return sections


def test_which_checks_pass_and_fail(done: subprocess.CompletedProcess[str], shown: dict[str, str]) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert "6 failed, 6 passed" in done.stdout
    assert "warning" not in done.stdout.lower()


def test_a_failure_shows_the_line_of_the_test_and_the_likely_cause(shown: dict[str, str]) -> None:
    text = shown["test_flipped"]
    assert ">       gradcheck(layer, x=(5, 3))" in text
    assert "gradient check of Flipped FAILED" in text
    assert "likely cause: the sign is flipped" in text
    assert "max rel error" in text
    assert text.rstrip().splitlines()[-1].startswith("test_theirs.py:")


@pytest.mark.parametrize("test", ["test_flipped", "test_in_place", "test_arguments", "test_pair"])
def test_nothing_of_the_checker_is_shown(shown: dict[str, str], test: str) -> None:
    lines = [line for line in shown[test].splitlines() if line and not line.startswith("E  ")]
    assert lines[0].startswith("gradcheck = <")
    assert lines[-2].startswith(">       gradcheck(")
    assert len([line for line in lines if ".py:" in line]) == 1
    assert "direct cause" not in shown[test]


def test_messages(shown: dict[str, str]) -> None:
    assert "rule dy: backward modifies dy in place" in shown["test_in_place"]
    assert "ValueError: check_layer: x as a shape must be" in shown["test_arguments"]
    assert "every entry is 2 times the right one" in shown["test_pair"]


def test_a_crash_in_the_users_code_shows_its_own_frames_alone(shown: dict[str, str]) -> None:
    text = shown["test_crashing"]
    assert ">       gradcheck(Crashing(), x=(5, 3))" in text
    assert "return self.through(dy)" in text
    assert ">       return dy.no_such_thing" in text
    assert "AttributeError: 'numpy.ndarray' object has no attribute 'no_such_thing'" in text
    places = [line.split(":")[0] for line in text.splitlines() if ".py:" in line]
    assert places == ["test_theirs.py", "their_layers.py", "their_layers.py"]


def test_a_very_long_traceback(shown: dict[str, str]) -> None:
    text = shown["test_endless"]
    assert "RecursionError" in text
    assert "gradcheck/" not in text


def test_full_trace_shows_all(suite: Path) -> None:
    printed = run_pytest(suite, "--full-trace", "-k", "flipped").stdout
    assert "gradcheck/check.py" in printed
    assert "def _run(" in printed


def test_the_table(shown: dict[str, str]) -> None:
    head, *rows, written, blank = shown["gradient checks"].split("\n")
    assert head.split() == ["test", "subject", "probes", "dropped", "max", "rel", "error", "method", "verdict"]
    assert [row.split()[:3] for row in rows] == [
        ["test_theirs.py::test_right", "Swish", "15"],
        ["test_theirs.py::test_right", "Swish", "3"],
        ["test_theirs.py::test_flipped", "Flipped", "15"],
        ["test_theirs.py::test_in_place", "InPlace", "15"],
        ["test_theirs.py::test_crashing", "Crashing", "0"],
        ["test_theirs.py::test_endless", "Endless", "0"],
        ["test_theirs.py::test_uncopied", "Uncopied", "15"],
        ["test_theirs.py::test_arguments", "Swish", "0"],
        ["test_theirs.py::test_pair", "sin", "15"],
        ["test_theirs.py::TestOthers::test_loss", "MeanSquaredError", "12"],
        ["test_theirs.py::TestOthers::test_model", "Model", "'model'"],
        ["test_theirs.py::TestOthers::test_function", "<lambda>", "20"],
    ]
    assert [row.split()[-1] for row in rows] == [
        "ok", "ok", "WRONG", "WRONG", "CRASHED", "CRASHED", "ok", "CRASHED", "WRONG", "ok", "ok", "ok",
    ]  # fmt: skip

    assert "complex step" in rows[0]
    assert written.startswith("12 gradient checks written to ")
    assert blank == ""


def test_the_json_file(done: subprocess.CompletedProcess[str], suite: Path) -> None:
    assert [file.name for file in (suite / "reports").iterdir()] == ["checks.json"]  # no other file is left behind
    document = json.loads((suite / "reports" / "checks.json").read_text())
    assert (document["passed"], document["checks"], document["failed"]) == (False, 12, 6)
    by_test: dict[str, dict[str, Any]] = {case["test"].split("::")[-1]: case for case in document["cases"]}
    flipped = by_test["test_flipped"]
    assert (flipped["subject"], flipped["passed"], flipped["verdict"]) == ("Flipped", False, "WRONG")
    assert "the sign is flipped" in flipped["message"]
    assert flipped["max_relative_error"] == pytest.approx(2)
    assert flipped["report"]["arrays"][0]["shape"] == [5, 3]
    in_place = by_test["test_in_place"]
    assert (in_place["verdict"], [rule["code"] for rule in in_place["report"]["rules"]]) == ("WRONG", ["dy"])
    assert by_test["test_model"]["passed"]
    assert len(by_test["test_model"]["report"]["arrays"]) == 3


def test_without_the_options_nothing_is_added(suite: Path) -> None:
    done = run_pytest(suite, "-q", "-k", "right")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2


def test_a_path_that_cannot_be_is_refused_before_the_tests(suite: Path) -> None:
    done = run_pytest(suite, "--gradcheck-json=.")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"--gradcheck-json: expected a file, got the directory .: try {suite / 'checks.json'}" in done.stderr
    done = run_pytest(suite, "--gradcheck-json=test_theirs.py/checks.json")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--gradcheck-json: cannot create the folder of test_theirs.py/checks.json" in done.stderr
