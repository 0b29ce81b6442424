from tinydl.initializers import INITIALIZERS
from tinydl.layer import Shape
from tinydl.layers import Dense, Tanh
from tinydl.regularizers import L1, L1L2, L2

from ..cases import ROWS, LayerCase, Lowest, Overwriting, UsedBefore, X, at, learning_from, normal
from ..drawing import ONLY_ROWS, WIDTHS, Draw, activation
from ..spec import LayerSpec

REGULARIZERS = (L1(0.1), L2(0.3), L1L2(0.2, 0.1))


def draw_one(draw: Draw, shape: Shape) -> Dense:
    kinds = (None, None, *REGULARIZERS)
    return Dense(draw(WIDTHS), activation(draw), draw((True, False)), draw(tuple(INITIALIZERS)), draw(kinds))


SPEC = LayerSpec(
    Dense,
    cases={
        **{str(f): LayerCase(Dense(4, f), X) for f in (None, "linear", "relu", "sigmoid", "tanh")},
        **{f"{f}, no bias": LayerCase(Dense(4, f, use_bias=False), X) for f in (None, "relu", "tanh")},
        "one unit": LayerCase(Dense(1, "sigmoid"), X),
        "one row": LayerCase(Dense(4, "tanh"), (1, 5)),
        "one input": LayerCase(Dense(4, "relu"), (6, 1)),
        "wide": LayerCase(Dense(40, "relu", kernel_initializer="he_normal"), (8, 29)),
        "large inputs": LayerCase(Dense(4), 100 * ROWS),
        **{f"regularized, {r!r}": LayerCase(Dense(4, "tanh", kernel_regularizer=r), X) for r in REGULARIZERS},
    },
    draw=draw_one,
    inputs=ONLY_ROWS,
    often=2,
    telling=[  # equal sides, so that shapes alone do not expose a missing transpose or x in place of dy
        *at((3, 3), Dense(3, "tanh")),
        *at((4, 2), Dense(3, "sigmoid"), Dense(3, "relu"), Dense(3)),
        *at((3, 3), Dense(3, use_bias=False)),
        *at((3, 2), Overwriting(Dense(2, "tanh")), UsedBefore(Dense(2, "tanh"))),
        *at((3, 2), *(Dense(2, "tanh", kernel_regularizer=r) for r in REGULARIZERS)),
        *at((3, 2), Overwriting(Dense(2, "tanh", kernel_regularizer=L2(0.3)))),
        *at((3, 2), Lowest(Dense(2, "tanh"), normal(3, 3))),
        *at((3, 2), Lowest(learning_from(1, [Tanh(), Dense(2)]), normal(3, 3))),
    ],
    variants={
        "no dx": {"input_gradient": False},
        "grads overwritten": {"accumulate": False},
    },
    usual=LayerCase(Dense(40, "tanh"), (32, 30)),
)
