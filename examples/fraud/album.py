"""The pictures of one protocol, each with the line that says what to look for in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pictures
from recipes import RECIPES, slug
from run import Run
from words import chosen

from tinydl import plots

MEANINGS = {
    "overview.png": "start here: losses, scores by class, precision and recall, and errors by column",
    "precision_recall.png": "a higher curve means fewer false alarms for the same share of frauds found",
    "autoencoders.png": "the same curves of all autoencoders",
    "kinds.png": "the share of each group of frauds that three detectors find at their thresholds",
    "roc.png": "frauds found against normal rows flagged; where frauds are rare, all detectors look good here",
    "loss.png": "a validation loss that rises or stays above the training loss means overfitting",
    "threshold.png": "moving the threshold to the right trades frauds found for fewer false alarms",
    "errors.png": "rows right of the line are flagged: normal rows there are false alarms, frauds on the left missed",
    "feature_errors.png": "a tall orange bar beside a short blue one is a column that gives frauds away",
    "reconstructions.png": "six payments and what the autoencoder makes of them: wide gaps are suspicious",
}


def draw(runs: Mapping[str, Run], protocol: str, source: str, folder: Path) -> list[str]:
    """Draw comparisons and a folder for each autoencoder; returns a line about each picture.

    Where detectors are compared, the curves are those of the chosen autoencoder, PCA and the forest: nine would tangle.
    """
    for place in (folder, *(folder / slug(name) for name in RECIPES)):
        for name in MEANINGS:
            (place / name).unlink(missing_ok=True)  # an earlier run's picture; other files in the folder stay
    best = chosen(runs)
    y = runs[best].split.y_test
    # Models share a picture only if they have the same test rows; the book's 5 % pair has its own test rows.
    together = {name: run for name, run in runs.items() if np.array_equal(run.split.y_test, y)}
    autoencoders = {name: run for name, run in runs.items() if name in RECIPES}
    histories = {name: run.history for name, run in autoencoders.items()}
    rivals = {name: run.scores for name, run in together.items() if name == best or name not in RECIPES}
    scores = {name: run.scores for name, run in together.items() if name in RECIPES}
    label = f"{source}; {protocol} protocol"
    plots.loss_curves(histories, loss=pictures.LOSS, source=label, path=folder / "loss.png")
    pictures.pr_curves(y, rivals, source=label, path=folder / "precision_recall.png")
    pictures.pr_curves(y, scores, source=label, path=folder / "autoencoders.png")
    pictures.roc_curves(y, rivals, source=label, path=folder / "roc.png")
    groups = {name: runs[name].report["found_by_group"] for name in rivals if "found_by_group" in runs[name].report}
    if groups:
        pictures.found_by_group(groups, source=label, path=folder / "kinds.png")
    pictures.fraud_overview(
        histories, y, rivals, *_rows(runs[best]), runs[best].threshold,
        source=f"{label}; right side: {best}", path=folder / "overview.png",
    )  # fmt: skip
    for name, run in autoencoders.items():
        own, label = folder / slug(name), f"{source}; {protocol} protocol, {name}"
        y = run.split.y_test
        pictures.precision_recall_against_threshold(
            y, run.scores, run.threshold, source=label, path=own / "threshold.png"
        )
        pictures.error_histogram(y, run.scores, run.threshold, source=label, path=own / "errors.png")
        pictures.feature_errors(y, *_rows(run), source=label, path=own / "feature_errors.png")
        pictures.reconstructions(y, *_rows(run), source=label, path=own / "reconstructions.png")
    return [
        f"    {place:32}{meaning}"
        for name, meaning in MEANINGS.items()
        for place in (name, f"{slug(best)}/{name}")
        if (folder / place).is_file()
    ]


def _rows(run: Run) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    assert run.reconstruction is not None
    return run.split.x_test, run.reconstruction, run.split.feature_names
