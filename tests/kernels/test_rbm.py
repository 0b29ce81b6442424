"""The restricted Boltzmann machine: the compiled kernels equal the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, normal
from tinydl.kernels.machine import threads

ROUNDING = {np.float32: 2e-6, np.float64: 4e-15}
hidden = Compared("hidden_probabilities", rounding=ROUNDING)
visible = Compared("visible_probabilities", rounding=ROUNDING)
CHANGED = ["W", "b", "c", "velocity_W", "velocity_b", "velocity_c"]
update = Compared("update", changes=CHANGED, rounding=ROUNDING, floor=1.0)
SIZES = [(1, 1, 1), (10, 64, 256), (7, 9, 5), (3, 5, 9)]  # rows, visible, hidden


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_probabilities(size: tuple[int, int, int], dtype: Any) -> None:
    n, visible_units, hidden_units = size
    v, h, W, b, c = normal(
        dtype, (n, visible_units), (n, hidden_units), (hidden_units, visible_units), visible_units, hidden_units
    )
    hidden(v, W, c)
    visible(h, W, b)
    hidden(100 * v, 100 * W, c)  # nothing overflows
    hidden.in_any_layout(v, W, c, of=("v", "W"))
    visible.in_any_layout(h, W, b, of=("h", "W"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.0, 0.1), (0.9, 0.0), (0.9, 0.1)])
def test_update(size: tuple[int, int, int], dtype: Any, momentum: float, weight_decay: float) -> None:
    n, visible_units, hidden_units = size
    layers = (hidden_units, visible_units), visible_units, hidden_units
    arguments = normal(
        dtype, (n, visible_units), (n, hidden_units), (n + 2, visible_units), (n + 2, hidden_units), *layers, *layers
    )
    changed = update(*arguments, 0.05, momentum, weight_decay)
    for before, after in zip(arguments[4:7], changed[:3], strict=True):
        assert not np.array_equal(after, before)
    for before, after in zip(arguments[7:], changed[3:], strict=True):
        assert np.array_equal(after, before) == (momentum == 0)
    update.in_any_layout(*arguments, 0.05, momentum, weight_decay, of=("v", "p"))


def test_large_products_are_shared_among_threads() -> None:
    before = threads.num_threads()
    v, h, W, b, c = normal(np.float64, (90, 200), (90, 150), (150, 200), 200, 150)
    try:
        threads.set_num_threads(3)
        assert len(v) * W.size > threads.WORTH_SHARING
        hidden(v, W, c)
        visible(h, W, b)
        update(v, h, v[:80], h[:80], W, b, c, W, b, c, 0.05, 0.9, 0.1)
    finally:
        threads.set_num_threads(before)
