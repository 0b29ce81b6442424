"""The doctor's report: the findings in the order of their likely causes, what was not checked, and the range test."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .finding import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 100


@dataclass
class Report:
    """What `doctor` found; `print(report)` shows it.

    findings      the likely cause first: each may explain those after it
    checks        the names of the checks made
    not_checked   the names of the others, with the reason
    rows, total   how many rows were looked at, and how many there are
    figures       what was measured: "gradient ratio", dL/dy at the first layer over that at the last; "dead share" and
                  "flat share", those of the worst relu and hidden sigmoid or tanh; "loss over chance", before training,
                  of a squared error its root; "loss at a tenth" of the learning rate, over that at the rate itself
    rates, losses the learning-rate range test: the rate of each step, and the loss before it
    """

    model: str
    findings: list[Finding] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    not_checked: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    total: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        count = f"{len(self.findings)} finding{'s'[: len(self.findings) != 1]}" if self.findings else "nothing found"
        looked = f"all {self.total:,}" if self.rows == self.total else f"{self.rows:,} of {self.total:,}"
        lines = [f"doctor of {self.model}: {count}: {len(self.checks)} checks, {looked} rows"]
        if len(self.findings) > 1:
            lines.append("The first finding is the likeliest cause; those after it may be its consequences.")
        for number, finding in enumerate(self.findings, 1):
            lines += ["", f"{number}. {finding.code} ({finding.where})"]
            for name in ("seen", "why", "change"):
                text = f"{getattr(finding, name)}"
                lines += textwrap.wrap(text, WIDTH, initial_indent=f"   {name:<8}", subsequent_indent=" " * 11)
        if self.not_checked:
            lines.append("")
        for name, reason in self.not_checked.items():
            lines += textwrap.wrap(f"not checked: {name}: {reason}", WIDTH, subsequent_indent="   ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The text, as notebooks show it."""
        from ...notebooks import html_text

        return html_text(str(self))

    def plot(self, ax: Axes | None = None, path: str | Path | None = None, source: str | None = None) -> Figure:
        """A picture: the learning-rate range test (see plots.learning_rate_range)."""
        from ...plots.rates import learning_rate_range

        return learning_rate_range(self, ax=ax, path=path, source=source)
