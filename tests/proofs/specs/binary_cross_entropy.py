import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Shape
from tinydl.losses import BinaryCrossEntropy, Loss

from ..cases import RATES, ROWS, LossCase, X, rates
from ..drawing import Draw
from ..spec import LossSpec


def draw_one(draw: Draw, rng: np.random.Generator, shape: Shape) -> tuple[Loss, NDArray]:
    y = rng.uniform(size=shape)
    return BinaryCrossEntropy(), draw((y, y.round()))


TELLING = LossCase(BinaryCrossEntropy(), (3, 4), rates(3, 4))
SPEC = LossSpec(
    BinaryCrossEntropy,
    cases={
        "": LossCase(BinaryCrossEntropy(), X, (RATES > 0.5).astype(float)),
        "soft": LossCase(BinaryCrossEntropy(), 3 * ROWS, RATES),
    },
    draw=draw_one,
    telling=[TELLING, TELLING.used_before()],
    usual=LossCase(BinaryCrossEntropy(), (32, 30), rates(32, 30)),
)
