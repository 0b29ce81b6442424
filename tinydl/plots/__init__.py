"""Pictures of models, training, images and fraud: each function returns a Figure and, given `path`, saves a PNG.

Figures are made without pyplot: no global state, so they work without a display and in threads. Colours are
those of Okabe & Ito (2008), which the colour-blind can tell apart. `source` names the data in the title.
"""

from __future__ import annotations

from .diagram import model_diagram
from .frame import BLUE, COLOURS, FRAUD, GREEN, GREY, NORMAL, ORANGE, PURPLE, SKY, VERMILION
from .fraud import (
    error_histogram,
    feature_errors,
    fraud_overview,
    pr_curves,
    precision_recall_against_threshold,
    reconstructions,
    roc_curves,
)
from .images import confusion_matrix, feature_maps, filters, most_confident_mistakes
from .training import History, accuracy_curves, loss_curves, training_curves

__all__ = [
    "BLUE", "COLOURS", "FRAUD", "GREEN", "GREY", "History", "NORMAL", "ORANGE", "PURPLE", "SKY", "VERMILION",
    "accuracy_curves", "confusion_matrix", "error_histogram", "feature_errors", "feature_maps", "filters",
    "fraud_overview", "loss_curves", "model_diagram", "most_confident_mistakes", "pr_curves",
    "precision_recall_against_threshold", "reconstructions", "roc_curves", "training_curves",
]  # fmt: skip
