import numpy as np

from tinydl.losses import Huber

from ..cases import RATES, ROWS, SPARSE, LossCase, Weighted, X, normal, rates
from ..spec import LossSpec

TELLING = [LossCase(Huber(delta), (3, 4), 2 * normal(3, 4)[::-1]) for delta in (0.5, 1.0)]
SPEC = LossSpec(
    Huber,
    cases={
        "": LossCase(Huber(), 2 * ROWS, RATES),
        "near": LossCase(Huber(10.0), X, RATES),
        "far": LossCase(Huber(0.1), SPARSE, np.zeros(X)),
        "one number": LossCase(Huber(), (1, 1), np.array([[2.0]])),
        "images": LossCase(Huber(0.7), (2, 3, 4, 2), np.zeros((2, 3, 4, 2))),
        "weighted": LossCase(Weighted(Huber(0.6)), 2 * ROWS, RATES),
    },
    draw=lambda draw, rng, shape: (Huber(draw((1.0, 0.3, 5.0))), rng.normal(size=shape)),
    telling=[*TELLING, TELLING[0].used_before(), LossCase(Weighted(Huber(0.5)), (3, 4), 2 * normal(3, 4)[::-1])],
    usual=LossCase(Huber(), (32, 30), rates(32, 30)),
)
