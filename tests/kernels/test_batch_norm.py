"""Batch normalization: the compiled kernels equal the definitions, also far from zero and for any number of threads."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import ACTIVATIONS, DTYPES, Compared, either, normal
from tinydl import kernels
from tinydl.kernels import LINEAR, RELU
from tinydl.kernels.batch_norm import WORK
from tinydl.kernels.machine.moments import CHUNK
from tinydl.kernels.machine.periods import PERIOD
from tinydl.kernels.machine.threads import parts_for, set_num_threads
from tinydl.layers import normalization

ROUNDING: dict[Any, float] = {np.float32: 2e-5, np.float64: 1e-12}
SUMS: dict[str, Any] = {"changes": ["dgamma", "dbeta"], "rounding": ROUNDING}
statistics = Compared("batch_norm_statistics", rounding=ROUNDING, floor=1)
forward = Compared("batch_norm_forward", rounding=ROUNDING)
add, gradient = Compared("add"), Compared("activation_gradient", returns=["dy"])
backward = Compared("batch_norm_backward", **SUMS)
add_normalized = Compared("add_normalized", rounding={**ROUNDING, np.complex128: 1e-12})
add_normalized_backward = Compared("add_normalized_backward", **SUMS, returns=["dy"])
EPSILON = 1e-3
SHAPES = [
    (1, 1), (1, 7), (5, 1), (7, 3), (2, 3, 5, 6), (3, 1, 2, 17), (4, 5, 3, 64), (3, PERIOD), (5, PERIOD + 1),
    (2, 3, 1000), (1031, 3), (CHUNK // 3 + 5, 3), (2 * CHUNK + 3, 1), (3, 37, 41, 16), (CHUNK // 16, 16),
]  # fmt: skip


def arrays(shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, ...]:
    """x, dy, mean, var, gamma, beta; x has both signs and an offset; mean and var are not its statistics."""
    c = shape[-1]
    x, dy, mean, var, gamma, beta = normal(dtype, shape, shape, c, c, c, c, seed=sum(shape))
    return 2 * x + dtype(0.5), dy, mean, var**2 + dtype(0.3), gamma, beta


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics(shape: tuple[int, ...]) -> None:
    for threads, dtype in itertools.product((1, 2), DTYPES):
        set_num_threads(threads)
        x = arrays(shape, dtype)[0]
        mean, var = statistics.twin(x)
        expected = statistics.definition(x.astype(np.float64))
        for actual, exact in zip((mean, var), expected, strict=True):
            assert (actual.shape, actual.dtype) == (shape[-1:], dtype)
            assert np.abs(actual - exact).max() <= ROUNDING[dtype] * max(1, np.abs(exact).max())
        assert (var >= 0).all()
        statistics.in_any_layout(x)


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(shape: tuple[int, ...]) -> None:
    for number, (activation, training) in enumerate(itertools.product(ACTIVATIONS.values(), (True, False))):
        dtype = DTYPES[(number + number // 2) % 2]  # each dtype in training and in inference
        set_num_threads(1 + number // 4)
        x, dy, *running, gamma, beta = arrays(shape, dtype)
        moments = tuple(statistics.definition(x)) if training else tuple(running)
        given = x, moments, gamma, beta, EPSILON, activation
        if activation == RELU:  # near relu's kink, rounding decides the side
            dy[np.abs(forward.definition(*given[:-1], LINEAR)[0]) < 1e-3] = 0
        (y,) = forward(*given)
        forward.in_any_layout(*given)
        sums = np.ones(shape[-1], dtype), np.full(shape[-1], 2, dtype)  # backward adds to these
        given = dy, x, y, moments, gamma, beta, EPSILON, activation, training, *sums
        (dx, *sums), (expected, *expected_sums) = backward.twin(*given), backward.definition(*given)
        assert (dx.shape, dx.dtype) == (shape, dtype)
        largest = np.abs(gamma / np.sqrt(moments[1] + EPSILON)).max() * np.abs(dy).max()  # before anything cancels
        assert np.abs(dx - expected).max() <= ROUNDING[dtype] * largest
        for actual, wanted in zip(sums, expected_sums, strict=True):
            assert (actual.shape, actual.dtype) == (shape[-1:], dtype)
            assert np.abs(actual - wanted).max() <= ROUNDING[dtype] * (np.abs(dy).sum() / shape[-1] + 2)
        backward.in_any_layout(*given, of=["dy", "x", "y"])
        np.testing.assert_array_equal(backward.twin(*given[:-2], None, None)[0], dx)  # a frozen layer
        np.testing.assert_array_equal(backward.definition(*given[:-2], None, None)[0], expected)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (1, 2, 2, 3), (2, 3, 1000), (CHUNK // 3 + 5, 3), (3, 37, 41, 16)])
def test_adding_in_the_same_pass_gives_the_bits_of_two_passes(shape: tuple[int, ...]) -> None:
    for number, (activation, training) in enumerate(itertools.product(ACTIVATIONS.values(), (True, False))):
        dtype = DTYPES[(number + number // 2) % 2]
        set_num_threads(1 + number // 4)
        x, dy, *moments, gamma, beta = arrays(shape, dtype)
        (around,) = normal(dtype, shape, seed=1)
        x.flat[:2], around.flat[2:4] = np.nan, np.nan
        given = tuple(moments), gamma, beta, EPSILON
        (y,) = add_normalized.twin(x, around, *given, activation)
        (normalized,) = forward.twin(x, *given, LINEAR)
        np.testing.assert_array_equal(y, add.twin(normalized, around, activation)[0], strict=True)
        add_normalized.in_any_layout(x, around, *given, activation, of=["x", "around"])
        for wanted in ([np.ones(shape[-1], dtype), np.full(shape[-1], 2, dtype)], [None, None]):
            rest = *given, activation, training, *wanted
            dx, da, *sums = add_normalized_backward.twin(dy, x, y, *rest)
            (slope,) = gradient.twin(dy, y, activation)
            expected, *expected_sums = backward.twin(slope, x, y, *given, LINEAR, training, *wanted)
            for actual, two_passes in zip([dx, da, *sums], [expected, slope, *expected_sums], strict=True):
                np.testing.assert_array_equal(actual, two_passes, strict=True)
            add_normalized_backward.in_any_layout(dy, x, y, *rest, of=["dy", "x", "y"])


def test_adding_compared_with_its_definition() -> None:
    for activation, dtype in itertools.product(ACTIVATIONS.values(), DTYPES):
        x, dy, *moments, gamma, beta = arrays((5, 4, 3, 6), dtype)
        given = tuple(moments), gamma, beta, EPSILON
        (y,) = add_normalized(x, -2 * x, *given, activation)
        add_normalized_backward(dy, x, y, *given, activation, True, np.ones(6, dtype), np.zeros(6, dtype))
    add_normalized(x, x * (1 + 1j), *given, RELU)  # the complex-step derivative needs complex inputs
    add_normalized(x * (1 + 1j), x, *given, RELU)
    with pytest.raises(
        ValueError, match=r"^add_normalized: both arrays must have the same shape, got \(5, 4, 3, 6\) and"
    ):
        add_normalized.twin(x, x[:4], *given, RELU)


def test_any_number_of_threads() -> None:
    """Outputs do not depend on the number of threads; statistics and sums do, by rounding: their terms change order."""
    for dtype in DTYPES:
        x, dy, *moments, gamma, beta = arrays((7, 63, 65, 32), dtype)
        runs = []
        for threads in (1, 2, 3):
            set_num_threads(threads)
            assert parts_for(x.size // 32, x.size * WORK) == threads
            for _ in range(2):
                (y,) = forward.twin(x, tuple(moments), gamma, beta, EPSILON, RELU)
                rest = tuple(moments), gamma, beta, EPSILON, LINEAR, True, np.zeros(32, dtype), np.zeros(32, dtype)
                runs.append([*statistics.twin(x), *backward.twin(dy, x, y, *rest), y])
            for first, second in zip(*runs[-2:], strict=True):  # the same bits in both runs
                np.testing.assert_array_equal(first, second)
        for run in runs[2:]:
            np.testing.assert_array_equal(run[-1], runs[0][-1])
            for actual, expected in zip(run, runs[0], strict=True):
                assert np.abs(actual - expected).max() <= ROUNDING[dtype] * np.abs(expected).max()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("shape", "offset"),
    [((2000, 3), 1e4), ((40_000, 5), -1e4), ((4, 60, 60, 16), 1e4), ((9, 40, 40, 64), -1e4), ((200, 700), 1e4)],
)
def test_statistics_far_from_zero(shape: tuple[int, ...], offset: float, threads: int) -> None:
    """For mean 1e4 and variance 1 in float32, E[x^2] - E[x]^2 has no correct digit; the kernel's variance has three."""
    set_num_threads(threads)
    x = (np.random.default_rng(0).standard_normal(shape) + offset).astype(np.float32)
    axes = tuple(range(x.ndim - 1))
    exact_mean, exact_var = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64)
    mean, var = statistics.twin(x)
    assert np.abs(mean - exact_mean).max() < 1e-2  # float32 numbers near 1e4 are 1e-3 apart
    assert np.abs(var / exact_var - 1).max() < 1e-3
    one_pass = (x * x).mean(axis=axes) - x.mean(axis=axes) ** 2
    assert np.abs(one_pass / exact_var - 1).max() > 1  # the reason for this test


