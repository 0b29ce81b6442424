"""What a check found: one row an array, printed as a table; and the error that a failed check raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

OK, ZERO, WRONG, VACUOUS, KINKS = "ok", "zero, as allowed", "WRONG", "VACUOUS", "NOT SMOOTH"


@dataclass
class ArrayReport:
    """One array's probes.

    The relative error of an entry is |a - n| / max(|a|, |n|, 1e-3 M), with a the analytic and n the numeric
    value and M the largest of all |a| and |n| probed in this array: an entry that happens to be almost zero
    is measured by the size of its neighbours, since roundoff does not shrink with it. It is for reading; what
    decides is |a - n| <= atol + rtol max(|a|, |n|).
    """

    name: str
    shape: tuple[int, ...]
    probes: int = 0  # entries compared
    dropped: int = 0  # entries not compared, because their forward values show a kink or drown in roundoff
    dropped_indices: list[tuple[int, ...]] = field(default_factory=list)
    max_abs_error: float = 0.0
    max_relative_error: float = 0.0
    verdict: str = OK
    detail: str = ""  # the diagnosis, when the verdict is not good

    @property
    def passed(self) -> bool:
        return self.verdict in (OK, ZERO)


@dataclass
class GradientCheckReport:
    """The rows by array name in `arrays`; `print(report)` shows them as a table."""

    subject: str
    step: float
    seed: int
    arrays: dict[str, ArrayReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what the reader should know though nothing is wrong

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.arrays.values())

    @property
    def max_relative_error(self) -> float:
        return max(row.max_relative_error for row in self.arrays.values())

    @property
    def max_abs_error(self) -> float:
        return max(row.max_abs_error for row in self.arrays.values())

    def __str__(self) -> str:
        table = [("array", "shape", "probes", "dropped", "max abs error", "max rel error", "verdict")]
        for row in self.arrays.values():
            errors = (f"{row.max_abs_error:.1e}", f"{row.max_relative_error:.1e}") if row.probes else ("-", "-")
            table.append((row.name, str(row.shape), str(row.probes), str(row.dropped), *errors, row.verdict))
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]

        def lines() -> Iterator[str]:
            yield f"gradient check of {self.subject} {'passed' if self.passed else 'FAILED'}"
            for line in table:
                yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
            for note in self.notes:
                yield f"  note: {note}"

        return "\n".join(lines())


class GradientCheckError(AssertionError):
    """A gradient is wrong, or a rule of the layer contract is broken; `report` is None before any probe."""

    def __init__(self, message: str, report: GradientCheckReport | None = None) -> None:
        super().__init__(message)
        self.report = report
