import numpy as np

from tinydl.layers import BatchNorm

from ..cases import IMAGES, ROWS, LayerCase, UsedBefore, X, at
from ..drawing import SEVERAL, SOME_AXES, activation
from ..spec import LayerSpec

SPEC = LayerSpec(
    BatchNorm,
    cases={
        "": LayerCase(BatchNorm(), X),
        **{f: LayerCase(BatchNorm(activation=f), X) for f in ("linear", "relu", "sigmoid", "tanh")},
        **{f"{f}, images": LayerCase(BatchNorm(activation=f), IMAGES) for f in (None, "relu", "tanh")},
        **{
            f"{f}, inference": LayerCase(BatchNorm(activation=f), X, {"training": False})
            for f in (None, "relu", "sigmoid", "tanh")
        },
        "images, inference": LayerCase(BatchNorm(activation="relu"), IMAGES, {"training": False}),
        "one channel": LayerCase(BatchNorm(), (6, 1)),
        "one image of one channel": LayerCase(BatchNorm(activation="tanh"), (1, 4, 3, 1)),
        "two rows": LayerCase(BatchNorm(epsilon=0.3), (2, 5)),
        "three axes": LayerCase(BatchNorm(), (3, 2, 4)),
        "many channels": LayerCase(BatchNorm(activation="relu"), (5, 37)),
        "channels far from 0 and apart": LayerCase(BatchNorm(), 30 * (ROWS + np.arange(-2, 3))),
        "small inputs": LayerCase(BatchNorm(), 0.01 * ROWS),
        "the paper's momentum": LayerCase(BatchNorm(0.9, 1e-5), X),
        "no memory": LayerCase(BatchNorm(0, 0.1), X),
    },
    draw=lambda draw, shape: BatchNorm(draw((0.99, 0.9, 0.0)), draw((1e-3, 0.1)), activation(draw)),
    inputs=SOME_AXES,
    batches=SEVERAL,  # for a batch of one row, xhat = 0
    # In training, BatchNorm cancels a bias in the layer below and gives xhat = 0 for a batch of one row.
    may_be_zero=lambda layer, training, alone: training and not alone,
    telling=[
        *at((4, 3), BatchNorm(0.7, 0.2), BatchNorm(0.7, 0.2, "tanh"), UsedBefore(BatchNorm(0.7, 0.2))),
        *at((3, 3), BatchNorm(0.7, 0.2, "sigmoid")),
        *at((2, 3, 2, 2), BatchNorm(0.7, 0.2, "relu")),
        *at((4, 3), BatchNorm(0.7, 0.2, "tanh"), UsedBefore(BatchNorm(0.7, 0.2)), training=False),
    ],
    usual=LayerCase(BatchNorm(activation="relu"), (2, 8, 8, 8)),
)
