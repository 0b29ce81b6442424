"""The twin of the sum over rows equals its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, normal

SUM = Compared("over_rows", rounding={np.float32: 0, np.float64: 1e-14}, floor=1.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (1000, 17), (5, 4, 3, 2), (4, 0), (0, 3)])
def test_twin_equals_definition(shape: tuple[int, ...], dtype: Any) -> None:
    (x,) = normal(dtype, shape)
    SUM(x)
    SUM.in_any_layout(x)


def test_complex_numbers_stay_complex() -> None:
    x = np.array([[1 + 2j], [3 - 1j]])
    np.testing.assert_array_equal(SUM.pair.twin(x), [4 + 1j])
