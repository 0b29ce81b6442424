import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Shape
from tinydl.losses import Hinge, Loss

from ..cases import RATES, ROWS, LossCase, Weighted, X, normal, rates
from ..drawing import Draw
from ..spec import LossSpec


def signs(values: NDArray) -> NDArray:
    return np.where(values > 0.5, 1.0, -1.0)


def draw_one(draw: Draw, rng: np.random.Generator, shape: Shape) -> tuple[Loss, NDArray]:
    y = signs(rng.uniform(size=shape))
    return Hinge(), draw((y, (y + 1) / 2))


TELLING = LossCase(Hinge(), 2 * normal(3, 4), signs(rates(3, 4)))
SPEC = LossSpec(
    Hinge,
    cases={
        "": LossCase(Hinge(), 2 * ROWS, signs(RATES)),
        "0 and 1": LossCase(Hinge(), X, RATES.round()),
        "images": LossCase(Hinge(), (2, 3, 4, 2), signs(rates(2, 3, 4, 2))),
        "one side": LossCase(Hinge(), X, np.ones(X)),
        "weighted": LossCase(Weighted(Hinge()), X, signs(RATES)),
    },
    draw=draw_one,
    telling=[
        TELLING,
        LossCase(Hinge(), TELLING.point, rates(3, 4).round()),
        TELLING.used_before(),
        LossCase(Weighted(Hinge()), TELLING.point, TELLING.y_true),
    ],
    usual=LossCase(Hinge(), (32, 30), signs(rates(32, 30))),
)
