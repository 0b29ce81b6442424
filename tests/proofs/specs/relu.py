from tinydl.layers import ReLU

from ..cases import LayerCase, X
from ..spec import LayerSpec, always

SPEC = LayerSpec(
    ReLU,
    cases={"": LayerCase(ReLU(), X), "image": LayerCase(ReLU(), (2, 3, 4, 2))},
    draw=lambda draw, shape: ReLU(),
    may_be_zero=always,
)
