"""The options of the pytest plugin that courses use, and the JSON file's rows for tests that never checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # each test runs other test suites in processes of their own

LAYERS = """
import numpy as np

class Scale:
    def __init__(self):
        self.s = np.array([1.5, -2.0, 0.5])
    def forward(self, x):
        self.x = x
        return x * self.s
    def backward(self, dy):
        self.ds = (dy * self.x).mean(axis=0)
        return dy * self.s

class InPlace:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask
    def backward(self, dy):
        dy[~self.mask] = 0
        return dy

class Endless(InPlace):
    def backward(self, dy):
        while True:
            try:
                self.mask = self.mask
            except Exception:
                pass
"""
TESTS = """
from their_layers import Endless, InPlace, Scale

def test_scale(gradcheck):
    gradcheck(Scale(), x=(5, 3))

def test_in_place(gradcheck):
    gradcheck(InPlace(), x=(5, 3))

def test_in_place_as_noted(gradcheck):
    gradcheck(InPlace(), x=(5, 3), rules="note")

def test_endless(gradcheck):
    gradcheck(Endless(), x=(5, 3))

def test_before_any_check(gradcheck):
    gradcheck(Missing(), x=(5, 3))
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "their_layers.py").write_text(LAYERS)
    (tmp_path / "test_theirs.py").write_text(TESTS)
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Return pytest's output and the content of the JSON file."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--gradcheck-json=checks.json", *arguments]
    # The plugin of Hypothesis would take longer to load than all the rest.
    environment = {**os.environ, "COLUMNS": "150", "PYTEST_ADDOPTS": "-p no:hypothesispytest"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    path = folder / "checks.json"
    return done.stdout + done.stderr, json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize(
    ("level", "shown", "withheld"),
    [
        (0, "gradient check of Scale FAILED", "WRONG"),
        (1, "s: WRONG", "relative error"),
        (2, "ds is wrong in 3 of 3 probes; worst at s[", "likely cause"),
        (3, "likely cause: every entry is 0.2 times the right one", "gradcheck/check.py"),
    ],
)
def test_hints(suite: Path, level: int, shown: str, withheld: str) -> None:
    printed, document = run(suite, "-k", "scale", f"--gradcheck-hints={level}")
    assert shown in printed
    assert withheld not in printed
    assert "likely cause" in document["cases"][0]["message"]  # the file is for the staff


def test_a_time_limit(suite: Path) -> None:
    """The first check is over in a moment: the limit leaves it time even on a busy machine."""
    printed, document = run(suite, "-k", "endless or scale", "--gradcheck-timeout=5")
    assert "the gradient check took longer than 5 s" in printed
    assert [case["verdict"] for case in document["cases"]] == ["WRONG", "TOO LONG"]
    assert not document["passed"]


def test_a_time_limit_that_makes_no_sense(suite: Path) -> None:
    assert "--gradcheck-timeout must be > 0, got -1" in run(suite, "--gradcheck-timeout=-1")[0]


def test_rules_fail_where_the_test_does_not_say_otherwise(suite: Path) -> None:
    _, document = run(suite, "-k", "in_place")
    assert [case["passed"] for case in document["cases"]] == [True, True]
    printed, document = run(suite, "-k", "in_place", "--gradcheck-rules=fail")
    assert [case["passed"] for case in document["cases"]] == [False, True]
    assert "modifies dy in place" in printed


def test_a_test_that_fails_before_its_check_has_failed(suite: Path) -> None:
    _, document = run(suite, "-k", "before")
    assert (document["passed"], document["failed"]) == (False, 1)
    case = document["cases"][0]
    assert (case["test"], case["verdict"]) == ("test_theirs.py::test_before_any_check", "CRASHED")
    assert "NameError: name 'Missing' is not defined" in case["message"]


@pytest.mark.parametrize("text", ["class Scale:\n    def forward(self, x)\n", "raise RuntimeError('no')\n", ""])
def test_what_cannot_be_collected_has_failed(suite: Path, text: str) -> None:
    (suite / "their_layers.py").write_text(text)
    _, document = run(suite)
    assert (document["passed"], document["checks"], document["failed"]) == (False, 1, 1)
    case = document["cases"][0]
    assert (case["test"], case["verdict"], case["passed"]) == ("test_theirs.py", "NOT COLLECTED", False)
    assert "Error" in case["message"]


def test_a_run_without_a_check_has_not_passed(suite: Path) -> None:
    _, document = run(suite, "-k", "no_such_test")
    assert (document["passed"], document["checks"], document["failed"]) == (False, 0, 0)
