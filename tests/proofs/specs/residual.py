from tinydl.layer import Layer, Shape
from tinydl.layers import (
    ActivityL1,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    KLSparsity,
    PadChannels,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
)

from ..cases import IMAGES, SPARSE, LayerCase, UsedBefore, X, at
from ..drawing import ROWS_OR_IMAGES, Draw, activation, built, chain, conv2d_same
from ..spec import LayerSpec

SHARED = Dense(5, "tanh")  # a layer used in several places


def conv(filters: int, kernel_size: int, strides: int = 1, f: str | None = None) -> list[Layer]:
    """A convolution without a bias (batch normalization would cancel it)."""
    return [Conv2D(filters, kernel_size, strides, "same", use_bias=False), BatchNorm(activation=f)]


def draw_one(draw: Draw, shape: Shape) -> Residual:
    """A block with an identity shortcut, a shortcut with parameters, or a shortcut that adds zero channels."""
    shortcut: Layer | None = None
    if len(shape) == 1:
        body: Layer = chain(draw, shape, nested=False)
        units = built(body, shape).output_shape[0]
        if units != shape[0] or draw((False, True)):
            ways: list[Layer] = [Dense(units, draw((None, "tanh")))]
            shortcut = draw([*ways, PadChannels(units)] if units >= shape[0] else ways)
    else:
        strides, filters = draw((1, 1, 2)), draw((shape[2], shape[2] + draw(range(3))))
        body = conv2d_same(draw, shape, filters, strides)
        if strides > 1 or filters != shape[2] or draw((False, True)):
            zeros = Sequential([AveragePool2D(1, strides), PadChannels(filters)])
            shortcut = draw((Conv2D(filters, 1, strides), zeros))
    return Residual(body, shortcut, activation(draw))


BLOCK = Residual([*conv(3, 3, 1, "relu"), *conv(3, 3)], activation="relu")
SPEC = LayerSpec(
    Residual,
    cases={
        "": LayerCase(Residual(Dense(5, "tanh")), X),
        **{
            f: LayerCase(Residual([Dense(4, "tanh"), Dense(5)], activation=f), X)
            for f in ("linear", "relu", "sigmoid", "tanh")
        },
        **{
            f"{f}, shortcut": LayerCase(Residual([Dense(3, "tanh"), Dense(4)], Dense(4), f), X)
            for f in (None, "relu", "sigmoid", "tanh")
        },
        "block": LayerCase(BLOCK, IMAGES),
        "block, inference": LayerCase(BLOCK, IMAGES, {"training": False}),
        "projection": LayerCase(Residual([*conv(4, 3, 2, "relu"), *conv(4, 3)], conv(4, 1, 2), "relu"), IMAGES),
        "zeros for channels": LayerCase(Residual(conv(5, 3, 2), [AveragePool2D(1, 2), PadChannels(5)], "relu"), IMAGES),
        "nested": LayerCase(Residual([Residual(Dense(5, "tanh")), Residual(Tanh(), Dense(5))], None, "tanh"), X),
        "nothing in the body": LayerCase(Residual(Flatten()), X),
        "nothing in either": LayerCase(Residual(Dropout(0.0), Flatten()), X),
        "dropout": LayerCase(Residual([Dropout(0.4), Dense(5)], Dropout(0.3)), X),
        "penalties": LayerCase(Residual([Dense(5, "sigmoid"), KLSparsity(0.2)], ActivityL1(0.1)), SPARSE),
        "shared": LayerCase(Residual([SHARED, Dense(5), Sigmoid()], SHARED, "tanh"), X),
    },
    draw=draw_one,
    inputs=ROWS_OR_IMAGES,
    composite=True,
    telling=[
        *at((3, 3), Residual([Dense(4, "tanh"), Dense(3)]), UsedBefore(Residual(Dense(3, "tanh"), None, "sigmoid"))),
        *at((4, 3), Residual(Dense(2, "tanh"), Dense(2), "tanh"), Residual(Dense(3, "tanh"), Tanh(), "relu")),
        *at((4, 3), Residual(Dense(3, "tanh"), None, "relu"), Residual(Tanh(), None, "sigmoid")),
        *at((4, 3), Residual(Flatten()), Residual([Dense(3, "sigmoid"), ActivityL1(0.3)], ActivityL1(0.2))),
        *at((4, 3), Residual([Dense(3, use_bias=False), BatchNorm(activation="relu"), Dense(3)], None, "tanh")),
        # the norm adds the shortcut
        *at((4, 3), Residual([Dense(4, "tanh"), BatchNorm()], Dense(4), "tanh")),
        *at((4, 3), Residual([Dense(3, "tanh"), BatchNorm(0.7, 0.2)], None, "tanh"), training=False),
        *at(
            (3, 2, 2, 2),
            Residual([Conv2D(3, 1, activation="tanh"), Conv2D(2, 1, use_bias=False), BatchNorm()], None, "relu"),
        ),
        *at((2, 3, 2, 2), Residual(Conv2D(3, 1, activation="tanh"), Conv2D(3, 1, activation="relu"))),
    ],
    usual=LayerCase(Residual([Conv2D(8, 3, padding="same", use_bias=False), BatchNorm()], None, "relu"), (2, 8, 8, 8)),
)
