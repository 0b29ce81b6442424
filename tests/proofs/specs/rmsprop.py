from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tinydl.optimizers import RMSprop

from ..spec import OptimizerSpec


def by_formula(rmsprop: RMSprop, p: NDArray, gradients: Sequence[NDArray], decay: NDArray) -> NDArray:
    v = np.zeros_like(p)
    for g in gradients:
        v = rmsprop.rho * v + (1 - rmsprop.rho) * g**2
        p = p - rmsprop.learning_rate * g / (np.sqrt(v) + rmsprop.epsilon)
    return p


SPEC = OptimizerSpec(
    RMSprop,
    kinds={"": partial(RMSprop, 0.01), "clip": partial(RMSprop, 0.01, global_clipnorm=1.0)},
    by_formula=by_formula,
    recorded={
        "rmsprop": partial(RMSprop, 0.01, rho=0.9),
        "rmsprop_other": partial(RMSprop, 0.01, rho=0.99, epsilon=1e-3),
    },
)
