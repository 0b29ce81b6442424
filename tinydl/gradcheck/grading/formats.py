"""Results as files: tinydl's own JSON, Gradescope's results.json, and JUnit XML.

Gradescope: https://gradescope-autograders.readthedocs.io/en/latest/specs/ ("Output format"). Students see each test's
`output`. The messages for the staff are in `extra_data`, which Gradescope stores but does not show, and on stdout,
which only instructors see. (A hidden test would also hide the total score from the student.)

JUnit XML has no standard. The elements written here are those of Jenkins' schema that pytest and Surefire also write:
https://github.com/jenkinsci/xunit-plugin (junit-10.xsd) and
https://docs.pytest.org/en/stable/how-to/output.html#creating-junitxml-format-files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from .results import ERROR, FAILED, SubmissionResult
from .spec import Assignment

FORMATS = ("json", "gradescope", "junit")


def as_json(assignment: Assignment, results: Sequence[SubmissionResult], version: str) -> str:
    """The full results, for programs; `hint` is for students, `message` and `printed` are for the staff."""
    document = {
        "tinydl": version, "assignment": assignment.title, "passed": all(result.passed for result in results),
        "max_score": assignment.points, "submissions": [result.to_dict() for result in results],
    }  # fmt: skip
    return json.dumps(document, indent=2) + "\n"


def as_gradescope(result: SubmissionResult) -> str:
    """One submission's results.json."""
    tests: list[dict[str, Any]] = [
        {
            "name": task.name, "score": task.score, "max_score": task.max_score,
            "status": "passed" if task.passed else "failed", "output": task.hint, "output_format": "text",
            "visibility": task.visibility, "extra_data": {"message": task.message, "printed": task.printed},
        }
        for task in result.tasks
    ]  # fmt: skip
    document = {"score": result.score, "execution_time": result.seconds, "stdout_visibility": "hidden", "tests": tests}
    return json.dumps(document, indent=2) + "\n"


def as_junit(assignment: Assignment, results: Sequence[SubmissionResult]) -> str:
    """JUnit XML: one suite per submission, one case per task; failures and errors hold the messages for the staff."""
    root = ElementTree.Element("testsuites", name=assignment.title)
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for result in results:
        counts = {
            "tests": len(result.tasks), "failures": sum(task.status == FAILED for task in result.tasks),
            "errors": sum(task.status == ERROR for task in result.tasks),
        }  # fmt: skip
        suite = ElementTree.SubElement(root, "testsuite", name=result.name, time=f"{result.seconds:.3f}")
        for name, count in counts.items():
            suite.set(name, str(count))
        for task in result.tasks:
            case = ElementTree.SubElement(
                suite, "testcase", classname=assignment.title, name=task.name, time=f"{task.seconds:.3f}"
            )
            if not task.passed:
                kind = "error" if task.status == ERROR else "failure"
                fault = ElementTree.SubElement(case, kind, type=task.status, message=task.hint)
                fault.text = task.message
            points = f"points: {task.score:g} of {task.max_score:g}"
            ElementTree.SubElement(case, "system-out").text = points + _printed(task.printed)
        totals = {name: totals[name] + counts[name] for name in totals}
    for name, total in totals.items():
        root.set(name, str(total))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _printed(text: str) -> str:
    return f"\n\nIt printed:\n{text}" if text else ""
