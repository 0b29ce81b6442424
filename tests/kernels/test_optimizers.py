"""Optimizer steps: compiled kernels against the definitions, any number of threads, tiny and NaN moments."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, either, normal
from tinydl import kernels, optimizers
from tinydl.kernels.machine.threads import WORTH_SHARING, set_num_threads
from tinydl.kernels.optimizers import COST

SMALL = WORTH_SHARING // COST  # entries: fewer are not shared
ROUNDING = {np.float32: 2e-6, np.float64: 2e-15}
sgd = Compared("sgd", changes=["p", "v"], rounding=ROUNDING, floor=1)
rmsprop = Compared("rmsprop", changes=["p", "v"], rounding=ROUNDING, floor=1)
adam = Compared("adam", changes=["p", "m", "v"], rounding=ROUNDING, floor=1)
sum_of_squares = Compared("sum_of_squares", rounding={np.float64: 1e-14})

# By name: the compared kernel, the number of slots, and the arguments that follow the slots.
STEPS: dict[str, tuple[Compared, int, list[Any]]] = {
    "sgd": (sgd, 0, [0.1, 0.0, False]),
    "momentum": (sgd, 1, [0.1, 0.9, False]),
    "nesterov": (sgd, 1, [0.1, 0.9, True]),
    "rmsprop": (rmsprop, 1, [0.01, 0.9, 1e-8]),
    "rmsprop, large epsilon": (rmsprop, 1, [0.01, 0.9, 1e-2]),
    "adam": (adam, 2, [5, 0.01, 0.9, 0.999, 1e-8]),
    "adam, first step": (adam, 2, [1, 0.01, 0.9, 0.999, 1e-8]),
    "adam, large epsilon": (adam, 2, [5, 0.01, 0.9, 0.999, 1e-2]),
}
WITH_MOMENTS = ["momentum", "nesterov", "rmsprop", "adam"]


def arguments(name: str, dtype: Any, size: int, weight_decay: float = 0.0) -> tuple[Compared, list[Any]]:
    """p, g, the slots (v is empty for SGD without momentum), and the remaining arguments."""
    compared, slots, hyper = STEPS[name]
    p, g, *state = normal(dtype, *[size] * (2 + slots))
    state = [np.abs(slot) for slot in state] or [p[:0]]
    return compared, [p, g, *state, *hyper, *([] if compared is rmsprop else [weight_decay])]


@pytest.mark.parametrize("name", STEPS)
def test_a_step(name: str) -> None:
    for dtype, size, weight_decay in itertools.product(DTYPES, (1, 7, 1000), (0.0, 0.1)):
        compared, given = arguments(name, dtype, size, weight_decay)
        for _ in range(3):
            changed = compared(*given)
            given[0], given[2 : 1 + len(changed)] = changed[0], changed[1:]


@pytest.mark.parametrize("name", ["sgd", *WITH_MOMENTS])
def test_long_vectors_are_stepped_to_the_bit_as_by_one_thread(name: str) -> None:
    for dtype, size in zip(DTYPES, (int(2 * SMALL) + 3, int(SMALL) + 1), strict=True):
        set_num_threads(1)
        compared, given = arguments(name, dtype, size, 0.1)
        expected = compared(*given)
        for threads in (2, 3):
            set_num_threads(threads)
            for actual, wanted in zip(compared.twin(*given), expected, strict=True):
                np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WITH_MOMENTS)
def test_subnormal_moments_become_zero_and_normal_ones_stay(name: str, dtype: Any) -> None:
    tiny = np.finfo(dtype).tiny
    compared, given = arguments(name, dtype, 3)
    given[:2] = np.zeros(3, dtype), np.zeros(3, dtype)
    slots = len(compared.changes) - 1
    given[2 : 2 + slots] = (np.array([tiny / 4, tiny, 4 * tiny], dtype) for _ in range(slots))
    for slot in compared.twin(*given)[1:]:
        assert slot[0] == 0  # was subnormal before
        assert slot[1] == 0  # became subnormal: 0.9 tiny, 0.999 tiny
        assert slot[2] > tiny


@pytest.mark.parametrize("name", WITH_MOMENTS)
def test_a_moment_of_nan_stays_nan_and_a_silent_parameter_does_not_move(name: str) -> None:
    compared, given = arguments(name, np.float64, 2)
    given[:2] = np.ones(2), np.array([np.nan, 0])
    slots = len(compared.changes) - 1
    given[2 : 2 + slots] = (np.zeros(2) for _ in range(slots))
    p, *state = compared.twin(*given)
    assert np.isnan([p[0], state[0][0]]).all()
    assert p[1] == 1


@either
def test_sum_of_squares(mode: str) -> None:
    for dtype, size in itertools.product(DTYPES, (0, 1, 7, 1000)):
        (v,) = normal(dtype, size)
        assert sum_of_squares(v)[0] == pytest.approx(float((v.astype(np.float64) ** 2).sum()), rel=1e-14)
    with kernels.using(mode):  # computed in float64, where the square of a float32 cannot overflow
        assert optimizers.sum_of_squares(np.full(25, 1e20, np.float32)) == pytest.approx(2.5e41, rel=1e-6)
