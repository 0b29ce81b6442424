import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Shape
from tinydl.losses import Loss, SoftmaxCrossEntropy

from ..cases import DISTRIBUTIONS, LABELS, ROWS, LossCase, Weighted, X, distributions, far_apart
from ..drawing import Draw, Inputs
from ..spec import LossSpec


def draw_one(draw: Draw, rng: np.random.Generator, shape: Shape) -> tuple[Loss, NDArray]:
    rows = rng.dirichlet(np.ones(shape[1]), shape[0])
    return SoftmaxCrossEntropy(draw((0.0, 0.1, 0.5))), draw((rows.argmax(axis=1), rows))


FOUR = np.array([0, 2, 1, 2])
NOT_QUITE = distributions(3, 4) * [[1.0005], [0.9995], [1]]  # rows that sum to 1 only up to rounding
PLAIN = LossCase(SoftmaxCrossEntropy(), (4, 3), FOUR)
SPEC = LossSpec(
    SoftmaxCrossEntropy,
    cases={
        "": LossCase(SoftmaxCrossEntropy(), X, LABELS),
        "soft": LossCase(SoftmaxCrossEntropy(), X, DISTRIBUTIONS),
        "smoothed": LossCase(SoftmaxCrossEntropy(0.1), X, LABELS),
        "soft, smoothed": LossCase(SoftmaxCrossEntropy(0.2), X, DISTRIBUTIONS),
        "sharp": LossCase(SoftmaxCrossEntropy(), 5 * ROWS, LABELS),
        "weighted": LossCase(Weighted(SoftmaxCrossEntropy(0.1)), X, LABELS),
        "two rows": LossCase(SoftmaxCrossEntropy(), (2, 3), np.array([2, 0])),
        "one class": LossCase(SoftmaxCrossEntropy(), (4, 1), np.zeros(4, int), {"zero_ok": ("y_pred",)}),
    },
    draw=draw_one,
    inputs=Inputs(lambda draw: (draw(range(2, 18)),), lambda shape: len(shape) == 1 and shape[0] > 1),
    telling=[
        LossCase(SoftmaxCrossEntropy(0.2), (4, 3), FOUR),
        PLAIN,
        LossCase(SoftmaxCrossEntropy(), (3, 3), distributions(3, 3)),
        LossCase(SoftmaxCrossEntropy(), (4, 3), FOUR[:, None].astype(float)),
        LossCase(SoftmaxCrossEntropy(), (3, 4), NOT_QUITE),
        LossCase(SoftmaxCrossEntropy(0.1), far_apart(4, 3), FOUR),
        LossCase(Weighted(SoftmaxCrossEntropy(0.1)), (4, 3), FOUR),
        PLAIN.used_before(),
    ],
    usual=LossCase(SoftmaxCrossEntropy(0.1), (32, 10), np.arange(32) % 10),
)
