from tinydl.layers import PadChannels

from ..cases import IMAGES, LayerCase, UsedBefore, X, at
from ..drawing import SOME_AXES
from ..spec import LayerSpec

SPEC = LayerSpec(
    PadChannels,
    cases={
        "": LayerCase(PadChannels(8), X),
        "images": LayerCase(PadChannels(5), IMAGES),
        "no channels added": LayerCase(PadChannels(3), IMAGES),
    },
    draw=lambda draw, shape: PadChannels(shape[-1] + draw(range(5))),
    inputs=SOME_AXES,
    telling=[
        *at((3, 3), PadChannels(5), PadChannels(3), UsedBefore(PadChannels(4))),
        *at((3, 4, 5, 2), PadChannels(3), UsedBefore(PadChannels(5))),
    ],
    usual=LayerCase(PadChannels(16), (2, 8, 8, 8)),
)
