from tinydl.layers import Sigmoid

from ..cases import ROWS, LayerCase, X
from ..spec import LayerSpec

SPEC = LayerSpec(
    Sigmoid,
    cases={
        "": LayerCase(Sigmoid(), X),
        "steep": LayerCase(Sigmoid(), 3 * ROWS),
        "three axes": LayerCase(Sigmoid(), (2, 3, 4)),
    },
    draw=lambda draw, shape: Sigmoid(),
)
