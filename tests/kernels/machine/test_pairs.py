"""Rows of 2x2 windows: every value, for any number of channels, and nothing written outside the row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES
from tinydl.kernels import Window
from tinydl.kernels.machine.pairs import NOWHERE, are_pairs, pool_row, spread_row, tile

OUTSIDE = -77.0
NONE = NOWHERE.reshape(-1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("room", [0, 1, 40])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_row_of_windows(dtype: Any, room: int, stride: int) -> None:
    """`room` numbers follow the row in both arrays; without room, the last pixels are computed one by one."""
    for channels in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33):
        count, before = 5, 3
        width = (count - 1) * stride + 2
        rows = np.random.default_rng(channels).integers(-9, 9, (2, width, channels)).astype(dtype)  # with ties
        x = np.concatenate([rows.reshape(-1), np.full(room, np.nan, dtype)])
        windows = np.stack([rows[p, q : q + count * stride : stride] for p in (0, 1) for q in (0, 1)])
        size = count * channels
        for largest in (True, False):
            y = np.full(before + size + room, OUTSIDE, dtype)
            where = np.full(y.shape, 9, np.uint16) if largest else NONE
            pool_row(x, 0, width, channels, stride, y, where, before, count, before + size)
            inside = slice(before, before + size)
            expected = windows.max(axis=0) if largest else windows.mean(axis=0)
            np.testing.assert_array_equal(y[inside].reshape(count, channels), expected)
            assert (np.delete(y, np.r_[inside]) == OUTSIDE).all()
            if largest:
                np.testing.assert_array_equal(where[inside].reshape(count, channels), windows.argmax(axis=0))
                assert (np.delete(where, np.r_[inside]) == 9).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("room", [0, 1, 40])
def test_its_transpose(dtype: Any, room: int) -> None:
    for channels in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33):
        count, before, rng = 5, 3, np.random.default_rng(channels)
        dy = rng.standard_normal(count * channels + room).astype(dtype)
        gradient = dy[: count * channels].reshape(count, channels)
        size = 4 * count * channels
        for largest in (True, False):
            where = rng.integers(0, 4, dy.shape).astype(np.uint16) if largest else NONE
            dx = np.full(before + size + room, OUTSIDE, dtype)
            spread_row(dy, where, 0, channels, dx, before, count, before + size)
            rows = dx[before : before + size].reshape(2, count, 2, channels)
            for p, q in np.ndindex(2, 2):
                expected = gradient / 4
                if largest:
                    expected = np.where(where[: gradient.size].reshape(gradient.shape) == 2 * p + q, gradient, 0)
                np.testing.assert_array_equal(rows[p, :, q], expected)
            assert (np.delete(dx, np.r_[before : before + size]) == OUTSIDE).all()


def test_which_windows_are_pairs() -> None:
    padded = Window((2, 2), (2, 2), ((1, 0), (0, 0)))
    assert are_pairs(Window((2, 2), (1, 3)))
    assert not any(map(are_pairs, [padded, Window((2, 3)), Window((3, 2))]))
    side_by_side = Window((2, 2), (2, 2))
    assert tile(side_by_side, (1, 4, 6, 3))
    assert not any(tile(side_by_side, (1, *image, 3)) for image in [(4, 5), (5, 4)])
    assert not tile(padded, (1, 4, 6, 3))
    assert not tile(Window((2, 2), (2, 1)), (1, 4, 6, 3))
