"""The squared error: the compiled kernels equal the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, normal

ROUNDING = {np.float32: 2e-6, np.float64: 2e-15}
value = Compared("mean_squared_error", rounding={each: 10 * rounding for each, rounding in ROUNDING.items()})
gradient = Compared("mean_squared_error_gradient", rounding=ROUNDING)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (64, 29), (2, 3, 4, 5)])
def test_mean_squared_error(shape: tuple[int, ...], dtype: Any) -> None:
    y_pred, y_true = normal(dtype, shape, shape)
    assert type(value(y_pred, y_true)[0]) is float
    gradient(y_pred, y_true)


def test_complex_numbers_go_to_the_definition() -> None:
    """The complex-step derivative needs complex inputs."""
    y_pred, y_true = normal(np.float64, 5, 5)
    (result,) = value(y_pred + 1e-20j, y_true)
    assert result.imag == pytest.approx(1e-20 * gradient(y_pred, y_true)[0].sum(), rel=1e-12)
