from tinydl.layers import AveragePool2D

from ..cases import IMAGES, LOPSIDED, LayerCase, UsedBefore, at, with_a_0
from ..drawing import ONLY_IMAGES, pool2d
from ..spec import LayerSpec

SPEC = LayerSpec(
    AveragePool2D,
    cases={
        "": LayerCase(AveragePool2D(2), (2, 4, 6, 3)),
        "overlapping": LayerCase(AveragePool2D((3, 2), 1), IMAGES),
        "gaps": LayerCase(AveragePool2D(2, (2, 3)), (2, 4, 8, 2)),
        "same": LayerCase(AveragePool2D(3, 2, "same"), (2, 6, 5, 2)),
        "lopsided": LayerCase(AveragePool2D((2, 3), 1, LOPSIDED), IMAGES),
    },
    draw=pool2d(AveragePool2D),
    inputs=ONLY_IMAGES,
    telling=[
        *at((2, 3, 3, 2), AveragePool2D(2, 1, 1)),
        *at((2, 4, 5, 2), AveragePool2D((2, 3), (1, 2), LOPSIDED)),
        *at((1, 5, 3, 1), AveragePool2D((3, 2), (2, 1), ((0, 1), (1, 0)))),
        *at((2, 4, 3, 1), AveragePool2D((3, 2), 1), AveragePool2D((3, 2), 1, ((0, 2), (1, 0)))),
        *at((2, 4, 3, 1), UsedBefore(AveragePool2D(2))),
        *at((1, 4, 7, 1), AveragePool2D(2, (2, 3))),
        *at((1, 3, 4, 1), AveragePool2D((2, 3), 1)),
        *at(with_a_0(2, 3, 3, 1), AveragePool2D(2, 1, 1)),
    ],
    usual=LayerCase(AveragePool2D(3, 2, "same"), (2, 8, 8, 8)),
)
