"""The settings for building the manual with Sphinx: `sphinx-build -W -n docs build/manual`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.util.inspect import TypeAliasForwardRef

import tinydl
from tinydl.commands.small_network import small_network

project = "tinydl"
author = "The tinydl developers"
release = tinydl.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]

html_theme = "furo"
html_title = f"tinydl {release}"
html_static_path = ["static"]
html_css_files = ["manual.css"]
html_show_copyright = html_show_sphinx = False
html_copy_source = False

myst_heading_anchors = 3
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # a method is shown only in the class that explains it
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("ArrayLike", "DTypeLike", "Metric", "NDArray", "PathLike", "Shape")}
TypeAliasForwardRef.__repr__ = lambda alias: alias.name  # type: ignore[method-assign]  # in dict[str, NDArray] too
toc_object_entries_show_parents = "hide"
nitpick_ignore_regex = [("py:class", ".*")]  # types in signatures become links if they are documented, else plain text


def verbatim(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Leave a docstring unchanged: its first paragraph becomes text, the rest, with its formulas, a literal block."""
    if what == "data":
        lines.clear()  # the docstring of its type, as a constant has none of its own
        return
    summary, _, rest = "\n".join(lines).strip().partition("\n\n")
    lines[:] = [as_text(line) for line in summary.splitlines()]
    if rest.strip():
        lines += ["", ".. code-block:: text", "", *(f"   {line}" for line in rest.splitlines())]
    lines.append("")


def as_text(line: str) -> str:
    """A line for reStructuredText in which `code` is marked and all other special characters are escaped."""
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(f"`{part}`" if part[:1] == "`" != part else re.sub(r"([\\*_|`])", r"\\\1", part) for part in parts)


def within_the_manual(app: Any, docname: str, source: list[str]) -> None:
    """Turn links to CONTRIBUTING.md and CHANGELOG.md into links to the pages that include these files."""
    text = re.sub(r"^In a clone, read .*\n", "", source[0], flags=re.MULTILINE)
    for name in ("CONTRIBUTING", "CHANGELOG"):
        text = text.replace(f"](../{name}.md", f"]({name.lower()}.md")
    source[0] = text


def live_pages(app: Any, error: Exception | None) -> None:
    """Write the page that see.md embeds."""
    if error is None and app.builder.format == "html":
        model, x, y = small_network(4)
        model.see(x, y, Path(app.outdir) / "live" / "step.html")


def setup(app: Any) -> None:
    """Connect the functions to Sphinx, which calls this once."""
    app.connect("autodoc-process-docstring", verbatim)
    app.connect("source-read", within_the_manual)
    app.connect("build-finished", live_pages)
