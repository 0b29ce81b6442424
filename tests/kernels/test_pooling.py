"""Pooling: the compiled kernels equal the definitions, and both obey the rules for ties, padding and NaN."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, NO_PADDING, Compared, either, normal
from tinydl import kernels
from tinydl.kernels import Window, output_size
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import pooling

ROUNDING = {np.float32: 2e-6, np.float64: 1e-12}
max_forward = Compared("max_pool_forward")
max_backward = Compared("max_pool_backward", rounding=ROUNDING)
average_forward = Compared("average_pool_forward", rounding=ROUNDING)
average_backward = Compared("average_pool_backward", rounding=ROUNDING)


def both_ways(x: np.ndarray, window: Window) -> list[np.ndarray]:
    """Compare compiled and plain max and average pooling, forward and backward; return the results."""
    y, where = max_forward(x, window)
    assert where.dtype == np.uint16
    (mean,) = average_forward(x, window)
    (dy,) = normal(x.dtype, y.shape, seed=9)
    (dx,) = max_backward(dy, where, x.shape, window)
    np.testing.assert_allclose(dx.sum(), dy.sum(), atol=1e-3 if x.dtype == np.float32 else 1e-10)  # no part is lost
    return [y, where, mean, dx, *average_backward(dy, x.shape, window)]


WINDOWS = [(1, 1), (2, 2), (3, 3), (2, 3), (3, 2), (1, 4), (4, 1)]
STRIDES = [(1, 1), (2, 2), (3, 3), (2, 1), (1, 3)]  # overlapping, side by side, with gaps
PADDINGS = [NO_PADDING, ((1, 1), (1, 1)), ((1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, 1), (0, 1)), ((2, 1), (0, 2))]


def holds_pixels(size: int, window: int, stride: int, padding: tuple[int, int]) -> bool:
    """Whether every window along a side contains at least one pixel; layers reject all other windows."""
    last = (output_size(size, window, stride, padding) - 1) * stride
    return window <= size + sum(padding) and padding[0] < window and last < size + padding[0]


@pytest.mark.parametrize("size", WINDOWS)
def test_pooling(size: tuple[int, int]) -> None:
    images = [(2, 7, 5, 3), (1, 6, 8, 1), (3, 4, 6, 2), (1, 4, 4, 17)]
    (kh, kw), tried = size, 0
    for padding, (sh, sw), (n, h, w, c) in itertools.product(PADDINGS, STRIDES, images):
        if holds_pixels(h, kh, sh, padding[0]) and holds_pixels(w, kw, sw, padding[1]):
            tried += 1
            (x,) = normal(DTYPES[tried % 2], (n, h, w, c), seed=tried)
            window = Window(size, (sh, sw), padding)
            both_ways(x, window)
            both_ways(x.round() - 9, window)  # ties everywhere, and all values below the padding's 0
    assert tried >= 16


def test_arrays_of_any_layout() -> None:
    window = Window((3, 2), (2, 1), ((1, 0), (0, 1)))
    for dtype in DTYPES:
        (x,) = normal(dtype, (2, 6, 5, 3))
        _, where = max_forward(x, window)
        (dy,) = normal(dtype, where.shape, seed=1)
        max_forward.in_any_layout(x, window)
        average_forward.in_any_layout(x, window)
        max_backward.in_any_layout(dy, where, x.shape, window, of=["dy"])
        average_backward.in_any_layout(dy, x.shape, window, of=["dy"])


@pytest.mark.parametrize(
    ("window", "dtype", "image"),
    [
        (Window((3, 3), (1, 1), ((1, 1), (1, 1))), np.float32, (57, 43, 64)),
        (Window((2, 2), (2, 2)), np.float64, (57, 43, 64)),
        (Window((3, 2), (2, 2), ((1, 0), (0, 1))), np.float32, (57, 43, 64)),
        (Window((2, 2), (3, 3)), np.float64, (57, 43, 64)),
        (Window((2, 2), (2, 2)), np.float32, (240, 200, 1)),  # few channels: kernels write more than a pixel, in turn
        (Window((2, 2), (2, 2), ((1, 1), (0, 0))), np.float32, (150, 160, 3)),
        (Window((3, 3), (3, 3), ((0, 2), (1, 1))), np.float64, (100, 100, 3)),
    ],
)
def test_any_number_of_threads(window: Window, dtype: Any, image: tuple[int, ...]) -> None:
    """Results agree to the bit: an image's values do not depend on the thread that computes them."""
    (x,) = normal(dtype, (7, *image))
    set_num_threads(1)
    y, where, mean, *backward = both_ways(x, window)
    (dy,) = normal(x.dtype, y.shape, seed=9)
    for threads in (2, 3):
        set_num_threads(threads)
        run = [
            *max_forward.twin(x, window), *average_forward.twin(x, window),
            *max_backward.twin(dy, where, x.shape, window), *average_backward.twin(dy, x.shape, window),
        ]  # fmt: skip
        for actual, expected in zip(run, [y, where, mean, *backward], strict=True):
            np.testing.assert_array_equal(actual, expected)


