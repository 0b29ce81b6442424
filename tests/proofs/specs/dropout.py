from tinydl.layers import Dropout

from ..cases import LayerCase, X
from ..spec import LayerSpec, always

SPEC = LayerSpec(
    Dropout,
    cases={
        "": LayerCase(Dropout(0.5), X),
        "little": LayerCase(Dropout(0.1), (4, 3, 2)),
        "inference": LayerCase(Dropout(0.5), X, {"training": False}),
    },
    draw=lambda draw, shape: Dropout(draw((0.5, 0.1, 0.8, 0.0))),
    may_be_zero=always,
)
