from tinydl.layers import Tanh

from ..cases import LayerCase, X
from ..spec import LayerSpec

SPEC = LayerSpec(
    Tanh,
    cases={"": LayerCase(Tanh(), X), "image": LayerCase(Tanh(), (2, 3, 4, 2))},
    draw=lambda draw, shape: Tanh(),
)
