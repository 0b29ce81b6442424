from tinydl.layers import GlobalAveragePool2D

from ..cases import LayerCase
from ..drawing import ONLY_IMAGES
from ..spec import LayerSpec

SPEC = LayerSpec(
    GlobalAveragePool2D,
    cases={
        "": LayerCase(GlobalAveragePool2D(), (2, 3, 4, 2)),
        "one pixel": LayerCase(GlobalAveragePool2D(), (3, 1, 1, 4)),
    },
    draw=lambda draw, shape: GlobalAveragePool2D(),
    inputs=ONLY_IMAGES,
)
