"""Run a case as its author would, and compare the report on a planted bug with the expectation written beforehand."""

from __future__ import annotations

import contextlib
import io
import re
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tinydl.gradcheck
from tests.gradcheck.strangers.corpus import Bug, Case, same_array, with_bug
from tinydl.gradcheck import GradientCheckError
from tinydl.gradcheck.report import VACUOUS, ArrayReport

PASSED, WRONG, REFUSED, NOT_CHECKED, CRASHED = VERDICTS = ("passed", "WRONG", "refused", "not checked", "crashed")
CHECKER = Path(tinydl.gradcheck.__file__).parent


@dataclass
class Outcome:
    """The outcome of one check: a verdict, the message and the rows of the report."""

    verdict: str
    message: str = ""
    all_rows: list[ArrayReport] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rows(self) -> list[ArrayReport]:
        """The rows that did not pass."""
        return [row for row in self.all_rows if not row.passed]

    @property
    def wrong(self) -> list[ArrayReport]:
        return [row for row in self.rows if row.verdict == WRONG]


def outcome(check: Callable[[], Any]) -> Outcome:
    """Run a check from a fixed state of NumPy's global generator; prints and warnings of the case are hidden.

    A TypeError or ValueError that the checker itself raises is a refusal; any other exception is a crash.
    """
    np.random.seed(0)  # noqa: NPY002 - the cases draw their weights from it
    start = time.perf_counter()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            report = check()
            result = Outcome(PASSED, str(report), list(report.arrays.values()))
        except GradientCheckError as error:
            rows = [] if error.report is None else list(error.report.arrays.values())
            found = [row.verdict for row in rows]
            verdict = WRONG if WRONG in found else NOT_CHECKED if NOT_CHECKED in found else REFUSED
            result = Outcome(verdict, str(error), rows)
        except Exception as error:
            raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
            refused = isinstance(error, TypeError | ValueError) and CHECKER in raised_in.parents
            result = Outcome(REFUSED if refused else CRASHED, f"{type(error).__name__}: {error}")
    result.seconds = time.perf_counter() - start
    return result


def as_expected(case: Case, result: Outcome) -> bool:
    """Whether a correct case has the expected verdict, with exactly the expected arrays not checked, or, if it
    passed, with all of its arrays in the report.
    """
    if result.verdict == NOT_CHECKED == case.expect:
        return _same([row.name for row in result.rows], case.arrays)
    return result.verdict == case.expect and not unseen(case, result)


def unseen(case: Case, result: Outcome) -> list[str]:
    """The arrays of a case that passed which are named by its bugs and missing from the report."""
    arrays = {array for bug in case.bugs for array in bug.arrays} if result.verdict == PASSED else set()
    return sorted(a for a in arrays if not any(same_array(row.name, a) for row in result.all_rows))


@dataclass
class Finding:
    """How well a planted bug was found. `array`, `index` and `cause` describe the report."""

    outcome: Outcome
    passed: bool
    found: bool
    array: bool = False
    cause: bool = False
    index: bool = True


def find(case: Case, bug: Bug) -> Finding:
    """Check the case with the bug in it, by the call that works for the correct code."""
    buggy = with_bug(case, bug)
    result = outcome(buggy.adapter or buggy.check)
    return judged(bug, result)


def judged(bug: Bug, result: Outcome) -> Finding:
    """Compare an outcome with the bug's expectations.

    Each array reported as wrong must be one of the bug's, and each of the bug's arrays must be reported as wrong or
    not checked (as it is if its gradient is never written). The cause must be in the text about these arrays.
    """
    named = [row for row in result.rows if any(same_array(row.name, array) for array in bug.arrays)]
    found = bool(result.wrong) or any(row.verdict in (NOT_CHECKED, VACUOUS) for row in named)
    finding = Finding(result, result.verdict == PASSED, found)
    if found:
        said = [f"{row.detail} {row.cause or ''}" for row in named]
        finding.array = all(row in named for row in result.wrong) and _same([row.name for row in named], bug.arrays)
        finding.cause = any(re.search(bug.cause, text) for text in said)
        finding.index = bug.index is None or any(f"[{_index(bug)}]" in text for text in said)
    return finding


def _index(bug: Bug) -> str:
    return str(bug.index).strip("(),")


def _same(names: list[str], arrays: tuple[str, ...]) -> bool:
    return all(any(same_array(name, array) for array in arrays) for name in names) and all(
        any(same_array(name, array) for name in names) for array in arrays
    )
