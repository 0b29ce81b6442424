"""The example course: the committed results are what its commands write, and the handout's tests run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gradcheck.grading import schemas

COURSE = Path(__file__).parents[2] / "examples" / "course"
pytestmark = pytest.mark.slow  # one submission uses up its time limit
RESULTS = COURSE / "results"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("course") / "grades.json"
    files = sorted(f"submissions/{path.name}" for path in (COURSE / "submissions").glob("*.py"))
    command = [sys.executable, "-m", "tinydl", "grade", "spec.py", *files, "--format", "json", "--output", str(output)]
    done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    return {**schemas.own(output.read_text()), "printed": done.stdout}


def told(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What students get: points, and hints; messages for the staff may be worded better from version to version."""
    return [
        (each["submission"], task["name"], task["status"], task["score"], task["hint"])
        for each in document["submissions"]
        for task in each["tasks"]
    ]


def test_the_results_are_those_of_today(graded: dict[str, Any]) -> None:
    assert told(graded) == told(schemas.own((RESULTS / "grades.json").read_text()))
    table = graded["printed"].partition("\n\n")[0]
    assert (RESULTS / "points.txt").read_text().startswith(table)
    assert f"```text\n{table}\n```" in (COURSE / "README.md").read_text()


def test_the_points(graded: dict[str, Any]) -> None:
    points = {Path(each["submission"]).stem: each["score"] for each in graded["submissions"]}
    assert points == {"cheating": 0, "endless": 6, "in_place": 11, "right": 12, "wrong": 8}


def test_the_other_results_are_valid_and_agree() -> None:
    by_name = {each["submission"]: each for each in json.loads((RESULTS / "grades.json").read_text())["submissions"]}
    assert schemas.gradescope((RESULTS / "wrong.json").read_text())["score"] == by_name["submissions/wrong.py"]["score"]
    root = schemas.junit((RESULTS / "grades.xml").read_text())
    assert [suite.attrib["name"] for suite in root] == list(by_name)


def test_the_handout(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(COURSE / "handout", tmp_path / "handout"))
    command = [sys.executable, "-m", "pytest", "-q", "--gradcheck-hints=2", "--gradcheck-timeout=20"]

    def run() -> subprocess.CompletedProcess[str]:
        # The plugin of Hypothesis would take longer to load than all the rest.
        environment = {**os.environ, "PYTEST_ADDOPTS": "-p no:hypothesispytest"}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    assert "3 failed" in run().stdout  # nothing is filled in
    shutil.copy(COURSE / "submissions" / "right.py", folder / "layers.py")
    done = run()
    assert "3 passed" in done.stdout, done.stdout
    shutil.copy(COURSE / "submissions" / "wrong.py", folder / "layers.py")
    printed = run().stdout
    assert "2 failed, 1 passed" in printed
    assert "db is wrong in 4 of 4 probes" in printed
    assert "likely cause" not in printed
