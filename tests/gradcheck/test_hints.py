"""Tests of the levels of detail in a check's result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.gradcheck import GradientCheckError, GradientCheckReport, check_layer
from tinydl.gradcheck.hints import ARRAYS, BARE, ENTRIES, FULL, told, told_json


class Scale:
    """A layer with a wrong dW that also modifies dy."""

    def __init__(self) -> None:
        self.W = np.array([1.5, -2.0, 0.5])

    def forward(self, x: Any) -> Any:
        self.x = x
        return x * self.W

    def backward(self, dy: Any) -> Any:
        self.dW = 2 * (dy * self.x).sum(axis=0)
        dy *= self.W
        return dy


def failed(rules: str) -> tuple[GradientCheckReport, str]:
    with pytest.raises(GradientCheckError) as caught:
        check_layer(Scale(), (5, 3), rules=rules)
    return caught.value.report, str(caught.value)


def test_each_level_tells_more() -> None:
    report, message = failed("fail")
    assert told(report, message, BARE) == "gradient check of Scale FAILED"
    assert told(report, message, ARRAYS).splitlines() == [
        "gradient check of Scale FAILED",
        "  W: WRONG",
        "  rule broken: dy",
    ]
    entries = told(report, message, ENTRIES)
    assert "worst at W[" in entries
    assert "backward modifies dy in place" in entries
    assert "likely cause" not in entries
    assert told(report, message, FULL) == message
    assert "likely cause" in message


def test_rules_that_do_not_count_are_not_told_before_the_last_level() -> None:
    report, message = failed("note")
    assert "rule" not in told(report, message, ARRAYS)
    assert "modifies dy" not in told(report, message, ENTRIES)
    assert "modifies dy" in told(report, message, FULL)


def test_what_passed() -> None:
    report = check_layer(Scale(), (5, 3), constants=("W",))
    assert [told(report, "", level) for level in (BARE, ARRAYS, ENTRIES)] == ["gradient check of Scale passed"] * 3
    assert told(report, "", FULL) == str(report)


def test_json_withholds_the_same() -> None:
    report, _ = failed("fail")
    assert told_json(report, BARE) is None
    assert told_json(report, FULL) == report.to_dict()
    arrays, entries = told_json(report, ARRAYS), told_json(report, ENTRIES)
    assert arrays is not None
    assert entries is not None
    assert [set(row) for row in arrays["arrays"]] == [{"name", "verdict", "passed"}] * 2
    assert arrays["rules"] == [{"code": "dy"}]
    (wrong,) = [row for row in entries["arrays"] if not row["passed"]]
    assert wrong["cause"] is None
    assert "likely cause" not in wrong["detail"]
    assert "worst at" in wrong["detail"]
    assert report.arrays["W"].cause  # the report itself is as before
