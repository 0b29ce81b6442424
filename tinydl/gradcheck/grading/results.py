"""The result of one submission: points, hints for students and messages for the staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..report import aligned

PASSED, FAILED, ERROR = "passed", "failed", "error"


@dataclass
class Item:
    """The verdict on one array of a task, on the forward, or on the rules."""

    name: str
    passed: bool
    verdict: str
    weight: float = 0.0
    detail: str = ""


@dataclass
class TaskResult:
    """The result of one task.

    Attributes:
        status: "passed", "failed" (something is wrong) or "error" (the task could not be completed: the
            submission cannot be imported, crashes, or exceeds a limit).
        hint: the text for students, as detailed as the level of hints allows.
        message: the full text for the staff.
        printed: what the submission printed.
    """

    name: str
    max_score: float
    visibility: str = "visible"
    status: str = ERROR
    items: list[Item] = field(default_factory=list)
    hint: str = "not graded"
    message: str = "not graded"
    printed: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether everything that counts is right."""
        return self.status == PASSED

    @property
    def score(self) -> float:
        """The points for the items that passed; 0 after an error."""
        total = sum(item.weight for item in self.items)
        if self.status == ERROR or not total:
            return 0.0
        share = sum(item.weight for item in self.items if item.passed) / total
        return round(self.max_score * share, 4)


@dataclass
class SubmissionResult:
    """The results of all tasks; a task that has not run yet counts as failed."""

    name: str
    tasks: list[TaskResult]

    @property
    def passed(self) -> bool:
        """Whether all tasks passed."""
        return all(task.passed for task in self.tasks)

    @property
    def score(self) -> float:
        """The points for all tasks."""
        return round(sum(task.score for task in self.tasks), 4)

    @property
    def max_score(self) -> float:
        """The points for a submission in which everything is right."""
        return float(sum(task.max_score for task in self.tasks))

    @property
    def seconds(self) -> float:
        """The time that all tasks took."""
        return round(sum(task.seconds for task in self.tasks), 3)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values."""
        tasks = [{**asdict(task), "passed": task.passed, "score": task.score} for task in self.tasks]
        return {
            "submission": self.name, "passed": self.passed, "score": self.score, "max_score": self.max_score,
            "seconds": self.seconds, "tasks": tasks,
        }  # fmt: skip


def summary(results: Sequence[SubmissionResult]) -> str:
    """A table for the staff: one row per submission, one column per task."""
    names = [task.name for task in results[0].tasks]
    rows = [("submission", "points", *names)]
    for result in results:
        cells = [f"{task.score:g}" if task.status != ERROR else f"{task.score:g} ({ERROR})" for task in result.tasks]
        rows.append((result.name, f"{result.score:g}/{result.max_score:g}", *cells))
    return "\n".join(aligned(rows))
