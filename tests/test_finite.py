"""all_finite: every entry counts, whatever the dtype, the layout and the sum of squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.finite import PIECE, all_finite


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.complex64])
def test_every_entry_counts(dtype: Any) -> None:
    for size in (1, 7, PIECE, PIECE + 1, 2 * PIECE + 3):
        array = np.ones(size, dtype)
        assert all_finite(array)
        for place in {0, size // 2, size - 1}:
            for bad in (np.nan, np.inf, -np.inf):
                array[place] = bad
                assert not all_finite(array)
                assert not all_finite(array[::-1])
            array[place] = 1
    assert all_finite(np.empty((0, 3), dtype))


def test_numbers_whose_squares_overflow_are_finite() -> None:
    for dtype in (np.float32, np.float64):
        largest = np.finfo(dtype).max
        array = np.full((30, 40), largest)
        assert all_finite(array)
        assert all_finite(-array.T)
        array[29, 39] = np.inf
        assert not all_finite(array)


def test_no_warning_and_no_error_from_small_and_large_numbers() -> None:
    with np.errstate(all="raise"):
        for number in (1e-40, 1e-300, 3e38, 1e308, np.nan, np.inf):
            assert all_finite(np.full(99, number)) == bool(np.isfinite(number))
            with np.errstate(all="ignore"):
                single = np.full(99, number, np.float32)
            assert all_finite(single) == bool(np.isfinite(single[0]))


def test_whole_numbers_are_finite() -> None:
    assert all_finite(np.arange(5))
    assert all_finite(np.ones(3, bool))
