"""Strangers' code as text, in which mistakes are planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tinydl import gradcheck
from tinydl.gradcheck import GradientCheckError, GradientCheckReport
from tinydl.gradcheck.diagnosis import evidence

Bug = tuple[str, str, str]  # old text, new text, the arrays whose gradients are then wrong, "W b"


CHECKS = {name: getattr(gradcheck, name) for name in gradcheck.__all__}


@dataclass(frozen=True)
class Case:
    """Right code, its natural call, and mistakes; each mistake's `old` occurs once in the code."""

    name: str
    code: str
    call: str
    bugs: Sequence[Bug] = ()
    checked: str = ""  # the arrays that must be in the report, "x W b"; "": any

    def run(self, old: str = "", new: str = "") -> GradientCheckReport:
        """Check the code, with `old` replaced."""
        assert not old or self.code.count(old) == 1, (self.name, old)
        space: dict[str, Any] = {"__name__": "somebody", "np": np, **CHECKS}
        exec(compile(self.code.replace(old, new) if old else self.code, "somebody.py", "exec"), space)
        report: GradientCheckReport = eval(self.call, space)
        return report


def right(cases: Sequence[Case]) -> Any:
    """Parametrize a test by the cases."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def wrong(cases: Sequence[Case]) -> Any:
    """Parametrize a test by the cases and their mistakes."""
    rows = [
        pytest.param(case, bug, id=f"{case.name}: {bug[1].strip()[:40]}") for case in cases for bug in case.bugs
    ]  # fmt: skip
    return pytest.mark.parametrize(("case", "bug"), rows)


def passes(case: Case) -> None:
    """Assert that the right code passes and that the expected arrays are checked."""
    report = case.run()
    assert report.passed
    if case.checked:
        assert {name for name, verdict in report.gradients.items() if verdict == "ok"} == set(case.checked.split())


def fails(case: Case, bug: Bug) -> None:
    """Assert that the mistake is found in the right arrays and in no others."""
    old, new, arrays = bug
    with pytest.MonkeyPatch.context() as patch:
        if bug not in case.bugs[:1]:  # only the first of a case is diagnosed to the end, which changes no verdict
            patch.setattr(evidence, "MOST_SECONDS_OF_ALL", 0.05)
        with pytest.raises(GradientCheckError) as caught:
            case.run(old, new)
    assert caught.value.report is not None
    verdicts = caught.value.report.gradients
    assert {name for name, verdict in verdicts.items() if verdict == "WRONG"} == set(arrays.split()), str(caught.value)
