from tinydl.layer import Shape
from tinydl.layers import LocalResponseNorm

from ..cases import LayerCase, UsedBefore, at
from ..drawing import ONLY_IMAGES, Draw
from ..spec import LayerSpec


def draw_one(draw: Draw, shape: Shape) -> LocalResponseNorm:
    size = draw(range(1, 2 * shape[2] + 2))  # even or odd; the largest always covers all channels
    return LocalResponseNorm(size, draw((0.1, 1e-4, 1.0)), draw((0.75, 0.5, 1.2)), draw((2.0, 1.0, 0.5)))


SPEC = LayerSpec(
    LocalResponseNorm,
    cases={
        "": LayerCase(LocalResponseNorm(3, alpha=0.1), (2, 3, 2, 6)),
        "the paper's": LayerCase(LocalResponseNorm(), (2, 3, 2, 6)),
        "even size": LayerCase(LocalResponseNorm(4, 0.5, 1.2, 1.0), (2, 3, 2, 6)),
        "size 1": LayerCase(LocalResponseNorm(1, 0.5), (2, 3, 2, 4)),
        "size above channels": LayerCase(LocalResponseNorm(9, 0.5), (2, 3, 2, 4)),
    },
    draw=draw_one,
    inputs=ONLY_IMAGES,
    telling=[
        *at((2, 2, 3, 4), LocalResponseNorm(3, 0.4, 0.6, 1.5)),
        *at((2, 1, 2, 4), LocalResponseNorm(2, 0.4, 1.2, 0.7), UsedBefore(LocalResponseNorm(3, 0.4, 0.6, 1.5))),
    ],
)