def test_one_channel_far_away_does_not_disturb_the_others() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
    alone = statistics.twin(x)
    x[:, 1] = 1e30
    mean, var = statistics.twin(x)
    for with_it, without in zip((mean, var), alone, strict=True):
        np.testing.assert_array_equal(with_it[[0, 2]], without[[0, 2]])
    assert mean[1] == pytest.approx(1e30, rel=1e-6)


@either
def test_by_hand(mode: str) -> None:
    """Channel 0 holds 1 and 3, channel 1 holds 2 and 2."""
    x = np.array([[1.0, 2.0], [3.0, 2.0]])
    gamma, beta = np.array([2.0, 5.0]), np.array([1.0, -1.0])
    with kernels.using(mode):
        mean, var = normalization.batch_norm_statistics(x)
        y = normalization.batch_norm_forward(x, (mean, var), gamma, beta, 3.0, LINEAR)
        relu = normalization.batch_norm_forward(x, (mean, var), gamma, beta, 3.0, RELU)
        dgamma, dbeta = np.zeros(2), np.zeros(2)
        dy = np.array([[1.0, 1.0], [2.0, 3.0]])
        dx = normalization.batch_norm_backward(dy, x, y, (mean, var), gamma, beta, 3.0, LINEAR, True, dgamma, dbeta)
        fixed = normalization.batch_norm_backward(dy, x, y, (mean, var), gamma, beta, 3.0, LINEAR, False, dgamma, dbeta)
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


