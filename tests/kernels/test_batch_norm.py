"""Batch normalisation: the compiled kernels are the plain NumPy ones, and those the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH, reference
from tinydl.kernels.batch_norm import CHUNK, PERIOD, WORK
from tinydl.kernels.threads import parts_for, set_num_threads

COMPILED = kernels._COMPILED
DTYPES = [np.float32, np.float64]
ROUNDING = {np.float32: 2e-5, np.float64: 1e-12}  # of the largest entry
EPSILON = 1e-3
SHAPES = [
    (1, 1), (1, 7), (5, 1), (7, 3), (2, 3, 5, 6), (3, 1, 2, 17), (4, 5, 3, 64), (3, PERIOD), (5, PERIOD + 1),
    (2, 3, 1000), (1031, 3), (CHUNK // 3 + 5, 3), (2 * CHUNK + 3, 1), (3, 37, 41, 16), (CHUNK // 16, 16),
]  # fmt: skip


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert np.abs(actual - expected).max() <= ROUNDING[expected.dtype.type] * np.abs(expected).max()


def normal(dtype: Any, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((sum(shape), seed)).standard_normal(shape).astype(dtype)


def arrays(shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, ...]:
    """x, dy, mean, var, gamma, beta; mean and var are not those of x, which has both signs and an offset."""
    c = shape[-1]
    x, dy = 2 * normal(dtype, *shape) + dtype(0.5), normal(dtype, *shape, seed=1)
    mean, gamma, beta = (normal(dtype, c, seed=k) for k in (2, 3, 4))
    return x, dy, mean, normal(dtype, c, seed=5) ** 2 + dtype(0.3), gamma, beta


def spread(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 2, axis=-1)[..., ::2]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_statistics(shape: tuple[int, ...], dtype: Any, threads: int) -> None:
    set_num_threads(threads)
    x = arrays(shape, dtype)[0]
    before = x.copy()
    mean, var = COMPILED["batch_norm_statistics"](x)
    expected_mean, expected_var = reference.batch_norm_statistics(x.astype(np.float64))
    for actual, expected in ((mean, expected_mean), (var, expected_var)):
        assert (actual.shape, actual.dtype) == (shape[-1:], dtype)
        assert np.abs(actual - expected).max() <= ROUNDING[dtype] * max(1, np.abs(expected).max())
    assert (var >= 0).all()
    np.testing.assert_array_equal(x, before)
    for again in (COMPILED["batch_norm_statistics"](x), COMPILED["batch_norm_statistics"](spread(x))):
        np.testing.assert_array_equal(again, (mean, var))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [LINEAR, RELU, SIGMOID, TANH])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(shape: tuple[int, ...], activation: int, dtype: Any, threads: int) -> None:
    set_num_threads(threads)
    x, dy, *running, gamma, beta = arrays(shape, dtype)
    c = shape[-1:]
    for training in (True, False):
        mean, var = reference.batch_norm_statistics(x) if training else running
        forward = (x, mean, var, gamma, beta, EPSILON, activation)
        if activation == RELU:  # at its kink, rounding decides which side it is
            dy[np.abs(reference.batch_norm_forward(*forward[:-1], LINEAR)) < 1e-3] = 0
        before = [array.copy() for array in (x, dy, mean, var, gamma, beta)]
        y = COMPILED["batch_norm_forward"](*forward)
        close(y, reference.batch_norm_forward(*forward))
        np.testing.assert_array_equal(COMPILED["batch_norm_forward"](spread(x), *forward[1:]), y)
        rest = (mean, var, gamma, beta, EPSILON, activation, training)
        sums, expected_sums, again = ([np.ones(c, dtype), np.full(c, 2, dtype)] for _ in range(3))  # which it adds to
        dx = COMPILED["batch_norm_backward"](dy, x, y, *rest, *sums)
        expected = reference.batch_norm_backward(dy, x, y, *rest, *expected_sums)
        assert (dx.shape, dx.dtype) == (shape, dtype)
        largest = np.abs(gamma / np.sqrt(var + EPSILON)).max() * np.abs(dy).max()  # before anything cancels
        assert np.abs(dx - expected).max() <= ROUNDING[dtype] * largest
        for actual, wanted in zip(sums, expected_sums, strict=True):
            assert (actual.shape, actual.dtype) == (c, dtype)
            assert np.abs(actual - wanted).max() <= ROUNDING[dtype] * (np.abs(dy).sum() / c[0] + 2)
        same = COMPILED["batch_norm_backward"](spread(dy), spread(x), spread(y), *rest, *again)
        for actual, wanted in zip([same, *again], [dx, *sums], strict=True):
            np.testing.assert_array_equal(actual, wanted)
        for array, old in zip((x, dy, mean, var, gamma, beta), before, strict=True):
            np.testing.assert_array_equal(array, old)
            assert not np.shares_memory(array, dx)
            assert not np.shares_memory(array, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_of_threads(dtype: Any) -> None:
    """Values do not depend on who computes them; the statistics and sums, put together otherwise, do by rounding."""
    x, dy, *vectors = arrays((7, 63, 65, 32), dtype)
    set_num_threads(2)
    assert parts_for(x.size // 32, x.size * WORK) == 2
    runs = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        for _ in range(2):
            mean, var = COMPILED["batch_norm_statistics"](x)
            y = COMPILED["batch_norm_forward"](x, *vectors, EPSILON, RELU)
            sums = [np.zeros(32, dtype), np.zeros(32, dtype)]
            dx = COMPILED["batch_norm_backward"](dy, x, y, *vectors, EPSILON, LINEAR, True, *sums)
            runs.append([mean, var, dx, *sums, y])
        for first, second in zip(*runs[-2:], strict=True):  # the same bits twice
            np.testing.assert_array_equal(first, second)
    for run in runs[2:]:
        np.testing.assert_array_equal(run[-1], runs[0][-1])
        for actual, expected in zip(run, runs[0], strict=True):
            assert np.abs(actual - expected).max() <= ROUNDING[dtype] * np.abs(expected).max()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(2000, 3), (40_000, 5), (4, 60, 60, 16), (9, 40, 40, 64), (200, 700)])
@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_statistics_far_from_zero(offset: float, shape: tuple[int, ...], threads: int) -> None:
    """Mean 1e4 and standard deviation 1, in float32: where E[x^2] - E[x]^2 has no correct digit, ours has three."""
    set_num_threads(threads)
    x = (np.random.default_rng(0).standard_normal(shape) + offset).astype(np.float32)
    axes = tuple(range(x.ndim - 1))
    exact_mean, exact_var = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64)
    mean, var = COMPILED["batch_norm_statistics"](x)
    assert np.abs(mean - exact_mean).max() < 1e-2  # a float32 near 1e4 has steps of 1e-3
    assert np.abs(var / exact_var - 1).max() < 1e-3
    one_pass = (x * x).mean(axis=axes) - x.mean(axis=axes) ** 2
    assert np.abs(one_pass / exact_var - 1).max() > 1  # what this test is for


def test_one_channel_far_away_does_not_disturb_the_others() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
    alone = COMPILED["batch_norm_statistics"](x)
    x[:, 1] = 1e30
    mean, var = COMPILED["batch_norm_statistics"](x)
    for with_it, without in zip((mean, var), alone, strict=True):
        np.testing.assert_array_equal(with_it[[0, 2]], without[[0, 2]])
    assert mean[1] == pytest.approx(1e30, rel=1e-6)


@pytest.mark.parametrize("which", ["compiled", "reference"])
def test_by_hand(which: str) -> None:
    """Channel 0: 1, 3; channel 1: 2, 2."""
    x = np.array([[1.0, 2.0], [3.0, 2.0]])
    gamma, beta = np.array([2.0, 5.0]), np.array([1.0, -1.0])
    with kernels.using(which):
        mean, var = kernels.batch_norm_statistics(x)
        y = kernels.batch_norm_forward(x, mean, var, gamma, beta, 3.0, LINEAR)
        relu = kernels.batch_norm_forward(x, mean, var, gamma, beta, 3.0, RELU)
        dgamma, dbeta = np.zeros(2), np.zeros(2)
        dy = np.array([[1.0, 1.0], [2.0, 3.0]])
        dx = kernels.batch_norm_backward(dy, x, y, mean, var, gamma, beta, 3.0, LINEAR, True, dgamma, dbeta)
        fixed = kernels.batch_norm_backward(dy, x, y, mean, var, gamma, beta, 3.0, LINEAR, False, dgamma, dbeta)
    assert mean.tolist() == [2, 2]
    assert var.tolist() == [1, 0]  # divided by n
    np.testing.assert_allclose(y, [[0, -1], [2, -1]], atol=1e-15)  # xhat = (x - 2) / sqrt(1 + 3)
    np.testing.assert_allclose(relu, [[0, 0], [2, 0]], atol=1e-15)
    np.testing.assert_allclose(dbeta, [2 * 3, 2 * 4])  # both calls added
    np.testing.assert_allclose(dgamma, [2 * 0.5, 0])  # sum dy xhat = (2 - 1) / 2
    # channel 0: s = 1/2, g = 2 dy = (2, 4), mean(g) = 3, mean(g xhat) = 1/2: g - 3 - xhat / 2 = (-3/4, 3/4)
    np.testing.assert_allclose(dx[:, 0], [-3 / 8, 3 / 8], rtol=1e-14)
    np.testing.assert_allclose(dx[:, 1], np.array([-5.0, 5.0]) / np.sqrt(3), rtol=1e-14)
    np.testing.assert_allclose(fixed, dy * gamma / np.sqrt(var + 3), rtol=1e-14)


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize("activation", [LINEAR, RELU])
def test_nan_passes_through_and_stays_in_its_channel(which: str, activation: int) -> None:
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    x[2, 1] = np.nan
    with kernels.using(which):
        mean, var = kernels.batch_norm_statistics(x)
        fixed = kernels.batch_norm_forward(x, *np.ones((4, 3), np.float32), EPSILON, activation)
        y = kernels.batch_norm_forward(x, mean, var, *np.ones((2, 3), np.float32), EPSILON, activation)
    assert np.isnan(mean).tolist() == np.isnan(var).tolist() == [False, True, False]
    assert np.argwhere(np.isnan(fixed)).tolist() == [[2, 1]]
    assert np.isnan(y).all(axis=0).tolist() == np.isnan(y).any(axis=0).tolist() == [False, True, False]


def test_complex_numbers_take_the_plain_way() -> None:
    """For the complex-step derivative."""
    x = normal(np.float64, 4, 3) + 1e-20j * normal(np.float64, 4, 3, seed=1)
    mean, var = COMPILED["batch_norm_statistics"](x)
    np.testing.assert_array_equal((mean, var), reference.batch_norm_statistics(x))
    y = COMPILED["batch_norm_forward"](x, mean, var, np.ones(3), np.zeros(3), EPSILON, RELU)
    np.testing.assert_array_equal(y, reference.batch_norm_forward(x, mean, var, np.ones(3), np.zeros(3), EPSILON, RELU))
    assert (y.dtype, np.abs(y.imag).max() > 0) == (np.complex128, True)
