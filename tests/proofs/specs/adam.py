from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tinydl.optimizers import Adam
from tinydl.schedules import CosineDecay

from ..spec import OptimizerSpec


def by_formula(adam: Adam, p: NDArray, gradients: Sequence[NDArray], decay: NDArray) -> NDArray:
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = adam.beta1 * m + (1 - adam.beta1) * g
        v = adam.beta2 * v + (1 - adam.beta2) * g**2
        step = m / (1 - adam.beta1**t) / (np.sqrt(v / (1 - adam.beta2**t)) + adam.epsilon)
        p = p - adam.learning_rate * decay * p - adam.learning_rate * step
    return p


SPEC = OptimizerSpec(
    Adam,
    kinds={"": partial(Adam, 0.01), "clip": partial(Adam, 0.01, global_clipnorm=1.0)},
    by_formula=by_formula,
    recorded={
        "adam": partial(Adam, 0.01),
        "adam_other": partial(Adam, 0.02, beta1=0.8, beta2=0.95, epsilon=1e-3),
        "adamw": partial(Adam, 0.01, weight_decay=0.1),
        "adam_clip": partial(Adam, 0.05, global_clipnorm=0.9),
        "adam_cosine": lambda: Adam(CosineDecay(0.05, 12, minimum=0.001)),
    },
)
