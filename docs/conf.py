"""How Sphinx builds the manual: `sphinx-build -W -n docs build/manual`."""

from __future__ import annotations

import re
from typing import Any

from sphinx.util.inspect import TypeAliasForwardRef

import tinydl

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
autodoc_inherit_docstrings = False  # a method is shown where it is explained
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("ArrayLike", "DTypeLike", "Metric", "NDArray", "PathLike", "Shape")}
TypeAliasForwardRef.__repr__ = lambda alias: alias.name  # type: ignore[method-assign]  # in dict[str, NDArray] too
toc_object_entries_show_parents = "hide"
nitpick_ignore_regex = [("py:class", ".*")]  # the types in signatures: links where they are documented, else plain text


def verbatim(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Show a docstring as it stands: its first paragraph as text, the rest, with its formulas, as a literal block."""
    if what == "data":
        lines.clear()  # of its type: a constant has no docstring of its own
        return
    summary, _, rest = "\n".join(lines).strip().partition("\n\n")
    lines[:] = [as_text(line) for line in summary.splitlines()]
    if rest.strip():
        lines += ["", ".. code-block:: text", "", *(f"   {line}" for line in rest.splitlines())]
    lines.append("")


def as_text(line: str) -> str:
    """A line in which `code` is marked, and nothing else means anything to reStructuredText."""
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(f"`{part}`" if part[:1] == "`" != part else re.sub(r"([\\*_|`])", r"\\\1", part) for part in parts)


def setup(app: Any) -> None:
    """Sphinx calls this once."""
    app.connect("autodoc-process-docstring", verbatim)
