from tinydl.layers import Softmax

from ..cases import ROWS, LayerCase, X, at, far_apart
from ..drawing import SEVERAL_FEATURES
from ..spec import LayerSpec

THREE_AXES = LayerCase(Softmax(), (2, 3, 4))
SPEC = LayerSpec(
    Softmax,
    cases={
        "": LayerCase(Softmax(), X),
        "two classes": LayerCase(Softmax(), (4, 2)),
        "one class": LayerCase(Softmax(), (4, 1), {"zero_ok": ("x",)}),  # the probability is 1 for every x
        "sharp": LayerCase(Softmax(), 3 * ROWS),
        "last axis of three": THREE_AXES,
    },
    draw=lambda draw, shape: Softmax(),
    inputs=SEVERAL_FEATURES,
    telling=[THREE_AXES, THREE_AXES.used_before(), *at(far_apart(3, 4), Softmax())],
)