# --- rules ------------------------------------------------------------------------------------------------------------


def image(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float64)[None, ..., None]


@either
def test_the_books_example_by_hand(mode: str) -> None:
    """2x2 windows with strides of 2 on a 4x4 image."""
    x = image([1, 3, 2, 4], [5, 6, 1, 2], [7, 2, 4, 1], [0, 8, 3, 2])
    dy = image([10, 20], [30, 40])
    with kernels.using(mode):
        y, where = pooling.max_pool_forward(x, Window((2, 2), (2, 2)))
        assert y[0, ..., 0].tolist() == [[6, 4], [8, 4]]
        assert where[0, ..., 0].tolist() == [[3, 1], [3, 0]]
        dx = pooling.max_pool_backward(dy, where, x.shape, Window((2, 2), (2, 2)))
        assert dx[0, ..., 0].tolist() == [[0, 0, 0, 20], [0, 10, 0, 0], [0, 0, 40, 0], [0, 30, 0, 0]]
        mean = pooling.average_pool_forward(x, Window((2, 2), (2, 2)))
        assert mean[0, ..., 0].tolist() == [[3.75, 2.25], [4.25, 2.5]]
        dx = pooling.average_pool_backward(dy, x.shape, Window((2, 2), (2, 2)))
        assert dx[0, ..., 0].tolist() == [[2.5, 2.5, 5, 5], [2.5, 2.5, 5, 5], [7.5, 7.5, 10, 10], [7.5, 7.5, 10, 10]]


@either
@pytest.mark.parametrize("channels", [3, 8])
def test_the_sign_of_zero_is_kept(mode: str, channels: int) -> None:
    x = np.full((1, 4, 4, channels), -0.0, np.float32)
    with kernels.using(mode):
        y, _ = pooling.max_pool_forward(x, Window((2, 2), (2, 2)))
    assert np.signbit(y).all()


@either
def test_of_equal_entries_the_first_wins_and_gets_all(mode: str) -> None:
    x = np.full((1, 4, 4, 2), 7.0)
    with kernels.using(mode):
        _, where = pooling.max_pool_forward(x, Window((2, 2), (2, 2)))
        assert not where.any()
        dx = pooling.max_pool_backward(np.ones((1, 2, 2, 2)), where, x.shape, Window((2, 2), (2, 2)))
        assert dx[0, ..., 1].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
        x = image([1, 2, 9], [9, 9, 9])  # reading order: right before down
        assert pooling.max_pool_forward(x, Window((2, 3)))[1].item() == 2
        x = image([0.0, -0.0], [-0.0, 0.0])
        assert pooling.max_pool_forward(-x, Window((2, 2)))[1].item() == 0


@either
def test_an_entry_that_wins_in_overlapping_windows_gets_the_sum(mode: str) -> None:
    x = image([0, 0, 0], [0, 5, 0], [0, 0, 0])
    with kernels.using(mode):
        y, where = pooling.max_pool_forward(x, Window((2, 2)))
        assert y[0, ..., 0].tolist() == [[5, 5], [5, 5]]
        assert where[0, ..., 0].tolist() == [[3, 2], [1, 0]]
        dx = pooling.max_pool_backward(image([1, 20], [300, 4000]), where, x.shape, Window((2, 2)))
        assert dx[0, ..., 0].tolist() == [[0, 0, 0], [0, 4321, 0], [0, 0, 0]]


