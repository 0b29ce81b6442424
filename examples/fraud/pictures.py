"""Pictures of the fraud study: curves over thresholds, errors by class and by feature, and single rows.

As in tinydl.plots, each function returns a Figure and saves it if `path` is given; functions that draw one panel use
`ax` if it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from tinydl.files import PathLike
from tinydl.plots import History, loss_curves
from tinydl.plots.style import BLUE, GREY, VERMILION, add_legend, cycle, dress, finish, panel

NORMAL, FRAUD = BLUE, VERMILION
LOSS = "mean squared error plus penalties"
SHARES = (-0.02, 1.02)  # axis limits that keep curves at 0 and 1, and a chance line just above 0, off the edges


def pr_curves(
    y_true: ArrayLike,
    scores: Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Precision against recall, one curve per model, from {model name: scores (n,)}; chance is the prevalence.

    ValueError: no models; labels of one class only; scores that do not match the labels or are not finite.
    """
    figure, ax = panel(ax)
    y = _labels(y_true)
    for colour, (name, s) in zip(cycle(scores), scores.items(), strict=True):
        s = _scores(y, s, name)
        precision, recall, _ = precision_recall_curve(y, s)
        label = f"{name} (AP {average_precision_score(y, s):.3f})"
        ax.plot(recall, precision, color=colour, lw=2, drawstyle="steps-post", label=label)
    prevalence = y.mean()
    ax.axhline(prevalence, color=GREY, ls=":", label=f"chance: prevalence {prevalence:.2%}")
    dress(ax, "Precision against recall", "recall (share of frauds found)", "precision (share of correct alarms)")
    ax.set(xlim=SHARES, ylim=SHARES)
    add_legend(ax)
    return finish(figure, source, path)


