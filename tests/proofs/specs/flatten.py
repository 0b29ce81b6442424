from tinydl.layers import Flatten

from ..cases import LayerCase, X
from ..spec import LayerSpec

SPEC = LayerSpec(
    Flatten,
    cases={"": LayerCase(Flatten(), (3, 2, 4, 2)), "rows": LayerCase(Flatten(), X)},
    draw=lambda draw, shape: Flatten(),
)
