"""A line on the terminal that shows the progress of a command."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType


class Progress:
    """A line such as "12/40 checks  Dense" on stderr, erased at the end; no line if stderr is not a terminal."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.done = total, unit, 0
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        self.show("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def step(self, text: str = "") -> None:
        """Count one more, and show `text` beside the count."""
        self.done += 1
        self.show(text)

    def show(self, text: str) -> None:
        """Write the count and the text."""
        if self._shown:
            line = f"{self.done}/{self.total} {self.unit}  {text}"
            sys.stderr.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
