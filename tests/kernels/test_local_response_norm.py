"""Local response normalisation: the compiled kernels are the plain NumPy ones, and those the formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import reference
from tinydl.kernels.threads import set_num_threads

COMPILED = kernels._COMPILED
DTYPES = [np.float32, np.float64]
ROUNDING = {np.float32: 2e-6, np.float64: 1e-12}  # of the largest entry


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert np.abs(actual - expected).max() <= ROUNDING[expected.dtype.type] * np.abs(expected).max()


def normal(dtype: Any, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 1, 1, 1), (3, 2, 1, 7), (2, 5), (1, 4, 3, 32)])
@pytest.mark.parametrize(
    ("alpha", "beta", "k"), [(1e-4, 0.75, 2.0), (0.3, 0.75, 0.5), (0.3, 0.5, 0.5), (2.0, 1.5, 1.0)]
)
def test_local_response_norm(
    shape: tuple[int, ...], size: int, alpha: float, beta: float, k: float, dtype: Any
) -> None:
    x, dy = normal(dtype, *shape), normal(dtype, *shape[::-1]).reshape(shape)
    y, s = COMPILED["local_response_norm_forward"](x, size, alpha, beta, k)
    expected, expected_s = reference.local_response_norm_forward(x, size, alpha, beta, k)
    close(y, expected)
    close(s, expected_s)
    before = [array.copy() for array in (x, dy, s)]
    dx = COMPILED["local_response_norm_backward"](dy, x, s, size, alpha, beta)
    close(dx, reference.local_response_norm_backward(dy, x, s, size, alpha, beta))
    for array, old in zip((x, dy, s), before, strict=True):
        np.testing.assert_array_equal(array, old)
        assert not np.shares_memory(array, dx)
    spread = [np.repeat(array, 2, axis=-1)[..., ::2] for array in (dy, x, s)]
    np.testing.assert_array_equal(COMPILED["local_response_norm_backward"](*spread, size, alpha, beta), dx)
    np.testing.assert_array_equal(COMPILED["local_response_norm_forward"](spread[1], size, alpha, beta, k)[0], y)


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize(("size", "around"), [(1, [1, 4, 9, 16]), (2, [1, 5, 13, 25]), (3, [5, 14, 29, 25])])
def test_by_hand(which: str, size: int, around: list[int]) -> None:
    """Channels 1, 2, 3, 4; an even size looks one further to the left: j - size // 2 .. j - size // 2 + size - 1."""
    x = np.arange(1.0, 5.0).reshape(1, 1, 1, 4)
    with kernels.using(which):
        y, s = kernels.local_response_norm_forward(x, size, 0.5, 2.0, 3.0)
    np.testing.assert_allclose(s.ravel(), 3 + 0.5 * np.array(around), rtol=1e-15)
    np.testing.assert_allclose(y.ravel(), x.ravel() / (3 + 0.5 * np.array(around)) ** 2, rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_of_threads(dtype: Any) -> None:
    x, dy = normal(dtype, 3, 31, 33, 64), normal(dtype, 64, 33, 31, 3).reshape(3, 31, 33, 64)
    expected, s = reference.local_response_norm_forward(x, 5, 0.1, 0.75, 2.0)
    expected_dx = reference.local_response_norm_backward(dy, x, s, 5, 0.1, 0.75)
    runs = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        runs.append(COMPILED["local_response_norm_forward"](x, 5, 0.1, 0.75, 2.0)[0])
        close(runs[-1], expected)
        close(COMPILED["local_response_norm_backward"](dy, x, s, 5, 0.1, 0.75), expected_dx)
    for run in runs:
        np.testing.assert_array_equal(run, runs[0])


@pytest.mark.parametrize("which", ["compiled", "reference"])
def test_nan_stays_with_its_neighbours(which: str) -> None:
    x = np.ones((1, 1, 2, 6), np.float32)
    x[0, 0, 0, 0] = np.nan
    with kernels.using(which):
        y, _ = kernels.local_response_norm_forward(x, 3, 0.1, 0.75, 2.0)
    assert np.isnan(y[0, 0, 0]).tolist() == [True, True, False, False, False, False]
    assert np.isfinite(y[0, 0, 1]).all()
