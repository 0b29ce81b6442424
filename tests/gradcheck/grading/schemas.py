"""The formats of results, according to their published descriptions (see tinydl/gradcheck/grading/formats.py)."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}
TEXT_FORMATS = {"text", "html", "simple_format", "md", "ansi"}
GRADESCOPE = {  # name: (types, the values allowed)
    "score": ((int, float), None), "execution_time": ((int, float), None), "output": (str, None),
    "output_format": (str, TEXT_FORMATS), "test_output_format": (str, TEXT_FORMATS),
    "test_name_format": (str, TEXT_FORMATS), "visibility": (str, VISIBILITIES), "stdout_visibility": (str, VISIBILITIES),
    "extra_data": (dict, None), "tests": (list, None), "leaderboard": (list, None),
}  # fmt: skip
GRADESCOPE_TEST = {
    "score": ((int, float), None), "max_score": ((int, float), None), "status": (str, {"passed", "failed"}),
    "name": (str, None), "name_format": (str, TEXT_FORMATS), "number": (str, None), "output": (str, None),
    "output_format": (str, TEXT_FORMATS), "tags": (list, None), "visibility": (str, VISIBILITIES),
    "extra_data": (dict, None),
}  # fmt: skip
TASK = {
    "name": (str, None), "max_score": ((int, float), None), "visibility": (str, VISIBILITIES),
    "status": (str, {"passed", "failed", "error"}), "items": (list, None), "hint": (str, None), "message": (str, None),
    "printed": (str, None), "seconds": ((int, float), None), "passed": (bool, None), "score": ((int, float), None),
}  # fmt: skip
ITEM = {
    "name": (str, None), "passed": (bool, None), "verdict": (str, None), "weight": ((int, float), None),
    "detail": (str, None),
}  # fmt: skip


def conforms(value: dict[str, Any], schema: dict[str, Any], complete: bool = False) -> None:
    assert set(value) <= set(schema), set(value) - set(schema)
    if complete:
        assert set(value) == set(schema)
    for name, (types, allowed) in schema.items():
        if name in value:
            assert isinstance(value[name], types), name
            assert allowed is None or value[name] in allowed, name


def gradescope(text: str) -> dict[str, Any]:
    """Parse a results.json; AssertionError if Gradescope's description forbids it."""
    document: dict[str, Any] = json.loads(text)
    conforms(document, GRADESCOPE)
    assert "score" in document or all("score" in test for test in document["tests"])
    for test in document["tests"]:
        conforms(test, GRADESCOPE_TEST)
        assert 0 <= test["score"] <= test["max_score"]
    return document


def own(text: str) -> dict[str, Any]:
    """Parse tinydl's own JSON."""
    document: dict[str, Any] = json.loads(text)
    assert set(document) == {"tinydl", "assignment", "passed", "max_score", "submissions"}
    for submission in document["submissions"]:
        assert set(submission) == {"submission", "passed", "score", "max_score", "seconds", "tasks"}
        for task in submission["tasks"]:
            conforms(task, TASK, complete=True)
            assert task["passed"] == (task["status"] == "passed")
            assert 0 <= task["score"] <= task["max_score"]
            for item in task["items"]:
                conforms(item, ITEM, complete=True)
        assert submission["passed"] == all(task["passed"] for task in submission["tasks"])
    assert document["passed"] == all(each["passed"] for each in document["submissions"])
    return document


JUNIT = {  # element: (required attributes, all attributes, child elements)
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"}, {"name", "time", "classname", "group", "assertions", "status"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip


def junit(text: str) -> ElementTree.Element:
    """Parse JUnit XML; AssertionError if Jenkins' schema forbids it, or if its counts are not those of its cases."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        required, known, children = JUNIT[element.tag]
        assert required <= set(element.attrib) <= known, element.tag
        assert {child.tag for child in element} <= children, element.tag
        if "time" in element.attrib:
            assert re.fullmatch(r"\d*(\.\d{0,3})?", element.attrib["time"])
    for suite in [root, *root.iter("testsuite")]:
        assert int(suite.attrib["tests"]) == len(list(suite.iter("testcase")))
        assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
        assert int(suite.attrib["errors"]) == len(list(suite.iter("error")))
    return root
