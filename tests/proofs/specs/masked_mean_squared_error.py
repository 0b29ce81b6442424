import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Shape
from tinydl.losses import Loss, MaskedMeanSquaredError

from ..cases import RATES, LossCase, Weighted, X, normal, rates
from ..drawing import Draw
from ..spec import LossSpec


def with_gaps(values: NDArray) -> NDArray:
    """The values with every third entry missing."""
    return np.where(np.arange(values.size).reshape(values.shape) % 3 == 1, np.nan, values)


def draw_one(draw: Draw, rng: np.random.Generator, shape: Shape) -> tuple[Loss, NDArray]:
    y = np.where(rng.uniform(size=shape) < draw((0.0, 0.5)), np.nan, rng.normal(size=shape))
    y.flat[0] = 1.0  # at least one target
    return MaskedMeanSquaredError(), y


GAPS = with_gaps(RATES)
TELLING = LossCase(MaskedMeanSquaredError(), (3, 4), with_gaps(normal(3, 4)))
SPEC = LossSpec(
    MaskedMeanSquaredError,
    cases={
        "": LossCase(MaskedMeanSquaredError(), X, GAPS),
        "no gaps": LossCase(MaskedMeanSquaredError(), X, RATES),
        "one target": LossCase(MaskedMeanSquaredError(), (2, 2), np.array([[np.nan, 2.0], [np.nan, np.nan]])),
        "images": LossCase(MaskedMeanSquaredError(), (2, 3, 4, 2), with_gaps(np.zeros((2, 3, 4, 2)))),
        "weighted": LossCase(Weighted(MaskedMeanSquaredError()), X, GAPS),
    },
    draw=draw_one,
    telling=[TELLING, TELLING.used_before(), LossCase(Weighted(MaskedMeanSquaredError()), (3, 4), TELLING.y_true)],
    usual=LossCase(MaskedMeanSquaredError(), (32, 30), with_gaps(rates(32, 30))),
)
