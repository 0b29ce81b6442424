"""Losses: a loss compares predictions with targets, and its gradient is the first dy of the backward pass.

    loss.forward(y_pred, y_true, sample_weight=None) -> float        the mean over the batch
    loss.backward()                                  -> dL/dy_pred   for the last forward, including the factor 1/N

BinaryCrossEntropy and SoftmaxCrossEntropy expect logits (the raw outputs of the last layer, without Sigmoid or
Softmax). They compute the probability and its logarithm in one step, which is accurate where two steps would overflow
or give log(0). KLDivergence expects probabilities; Hinge expects scores, whose sign is the predicted class.

base.py derives the gradient of a weighted loss; the other files hold one loss each.
"""

from __future__ import annotations

from .base import Loss, takes_sample_weight
from .binary_cross_entropy import BinaryCrossEntropy
from .hinge import Hinge
from .huber import Huber
from .kl_divergence import KLDivergence
from .masked_mean_squared_error import MaskedMeanSquaredError
from .mean_absolute_error import MeanAbsoluteError
from .mean_squared_error import MeanSquaredError
from .softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = [
    "BinaryCrossEntropy", "Hinge", "Huber", "KLDivergence", "Loss", "MaskedMeanSquaredError", "MeanAbsoluteError",
    "MeanSquaredError", "SoftmaxCrossEntropy", "takes_sample_weight",
]  # fmt: skip
