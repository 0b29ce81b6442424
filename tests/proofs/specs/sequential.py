import numpy as np

from tinydl.layers import (
    ActivityL1,
    AveragePool2D,
    BatchNorm,
    Branches,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    KLSparsity,
    LeakyReLU,
    LocalResponseNorm,
    MaskingNoise,
    MaxPool2D,
    PadChannels,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)

from ..cases import IMAGES, LayerCase, Lowest, X, at, auxiliary_head, learning_from, normal
from ..drawing import ROWS_OR_IMAGES, chain
from ..spec import LayerSpec

SHARED, SHARED_CONV = Dense(5, "tanh"), Conv2D(3, (2, 3), padding="same", activation="tanh")  # each used repeatedly
SHARED_CHAIN = Sequential([Dense(5, use_bias=False), BatchNorm(activation="tanh")])


def norm(filters: int, strides: int = 1) -> list:
    """A convolution without a bias (batch normalization would cancel it)."""
    return [Conv2D(filters, 3, strides, "same", use_bias=False), BatchNorm(activation="tanh")]


SPEC = LayerSpec(
    Sequential,
    cases={
        "": LayerCase(Sequential([Dense(4, "tanh"), Dense(3)]), X),
        "everything": LayerCase(
            Sequential([
                Flatten(), MaskingNoise(0.2), ContractivePenalty(Dense(7, "tanh"), 0.3),
                Sequential([Dense(6), LeakyReLU(0.2)]), Dropout(0.3), Dense(6), Sigmoid(), KLSparsity(0.2, 0.5),
                GaussianNoise(0.1), Dense(4, "tanh"), ActivityL1(0.2), Softmax(),
            ]),
            (6, 3, 2),
        ),
        "images": LayerCase(
            Sequential([
                Conv2D(4, 3, padding="same", activation="relu"), LocalResponseNorm(3, 0.3), MaxPool2D(3, 2, "same"),
                Conv2D(3, (2, 1), activation="tanh", use_bias=False), AveragePool2D(2, 1), Conv2D(4, 1),
                GlobalAveragePool2D(), Dense(3),
            ]),
            (3, 7, 6, 2),
        ),
        "images to rows": LayerCase(
            Sequential([Conv2D(3, 2, activation="sigmoid"), MaxPool2D(2, 1), Flatten(), Dropout(0.2), Dense(4, "tanh")]),
            IMAGES,
        ),
        "blocks": LayerCase(
            Sequential([
                *norm(2), Residual(norm(3, 2), [AveragePool2D(1, 2), PadChannels(3)], "tanh"),
                Branches([Conv2D(1, 1, activation="relu"), [MaxPool2D(3, 1, "same"), Conv2D(2, 1, activation="tanh")]]),
                auxiliary_head([GlobalAveragePool2D(), Dense(3)], labels=np.array([2, 0])),
                SHARED_CONV, Dropout(0.2), SHARED_CONV, GlobalAveragePool2D(), Dense(2),
            ]),
            (2, 4, 5, 2),
        ),
        "shared": LayerCase(Sequential([SHARED, Dense(5), SHARED, SHARED]), X),
        "shared, nested": LayerCase(
            Sequential([SHARED, Sequential([Sigmoid(), SHARED]), Residual([Dense(5), SHARED])]), X
        ),
        "shared chain": LayerCase(Sequential([SHARED_CHAIN, Dense(5, "tanh"), SHARED_CHAIN]), X),
        "shared chain, inference": LayerCase(
            Sequential([SHARED_CHAIN, Dense(5, "tanh"), SHARED_CHAIN]), X, {"training": False}
        ),
        "shared, other image sizes": LayerCase(Sequential([SHARED_CONV, AveragePool2D(2), SHARED_CONV]), IMAGES),
    },
    draw=chain,
    inputs=ROWS_OR_IMAGES,
    link=lambda draw, shape: chain(draw, shape, nested=False),
    composite=True,
    telling=[
        *at((3, 3), Sequential([Dense(3, "tanh"), ActivityL1(0.2), Dropout(0.3), Dense(3), Tanh()])),
        *at(
            (2, 6, 6, 1),
            Sequential([
                Conv2D(2, 3, activation="tanh"), AveragePool2D(2), MaxPool2D((2, 1)), Conv2D(2, 1), AveragePool2D((1, 2)),
                Conv2D(3, 1), Flatten(),
            ]),
        ),
        *at(
            (2, 5, 4, 1),
            Sequential([
                Conv2D(2, 2, activation="tanh"), BatchNorm(0.9, 0.2, "tanh"),
                Conv2D(3, 2, 2, use_bias=False), BatchNorm(0.9, 0.2),
            ]),
        ),
        *at((3, 3), Lowest(learning_from(1, [Tanh(), Dense(2), Dense(3)]), normal(3, 2))),
    ],
    usual=LayerCase(Sequential([Dense(40, "tanh"), Dropout(0.3), Dense(10)]), (32, 30)),
)  # fmt: skip
