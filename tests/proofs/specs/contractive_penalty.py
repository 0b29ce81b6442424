from tinydl.layers import ContractivePenalty, Dense
from tinydl.regularizers import L2

from ..cases import LayerCase, UsedBefore, X, at, with_zeros
from ..drawing import ONLY_ROWS
from ..spec import LayerSpec
from . import dense

SPEC = LayerSpec(
    ContractivePenalty,
    cases={
        **{str(f): LayerCase(ContractivePenalty(Dense(4, f), 0.5), X) for f in (None, "sigmoid", "tanh", "relu")},
        "no bias": LayerCase(ContractivePenalty(Dense(4, "sigmoid", use_bias=False), 0.5), X),
        "regularized": LayerCase(ContractivePenalty(Dense(4, "tanh", kernel_regularizer="l1_l2"), 0.5), X),
        "one row": LayerCase(ContractivePenalty(Dense(4, "tanh"), 0.5), (1, 5)),
        "inference": LayerCase(ContractivePenalty(Dense(4, "tanh"), 0.5), X, {"training": False}),
    },
    draw=lambda draw, shape: ContractivePenalty(dense.draw_one(draw, shape), draw((0.1, 0.0, 1e-5, 2.0))),
    inputs=ONLY_ROWS,
    telling=[
        *at((3, 3), ContractivePenalty(Dense(3, "tanh"), 0.5)),
        *at((4, 2), ContractivePenalty(Dense(3, "sigmoid"), 0.5)),
        *at((5, 3), ContractivePenalty(Dense(4, "relu"), 0.5)),
        *at((3, 2), ContractivePenalty(Dense(3), 0.5), ContractivePenalty(Dense(3, "linear"), 0.5)),
        *at((3, 2), ContractivePenalty(Dense(2, "tanh", kernel_regularizer=L2(0.3)), 0.5)),
        *at((3, 2), UsedBefore(ContractivePenalty(Dense(2, "tanh"), 0.5))),
        *at(with_zeros(3, 2), ContractivePenalty(Dense(3, "tanh", use_bias=False), 0.5)),
    ],
    usual=LayerCase(ContractivePenalty(Dense(40, "sigmoid"), 0.1), (32, 30)),
)
