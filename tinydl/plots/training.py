"""Pictures of training: losses and metrics, epoch by epoch.

Each function takes what `fit` returns, one dict such as its `history`, or, for several runs, {run name: one of these}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from .. import arguments
from ..files import PathLike
from .style import BLUE, TICK, VERMILION, Picture, add_legend, cycle, dress, finish, panel, points

History = Mapping[str, Sequence[float]]


class Recorded(Protocol):
    """The result of `fit`: figures by name, and the epochs of their values."""

    history: dict[str, list[float]]
    epoch: list[int]


def loss_curves(
    histories: Mapping[str, History | Recorded] | History | Recorded, *, loss: str | None = None,
    ax: Axes | None = None, source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """Loss against epoch, one color per run, training solid and validation dashed; on a log axis if all are above 0.

    histories  the result of `fit`, {"loss": [...], "val_loss": [...]} without or with val_loss, or {run name: either}
    loss       the loss's name for the axis; by default that of the loss that the results of `fit` were trained with

    ValueError: no runs, or a history without losses.
    """
    runs = _runs(histories, "loss")
    figure, ax = panel(ax)
    _draw_runs(ax, runs, "loss")
    if all(np.nanmin(np.asarray(line.get_ydata(), np.float64), initial=np.inf) > 0 for line in ax.get_lines()):
        ax.set_yscale("log")
    names = {_loss_name(each) for each in ([histories] if "" in runs else histories.values())}  # type: ignore[union-attr]
    dress(ax, "Loss by epoch", "epoch", _loss_label(loss or (names.pop() if len(names) == 1 else None)))
    return finish(figure, source, path)


def accuracy_curves(
    histories: Mapping[str, History | Recorded] | History | Recorded, *, ax: Axes | None = None,
    source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """Accuracy against epoch, drawn like `loss_curves`, on a linear axis in percent.

    histories: the result of `fit`, {"accuracy": [...], "val_accuracy": [...]}, or {run name: either}

    ValueError: no runs, or a history without accuracies.
    """
    runs = _runs(histories, "accuracy")
    figure, ax = panel(ax)
    _draw_runs(ax, runs, "accuracy")
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    dress(ax, "Accuracy by epoch", "epoch", "accuracy (share of correct rows)")
    return finish(figure, source, path)


def training_curves(
    history: History | Recorded, *, best: int | None = None, axes: Sequence[Axes] | None = None,
    source: str | None = None, path: PathLike | None = None,
) -> Figure:  # fmt: skip
    """One run, with a panel for the loss and one for each metric, training solid, validation dashed.

    history  the result of `fit`, or its `history`: {"loss": [...], "accuracy": [...], "val_loss": [...], ...}
    best     the epoch to mark, counted from 1; by default the first epoch with the highest val_accuracy, the one that
             ModelCheckpoint(monitor="val_accuracy") would keep. Without val_accuracy, no epoch is marked by default
    axes     one for each panel, all in one figure; by default a new figure

    ValueError: no losses, figures of unequal length, a best epoch out of range, or another number of axes.
    """
    label = _loss_label(_loss_name(history), "mean over rows")
    figures = _check_history(history)
    count = len(figures["loss"])
    epochs = np.arange(1, count + 1)
    keys = [key for key in figures if not key.startswith("val_") or key.removeprefix("val_") not in figures]
    if axes is None:
        figure, panels = _panels(len(keys))
    else:
        panels = list(np.ravel(np.asarray(axes, object)))
        if len(panels) != len(keys):
            raise ValueError(f"training_curves: axes must be {len(keys)}, one for each panel, got {len(panels)}")
        figure = panels[0].figure.figure
    marker = "o" if count < 3 else ""
    for ax, key in zip(panels, keys, strict=True):
        ax.plot(epochs, figures[key], "-", marker=marker, color=BLUE, lw=2, label="training")
        if f"val_{key}" in figures:
            ax.plot(epochs, figures[f"val_{key}"], "--", marker=marker, color=VERMILION, lw=2, label="validation")
        _epoch_axis(ax)
        name = key.replace("_", " ")
        details = {"loss": label, "accuracy": "accuracy (share of correct rows)"}
        dress(ax, f"{name[:1].upper()}{name[1:]}", "epoch", details.get(key, name))
        if key == "accuracy":
            ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        if key == "loss" and min(map(np.nanmin, (line.get_ydata() for line in ax.get_lines()))) >= 0:
            ax.set_ylim(bottom=0)
    if best is None and "val_accuracy" in figures:
        best = int(np.argmax(figures["val_accuracy"])) + 1
    if best is not None:
        if arguments.positive_int("training_curves", "best", best) > count:
            raise ValueError(f"training_curves: best must be one of the epochs 1 to {count}, got {best}")
        for ax, key in zip(panels, keys, strict=True):
            validated = f"val_{key}" in figures
            value = figures[f"val_{key}" if validated else key][best - 1]
            text = f"{value:.1%}" if key == "accuracy" else f"{value:.3g}"
            ax.axvline(best, color="black", ls=":", lw=1.5, label=f"best epoch: {best} ({text})")
            dot = VERMILION if validated else BLUE
            ax.plot(best, value, "o", color=dot, ms=9, mec="black", clip_on=False, zorder=3, label="_best")
    for ax in panels:
        ax.legend(loc="best", fontsize=points(ax, TICK))
    if axes is None:
        figure.suptitle("Training, epoch by epoch")
    return finish(figure, source, path)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A new figure with so many axes, at most three side by side."""
    columns = min(count, 3)
    lines = -(-count // columns)
    figure = Picture(figsize=(max(6 * columns, 8), 5 * lines), layout="constrained")
    panels: list[Axes] = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for ax in panels[count:]:
        ax.remove()
    return figure, panels[:count]


def _figures(history: Any) -> Any:
    """The figures by name of a result of `fit`; a dict is returned as it is."""
    return getattr(history, "history", history)


def _runs(histories: Any, key: str) -> dict[str, History]:
    """Histories by run name; a single history, which needs no name, is called ""."""
    given = _figures(histories)
    if not isinstance(given, Mapping):
        expected = "the result of fit, its history, or a dict of several by name"
        raise ValueError(f"histories must be {expected}, got {type(histories).__name__}")
    several = not given or any(isinstance(_figures(each), Mapping) for each in given.values())
    runs = {str(name): _figures(each) for name, each in given.items()} if several else {"": given}
    cycle(runs)  # raises if there is none
    for name, history in runs.items():
        if not isinstance(history, Mapping) or not len(history.get(key, ())):
            named = f"histories[{name!r}]" if several else "histories"
            mend = ': compile with metrics=["accuracy"]' if key == "accuracy" else ""
            got = (", ".join(map(str, history)) or "nothing") if isinstance(history, Mapping) else repr(history)
            raise ValueError(f"{named} must hold {key!r} of one epoch or more, got {got}{mend}")
    return runs


def _loss_name(history: Any) -> str | None:
    """The loss that a result of `fit` was trained with, in words; None for a dict of figures."""
    return getattr(history, "loss", None)


def _loss_label(name: str | None, otherwise: str | None = None) -> str:
    words = name or otherwise
    return f"loss ({words})" if words else "loss"


def _draw_runs(ax: Axes, runs: Mapping[str, History], key: str) -> None:
    for colour, (name, history) in zip(cycle(runs), runs.items(), strict=True):
        for part_key, style, part in ((key, "-", "training"), (f"val_{key}", "--", "validation")):
            values = history.get(part_key, ())
            if len(values):
                epochs = np.arange(1, len(values) + 1)
                marker = "o" if len(values) < 3 else ""
                label = f"{name}, {part}" if name else part
                ax.plot(epochs, values, style, marker=marker, color=colour, lw=2, label=label)
    _epoch_axis(ax)
    if len(runs) <= 2:
        add_legend(ax)
    else:  # one entry per run keeps the legend short
        lines = [line for line in ax.get_lines() if str(line.get_label()).endswith(", training")]
        names = [str(line.get_label()).removesuffix(", training") for line in lines]
        add_legend(ax, lines, names, title="training; dashed: validation")


def _epoch_axis(ax: Axes) -> None:
    last = max((len(np.asarray(line.get_xdata())) for line in ax.get_lines()), default=1)
    if last <= 5:
        ax.set_xticks(range(1, last + 1))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlim(0.5, last + 0.5 if last <= 5 else None)


def _check_history(history: Any) -> dict[str, NDArray[np.float64]]:
    """The figures of one run, as arrays of equal lengths, the loss first."""
    given = _figures(history)
    if not isinstance(given, Mapping):
        expected = 'the result of fit, or a mapping {"loss": [...], "accuracy": [...]}'
        raise ValueError(f"history must be {expected}, got {type(history).__name__}")
    if not len(given.get("loss", ())):
        raise ValueError(f"history must hold 'loss' of one epoch or more, got {', '.join(given) or 'nothing'}")
    lengths = {key: len(values) for key, values in given.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"history must hold the same number of epochs for every figure, got {lengths}")
    return {key: np.asarray(given[key], np.float64) for key in ("loss", *(key for key in given if key != "loss"))}
