from tinydl.layers import ActivityL1

from ..cases import SPARSE, LayerCase, at, away_from_0, with_a_0
from ..drawing import ONLY_ROWS, random_off_zero
from ..spec import LayerSpec

AWAY = LayerCase(ActivityL1(0.5), away_from_0(3, 4))
SPEC = LayerSpec(
    ActivityL1,
    cases={"": LayerCase(ActivityL1(0.5), SPARSE), "one row": LayerCase(ActivityL1(0.5), SPARSE[:1])},
    draw=lambda draw, shape: ActivityL1(draw((0.5, 0.0, 1e-3))),
    inputs=ONLY_ROWS,
    data=random_off_zero,
    telling=[AWAY, AWAY.used_before(), *at(with_a_0(3, 4), ActivityL1(0.5))],
)
