from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tinydl.optimizers import SGD

from ..spec import OptimizerSpec


def by_formula(sgd: SGD, p: NDArray, gradients: Sequence[NDArray], decay: NDArray) -> NDArray:
    v = np.zeros_like(p)
    for g in gradients:
        g = g + decay * p
        v = sgd.momentum * v + g
        p = p - sgd.learning_rate * (g + sgd.momentum * v if sgd.nesterov else v)
    return p


MOMENTUM = partial(SGD, 0.05, momentum=0.9)
SPEC = OptimizerSpec(
    SGD,
    kinds={
        "": partial(SGD, 0.1),
        "momentum": partial(SGD, 0.1, momentum=0.9),
        "nesterov": partial(SGD, 0.1, momentum=0.9, nesterov=True),
        "clip": partial(SGD, 0.1, global_clipnorm=1.0),
    },
    by_formula=by_formula,
    recorded={
        "sgd": partial(SGD, 0.1),
        "sgd_weight_decay": partial(SGD, 0.1, weight_decay=0.05),
        "sgd_momentum": MOMENTUM,
        "sgd_momentum_weight_decay": partial(MOMENTUM, weight_decay=0.05),
        "sgd_nesterov": partial(MOMENTUM, nesterov=True),
        "sgd_nesterov_weight_decay": partial(MOMENTUM, nesterov=True, weight_decay=0.05),
        "sgd_clip": partial(SGD, 0.3, global_clipnorm=0.9),
    },
)
