"""Levels of detail in a check's result, for tests whose messages should help without giving the answer."""

from __future__ import annotations

from typing import Any

from .report import GradientCheckReport

BARE, ARRAYS, ENTRIES, FULL = range(4)  # the levels
CAUSE = "\n    likely cause"


def told(report: GradientCheckReport, message: str, level: int) -> str:
    """The text shown for a check; its message is "" if it passed.

    0  whether it passed
    1  the verdict on each array that did not pass, and the codes of broken rules that count
    2  the worst entry of each array, with its analytic and numeric values, and the messages of these rules
    3  the whole message, with the likely cause, or the table of a check that passed
    """
    if level == FULL:
        return message or str(report)
    bad = [row for row in report.arrays.values() if not row.passed]
    rules = report.rules if message and report.rules_count else []
    lines = [f"gradient check of {report.subject} {'FAILED' if message else 'passed'}"]
    if level == ARRAYS:
        lines += [f"{row.name}: {row.verdict}" for row in bad] + [f"rule broken: {rule.code}" for rule in rules]
    if level == ENTRIES:
        lines += [row.detail.partition(CAUSE)[0] for row in bad] + [rule.message for rule in rules]
    return "\n  ".join(lines)


def told_json(report: GradientCheckReport, level: int) -> dict[str, Any] | None:
    """The report as plain values, reduced to the same level."""
    if level == BARE:
        return None
    found = report.to_dict()
    if level == ARRAYS:
        found["arrays"] = [{key: row[key] for key in ("name", "verdict", "passed")} for row in found["arrays"]]
        found["rules"] = [{"code": rule["code"]} for rule in found["rules"]]
        found["notes"] = []
    if level == ENTRIES:
        for row in found["arrays"]:
            row["cause"], row["detail"] = None, row["detail"].partition(CAUSE)[0]
    return found
