import numpy as np

from tinydl.layers import MaxPool2D

from ..cases import IMAGES, LOPSIDED, LayerCase, UsedBefore, at, normal, with_a_0
from ..drawing import ONLY_IMAGES, pool2d
from ..spec import LayerSpec

SPEC = LayerSpec(
    MaxPool2D,
    cases={
        "": LayerCase(MaxPool2D(2), (2, 4, 6, 3)),
        "overlapping": LayerCase(MaxPool2D((3, 2), 1), IMAGES),
        "sides differ": LayerCase(MaxPool2D((2, 3), (1, 2)), (2, 5, 7, 2)),
        "gaps": LayerCase(MaxPool2D(2, (2, 3)), (2, 4, 8, 2)),
        "same": LayerCase(MaxPool2D(3, 2, "same"), (2, 6, 5, 2)),
        "lopsided": LayerCase(MaxPool2D((2, 3), 1, LOPSIDED), IMAGES),
        "all below 0": LayerCase(MaxPool2D(2, 1, 1), -5 - np.abs(normal(2, 3, 4, 2))),
    },
    draw=pool2d(MaxPool2D),
    inputs=ONLY_IMAGES,
    telling=[
        *at((2, 3, 3, 2), MaxPool2D(2, 1, 1)),
        *at((2, 4, 5, 2), MaxPool2D((2, 3), (1, 2), LOPSIDED)),
        *at((1, 5, 3, 1), MaxPool2D((3, 2), (2, 1), ((0, 1), (1, 0)))),
        *at((2, 4, 3, 1), MaxPool2D((3, 2), 1), MaxPool2D((3, 2), 1, ((0, 2), (1, 0))), UsedBefore(MaxPool2D(2))),
        *at((1, 4, 7, 1), MaxPool2D(2, (2, 3))),
        *at((1, 3, 4, 1), MaxPool2D((2, 3), 1)),
        *at(with_a_0(2, 3, 3, 1), MaxPool2D(2, 1, 1)),  # a 0 next to padding is the largest entry
    ],
    usual=LayerCase(MaxPool2D(3, 2, "same"), (2, 8, 8, 8)),
)
