import numpy as np
from numpy.typing import NDArray

from tinydl.layer import Shape
from tinydl.layers import Softmax
from tinydl.losses import KLDivergence, Loss

from ..cases import DISTRIBUTIONS, LossCase, Weighted, distributions
from ..drawing import SEVERAL_FEATURES, Draw
from ..spec import LossSpec


def draw_one(draw: Draw, rng: np.random.Generator, shape: Shape) -> tuple[Loss, NDArray]:
    rows = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return KLDivergence(), draw((rows, np.eye(shape[-1])[rows.argmax(axis=-1)]))


def draw_distributions(draw: Draw, rng: np.random.Generator, shape: Shape) -> NDArray:
    """Distributions without entries near 1e-7, where the loss has a kink."""
    return 0.9 * rng.dirichlet(np.ones(shape[-1]), shape[:-1]) + 0.1 / shape[-1]


OTHER = DISTRIBUTIONS[::-1]
MAPS = distributions(8, 3).reshape(2, 2, 2, 3)
RULED_OUT = np.array([[0.05, 0.25, 0.7], [0.475, 0.475, 0.05], [0.2, 0.3, 0.5]])
wide = KLDivergence()
wide.margin = 0.15  # entries in the middle of the part that counts as the margin, far from its kink
TELLING = LossCase(KLDivergence(), distributions(3, 4)[::-1], distributions(3, 4))
SPEC = LossSpec(
    KLDivergence,
    cases={
        "": LossCase(KLDivergence(), OTHER, DISTRIBUTIONS),
        "one class": LossCase(KLDivergence(), OTHER, np.eye(5)[[0, 4, 2, 2, 1, 3]]),
        "images": LossCase(KLDivergence(), MAPS[::-1], MAPS),
        "weighted": LossCase(Weighted(KLDivergence()), OTHER, DISTRIBUTIONS),
    },
    draw=draw_one,
    inputs=SEVERAL_FEATURES,
    data=draw_distributions,
    end=[Softmax()],
    telling=[
        TELLING,
        LossCase(KLDivergence(), MAPS[::-1], MAPS),
        LossCase(KLDivergence(), distributions(3, 4), np.eye(4)[[0, 3, 1]]),
        LossCase(wide, RULED_OUT, np.array([[0.2, 0.05, 0.75], [0.8, 0.1, 0.1], [0.02, 0.58, 0.4]])),
        TELLING.used_before(),
        LossCase(Weighted(KLDivergence()), TELLING.point, TELLING.y_true),
    ],
    usual=LossCase(KLDivergence(), distributions(32, 30)[::-1], distributions(32, 30)),
)
