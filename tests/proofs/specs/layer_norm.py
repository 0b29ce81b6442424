from tinydl.layers import LayerNorm

from ..cases import IMAGES, ROWS, LayerCase, X
from ..drawing import SEVERAL_FEATURES
from ..spec import LayerSpec

SPEC = LayerSpec(
    LayerNorm,
    cases={
        "": LayerCase(LayerNorm(), X),
        "equal sides": LayerCase(LayerNorm(0.2), (4, 4)),
        "images": LayerCase(LayerNorm(0.1), IMAGES),
        "one row": LayerCase(LayerNorm(), (1, 5)),
        "two features": LayerCase(LayerNorm(0.3), (6, 2)),
        "far from 0": LayerCase(LayerNorm(), 30 * (ROWS + 1)),
        "one feature": LayerCase(LayerNorm(), (4, 1), {"zero_ok": ("x", "gamma")}),  # with one feature, xhat is 0
    },
    draw=lambda draw, shape: LayerNorm(draw((1e-3, 1e-5, 0.1))),
    inputs=SEVERAL_FEATURES,
)
