from tinydl.layers import GaussianNoise

from ..cases import LayerCase, X
from ..spec import LayerSpec

SPEC = LayerSpec(
    GaussianNoise,
    cases={
        "": LayerCase(GaussianNoise(0.3), X),
        "three axes": LayerCase(GaussianNoise(0.3), (2, 3, 4)),
        "inference": LayerCase(GaussianNoise(0.3), X, {"training": False}),
    },
    draw=lambda draw, shape: GaussianNoise(draw((0.3, 1.0, 0.0))),
)