@either
def test_pixels_in_the_gaps_between_windows_get_nothing(mode: str) -> None:
    x = image([1, 9, 2], [9, 9, 9], [3, 9, 4])
    with kernels.using(mode):
        y, where = pooling.max_pool_forward(x, Window((1, 1), (2, 2)))
        assert y[0, ..., 0].tolist() == [[1, 2], [3, 4]]
        expected = [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
        ones = np.ones_like(y)
        assert pooling.max_pool_backward(ones, where, x.shape, Window((1, 1), (2, 2)))[0, ..., 0].tolist() == expected
        assert pooling.average_pool_backward(ones, x.shape, Window((1, 1), (2, 2)))[0, ..., 0].tolist() == expected


@either
def test_padding_never_wins(mode: str) -> None:
    """If the padding were 0, an all-negative image would give 0."""
    x = image([-1, -2], [-3, -4])
    around = ((1, 1), (1, 1))
    with kernels.using(mode):
        y, where = pooling.max_pool_forward(x, Window((2, 2), (1, 1), around))
        assert y[0, ..., 0].tolist() == [[-1, -1, -2], [-1, -1, -2], [-3, -3, -4]]
        assert where[0, ..., 0].tolist() == [[3, 2, 2], [1, 0, 0], [1, 0, 0]]
        dx = pooling.max_pool_backward(np.ones_like(y), where, x.shape, Window((2, 2), (1, 1), around))
        assert dx[0, ..., 0].tolist() == [[4, 2], [2, 1]]


@either
def test_padding_is_not_counted_in_a_mean(mode: str) -> None:
    x = image([1, 2], [3, 6])
    around = ((1, 1), (1, 1))
    with kernels.using(mode):
        y = pooling.average_pool_forward(x, Window((2, 2), (1, 1), around))
        assert y[0, ..., 0].tolist() == [[1, 1.5, 2], [2, 3, 4], [3, 4.5, 6]]
        dx = pooling.average_pool_backward(np.ones_like(y), x.shape, Window((2, 2), (1, 1), around))
        assert dx[0, ..., 0].tolist() == [[2.25, 2.25], [2.25, 2.25]]


@either
def test_minus_infinity_in_the_image_is_not_padding(mode: str) -> None:
    x = np.full((1, 2, 2, 1), -np.inf)
    with kernels.using(mode):
        y, where = pooling.max_pool_forward(x, Window((2, 2), (1, 1), ((1, 0), (1, 0))))
        assert np.isneginf(y).all()
        dx = pooling.max_pool_backward(np.ones_like(y), where, x.shape, Window((2, 2), (1, 1), ((1, 0), (1, 0))))
    assert dx[0, ..., 0].tolist() == [[4, 0], [0, 0]]  # the first entry of each window that lies in the image


@either
def test_nan_wins(mode: str) -> None:
    """Otherwise a diverged run would continue with the remaining finite values."""
    for place in range(4):
        x = np.array([np.inf, 1.0, 3.0, 2.0]).reshape(1, 2, 2, 1)
        x.flat[place] = np.nan
        with kernels.using(mode):
            y, where = pooling.max_pool_forward(x, Window((2, 2), (2, 2)))
            mean = pooling.average_pool_forward(x, Window((2, 2), (2, 2)))
        assert np.isnan(y.item())
        assert np.isnan(mean.item())
        assert where.item() == place


@either
def test_of_two_nans_the_first_wins(mode: str) -> None:
    x = np.array([1.0, np.nan, 2.0, np.nan]).reshape(1, 2, 2, 1)
    with kernels.using(mode):
        assert pooling.max_pool_forward(x, Window((2, 2), (2, 2)))[1].item() == 1


@either
@pytest.mark.parametrize(("side", "place"), [((16, 17), (15, 16)), ((16, 17), (15, 0)), ((256, 256), (255, 255))])
def test_windows_of_more_than_255_places(mode: str, side: tuple[int, int], place: tuple[int, int]) -> None:
    """A place in the window stored in one byte would wrap around to another place."""
    kh, kw = side
    x = np.zeros((1, kh + 1, kw, 1))
    x[0, place[0] + 1, place[1]] = 1
    with kernels.using(mode):
        y, where = pooling.max_pool_forward(x[:, 1:], Window((kh, kw)))
        assert (y.item(), where.item()) == (1, place[0] * kw + place[1])
        dx = pooling.max_pool_backward(np.full((1, 1, 1, 1), 3.0), where, (1, kh, kw, 1), Window((kh, kw)))
        np.testing.assert_array_equal(dx, 3 * x[:, 1:])
        mean = pooling.average_pool_forward(x[:, 1:], Window((kh, kw)))
        assert mean.item() == pytest.approx(1 / (kh * kw), rel=1e-14)
