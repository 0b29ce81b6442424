"""Pictures of training: loss and accuracy, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from .. import arguments
from ..files import PathLike
from .style import BLUE, VERMILION, add_legend, cycle, dress, finish, panel

History = Mapping[str, Sequence[float]]


def loss_curves(
    histories: Mapping[str, History], *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """Loss against epoch, one color per run, training solid and validation dashed, on a log axis.

    histories: {run name: {"loss": [...], "val_loss": [...]}}; val_loss may be missing.

    ValueError: no runs, or a history without losses.
    """
    figure, ax = panel(ax)
    _draw_runs(ax, histories, "loss")
    ax.set_yscale("log")
    dress(ax, "Loss by epoch", "epoch", "loss (mean squared error plus penalties)")
    return finish(figure, source, path)


def accuracy_curves(
    histories: Mapping[str, History], *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """Accuracy against epoch, drawn like `loss_curves`, on a linear axis in percent.

    histories: {run name: {"accuracy": [...], "val_accuracy": [...]}}; val_accuracy may be missing.

    ValueError: no runs, or a history without accuracies.
    """
    figure, ax = panel(ax)
    _draw_runs(ax, histories, "accuracy")
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    dress(ax, "Accuracy by epoch", "epoch", "accuracy (share of correct rows)")
    return finish(figure, source, path)


def training_curves(
    history: History, *, best: int | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """One run of a classifier: loss on the left, accuracy on the right, training solid, validation dashed.

    history: {"loss": [...], "accuracy": [...], "val_loss": [...], "val_accuracy": [...]}, such as the `history.history`
    of a fit with metrics=["accuracy"]. Without validation figures, no epoch is marked by default.
    best: the epoch to mark, counted from 1; by default the first epoch with the highest val_accuracy, the one that
    ModelCheckpoint(monitor="val_accuracy") would keep.

    ValueError: no losses or accuracies, figures of unequal length, or a best epoch out of range.
    """
    epochs = _check_history(history)
    figure = Figure(figsize=(12, 5), layout="constrained")
    panels: list[Axes] = list(figure.subplots(1, 2))
    marker = "o" if len(epochs) < 3 else ""
    for ax, key in zip(panels, ("loss", "accuracy"), strict=True):
        ax.plot(epochs, history[key], "-", marker=marker, color=BLUE, lw=2, label="training")
        if f"val_{key}" in history:
            ax.plot(epochs, history[f"val_{key}"], "--", marker=marker, color=VERMILION, lw=2, label="validation")
        _epoch_axis(ax)
    dress(panels[0], "Loss", "epoch", "loss (mean over rows)")
    dress(panels[1], "Accuracy", "epoch", "accuracy (share of correct rows)")
    panels[0].set_ylim(bottom=0)
    panels[1].yaxis.set_major_formatter(PercentFormatter(xmax=1))
    if best is None and "val_accuracy" in history:
        best = int(np.argmax(history["val_accuracy"])) + 1
    if best is not None:
        if arguments.positive_int("training_curves", "best", best) > len(epochs):
            raise ValueError(f"training_curves: best must be one of the epochs 1 to {len(epochs)}, got {best}")
        for ax, key in zip(panels, ("loss", "accuracy"), strict=True):
            validated = f"val_{key}" in history
            value = history[f"val_{key}" if validated else key][best - 1]
            text = f"{value:.1%}" if key == "accuracy" else f"{value:.3g}"
            ax.axvline(best, color="black", ls=":", lw=1.5, label=f"best epoch: {best} ({text})")
            dot = VERMILION if validated else BLUE
            ax.plot(best, value, "o", color=dot, ms=9, mec="black", clip_on=False, zorder=3, label="_best")
    for ax in panels:
        ax.legend(loc="best", fontsize=10)
    figure.suptitle("Training, epoch by epoch")
    return finish(figure, source, path)


def _draw_runs(ax: Axes, histories: Mapping[str, History], key: str) -> None:
    for colour, (name, history) in zip(cycle(histories), histories.items(), strict=True):
        if not isinstance(history, Mapping) or not len(history.get(key, ())):
            raise ValueError(
                f'histories[{name!r}] must be a history such as {{"{key}": [...], "val_{key}": [...]}} of one '
                f'epoch or more: wrap a single history as {{"name": history}}'
            )
        for part_key, style, part in ((key, "-", "training"), (f"val_{key}", "--", "validation")):
            values = history.get(part_key, ())
            if len(values):
                epochs = np.arange(1, len(values) + 1)
                marker = "o" if len(values) < 3 else ""
                ax.plot(epochs, values, style, marker=marker, color=colour, lw=2, label=f"{name}, {part}")
    _epoch_axis(ax)
    if len(histories) <= 2:
        add_legend(ax)
    else:  # one entry per run keeps the legend short
        runs = [line for line in ax.get_lines() if str(line.get_label()).endswith(", training")]
        names = [str(line.get_label()).removesuffix(", training") for line in runs]
        add_legend(ax, runs, names, title="training; dashed: validation")


def _epoch_axis(ax: Axes) -> None:
    last = max((len(np.asarray(line.get_xdata())) for line in ax.get_lines()), default=1)
    if last <= 5:
        ax.set_xticks(range(1, last + 1))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlim(0.5, last + 0.5 if last <= 5 else None)


def _check_history(history: History) -> NDArray[np.int64]:
    """Check a history and return the numbers of its epochs, from 1."""
    if not isinstance(history, Mapping):
        expected = 'a mapping {"loss": [...], "accuracy": [...]}, such as fit(...).history'
        raise ValueError(f"history must be {expected}, got {type(history).__name__}")
    for key in ("loss", "accuracy"):
        if not len(history.get(key, ())):
            mend = ': compile with metrics=["accuracy"]' if key == "accuracy" else ""
            raise ValueError(f"history must hold {key!r} of one epoch or more, got {', '.join(history)}{mend}")
    lengths = {key: len(history[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy") if key in history}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"history must hold the same number of epochs for every figure, got {lengths}")
    return np.arange(1, lengths["loss"] + 1)
