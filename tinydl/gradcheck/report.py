"""The report of a check, one row per array, as a table or as JSON, and the error that a failed check raises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

OK, ZERO, WRONG, VACUOUS, KINKS = "ok", "zero, as allowed", "WRONG", "VACUOUS", "NOT SMOOTH"
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
        return self.verdict in (OK, ZERO)


@dataclass(repr=False)
class GradientCheckReport:
    """The result of a check, with one row per array in `arrays`. Print it for a table, or call `to_json()`."""

    subject: str
    step: float
    seed: int
    arrays: dict[str, ArrayReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # remarks that are not faults

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.arrays.values())

    @property
    def probes(self) -> int:
        return sum(row.probes for row in self.arrays.values())

    @property
    def dropped(self) -> int:
        return sum(row.dropped for row in self.arrays.values())

    @property
    def method(self) -> str:
        return ", ".join(dict.fromkeys(row.method for row in self.arrays.values()))

    @property
    def verdict(self) -> str:
        """ "ok", or the verdict of the first array that did not pass."""
        return next((row.verdict for row in self.arrays.values() if not row.passed), OK)

    @property
    def max_relative_error(self) -> float:
        return max(row.max_relative_error for row in self.arrays.values())

    @property
    def max_abs_error(self) -> float:
        return max(row.max_abs_error for row in self.arrays.values())

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
        }  # fmt: skip

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict()` as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __repr__(self) -> str:
        return str(self)  # notebooks and prompts show the repr: it should contain the notes

    def __str__(self) -> str:
        table = [("array", "shape", "probes", "dropped", "max abs error", "max rel error", "method", "verdict")]
        dropped = []
        for row in self.arrays.values():
            errors = (f"{row.max_abs_error:.1e}", f"{row.max_relative_error:.1e}") if row.probes else ("-", "-")
            counts = (str(row.probes), str(row.dropped))
            table.append((row.name, str(row.shape), *counts, *errors, row.method, row.verdict))
            if row.dropped_indices:
                shown = ", ".join(f"{row.name}{list(index)}" for index in row.dropped_indices[:MOST_SHOWN])
                more = f" and {row.dropped - MOST_SHOWN} more" if row.dropped > MOST_SHOWN else ""
                dropped.append(f"dropped, because forward has no usable derivative there: {shown}{more}")
        headline = f"gradient check of {self.subject} {'passed' if self.passed else 'FAILED'}"
        return "\n  ".join([headline, *aligned(table), *dropped, *(f"note: {note}" for note in self.notes)])


class GradientCheckError(AssertionError):
    """A gradient is wrong, or a rule of the layer contract is broken; `report` is None if nothing was probed."""

    __module__ = "tinydl.gradcheck"  # its public location, shown in tracebacks

    def __init__(self, message: str, report: GradientCheckReport | None = None) -> None:
        super().__init__(message)
        self.report = report


def failed(name: str, what: str) -> GradientCheckError:
    """The error for a fault in the named layer, loss or function."""
    return GradientCheckError(f"gradient check of {name} FAILED: {what}")


def need_shape(gradient: NDArray[Any], value: NDArray[Any], name: str, label: str) -> None:
    """Reject a gradient whose shape is not its array's."""
    if gradient.shape != value.shape:
        shapes = f"d{name} has shape {gradient.shape}, but {name} has {value.shape}"
        raise failed(label, f"{shapes}: a gradient must have the shape of its array")
