from tinydl.layers import MaskingNoise

from ..cases import LayerCase, X
from ..spec import LayerSpec, always

SPEC = LayerSpec(
    MaskingNoise,
    cases={
        "": LayerCase(MaskingNoise(0.4), X),
        "three axes": LayerCase(MaskingNoise(0.4), (2, 3, 4)),
        "inference": LayerCase(MaskingNoise(0.4), X, {"training": False}),
    },
    draw=lambda draw, shape: MaskingNoise(draw((0.4, 0.1, 0.8, 0.0))),
    may_be_zero=always,
)