@either
@pytest.mark.parametrize("activation", [LINEAR, RELU])
def test_nan_passes_through_and_stays_in_its_channel(mode: str, activation: int) -> None:
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    x[2, 1] = np.nan
    ones = np.ones(3, np.float32)
    with kernels.using(mode):
        mean, var = normalization.batch_norm_statistics(x)
        fixed = normalization.batch_norm_forward(x, (ones, ones), ones, ones, EPSILON, activation)
        y = normalization.batch_norm_forward(x, (mean, var), ones, ones, EPSILON, activation)
    assert np.isnan(mean).tolist() == np.isnan(var).tolist() == [False, True, False]
    assert np.argwhere(np.isnan(fixed)).tolist() == [[2, 1]]
    assert np.isnan(y).all(axis=0).tolist() == np.isnan(y).any(axis=0).tolist() == [False, True, False]


def test_complex_numbers_go_to_the_definition() -> None:
    """The complex-step derivative needs complex inputs."""
    x, imaginary = normal(np.float64, (4, 3), (4, 3))
    x = x + 1e-20j * imaginary
    moments = tuple(statistics.twin(x))
    np.testing.assert_array_equal(moments, statistics.definition(x))
    given = x, moments, np.ones(3), np.zeros(3), EPSILON, RELU
    (y,) = forward.twin(*given)
    np.testing.assert_array_equal(y, forward.definition(*given)[0])
    assert (y.dtype, np.abs(y.imag).max() > 0) == (np.complex128, True)
