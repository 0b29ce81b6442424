"""Models and histories as notebooks show them: text and a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Protocol

from ..network import Network
from ..notebooks import html_picture, html_table, html_text
from .diagram import model_diagram
from .style import png
from .training import Recorded, training_curves

MOST_EPOCHS = 12  # rows of a table; of a longer run, the first and last epochs are shown


class Summarized(Network, Protocol):
    """A network with a summary, such as a Model."""

    def summary(self) -> None: ...


def model_html(model: Summarized) -> str:
    """The summary and the block diagram."""
    with redirect_stdout(io.StringIO()) as printed:
        model.summary()
    picture = html_picture(png(model_diagram(model), 72), f"block diagram of {model.name}")
    return html_text(printed.getvalue()) + picture


def history_html(history: Recorded) -> str:
    """The curves of a run, and a table of its figures by epoch."""
    figures: Mapping[str, Sequence[float]] = history.history
    epochs = len(next(iter(figures.values()), ()))
    if epochs == 0:
        return html_text("no epochs")
    shown = list(range(epochs))
    if epochs > MOST_EPOCHS:
        half = MOST_EPOCHS // 2
        shown = [*range(half), *range(epochs - half, epochs)]
    rows = [["epoch", *figures]]
    for k in shown:
        if k and k - 1 not in shown:
            rows.append(["..."] * len(rows[0]))
        number = history.epoch[k] + 1 if len(history.epoch) == epochs else k + 1
        rows.append([str(number), *(f"{values[k]:.4g}" if k < len(values) else "" for values in figures.values())])
    return html_picture(png(training_curves(history), 64), "training curves") + html_table(rows)
