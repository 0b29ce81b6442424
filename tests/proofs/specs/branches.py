from tinydl.layer import Layer, Shape
from tinydl.layers import (
    ActivityL1,
    AveragePool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Sequential,
    Sigmoid,
    Tanh,
)

from ..cases import IMAGES, LABELS, LayerCase, UsedBefore, X, at, auxiliary_head
from ..drawing import ROWS_OR_IMAGES, Draw, built, chain, conv2d_same, pool2d_same
from ..spec import LayerSpec

# Each of these layers is used in several places.
SHARED, SHARED_CONV = Dense(5, "tanh"), Conv2D(3, (2, 3), padding="same", activation="tanh")
SHARED_HEAD = auxiliary_head(Dense(5), labels=LABELS)
SHARED_CHAIN = Sequential([Dense(5, use_bias=False), BatchNorm(activation="tanh")])


def conv(filters: int, kernel_size: int, f: str) -> list[Layer]:
    return [Conv2D(filters, kernel_size, padding="same", use_bias=False), BatchNorm(activation=f)]


def branch(draw: Draw, shape: Shape) -> Layer:
    """A random layer; for images, one that preserves height and width, so that the branches can be joined."""
    if len(shape) == 1:
        return chain(draw, shape, nested=False)
    link = draw((conv2d_same, pool2d_same, lambda draw, shape: chain(draw, shape, nested=False)))(draw, shape)
    same = built(link, shape).output_shape[:-1] == shape[:-1]
    return link if same else conv2d_same(draw, shape)


def draw_one(draw: Draw, shape: Shape) -> Branches:
    """One to four random branches; sometimes two of them share a layer."""
    found: list[Layer] = [branch(draw, shape) for _ in range(draw(range(1, 4)))]
    if draw((False, False, True)):
        found.append(Sequential([draw((Tanh, Sigmoid))(), draw(found)]))
    return Branches(found)


INCEPTION = Branches([
    Conv2D(2, 1, activation="relu"),
    [Conv2D(3, 1, activation="relu"), Conv2D(4, 3, padding="same", activation="relu")],
    [Conv2D(1, 1, activation="relu"), Conv2D(2, 5, padding="same", activation="relu")],
    [MaxPool2D(3, 1, "same"), Conv2D(3, 1, activation="relu")],
])  # fmt: skip
SPEC = LayerSpec(
    Branches,
    cases={
        "": LayerCase(Branches([Dense(2, "tanh"), [Dense(4, "tanh"), Dense(3)]]), X),
        "one": LayerCase(Branches([Dense(3, "sigmoid")]), X),
        "four": LayerCase(Branches([Dense(2, "tanh"), Tanh(), [Dense(3), Sigmoid()], Dense(1)]), X),
        "nested": LayerCase(
            Branches([Branches([Dense(2), Dense(3, "tanh")]), [Branches([Tanh(), Dense(2)]), Dense(3)]]), X
        ),
        "nothing in some": LayerCase(Branches([Flatten(), Dense(2), Flatten()]), X),
        "nothing in all": LayerCase(Branches([Flatten(), Dropout(0.0)]), X),
        "images": LayerCase(Branches([Conv2D(2, 2, 2), [AveragePool2D(2), BatchNorm()]]), (2, 4, 6, 3)),
        "inception": LayerCase(INCEPTION, IMAGES),
        "batch norm": LayerCase(Branches([conv(2, 1, "relu"), conv(3, 3, "tanh")]), IMAGES),
        "shared": LayerCase(Branches([SHARED, [Dense(5, "sigmoid"), SHARED]]), X),
        "shared chain": LayerCase(Branches([SHARED_CHAIN, [Sigmoid(), SHARED_CHAIN]]), X),
        "shared, alone": LayerCase(Branches([SHARED_CONV, SHARED_CONV]), IMAGES),
        "shared head": LayerCase(Branches([SHARED_HEAD, [Tanh(), SHARED_HEAD]]), X),
    },
    draw=draw_one,
    inputs=ROWS_OR_IMAGES,
    composite=True,
    telling=[
        *at((3, 3), Branches([Dense(2, "tanh"), [Dense(3, "tanh"), Dense(3)], Tanh()])),
        *at((4, 3), UsedBefore(Branches([Dense(2, "tanh"), Dense(2, "sigmoid")])), Branches([Flatten(), Flatten()])),
        *at((4, 3), Branches([[Dense(3, "sigmoid"), ActivityL1(0.3)], ActivityL1(0.2)]), Branches([Dense(1)])),
        *at((2, 3, 2, 2), Branches([Conv2D(3, 1, activation="relu"), MaxPool2D(3, 1, "same"), Conv2D(1, 1)])),
        *at((2, 3, 2, 2), Branches([Tanh(), conv(1, 1, "tanh"), [MaxPool2D(3, 1, "same"), *conv(2, 1, "tanh")]])),
        *at((2, 3, 2, 2), Branches([Tanh(), [Conv2D(3, 1, activation="tanh"), Conv2D(1, 1, activation="relu")]])),
    ],
    usual=LayerCase(
        Branches([Conv2D(8, 1), [Conv2D(4, 1, activation="relu"), Conv2D(8, 3, padding="same")]]), (2, 8, 8, 8)
    ),
)
