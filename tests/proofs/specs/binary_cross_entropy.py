import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Shape
from tinydl.losses import BinaryCrossEntropy, Loss

from ..cases import RATES, ROWS, LossCase, Weighted, X, rates
from ..drawing import Draw
from ..spec import LossSpec


def draw_one(draw: Draw, rng: np.random.Generator, shape: Shape) -> tuple[Loss, NDArray]:
    y = rng.uniform(size=shape)
    return BinaryCrossEntropy(draw((0.0, 0.1, 0.5)), draw((None, CLASSES))), draw((y, y.round()))


CLASSES = {0: 0.5, 1: 3.0}
TELLING = LossCase(BinaryCrossEntropy(), (3, 4), rates(3, 4))
SPEC = LossSpec(
    BinaryCrossEntropy,
    cases={
        "": LossCase(BinaryCrossEntropy(), X, (RATES > 0.5).astype(float)),
        "soft": LossCase(BinaryCrossEntropy(), 3 * ROWS, RATES),
        "smoothed": LossCase(BinaryCrossEntropy(0.2), X, RATES.round()),
        "classes": LossCase(BinaryCrossEntropy(class_weight=CLASSES), 3 * ROWS, RATES.round()),
        "soft, smoothed, classes": LossCase(BinaryCrossEntropy(0.2, CLASSES), X, RATES),
        "weighted": LossCase(Weighted(BinaryCrossEntropy()), X, RATES),
        "weighted, classes": LossCase(Weighted(BinaryCrossEntropy(0.1, CLASSES)), X, RATES),
    },
    draw=draw_one,
    telling=[
        TELLING,
        LossCase(BinaryCrossEntropy(0.2, CLASSES), (3, 4), rates(3, 4)),
        LossCase(Weighted(BinaryCrossEntropy(0.2)), (3, 4), rates(3, 4)),
        LossCase(Weighted(BinaryCrossEntropy(0.0, CLASSES)), (3, 4), rates(3, 4)),
        TELLING.used_before(),
    ],
    usual=LossCase(BinaryCrossEntropy(), (32, 30), rates(32, 30)),
)