def roc_curves(
    y_true: ArrayLike,
    scores: Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Share of frauds found against share of normal rows flagged, one curve per model, as in `pr_curves`.

    ValueError: as for `pr_curves`.
    """
    figure, ax = panel(ax)
    y = _labels(y_true)
    for colour, (name, s) in zip(cycle(scores), scores.items(), strict=True):
        s = _scores(y, s, name)
        false_positive_rate, recall, _ = roc_curve(y, s)
        label = f"{name} (AUC {roc_auc_score(y, s):.3f})"
        ax.plot(false_positive_rate, recall, color=colour, lw=2, label=label)
    ax.plot([0, 1], [0, 1], color=GREY, ls=":", label="chance (AUC 0.5)")
    dress(ax, "ROC: frauds found against false alarms", "false positive rate", "recall (true positive rate)")
    ax.set(xlim=SHARES, ylim=SHARES)
    add_legend(ax)
    return finish(figure, source, path)


def precision_recall_against_threshold(
    y_true: ArrayLike,
    scores: ArrayLike,
    threshold: float | None = None,
    *,
    ax: Axes | None = None,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Precision and recall of score >= threshold, against the threshold; a line marks `threshold`.

    scikit-learn's precision and recall have one more entry than its thresholds; the last point, (1, 0), belongs to
    no threshold. So precision[:-1] and recall[:-1] are drawn (the book draws precision[1:], one position off).

    ValueError: as for `pr_curves`.
    """
    figure, ax = panel(ax)
    y = _labels(y_true)
    precision, recall, thresholds = precision_recall_curve(y, _scores(y, scores, "scores"))
    ax.plot(thresholds, precision[:-1], color=BLUE, lw=2, label="precision")
    ax.plot(thresholds, recall[:-1], color=VERMILION, lw=2, label="recall")
    if (thresholds > 0).any():
        ax.set_xscale("log")
    if threshold is not None:
        _mark_threshold(ax, threshold)
    dress(ax, "Precision and recall against threshold", "threshold on the reconstruction error", "share")
    ax.set_ylim(SHARES)
    add_legend(ax)
    return finish(figure, source, path)


def error_histogram(
    y_true: ArrayLike,
    errors: ArrayLike,
    threshold: float | None = None,
    *,
    ax: Axes | None = None,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Reconstruction errors of normal rows and frauds, as shares of their class, in bins of equal width on a log axis.

    The shares are on a log axis too: on a linear axis, the few normal rows around a threshold would be invisible, and
    the threshold would seem to be in a gap. The legend gives the shares that the threshold flags.

    ValueError: as for `pr_curves`; also if no error is above 0.
    """
    figure, ax = panel(ax)
    y = _labels(y_true)
    e = _scores(y, errors, "errors")
    positive = e[e > 0]
    if len(positive) == 0:
        raise ValueError("errors must hold values above 0 to be drawn on a log axis, got none")
    e = np.maximum(e, positive.min())  # an error of exactly 0 goes into the lowest bin
    bins = np.geomspace(positive.min(), positive.max() * (1 + 1e-9), 61)
    for label, name, colour in ((0, "normal", NORMAL), (1, "fraud", FRAUD)):
        rows = e[y == label]
        share = np.full(len(rows), 1 / len(rows))
        ax.hist(rows, bins.tolist(), weights=share, color=colour, alpha=0.55, label=f"{name} ({len(rows):,} rows)")
    ax.set(xscale="log", yscale="log", ylim=(0.5 / len(y), 1))
    if threshold is not None:
        frauds, normal = ((e[y == label] >= threshold).mean() for label in (1, 0))
        _mark_threshold(ax, threshold, f"\n{frauds:.1%} of frauds flagged,\n{normal:.2%} of normal rows")
    dress(ax, "Reconstruction errors by class", "mean squared error of a row", "share of the class's rows")
    add_legend(ax)
    return finish(figure, source, path)


def found_by_group(
    counts: Mapping[str, Mapping[str, Mapping[str, int]]],
    *,
    ax: Axes | None = None,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """The share of each group's frauds that are found, one bar per detector.

    counts: {detector: {group: {"frauds": ..., "found": ...}}}; groups without frauds get no bar.

    ValueError: no detectors.
    """
    figure, ax = panel(ax)
    colours = cycle(counts)
    groups = next(iter(counts.values()))
    width = 0.8 / len(counts)
    for i, (colour, (name, found)) in enumerate(zip(colours, counts.items(), strict=True)):
        share = [group["found"] / group["frauds"] if group["frauds"] else 0.0 for group in found.values()]
        at = np.arange(len(groups)) + (i - (len(counts) - 1) / 2) * width
        bars = ax.bar(at, share, 0.9 * width, color=colour, label=name)
        ax.bar_label(bars, [f"{each:.0%}" for each in share], fontsize=9)
    dress(ax, "Frauds found at the threshold, by group", "", "share of the group's frauds")
    ax.set_xticks(np.arange(len(groups)), [f"{name}\n({group['frauds']} frauds)" for name, group in groups.items()])
    ax.set_ylim(0, 1.05)
    add_legend(ax)
    return finish(figure, source, path)


def feature_errors(
    y_true: ArrayLike,
    x: NDArray[np.floating],
    reconstruction: NDArray[np.floating],
    feature_names: Sequence[str],
    *,
    ax: Axes | None = None,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Mean squared error of each feature, for normal rows and for frauds, to show where reconstruction fails.

    x, reconstruction (n, features): rows and the model's outputs for them.

    ValueError: shapes that do not match, or labels of one class only.
    """
    figure, ax = panel(ax, width=12)
    y = _labels(y_true)
    squared = _squared_errors(y, x, reconstruction, feature_names)
    at = np.arange(len(feature_names))
    for shift, label, name, colour in ((-0.2, 0, "normal", NORMAL), (0.2, 1, "fraud", FRAUD)):
        ax.bar(at + shift, squared[y == label].mean(axis=0), 0.4, color=colour, label=name)
    ax.set_yscale("log")
    dress(ax, "Reconstruction error by feature", "", "mean squared error")
    ax.set_xticks(at, feature_names, rotation=90, fontsize=9)
    ax.set_xlim(-0.8, len(at) - 0.2)
    add_legend(ax)
    return finish(figure, source, path)


def reconstructions(
    y_true: ArrayLike,
    x: NDArray[np.floating],
    reconstruction: NDArray[np.floating],
    feature_names: Sequence[str],
    *,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """Input and reconstruction of six single rows, feature by feature, with the gap between them shaded.

    Three normal rows above, three frauds below: the rows with errors at the 10th, 50th and 90th
    percentile of their class, so that the picture shows neither the best nor the worst rows.

    ValueError: shapes that do not match, or labels of one class only.
    """
    y = _labels(y_true)
    squared = _squared_errors(y, x, reconstruction, feature_names)
    errors = squared.mean(axis=1)
    figure = Figure(figsize=(16, 6.5), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    at = np.arange(len(feature_names))
    for row, (label, name, colour) in enumerate(((0, "normal", NORMAL), (1, "fraud", FRAUD))):
        members = np.flatnonzero(y == label)
        members = members[np.argsort(errors[members])]
        for column, percent in enumerate((10, 50, 90)):
            ax: Axes = axes[row, column]
            i = members[round(percent / 100 * (len(members) - 1))]
            ax.fill_between(at, x[i], reconstruction[i], color=colour, alpha=0.25, lw=0, label="gap")
            ax.plot(at, x[i], "o-", color="black", lw=1, ms=3.5, label="input")
            ax.plot(at, reconstruction[i], "s--", color=colour, lw=1.2, ms=3.5, label="reconstruction")
            dress(ax, f"{name}, {percent}th percentile: error {errors[i]:.2g}", "", "scaled value")
            ax.set_xticks(at, feature_names, rotation=90, fontsize=8)
        add_legend(axes[row, 2])
    figure.suptitle("Rows and their reconstructions by the autoencoder")
    return finish(figure, source, path)


def fraud_overview(
    histories: Mapping[str, History],
    y_true: ArrayLike,
    scores: Mapping[str, ArrayLike],
    x: NDArray[np.floating],
    reconstruction: NDArray[np.floating],
    feature_names: Sequence[str],
    threshold: float | None = None,
    *,
    source: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """One picture of a whole run: loss curves, errors by class, precision-recall curves, and errors by feature.

    histories, scores: dicts by run name and by model name, as in `loss_curves` and `pr_curves`.
    x, reconstruction, threshold: of one model, whose errors are the mean squares of x - reconstruction.

    ValueError: as for the functions named above.
    """
    y = _labels(y_true)
    figure = Figure(figsize=(15, 10), layout="constrained")
    axes = figure.subplots(2, 2)
    loss_curves(histories, loss=LOSS, ax=axes[0, 0])
    errors = _squared_errors(y, x, reconstruction, feature_names).mean(axis=1)
    error_histogram(y, errors, threshold, ax=axes[0, 1])
    pr_curves(y, scores, ax=axes[1, 0])
    feature_errors(y, x, reconstruction, feature_names, ax=axes[1, 1])
    figure.suptitle("Fraud detection by reconstruction error")
    return finish(figure, source, path)


def _mark_threshold(ax: Axes, threshold: float, remark: str = "") -> None:
    ax.axvline(threshold, color="black", ls="--", lw=1.5, label=f"threshold {threshold:.3g}{remark}")


# -- input checks ---------------------------------------------------------------------------------------------


def _labels(y_true: ArrayLike) -> NDArray[np.int64]:
    y = np.asarray(y_true)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all() or not 0 < y.sum() < len(y):
        raise ValueError("y_true must be one-dimensional and hold both 0 (normal) and 1 (fraud)")
    return y.astype(np.int64)


def _scores(y: NDArray[np.int64], scores: ArrayLike, name: str) -> NDArray[np.float64]:
    s = np.asarray(scores, dtype=np.float64)
    if s.shape != y.shape or not np.isfinite(s).all():
        raise ValueError(f"{name}: expected {len(y)} finite scores, one per label, got shape {s.shape}")
    return s


def _squared_errors(
    y: NDArray[np.int64],
    x: NDArray[np.floating],
    reconstruction: NDArray[np.floating],
    feature_names: Sequence[str],
) -> NDArray[np.float64]:
    expected = (len(y), len(feature_names))
    if x.shape != expected or reconstruction.shape != expected:
        raise ValueError(
            f"x and reconstruction must have shape {expected}, one row per label, one column per feature name, "
            f"got {x.shape} and {reconstruction.shape}"
        )
    return np.square(np.subtract(x, reconstruction, dtype=np.float64))
