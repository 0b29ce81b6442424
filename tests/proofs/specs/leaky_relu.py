from tinydl.layers import LeakyReLU

from ..cases import LayerCase, X
from ..spec import LayerSpec, always

SPEC = LayerSpec(
    LeakyReLU,
    cases={
        "": LayerCase(LeakyReLU(), X),
        "0.3": LayerCase(LeakyReLU(0.3), (2, 3, 4)),
        "0": LayerCase(LeakyReLU(0), X),
    },
    draw=lambda draw, shape: LeakyReLU(draw((0.01, 0.3, 0.0))),
    may_be_zero=always,
)
