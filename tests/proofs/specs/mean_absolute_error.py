import numpy as np

from tinydl.losses import MeanAbsoluteError

from ..cases import RATES, SPARSE, LossCase, Weighted, normal, rates
from ..spec import LossSpec

# Predictions farther from their targets than any step of the checks: |e| has its kink at 0.
TELLING = LossCase(MeanAbsoluteError(), normal(3, 4), np.round(normal(3, 4)) - 0.25)
SPEC = LossSpec(
    MeanAbsoluteError,
    cases={
        "": LossCase(MeanAbsoluteError(), SPARSE, np.zeros(SPARSE.shape)),
        "one number": LossCase(MeanAbsoluteError(), (1, 1), np.array([[2.0]])),
        "images": LossCase(MeanAbsoluteError(), (2, 3, 4, 2), np.full((2, 3, 4, 2), 0.125)),
        "weighted": LossCase(Weighted(MeanAbsoluteError()), 3 * SPARSE, RATES),
    },
    draw=lambda draw, rng, shape: (MeanAbsoluteError(), rng.normal(size=shape)),
    telling=[TELLING, TELLING.used_before(), LossCase(Weighted(MeanAbsoluteError()), TELLING.point, TELLING.y_true)],
    usual=LossCase(MeanAbsoluteError(), (32, 30), rates(32, 30)),
)
