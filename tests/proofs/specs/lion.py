from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tinydl.optimizers import Lion

from ..spec import OptimizerSpec


def by_formula(lion: Lion, p: NDArray, gradients: Sequence[NDArray], decay: NDArray) -> NDArray:
    m = np.zeros_like(p)
    for g in gradients:
        c = lion.beta1 * m + (1 - lion.beta1) * g
        p = p - lion.learning_rate * (np.sign(c) + decay * p)
        m = lion.beta2 * m + (1 - lion.beta2) * g
    return p


SPEC = OptimizerSpec(
    Lion,
    kinds={
        "": partial(Lion, 0.003),
        "other betas": partial(Lion, 0.003, beta1=0.5, beta2=0.7),
        "clip": partial(Lion, 0.003, global_clipnorm=1.0),
    },
    by_formula=by_formula,
)
