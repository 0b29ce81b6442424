"""The report of a check, one row per array, as a table or as JSON, and the error that a failed check raises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import arguments
from ..notebooks import html_table, html_text

OK, ZERO, CONSTANT = "ok", "zero, as allowed", "constant"
WRONG, VACUOUS, KINKS, NOT_CHECKED = "WRONG", "VACUOUS", "NOT SMOOTH", "not checked"
MOST_SHOWN = 4  # number of an array's dropped entries that are printed


def grad_name(name: str) -> str:
    """The name of an array's gradient in messages."""
    return f"the gradient of {name}" if "." in name else f"d{name}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


@dataclass
class ArrayReport:
    """The result for one array.

    The relative error of an entry is |a - n| / max(|a|, |n|, 1e-3 M), where a is the analytic value, n the numeric
    value and M the largest |a| or |n| probed in this array. M matters if an entry happens to be almost zero,
    because roundoff does not shrink with the entry. Relative errors are only shown; the verdict uses
    |a - n| <= atol + rtol max(|a|, |n|).
    """

    name: str
    shape: tuple[int, ...]
    method: str  # the source of the numeric values: "complex step" or "central differences"
    probes: int = 0  # entries compared, or directions in directional mode
    dropped: int = 0  # entries not compared, because their forward values show a kink or are lost in roundoff
    dropped_indices: list[tuple[int, ...]] = field(default_factory=list)
    max_abs_error: float = 0.0
    max_relative_error: float = 0.0
    verdict: str = OK
    detail: str = ""  # the fault, if the array did not pass
    cause: str | None = None  # the likely cause, if one is found

    @property
    def passed(self) -> bool:
        return self.verdict in (OK, ZERO, CONSTANT)


@dataclass(frozen=True)
class Rule:
    """A broken rule of the layer contract (see `rules.py`), beside the verdict on the gradients."""

    code: str
    message: str


@dataclass(repr=False)
class GradientCheckReport:
    """The rows by array name in `arrays`; `print(report)` shows a table of them, and `to_json()` returns JSON.

    `passed` means that every floating-point array on which forward's result depends was checked and found right, or
    is known to be constant. With `rules_count`, it also means that no rule is broken.
    """

    subject: str
    step: float = 0.0
    seed: int = 0
    arrays: dict[str, ArrayReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # remarks that are not faults
    rules: list[Rule] = field(default_factory=list)  # the broken rules
    rules_count: bool = True  # whether a broken rule fails the check

    @property
    def passed(self) -> bool:
        rows = self.arrays.values()
        return bool(rows) and all(row.passed for row in rows) and not (self.rules_count and self.rules)

    @property
    def gradients(self) -> dict[str, str]:
        """The verdict on each array: "ok", "WRONG", "constant", "not checked", ..."""
        return {name: row.verdict for name, row in self.arrays.items()}

    @property
    def probes(self) -> int:
        """The number of entries compared, over all arrays."""
        return sum(row.probes for row in self.arrays.values())

    @property
    def dropped(self) -> int:
        """The number of entries dropped, over all arrays."""
        return sum(row.dropped for row in self.arrays.values())

    @property
    def method(self) -> str:
        """The sources of the numeric values, each named once."""
        return ", ".join(dict.fromkeys(row.method for row in self.arrays.values()))

    @property
    def verdict(self) -> str:
        """ "ok", else WRONG if any gradient is, else the first verdict that did not pass, else "RULE BROKEN"."""
        bad = [row.verdict for row in self.arrays.values() if not row.passed]
        return WRONG if WRONG in bad else bad[0] if bad else OK if self.passed else "RULE BROKEN"

    @property
    def max_relative_error(self) -> float:
        """The largest relative error in any array."""
        return max((row.max_relative_error for row in self.arrays.values()), default=0.0)

    @property
    def max_abs_error(self) -> float:
        """The largest absolute error in any array."""
        return max((row.max_abs_error for row in self.arrays.values()), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """The report's content and whether it passed, as plain lists, dicts, strings and numbers."""
        rows = [
            {**asdict(row), "shape": list(row.shape), "dropped_indices": [list(i) for i in row.dropped_indices],
             "passed": row.passed}
            for row in self.arrays.values()
        ]  # fmt: skip
        return {
            "subject": self.subject, "passed": self.passed, "max_relative_error": self.max_relative_error,
            "step": self.step, "seed": self.seed, "arrays": rows, "notes": list(self.notes),
            "rules": [asdict(rule) for rule in self.rules],
        }  # fmt: skip

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict()` as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __repr__(self) -> str:
        return str(self)  # notebooks and prompts show the repr: it should contain the notes

    def _repr_html_(self) -> str:
        headline, *rest = str(self).split("\n  ")
        after = rest[1 + len(self.arrays) :] if self.arrays else rest
        table = html_table(self._table(), headline) if self.arrays else html_text(headline)
        return table + (html_text("\n".join(after)) if after else "")

    def _table(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            ("array", "shape", "probes", "dropped", "max abs error", "max rel error", "method", "verdict")
        ]
        for row in self.arrays.values():
            errors = (f"{row.max_abs_error:.1e}", f"{row.max_relative_error:.1e}") if row.probes else ("-", "-")
            counts = (str(row.probes), str(row.dropped))
            name = arguments.shown(row.name)
            rows.append((name, str(row.shape), *counts, *errors, row.method, row.verdict))
        return rows

    def __str__(self) -> str:
        dropped = []
        for row in self.arrays.values():
            if row.dropped_indices:
                shown = ", ".join(f"{row.name}{list(index)}" for index in row.dropped_indices[:MOST_SHOWN])
                more = f" and {row.dropped - MOST_SHOWN} more" if row.dropped > MOST_SHOWN else ""
                dropped.append(f"dropped, because forward has no usable derivative there: {shown}{more}")
        headline = f"gradient check of {self.subject} {'passed' if self.passed else 'FAILED'}"
        rules = [f"rule {rule.code}: {rule.message}" for rule in self.rules]
        rows = aligned(self._table()) if self.arrays else []
        return "\n  ".join([headline, *rows, *dropped, *rules, *(f"note: {note}" for note in self.notes)])


class GradientCheckError(AssertionError):
    """A gradient is wrong or was not checked, or a rule of the layer contract is broken; see `report`."""

    __module__ = "tinydl.gradcheck"  # its public location, shown in tracebacks

    def __init__(self, message: str, report: GradientCheckReport | None = None) -> None:
        super().__init__(message)
        self.report = report or GradientCheckReport("unknown", rules=[Rule("fault", message)])


class UnclearError(TypeError):
    """The code's calling convention is not clear; the message asks for it, or gives an adapter to paste."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def failed(name: str, what: str, code: str = "fault") -> GradientCheckError:
    """The error for a fault that leaves no verdict on the gradients of the named layer, loss or function."""
    report = GradientCheckReport(name, rules=[Rule(code, what)])
    return GradientCheckError(f"gradient check of {name} FAILED: {what}", report)
