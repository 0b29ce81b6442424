from tinydl.initializers import INITIALIZERS
from tinydl.layer import Shape
from tinydl.layers import Conv2D, Tanh
from tinydl.regularizers import L1, L1L2, L2

from ..cases import IMAGES, LOPSIDED, LayerCase, Lowest, UsedBefore, at, learning_from, normal
from ..drawing import CHANNELS, IMAGES_FOR_CONVOLUTION, MANY, Draw, activation, windows
from ..spec import LayerSpec


def draw_one(draw: Draw, shape: Shape, wide: bool = True) -> Conv2D:
    many = shape[2] in MANY
    kernel_size, strides, padding = windows(draw, shape, range(2, 4) if many else range(1, 5), wide)
    return Conv2D(
        draw(MANY if many else CHANNELS), kernel_size, strides, padding, activation(draw), draw((True, False)),
        draw(tuple(INITIALIZERS)), draw((None, None, L1(0.1), L2(0.3))),
    )  # fmt: skip


SPEC = LayerSpec(
    Conv2D,
    cases={
        **{str(f): LayerCase(Conv2D(3, 2, activation=f), IMAGES) for f in (None, "linear", "relu", "sigmoid", "tanh")},
        **{
            f"{f}, no bias": LayerCase(Conv2D(3, (2, 3), activation=f, use_bias=False), IMAGES)
            for f in (None, "relu", "tanh")
        },
        "strides": LayerCase(Conv2D(3, (3, 2), (1, 2), activation="tanh"), (2, 6, 7, 2)),
        "gaps": LayerCase(Conv2D(3, (1, 2), (2, 3)), (2, 5, 8, 2)),
        "same": LayerCase(Conv2D(3, 3, padding="same", activation="relu"), IMAGES),
        "same, even": LayerCase(Conv2D(3, (2, 4), padding="same", activation="relu"), IMAGES),
        "same, strides": LayerCase(Conv2D(2, (4, 3), (3, 2), "same", "sigmoid"), (2, 7, 5, 2)),
        "lopsided": LayerCase(Conv2D(2, (2, 3), (2, 1), LOPSIDED, "tanh"), IMAGES),
        "wide padding": LayerCase(Conv2D(2, 2, padding=((3, 2), (2, 4))), (1, 3, 2, 2)),
        "pointwise": LayerCase(Conv2D(4, 1, activation="relu"), IMAGES),
        **{
            f"regularized, {r!r}": LayerCase(Conv2D(2, (2, 3), activation="tanh", kernel_regularizer=r), IMAGES)
            for r in (L1(0.1), L2(0.3))
        },
        "one of everything": LayerCase(Conv2D(1, 1), (1, 2, 3, 1)),
        "whole image": LayerCase(Conv2D(3, (5, 4), activation="tanh"), IMAGES),
        "2x2, many channels": LayerCase(Conv2D(32, 2, padding="same", activation="relu"), (2, 5, 6, 32)),
        "3x3, many channels": LayerCase(Conv2D(33, 3, padding=1, activation="tanh"), (2, 4, 5, 32)),
        "3x2, many channels": LayerCase(Conv2D(32, (3, 2), padding=LOPSIDED), (1, 4, 5, 33)),
    },
    draw=draw_one,
    inputs=IMAGES_FOR_CONVOLUTION,
    # After wide padding, the strides of the next layer may skip all outputs that depend on the image.
    link=lambda draw, shape: draw_one(draw, shape, wide=False),
    often=2,
    telling=[
        *at((2, 3, 3, 2), Conv2D(2, 2, 1, 1, "tanh")),
        *at((2, 4, 5, 2), Conv2D(3, (2, 3), (1, 2), LOPSIDED, "sigmoid")),
        *at((1, 5, 3, 1), Conv2D(2, (3, 2), (2, 1), ((0, 1), (2, 0)), "relu")),
        *at((2, 3, 4, 2), Conv2D(3, 2, activation="relu")),
        *at((2, 3, 3, 1), Conv2D(2, 2, kernel_regularizer=L1L2(0.2, 0.3))),
        *at((1, 4, 7, 1), Conv2D(2, (1, 2), (2, 3))),
        *at((1, 5, 3, 1), Conv2D(1, 2), Conv2D(1, (3, 2), 1, ((0, 2), (1, 0)))),
        *at((2, 2, 3, 1), Conv2D(2, 2, use_bias=False), UsedBefore(Conv2D(2, 2, activation="tanh"))),
        *at((1, 2, 2, 1), Conv2D(1, 2, 1, ((2, 1), (1, 3)))),
        *at((2, 1, 2, 2), Lowest(Conv2D(2, 2, activation="tanh"), normal(2, 2, 3, 1))),
        *at((2, 1, 2, 2), Lowest(learning_from(1, [Tanh(), Conv2D(2, 2)]), normal(2, 2, 3, 1))),
    ],
    variants={"no dx": {"input_gradient": False}},
    usual=LayerCase(Conv2D(8, 3, padding="same", activation="relu"), (2, 8, 8, 8)),
)
