"""The formulas of a layer or loss, read from its docstring, where they are derived."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

HEADING = re.compile(r"(?P<word>[A-Z]\w*)(?: \(.*\)$|\s{2,}(?P<rest>.*)|$)")  # "Forward     a = x @ W", "Forward (...)"


def section(thing: Any, name: str) -> list[str]:
    """The lines under a heading ("Forward", "Term") of the class's docstring, without common indentation; [] if none.

    A section goes from its heading to the next line that begins in the first column. Text beside the heading belongs
    to the section, but a remark in brackets there does not.
    """
    cls = thing if isinstance(thing, type) else type(thing)
    lines: list[str] = []
    inside = False
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        if line[:1].strip():
            found = HEADING.match(line)
            inside = found is not None and found["word"] == name
            if found is not None and inside and found["rest"]:
                lines.append(" " * found.start("rest") + found["rest"])
        elif inside:
            lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip("\n").splitlines()
