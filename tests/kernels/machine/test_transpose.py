"""Matrices are transposed to the bit, whatever their shape, and nothing else is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, normal
from tinydl.kernels.machine.threads import parts_for, set_num_threads
from tinydl.kernels.machine.transpose import BLOCK, WORK, transpose, transposed, turn

SHAPES = [
    (1, 1),
    (1, 9),
    (9, 1),
    (3, 5),
    (BLOCK, BLOCK),
    (BLOCK + 1, BLOCK - 1),
    (2 * BLOCK + 3, 3 * BLOCK + 7),
    (700, 650),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_whole_matrix(shape: tuple[int, int], dtype: Any) -> None:
    (a,) = normal(dtype, shape)
    for threads in (1, 2, 3):
        set_num_threads(threads)
        np.testing.assert_array_equal(transposed(a), a.T, strict=True)


def test_the_largest_of_the_shapes_is_for_several_threads() -> None:
    set_num_threads(3)
    assert parts_for(650 // BLOCK, WORK * 700 * 650) > 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 1), (8, 8), (16, 16), (29, 24), (17, 16), (3, 40), (40, 3), (15, 31)]
)
def test_a_part_turned_in_registers(rows: int, columns: int, dtype: Any) -> None:
    (a,) = normal(dtype, (45, 50))
    target = np.full(45 * 48, np.nan, dtype)
    turn(a.reshape(-1), 2 * 50 + 3, 50, rows, columns, target, 48 + 5, 48)
    matrix = target.reshape(45, 48)
    np.testing.assert_array_equal(matrix[1 : 1 + columns, 5 : 5 + rows], a[2 : 2 + rows, 3 : 3 + columns].T)
    assert np.isnan(matrix).sum() == matrix.size - rows * columns


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 70), (70, 3), (65, 66)])
def test_a_part_of_a_matrix(rows: int, columns: int) -> None:
    (a,) = normal(np.float32, (80, 90))
    target = np.full(100 * 95, np.nan, np.float32)
    transpose(a.reshape(-1), 5 * 90 + 7, 90, rows, columns, target, 2 * 95 + 4, 95)
    matrix = target.reshape(100, 95)
    np.testing.assert_array_equal(matrix[2 : 2 + columns, 4 : 4 + rows], a[5 : 5 + rows, 7 : 7 + columns].T)
    assert np.isnan(matrix).sum() == matrix.size - rows * columns
