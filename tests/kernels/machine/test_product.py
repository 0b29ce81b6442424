"""Matrix products inside compiled kernels equal NumPy's, and arrays that they would read past are rejected."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError
from tinydl.kernels.machine.product import DEEP, FAR, FEWEST, Rows, matmul, product

from tests.kernels.comparing import DTYPES, normal

ROUNDING: dict[Any, float] = {np.float32: 2e-7, np.float64: 4e-16}  # relative, times sqrt(products in a sum)


def close(actual: np.ndarray, expected: np.ndarray, terms: int) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    tolerance = 4 * ROUNDING[expected.dtype.type] * terms**0.5
    assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (1, 5, 3), (7, 1, 4), (7, 5, 1), (4, 3, 200), (33, 17, 65)])
def test_gemm(m: int, n: int, k: int) -> None:
    scales = ((1.0, 0.0), (1.0, 1.0), (-0.5, 2.0))
    for dtype, transpose_a, transpose_b in itertools.product(DTYPES, (False, True), (False, True)):
        a, b, c = normal(dtype, (k, m) if transpose_a else (m, k), (n, k) if transpose_b else (k, n), (m, n))
        before = a.copy(), b.copy()
        expected = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
        for alpha, beta in scales:
            result = c.copy()
            gemm(transpose_a, transpose_b, alpha, a, b, beta, result)
            close(result, dtype(alpha) * expected + dtype(beta) * c, k)
        np.testing.assert_array_equal(a, before[0])
        np.testing.assert_array_equal(b, before[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_with_beta_0_never_reads_its_target(dtype: Any) -> None:
    a, b = normal(dtype, (3, 4), (4, 2))
    c = np.full((3, 2), np.nan, dtype)
    gemm(False, False, 1.0, a, b, 0.0, c)
    close(c, a @ b, 4)


def test_gemm_writes_into_a_view() -> None:
    """The gradients of a model are views into one vector."""
    a, b, flat = normal(np.float64, (4, 3), (4, 2), 10)
    before = flat.copy()
    gemm(True, False, 1.0, a, b, 1.0, flat[2:8].reshape(3, 2))
    close(flat[2:8], before[2:8] + (a.T @ b).ravel(), 4)
    np.testing.assert_array_equal(flat[[0, 1, 8, 9]], before[[0, 1, 8, 9]])


@pytest.mark.parametrize("bad", ["shape", "dtype", "layout"])
def test_gemm_refuses_what_blas_would_read_past(bad: str) -> None:
    a, b, c = np.ones((3, 2)), np.ones((2, 4)), np.zeros((3, 4))
    b = {"shape": np.ones((3, 4)), "dtype": b.astype(np.float32), "layout": np.ones((4, 2)).T}[bad]
    with pytest.raises(ValueError if bad == "shape" else TypingError, match=r"do not match|C-contiguous matrices"):
        gemm(False, False, 1.0, a, b, 0.0, c)


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (3, 5, 2),
        (SIDE + 1, 2 * SIDE + 3, 70),  # several pieces side by side
        (40, 30, BITE // 1000),  # several pieces in sequence, which add up
        (700, 130, 200),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_product_of_rows_inside_larger_arrays(m: int, n: int, k: int, dtype: Any) -> None:
    """All three matrices are parts of longer rows; the entries around c keep their values."""
    for transpose_a, accumulate in itertools.product((False, True), repeat=2):
        a, b, c = normal(dtype, (k, m + 3) if transpose_a else (m, k + 3), (k, n + 1), (m, n + 4))
        expected = c.copy()
        of_a = a[:, 2 : 2 + m].T if transpose_a else a[:, 2 : 2 + k]
        expected[:, 3 : 3 + n] = of_a @ b[:, :n] + (c[:, 3 : 3 + n] if accumulate else 0)
        operands = a.reshape(-1), Rows(2, a.shape[1]), b.reshape(-1), Rows(0, n + 1)
        product(transpose_a, (m, n, k), *operands, accumulate, c.reshape(-1), Rows(3, n + 4))
        close(c, expected, k)
