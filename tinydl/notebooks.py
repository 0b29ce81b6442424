"""HTML for notebooks, which show the last value of a cell by its `_repr_html_`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape


def html_table(rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Rows of cells, the header first, as an HTML table; the text is escaped."""
    head, *body = ["".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
                   for row, tag in zip(rows, ["th", *["td"] * (len(rows) - 1)], strict=True)]  # fmt: skip
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def html_text(text: str) -> str:
    """Text whose columns are aligned by spaces, as HTML."""
    return f"<pre>{escape(text)}</pre>"


def html_picture(png: bytes, description: str) -> str:
    """A picture inside the page, at half of its size in pixels or less if the page is narrow."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(description)}" style="max-width: 100%" src="data:image/png;base64,{data}">'
