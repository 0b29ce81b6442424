import numpy as np

from tinydl.losses import MeanSquaredError

from ..cases import RATES, LossCase, Weighted, X, normal, rates
from ..spec import LossSpec

TELLING = LossCase(MeanSquaredError(), (3, 4), normal(3, 4))
SPEC = LossSpec(
    MeanSquaredError,
    cases={
        "": LossCase(MeanSquaredError(), X, RATES),
        "one number": LossCase(MeanSquaredError(), (1, 1), np.array([[2.0]])),
        "images": LossCase(MeanSquaredError(), (2, 3, 4, 2), np.zeros((2, 3, 4, 2))),
        "weighted": LossCase(Weighted(MeanSquaredError()), X, RATES),
    },
    draw=lambda draw, rng, shape: (MeanSquaredError(), rng.normal(size=shape)),
    telling=[TELLING, TELLING.used_before(), LossCase(Weighted(MeanSquaredError()), (3, 4), TELLING.y_true)],
    usual=LossCase(MeanSquaredError(), (32, 30), rates(32, 30)),
)
