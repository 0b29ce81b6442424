from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

RNG = np.random.default_rng(0)
Y = (np.arange(400) < 40).astype(int)
NAMES = tuple(f"V{i}" for i in range(1, 6))
X = RNG.normal(size=(400, 5)).astype(np.float32)
REBUILT = X + (RNG.normal(size=(400, 5)) * np.where(Y == 1, 1.0, 0.2)[:, None]).astype(np.float32)
ERRORS = np.square(X - REBUILT).mean(axis=1)
SCORES = {"deep": ERRORS, "chance": RNG.random(400)}
COUNTS = {
    "deep": {
        "takeover": {"frauds": 30, "found": 20},
        "mimicry": {"frauds": 10, "found": 1},
        "none": {"frauds": 0, "found": 0},
    },
    "PCA": {
        "takeover": {"frauds": 30, "found": 15},
        "mimicry": {"frauds": 10, "found": 0},
        "none": {"frauds": 0, "found": 0},
    },
}
HISTORIES = {"deep": {"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, 3.0, 2.5]}, "flat": {"loss": [2.0, 1.5]}}


DRAWINGS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "pr_curves": (pictures.pr_curves, (Y, SCORES)),
    "roc_curves": (pictures.roc_curves, (Y, SCORES)),
    "thresholds": (pictures.precision_recall_against_threshold, (Y, ERRORS, 0.2)),
    "histogram": (pictures.error_histogram, (Y, ERRORS, 0.2)),
    "groups": (pictures.found_by_group, (COUNTS,)),
    "features": (pictures.feature_errors, (Y, X, REBUILT, NAMES)),
    "rows": (pictures.reconstructions, (Y, X, REBUILT, NAMES)),
    "overview": (pictures.fraud_overview, (HISTORIES, Y, SCORES, X, REBUILT, NAMES, 0.2)),
}


def line(figure: Figure, label: str) -> Line2D:
    (found,) = [one for ax in figure.axes for one in ax.get_lines() if str(one.get_label()).startswith(label)]
    return found


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_and_saves(name: str, tmp_path: Path) -> None:
    draw, arguments = DRAWINGS[name]
    path = tmp_path / "picture.png"
    figure = draw(*arguments, source="SYNTHETIC rows", path=path)
    assert isinstance(figure, Figure)
    titles = figure.get_suptitle() + "".join(ax.get_title() for ax in figure.axes)
    assert titles.count("SYNTHETIC rows") == 1
    pixels = imread(path)
    assert min(pixels.shape[:2]) >= 280
    assert pixels.std() > 0.02, "the picture must not be blank"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("name", sorted(DRAWINGS.keys() - {"rows", "overview"}))
def test_draws_on_given_axes(name: str) -> None:
    draw, arguments = DRAWINGS[name]
    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    assert draw(*arguments, ax=right) is figure
    assert figure.axes == [left, right]
    assert figure.get_size_inches().tolist() == [10, 4]
    assert figure.get_suptitle() == left.get_title() == ""
    assert right.get_title()
    assert right.has_data()
    assert not left.has_data()


def test_thresholds_pair_with_all_but_the_last_point() -> None:
    figure = pictures.precision_recall_against_threshold(Y, ERRORS, 0.2)
    precision, recall, thresholds = precision_recall_curve(Y, ERRORS)
    for label, expected in (("precision", precision[:-1]), ("recall", recall[:-1])):
        np.testing.assert_array_equal(line(figure, label).get_xdata(), thresholds)
        np.testing.assert_array_equal(line(figure, label).get_ydata(), expected)
    # Also count directly at one threshold in the middle.
    flagged = thresholds[200] <= ERRORS
    assert np.asarray(line(figure, "precision").get_ydata())[200] == pytest.approx(Y[flagged].mean())
    assert np.asarray(line(figure, "recall").get_ydata())[200] == pytest.approx(Y[flagged].sum() / Y.sum())
    assert figure.axes[0].get_xscale() == "log"
    assert np.asarray(line(figure, "threshold 0.2").get_xdata()).tolist() == [0.2, 0.2]


def test_pr_curve_data_and_legend() -> None:
    figure = pictures.pr_curves(Y, SCORES)
    precision, recall, _ = precision_recall_curve(Y, ERRORS)
    drawn = line(figure, f"deep (AP {average_precision_score(Y, ERRORS):.3f})")
    np.testing.assert_array_equal(drawn.get_xdata(), recall)
    np.testing.assert_array_equal(drawn.get_ydata(), precision)
    assert drawn.get_drawstyle() == "steps-post", "between two points, the precision must be that at the higher recall"
    assert np.unique(line(figure, "chance: prevalence").get_ydata()).tolist() == [0.1]


def test_roc_curve_data() -> None:
    figure = pictures.roc_curves(Y, SCORES)
    false_positive_rate, recall, _ = roc_curve(Y, ERRORS)
    np.testing.assert_array_equal(line(figure, "deep").get_xdata(), false_positive_rate)
    np.testing.assert_array_equal(line(figure, "deep").get_ydata(), recall)


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_legend_covers_data(name: str) -> None:
    draw, arguments = DRAWINGS[name]
    figure = draw(*arguments)
    figure.draw_without_rendering()
    legends = [legend for ax in figure.axes if (legend := ax.get_legend()) is not None]
    assert legends
    for legend in legends:
        box = legend.get_window_extent()
        assert not any(ax.bbox.overlaps(box) for ax in figure.axes)
        assert figure.bbox.containsx(box.x1)


def test_the_line_of_chance_stands_clear_of_the_axis() -> None:
    figure = pictures.pr_curves(Y, SCORES)
    assert figure.axes[0].get_ylim()[0] < 0


def test_histogram_says_what_the_threshold_flags() -> None:
    label = line(pictures.error_histogram(Y, ERRORS, 0.2), "threshold 0.2").get_label()
    found, false = (ERRORS[y == Y] >= 0.2 for y in (1, 0))
    assert label == f"threshold 0.2\n{found.mean():.1%} of frauds flagged,\n{false.mean():.2%} of normal rows"


def test_histogram_holds_every_row() -> None:
    errors = ERRORS.copy()
    errors[0] = 0.0
    figure = pictures.error_histogram(Y, errors)
    ax = figure.axes[0]
    for container in ax.containers:
        assert sum(bar.get_height() for bar in container) == pytest.approx(1.0)
    assert len(ax.containers) == 2


@pytest.mark.parametrize(("name", "panel"), [("histogram", 0), ("overview", 1)])
def test_histogram_shows_each_class_and_the_threshold(name: str, panel: int) -> None:
    draw, arguments = DRAWINGS[name]
    figure = draw(*arguments)
    kinds = ((Y == 0, "normal", pictures.NORMAL), (Y == 1, "fraud", pictures.FRAUD))
    for bars, (members, kind, colour) in zip(figure.axes[panel].containers, kinds, strict=True):
        assert str(bars[0].get_label()).startswith(kind)
        assert to_rgb(bars[0].get_facecolor()) == to_rgb(colour)
        edges = [bar.get_x() for bar in bars] + [bars[-1].get_x() + bars[-1].get_width()]
        counts, _ = np.histogram(ERRORS[members], edges)
        # Edges read from the bars are rounded, so a row on an edge may fall into the next bar.
        np.testing.assert_allclose([bar.get_height() for bar in bars], counts / members.sum(), atol=0.03)
    assert np.asarray(line(figure, "threshold 0.2").get_xdata()).tolist() == [0.2, 0.2]


def test_bars_of_groups_are_shares_of_the_groups_frauds() -> None:
    figure = pictures.found_by_group(COUNTS)
    ax = figure.axes[0]
    assert [[bar.get_height() for bar in bars] for bars in ax.containers] == [[20 / 30, 1 / 10, 0], [15 / 30, 0, 0]]
    assert [bars.get_label() for bars in ax.containers] == ["deep", "PCA"]
    assert ax.get_xticklabels()[0].get_text() == "takeover\n(30 frauds)"
    assert [text.get_text() for text in ax.texts] == ["67%", "10%", "0%", "50%", "0%", "0%"]


def test_feature_error_bars() -> None:
    figure = pictures.feature_errors(Y, X, REBUILT, NAMES)
    for container, label in zip(figure.axes[0].containers, (0, 1), strict=True):
        expected = np.square(X[label == Y] - REBUILT[label == Y]).mean(axis=0)
        np.testing.assert_allclose([bar.get_height() for bar in container], expected, rtol=1e-5)


def test_rows_shown_stand_at_their_percentiles() -> None:
    figure = pictures.reconstructions(Y, X, REBUILT, NAMES)
    ax = figure.axes[4]  # second row, second column: the median fraud
    shown = np.asarray(ax.get_lines()[0].get_ydata())
    (i,) = np.flatnonzero((shown == X).all(axis=1))
    assert Y[i] == 1
    assert (ERRORS[Y == 1] < ERRORS[i]).sum() in (19, 20)
    np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), REBUILT[i])
    for label in (0, 1):
        others = ERRORS[label == Y]
        for column, percent in enumerate((10, 50, 90)):
            shown = np.asarray(figure.axes[3 * label + column].get_lines()[0].get_ydata())
            (i,) = np.flatnonzero((shown == X).all(axis=1))
            assert Y[i] == label
            assert (others < ERRORS[i]).sum() == pytest.approx(percent / 100 * (len(others) - 1), abs=0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pictures.pr_curves(Y, {"a": ERRORS[:-1]}), "a: expected 400 finite scores"),
        (lambda: pictures.pr_curves(Y, {"a": ERRORS * np.nan}), "a: expected 400 finite scores"),
        (lambda: pictures.found_by_group({}), "at least one named curve"),
        (lambda: pictures.roc_curves(0 * Y, SCORES), "hold both"),
        (lambda: pictures.error_histogram(Y, 0 * ERRORS), "values above 0"),
        (lambda: pictures.feature_errors(Y, X, REBUILT[:, :4], NAMES), r"must have shape \(400, 5\)"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
