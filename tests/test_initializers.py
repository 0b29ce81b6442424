"""Initial weights: their distribution (as in the docstrings), dtype and seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinydl.initializers import INITIALIZERS, fans, glorot_normal, glorot_uniform, he_normal, he_uniform, zeros

SHAPE = (300, 500)  # 150,000 draws: a variance is accurate to about 0.4 %
VARIANCES = {
    "glorot_uniform": 2 / 800,
    "glorot_normal": 2 / 800,
    "he_uniform": 2 / 300,
    "he_normal": 2 / 300,
}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((7, 3), (7, 3)), ((3, 3, 16, 32), (144, 288)), ((2, 5, 1, 8), (10, 80)), ((1, 1), (1, 1))],
)
def test_fans(shape: Any, expected: Any) -> None:
    assert fans(shape) == expected


@pytest.mark.parametrize("name", VARIANCES)
def test_mean_and_variance(name: str) -> None:
    W = INITIALIZERS[name](SHAPE, np.random.default_rng(0), np.float64)
    assert W.shape == SHAPE
    assert abs(W.mean()) < 4 * math.sqrt(VARIANCES[name] / W.size)
    assert W.var() == pytest.approx(VARIANCES[name], rel=0.02)


@pytest.mark.parametrize(("initializer", "limit"), [(glorot_uniform, 6 / 800), (he_uniform, 6 / 300)])
def test_the_uniform_ones_fill_their_interval_evenly(initializer: Any, limit: float) -> None:
    a = math.sqrt(limit)
    W = initializer(SHAPE, np.random.default_rng(0), np.float64)
    assert -a <= W.min() < -0.999 * a
    assert 0.999 * a < W.max() <= a
    counts = np.histogram(W, bins=10, range=(-a, a))[0]
    np.testing.assert_allclose(counts, W.size / 10, rtol=0.04)


@pytest.mark.parametrize("initializer", [glorot_normal, he_normal])
def test_the_normal_ones_have_a_normal_tail(initializer: Any) -> None:
    W = initializer(SHAPE, np.random.default_rng(0), np.float64)
    z = np.abs(W) / W.std()
    assert np.mean(z < 1) == pytest.approx(0.6827, abs=0.005)
    assert np.mean(z < 2) == pytest.approx(0.9545, abs=0.003)
    assert z.max() > 4  # not truncated


def test_a_convolution_counts_its_receptive_field() -> None:
    W = he_normal((5, 5, 8, 200), np.random.default_rng(0), np.float64)
    assert W.var() == pytest.approx(2 / 200, rel=0.03)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_and_layout(name: str, dtype: Any) -> None:
    W = INITIALIZERS[name]((4, 3), np.random.default_rng(0), dtype)
    assert W.dtype == dtype
    assert W.flags.c_contiguous
    assert INITIALIZERS[name]((4, 3), np.random.default_rng(0)).dtype == np.float32


@pytest.mark.parametrize("name", VARIANCES)
def test_seeds_decide_and_both_dtypes_start_at_the_same_point(name: str) -> None:
    def draw(seed: int, dtype: Any = np.float64) -> np.ndarray:
        return INITIALIZERS[name]((6, 5), np.random.default_rng(seed), dtype)

    np.testing.assert_array_equal(draw(3), draw(3))
    assert (draw(3) != draw(4)).all()
    np.testing.assert_array_equal(draw(3, np.float32), draw(3).astype(np.float32))


def test_one_generator_gives_new_numbers_each_time_and_the_global_state_is_not_touched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    rng = np.random.default_rng(0)
    assert (he_normal((3, 3), rng) != he_normal((3, 3), rng)).all()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_zeros() -> None:
    W = zeros((3, 2), np.random.default_rng(0), np.float32)
    assert W.tolist() == [[0.0, 0.0]] * 3


def test_every_initializer_is_tried_here() -> None:
    assert set(INITIALIZERS) == {*VARIANCES, "zeros"}
