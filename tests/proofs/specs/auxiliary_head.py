import numpy as np

from tinydl.layer import Layer, Shape
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    AveragePool2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    KLSparsity,
    Sequential,
)

from ..cases import IMAGES, LayerCase, UsedBefore, X, at
from ..cases import auxiliary_head as head
from ..drawing import BATCHES, SEEDS, SOME_AXES, WIDTHS, Draw
from ..spec import LayerSpec

LABELS, IDLE = np.array([0, 2, 1, 2]), ("dense_1.W", "dense_1.b")
SHARED = Dense(5, "tanh")


def draw_one(draw: Draw, shape: Shape) -> AuxiliaryHead:
    units, hidden = draw(range(2, 5)), draw((None, "tanh", "sigmoid"))
    layers: list[Layer] = [Dense(draw(WIDTHS), hidden)] if hidden else []
    if len(shape) > 1:
        layers.insert(0, draw((Flatten(), GlobalAveragePool2D())) if len(shape) == 3 else Flatten())
    labels = np.random.default_rng(draw(SEEDS)).integers(units, size=max(BATCHES))
    smoothing = draw((0.0, 0.1))
    return head([*layers, Dense(units)], draw((0.3, 1.0, 2.0)), smoothing, labels)


SPEC = LayerSpec(
    AuxiliaryHead,
    cases={
        "": LayerCase(head(Dense(5)), X),
        "deep": LayerCase(head([Dense(4, "tanh"), Dense(5)], 2.0, 0.1), X),
        "images": LayerCase(
            head([AveragePool2D(2, 1), Conv2D(2, 1, activation="relu"), Flatten(), Dense(3)], 0.5, labels=LABELS[1:]),
            IMAGES,
        ),
        "penalties": LayerCase(head([Dense(5, "sigmoid"), KLSparsity(0.2, 0.5)]), X),
        "inference": LayerCase(head(Dense(5)), X, {"training": False, "zero_ok": IDLE}),
        "idle": LayerCase(AuxiliaryHead(Dense(5)), X, {"zero_ok": IDLE}),
        "shared": LayerCase(Sequential([SHARED, head(SHARED), Dense(3)]), X),
    },
    draw=draw_one,
    inputs=SOME_AXES,
    may_be_zero=lambda layer, training, alone: not training,
    telling=[
        *at((4, 3), head(Dense(3), labels=LABELS)),
        *at((4, 3), head([Dense(4, "sigmoid"), ActivityL1(0.3), Dense(3)], 2.0, 0.1, LABELS)),
        *at((3, 3), head(Dense(3, "tanh"), 1.0, labels=LABELS), UsedBefore(head(Dense(3), labels=LABELS))),
        *at((2, 3, 2, 2), head([Conv2D(3, 1, activation="relu"), GlobalAveragePool2D(), Dense(3)], labels=LABELS)),
        *at((3, 3), AuxiliaryHead(Dense(3)), zero_ok=IDLE),
        *at((3, 3), head(Dense(3), labels=LABELS), training=False, zero_ok=IDLE),
    ],
    usual=LayerCase(head([Dense(40, "tanh"), Dense(10)], labels=np.arange(32) % 10), (32, 30)),
)
