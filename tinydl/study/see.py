"""see: one training step as an HTML page, in which every number shows what it was computed from.

    model.see(x, y, "step.html")

The page needs no server, no network and no library. It is made from a trace's JSON alone, which it contains; the files
of the folder `page` explain, draw and recompute the entries (`explain.js` and the files that it uses need no browser).
"""

from __future__ import annotations

import html
import re
from importlib import resources
from pathlib import Path

from numpy.typing import ArrayLike

from ..files import PathLike, destination, write_whole
from .trace import Trace, Trained, trace
from .trace_json import MOST_ENTRIES, check_most_entries

# In this order, as the tables of layers and losses need the names before them.
EXPLAINING = tuple(
    f"{name}.js"
    for name in (
        "arrays", "sums", "windows", "activations", "dense", "conv", "pooling", "normalization", "noise", "shapes",
        "composites", "penalties", "layers", "losses", "words", "explain",
    )
)  # fmt: skip
DRAWING = tuple(
    f"{name}.js"
    for name in ("formulas", "mathml", "heat", "sheet", "pointing", "walk", "figures", "proof", "view")
)  # fmt: skip


def see(
    model: Trained, x: ArrayLike, y: ArrayLike | None = None, path: PathLike = "step.html",
    sample_weight: ArrayLike | None = None, *, most_entries: int | None = MOST_ENTRIES,
) -> Path:  # fmt: skip
    """Write the page of the step that `train_on_batch(x, y)` would take next; return its path.

    x, y, sample_weight    the rows of the step, as for `trace`: a few rows are easiest to read
    path                   the file, *.html; one that exists is replaced
    most_entries           as for `Trace.to_json`: the page keeps at most so many entries of each array, and says so

    The model stays to the bit as it was (see trace). Raises what `trace` raises; OSError if the file cannot be written;
    ValueError unless the path ends in .html and most_entries is None or an integer >= 1.
    """
    check_most_entries("see", most_entries)
    destination(path)
    if Path(path).suffix.lower() != ".html":
        raise ValueError(f"see: path must end in .html, got {str(path)!r}: a browser opens the page by its suffix")
    text = page(trace(model, x, y, sample_weight).to_json(most_entries=most_entries))
    write_whole(path, text.encode())
    return Path(path)


def page(step: Trace | str) -> str:
    """The HTML page of a trace, or of the JSON text that `Trace.to_json` gave; the same page for both.

    Raises ValueError if the text is not the JSON of a trace.
    """
    text = step if isinstance(step, str) else step.to_json()
    model = Trace.from_json(text).model
    parts = {
        "title": html.escape(f"{model}: one training step"),
        "style": _file("page.css"),
        "script": f'(() => {{\n"use strict";\n{script(*EXPLAINING, *DRAWING)}}})();',
        "trace": text.replace("<", "\\u003c"),  # no text in JSON can end the element that it is in, or begin another
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda marker: parts[marker[1]], _file("template.html"))


def script(*names: str) -> str:
    """The text of JavaScript files of the page, one after the other."""
    return "\n".join(map(_file, names))


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
