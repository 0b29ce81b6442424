"""Pooling: the compiled kernels are the plain NumPy ones, and the rules for ties, padding and NaN."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import reference
from tinydl.kernels.threads import set_num_threads

COMPILED = kernels._COMPILED
DTYPES = [np.float32, np.float64]
ROUNDING = {np.float32: 2e-6, np.float64: 1e-12}  # of the largest entry
NONE = ((0, 0), (0, 0))
BOTH = pytest.mark.parametrize("which", ["compiled", "reference"])


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert np.abs(actual - expected).max() <= ROUNDING[expected.dtype.type] * np.abs(expected).max()


def both_ways(x: np.ndarray, kh: int, kw: int, sh: int, sw: int, padding: Any) -> None:
    """Maximum and mean, forward and backward, compiled and plain; nothing given is written to."""
    window = kh, kw, sh, sw, padding
    y, where = COMPILED["max_pool_forward"](x, *window)
    expected, expected_where = reference.max_pool_forward(x, *window)
    assert where.dtype == expected_where.dtype == np.uint16
    np.testing.assert_array_equal(y, expected, strict=True)
    np.testing.assert_array_equal(where, expected_where, strict=True)
    mean = COMPILED["average_pool_forward"](x, *window)
    close(mean, reference.average_pool_forward(x, *window))
    dy = np.random.default_rng(9).standard_normal(y.shape).astype(x.dtype)
    given = [x, y, where, mean, dy]
    before = [array.copy() for array in given]
    dx = COMPILED["max_pool_backward"](dy, where, x.shape, *window)
    close(dx, reference.max_pool_backward(dy, where, x.shape, *window))
    np.testing.assert_allclose(dx.sum(), dy.sum(), atol=1e-3 if x.dtype == np.float32 else 1e-10)  # nothing is lost
    close(
        COMPILED["average_pool_backward"](dy, x.shape, *window), reference.average_pool_backward(dy, x.shape, *window)
    )
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)


WINDOWS = [(1, 1), (2, 2), (3, 3), (2, 3), (3, 2), (1, 4), (4, 1)]
STRIDES = [(1, 1), (2, 2), (3, 3), (2, 1), (1, 3)]  # overlapping, side by side, with gaps
PADDINGS = [NONE, ((1, 1), (1, 1)), ((1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, 1), (0, 1)), ((2, 1), (0, 2))]


def holds_pixels(size: int, window: int, stride: int, padding: tuple[int, int]) -> bool:
    """Whether every window along a side holds at least one pixel (layers refuse all else)."""
    last = (reference.output_size(size, window, stride, padding) - 1) * stride
    return window <= size + sum(padding) and padding[0] < window and last < size + padding[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize(("kh", "kw"), WINDOWS)
def test_pooling(kh: int, kw: int, padding: Any, dtype: Any) -> None:
    images = [(2, 7, 5, 3), (1, 6, 8, 1), (3, 4, 6, 2), (1, 4, 4, 17)]
    tried = 0
    for (n, h, w, c), (sh, sw) in itertools.product(images, STRIDES):
        if holds_pixels(h, kh, sh, padding[0]) and holds_pixels(w, kw, sw, padding[1]):
            tried += 1
            x = np.random.default_rng(tried).standard_normal((n, h, w, c)).astype(dtype)
            both_ways(x, kh, kw, sh, sw, padding)
            both_ways(x.round() - 9, kh, kw, sh, sw, padding)  # ties everywhere, and all below the padding's 0
    assert tried >= 4 or padding[0][0] >= kh or padding[1][0] >= kw or 1 in (kh, kw)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_any_layout(dtype: Any) -> None:
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 3)).astype(dtype)
    window = 3, 2, 2, 1, ((1, 0), (0, 1))
    y, where = COMPILED["max_pool_forward"](x, *window)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)

    def results(x: np.ndarray, dy: np.ndarray, where: np.ndarray) -> list[np.ndarray]:
        return [
            *COMPILED["max_pool_forward"](x, *window), COMPILED["average_pool_forward"](x, *window),
            COMPILED["max_pool_backward"](dy, where, x.shape, *window),
            COMPILED["average_pool_backward"](dy, x.shape, *window),
        ]  # fmt: skip

    expected = results(x, dy, where)
    for other in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=2)[:, :, ::2], lambda a: a[::-1].copy()[::-1]):
        for actual, wanted in zip(results(other(x), other(dy), where), expected, strict=True):
            np.testing.assert_array_equal(actual, wanted)
    for one, another in itertools.combinations([x, dy, where, *expected], 2):
        assert not np.shares_memory(one, another)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("kh", "kw", "strides", "padding"),
    [(3, 3, 1, ((1, 1), (1, 1))), (2, 2, 2, NONE), (3, 2, 2, ((1, 0), (0, 1))), (2, 2, 3, NONE)],
)
def test_any_number_of_threads(kh: int, kw: int, strides: int, padding: Any, dtype: Any) -> None:
    """To the bit: which thread an image goes to changes nothing in it."""
    x = np.random.default_rng(0).standard_normal((7, 57, 43, 64)).astype(dtype)
    window = kh, kw, strides, strides, padding
    runs = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        y, where = COMPILED["max_pool_forward"](x, *window)
        mean = COMPILED["average_pool_forward"](x, *window)
        backward = [
            COMPILED["max_pool_backward"](mean, where, x.shape, *window),
            COMPILED["average_pool_backward"](mean, x.shape, *window),
        ]
        runs.append([y, where, mean, *backward])
    np.testing.assert_array_equal(runs[0][0], reference.max_pool_forward(x, *window)[0])
    close(runs[0][3], reference.max_pool_backward(runs[0][2], runs[0][1], x.shape, *window))
    for run in runs[1:]:
        for actual, expected in zip(run, runs[0], strict=True):
            np.testing.assert_array_equal(actual, expected)


# --- rules ------------------------------------------------------------------------------------------------------------


def image(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float64)[None, ..., None]


@BOTH
def test_the_books_example_by_hand(which: str) -> None:
    """2x2 windows with strides of 2 on a 4x4 image."""
    x = image([1, 3, 2, 4], [5, 6, 1, 2], [7, 2, 4, 1], [0, 8, 3, 2])
    dy = image([10, 20], [30, 40])
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x, 2, 2, 2, 2, NONE)
        assert y[0, ..., 0].tolist() == [[6, 4], [8, 4]]
        assert where[0, ..., 0].tolist() == [[3, 1], [3, 0]]
        dx = kernels.max_pool_backward(dy, where, x.shape, 2, 2, 2, 2, NONE)
        assert dx[0, ..., 0].tolist() == [[0, 0, 0, 20], [0, 10, 0, 0], [0, 0, 40, 0], [0, 30, 0, 0]]
        mean = kernels.average_pool_forward(x, 2, 2, 2, 2, NONE)
        assert mean[0, ..., 0].tolist() == [[3.75, 2.25], [4.25, 2.5]]
        dx = kernels.average_pool_backward(dy, x.shape, 2, 2, 2, 2, NONE)
        assert dx[0, ..., 0].tolist() == [[2.5, 2.5, 5, 5], [2.5, 2.5, 5, 5], [7.5, 7.5, 10, 10], [7.5, 7.5, 10, 10]]


@BOTH
def test_of_equal_entries_the_first_wins_and_gets_all(which: str) -> None:
    x = np.full((1, 4, 4, 2), 7.0)
    with kernels.using(which):
        _, where = kernels.max_pool_forward(x, 2, 2, 2, 2, NONE)
        assert not where.any()
        dx = kernels.max_pool_backward(np.ones((1, 2, 2, 2)), where, x.shape, 2, 2, 2, 2, NONE)
        assert dx[0, ..., 1].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
        x = image([1, 2, 9], [9, 9, 9])  # reading order: right before down
        assert kernels.max_pool_forward(x, 2, 3, 1, 1, NONE)[1].item() == 2
        x = image([0.0, -0.0], [-0.0, 0.0])
        assert kernels.max_pool_forward(-x, 2, 2, 1, 1, NONE)[1].item() == 0


@BOTH
def test_an_entry_that_wins_in_overlapping_windows_gets_the_sum(which: str) -> None:
    x = image([0, 0, 0], [0, 5, 0], [0, 0, 0])
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x, 2, 2, 1, 1, NONE)
        assert y[0, ..., 0].tolist() == [[5, 5], [5, 5]]
        assert where[0, ..., 0].tolist() == [[3, 2], [1, 0]]
        dx = kernels.max_pool_backward(image([1, 20], [300, 4000]), where, x.shape, 2, 2, 1, 1, NONE)
        assert dx[0, ..., 0].tolist() == [[0, 0, 0], [0, 4321, 0], [0, 0, 0]]


@BOTH
def test_pixels_in_the_gaps_between_windows_get_nothing(which: str) -> None:
    x = image([1, 9, 2], [9, 9, 9], [3, 9, 4])
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x, 1, 1, 2, 2, NONE)
        assert y[0, ..., 0].tolist() == [[1, 2], [3, 4]]
        expected = [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
        ones = np.ones_like(y)
        assert kernels.max_pool_backward(ones, where, x.shape, 1, 1, 2, 2, NONE)[0, ..., 0].tolist() == expected
        assert kernels.average_pool_backward(ones, x.shape, 1, 1, 2, 2, NONE)[0, ..., 0].tolist() == expected


@BOTH
def test_padding_never_wins(which: str) -> None:
    """Padded with 0, an all-negative image would come out as 0."""
    x = image([-1, -2], [-3, -4])
    around = ((1, 1), (1, 1))
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x, 2, 2, 1, 1, around)
        assert y[0, ..., 0].tolist() == [[-1, -1, -2], [-1, -1, -2], [-3, -3, -4]]
        assert where[0, ..., 0].tolist() == [[3, 2, 2], [1, 0, 0], [1, 0, 0]]
        dx = kernels.max_pool_backward(np.ones_like(y), where, x.shape, 2, 2, 1, 1, around)
        assert dx[0, ..., 0].tolist() == [[4, 2], [2, 1]]


@BOTH
def test_padding_is_not_counted_in_a_mean(which: str) -> None:
    x = image([1, 2], [3, 6])
    around = ((1, 1), (1, 1))
    with kernels.using(which):
        y = kernels.average_pool_forward(x, 2, 2, 1, 1, around)
        assert y[0, ..., 0].tolist() == [[1, 1.5, 2], [2, 3, 4], [3, 4.5, 6]]
        dx = kernels.average_pool_backward(np.ones_like(y), x.shape, 2, 2, 1, 1, around)
        assert dx[0, ..., 0].tolist() == [[2.25, 2.25], [2.25, 2.25]]


@BOTH
def test_minus_infinity_in_the_image_is_not_padding(which: str) -> None:
    x = np.full((1, 2, 2, 1), -np.inf)
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x, 2, 2, 1, 1, ((1, 0), (1, 0)))
        assert np.isneginf(y).all()
        dx = kernels.max_pool_backward(np.ones_like(y), where, x.shape, 2, 2, 1, 1, ((1, 0), (1, 0)))
    assert dx[0, ..., 0].tolist() == [[4, 0], [0, 0]]  # the first entry of each window, of those in the image


@BOTH
@pytest.mark.parametrize("place", range(4))
def test_nan_wins(which: str, place: int) -> None:
    """Or a run that has diverged would go on with the finite rest."""
    x = np.array([np.inf, 1.0, 3.0, 2.0]).reshape(1, 2, 2, 1)
    x.flat[place] = np.nan
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x, 2, 2, 2, 2, NONE)
        mean = kernels.average_pool_forward(x, 2, 2, 2, 2, NONE)
    assert np.isnan(y.item())
    assert np.isnan(mean.item())
    assert where.item() == place


@BOTH
def test_of_two_nans_the_first_wins(which: str) -> None:
    x = np.array([1.0, np.nan, 2.0, np.nan]).reshape(1, 2, 2, 1)
    with kernels.using(which):
        assert kernels.max_pool_forward(x, 2, 2, 2, 2, NONE)[1].item() == 1


@BOTH
@pytest.mark.parametrize(("side", "place"), [((16, 17), (15, 16)), ((16, 17), (15, 0)), ((256, 256), (255, 255))])
def test_windows_of_more_than_255_places(which: str, side: tuple[int, int], place: tuple[int, int]) -> None:
    """A place in the window kept in one byte would come back somewhere else."""
    kh, kw = side
    x = np.zeros((1, kh + 1, kw, 1))
    x[0, place[0] + 1, place[1]] = 1
    with kernels.using(which):
        y, where = kernels.max_pool_forward(x[:, 1:], kh, kw, 1, 1, NONE)
        assert (y.item(), where.item()) == (1, place[0] * kw + place[1])
        dx = kernels.max_pool_backward(np.full((1, 1, 1, 1), 3.0), where, (1, kh, kw, 1), kh, kw, 1, 1, NONE)
        np.testing.assert_array_equal(dx, 3 * x[:, 1:])
        mean = kernels.average_pool_forward(x[:, 1:], kh, kw, 1, 1, NONE)
        assert mean.item() == pytest.approx(1 / (kh * kw), rel=1e-14)
