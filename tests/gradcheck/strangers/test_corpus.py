"""The corpus of strangers' code: its form, and checks of a sample (benchmarks/strangers.py checks all of it)."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from tests.gradcheck.strangers.corpus import cases, files, same_array, stranger_and_cases, with_bug
from tests.gradcheck.strangers.verdicts import PASSED, VERDICTS, WRONG, as_expected, find, outcome, unseen

T = TypeVar("T")
ALL_BUGS = [(case, bug) for case in cases() for bug in case.bugs]


def sample(things: Sequence[T], count: int, seed: int) -> list[T]:
    return [things[k] for k in np.random.default_rng(seed).choice(len(things), count, replace=False)]


def test_size() -> None:
    assert len(files()) >= 40
    assert len(cases()) >= 150
    assert len(ALL_BUGS) >= 600


def test_names_are_unique() -> None:
    repeated = [key for key, count in Counter(case.key for case in cases()).items() if count > 1]
    assert not repeated


def test_cases_say_what_to_expect() -> None:
    for case in cases():
        assert case.expect in VERDICTS, case.key
        assert bool(case.arrays) == (case.expect == "not checked"), case.key
        assert (case.adapter is not None) == (case.expect == "refused"), case.key


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_bugs_apply(path: Path) -> None:
    code, _ = stranger_and_cases(path.read_text(encoding="utf-8"))
    tree = ast.dump(ast.parse(code))
    for case in cases():
        if case.file != path:
            continue
        for bug in case.bugs:
            assert code.count(bug.old) == 1, (case.key, bug.old)
            assert ast.dump(ast.parse(code.replace(bug.old, bug.new))) != tree, (case.key, bug.new)
            assert bug.arrays, case.key
            re.compile(bug.cause)


def test_a_bug_is_executed_in_a_module_of_its_own() -> None:
    case = next(case for case in cases() if case.bugs)
    buggy = with_bug(case, case.bugs[0])
    assert buggy.check is not case.check
    assert buggy.key == case.key
    assert buggy.check.__globals__["__name__"] != case.check.__globals__["__name__"]


@pytest.mark.parametrize(
    ("row", "array", "same"),
    [
        ("W", "W", True), ("params['W']", "W", True), ("layers[0].W", "0.W", True), ("layers[1].W", "0.W", False),
        ("W1", "W", False), ("layers.2.params.weight", "2.weight", True), ("params[0]", "params[0]", True),
    ],
)  # fmt: skip
def test_same_array(row: str, array: str, same: bool) -> None:
    assert same_array(row, array) is same


def test_a_sample_of_correct_cases() -> None:
    otherwise = []
    for case in sample(cases(), 60, seed=0):
        result = outcome(case.check)
        assert result.verdict != WRONG, f"{case.key}: a false alarm\n{result.message}"
        if not as_expected(case, result):
            seen = f"{case.key}: {result.verdict}, expected {case.expect}, never looked at {unseen(case, result)}"
            otherwise.append(f"{seen}\n{result.message}")
        if case.adapter is not None:
            adapted = outcome(case.adapter)
            assert adapted.verdict == PASSED, f"{case.key}, by its adapter: {adapted.verdict}\n{adapted.message}"
    assert len(otherwise) <= 0.03 * 60, "\n".join(otherwise)


@pytest.mark.slow
def test_a_sample_of_bugs() -> None:
    missed = []
    for case, bug in sample(ALL_BUGS, 35, seed=1):
        finding = find(case, bug)
        about = f"{case.key}: {bug.old!r} -> {bug.new!r}\n{finding.outcome.message}"
        assert not finding.passed, about
        if not finding.found:
            missed.append(about)
        else:
            assert finding.array, about
            assert finding.index, about
    assert len(missed) <= 0.03 * 35, "\n".join(missed)
