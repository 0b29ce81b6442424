from tinydl.layer import Shape
from tinydl.layers import KLSparsity, Sequential, Sigmoid

from ..cases import RATES, LayerCase, at, rates
from ..drawing import ONLY_ROWS, Draw, random_rates
from ..spec import LayerSpec


def draw_one(draw: Draw, shape: Shape) -> KLSparsity:
    return KLSparsity(draw((0.1, 0.5, 0.9)), draw((0.5, 0.0, 2.0)))


EXTREME = rates(3, 6)
EXTREME[:, 0], EXTREME[:, -1] = 0, 1
SPEC = LayerSpec(
    KLSparsity,
    cases={"": LayerCase(KLSparsity(0.1, 0.5), RATES), "one row": LayerCase(KLSparsity(), RATES[:1])},
    draw=draw_one,
    inputs=ONLY_ROWS,
    data=random_rates,
    link=lambda draw, shape: Sequential([Sigmoid(), draw_one(draw, shape)]),  # KLSparsity needs inputs in [0, 1]
    telling=[
        *at(rates(3, 4), KLSparsity(0.2, 0.5)),
        LayerCase(KLSparsity(0.2, 0.5), rates(3, 4)).used_before(),
        *at(EXTREME, KLSparsity(0.2, 0.5)),
    ],
    usual=LayerCase(KLSparsity(0.1, 0.1), rates(32, 30)),
)
