"""The learning-rate range test as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import PathLike
from .style import BLUE, GREY, TICK, VERMILION, dress, finish, panel, points

SMOOTHED = 5  # steps


class RangeTest(Protocol):
    """What `doctor` returns."""

    model: str
    learning_rate: float
    rates: list[float]
    losses: list[float]


def learning_rate_range(
    test: RangeTest, *, ax: Axes | None = None, source: str | None = None, path: PathLike | None = None
) -> Figure:
    """The loss of a run whose learning rate rises from step to step, against the rate.

    A good rate lies where the curve falls, clearly left of its lowest point. The model's own rate is marked.
    """
    figure, ax = panel(ax, 7, 4)
    rates, losses = np.asarray(test.rates), np.asarray(test.losses)
    ax.plot(rates, losses, ".", color=GREY, markersize=4, label="each batch")
    if len(losses) >= SMOOTHED:
        ax.plot(rates, _smoothed(losses), color=BLUE, linewidth=1.8, label=f"mean of {SMOOTHED} batches")
    if test.learning_rate > 0:
        ax.axvline(test.learning_rate, color=VERMILION, linewidth=1.2, label=f"the model's, {test.learning_rate:g}")
    ax.set_xscale("log")
    dress(ax, f"Learning-rate range test of {test.model}", "learning rate", "loss before the step")
    if len(losses):
        ax.set_ylim(0, 1.1 * float(np.quantile(losses, 0.98)))
    ax.legend(fontsize=points(ax, TICK), framealpha=0.5)
    return finish(figure, source, path)


def _smoothed(losses: Sequence[float] | np.ndarray) -> np.ndarray:
    """The mean of each loss and its neighbours, of fewer of them at the ends."""
    half = SMOOTHED // 2
    return np.array([np.mean(losses[max(0, k - half) : k + half + 1]) for k in range(len(losses))])
