"""Matrix products inside compiled kernels equal NumPy's, and arrays that they would read past are rejected."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from tests.kernels.comparing import DTYPES, normal
from tinydl.kernels.machine.product import (
    COPIED,
    DEEP,
    FAR,
    FEWEST,
    Rows,
    affine,
    matmul,
    product,
    product_through_relu,
)

ROUNDING: dict[Any, float] = {np.float32: 2e-7, np.float64: 4e-16}  # relative, times sqrt(products in a sum)


def close(actual: np.ndarray, expected: np.ndarray, terms: int) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    tolerance = 4 * ROUNDING[expected.dtype.type] * terms**0.5
    assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())


# With AVX2, blocks of both operands are copied: two of rows of a (in float64 three), and two or more of columns of b.
LARGE = (COPIED // 4 + 7, 300, DEEP + 45)
SIZES = [(1, 1, 1), (1, 5, 3), (7, 1, 4), (7, 5, 1), (4, 3, 200), (33, 17, 65)]


@pytest.mark.parametrize(("m", "n", "k"), SIZES)
def test_matmul(m: int, n: int, k: int) -> None:
    for dtype, transpose_a, transpose_b in itertools.product(DTYPES, (False, True), (False, True)):
        a, b, c = normal(dtype, (k, m) if transpose_a else (m, k), (n, k) if transpose_b else (k, n), (m, n))
        before = a.copy(), b.copy()
        expected = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
        for accumulate in (False, True):
            result = c.copy()
            matmul(transpose_a, transpose_b, a, b, accumulate, result)
            close(result, expected + c if accumulate else expected, k)
        np.testing.assert_array_equal(a, before[0])
        np.testing.assert_array_equal(b, before[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul_reads_its_target_only_to_add_to_it(dtype: Any) -> None:
    a, b = normal(dtype, (3, 4), (4, 2))
    c = np.full((3, 2), np.nan, dtype)
    matmul(False, False, a, b, False, c)
    close(c, a @ b, 4)


def test_a_product_without_terms_is_zero() -> None:
    """So is the gradient of W for a batch without rows."""
    c = np.full((3, 2), np.nan)
    matmul(True, False, np.empty((0, 3)), np.empty((0, 2)), False, c)
    np.testing.assert_array_equal(c, 0)


def test_matmul_writes_into_a_view() -> None:
    """The gradients of a model are views into one vector."""
    a, b, flat = normal(np.float64, (4, 3), (4, 2), 10)
    before = flat.copy()
    matmul(True, False, a, b, True, flat[2:8].reshape(3, 2))
    close(flat[2:8], before[2:8] + (a.T @ b).ravel(), 4)
    np.testing.assert_array_equal(flat[[0, 1, 8, 9]], before[[0, 1, 8, 9]])


@pytest.mark.parametrize("bad", ["shape", "dtype", "dtypes", "layout"])
def test_matmul_refuses_what_it_would_read_past(bad: str) -> None:
    a, b, c = np.ones((3, 2)), np.ones((2, 4)), np.zeros((3, 4))
    if bad == "dtypes":
        a, b, c = a.astype(np.int64), b.astype(np.int64), c.astype(np.int64)
    else:
        b = {"shape": np.ones((3, 4)), "dtype": b.astype(np.float32), "layout": np.ones((4, 2)).T}[bad]
    expected = {"shape": "do not match", "dtypes": "expected arrays of float32 or float64, got int64"}
    message = expected.get(bad, "expected a C-contiguous array of float64, got array")
    with pytest.raises(ValueError if bad == "shape" else TypingError, match=message):
        matmul(False, False, a, b, False, c)


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (3, 5, 2),
        (9, 3 * 16, 7),  # whole vectors, and rows beyond the last whole block
        (15, 4 * 16 + 3, 70),  # several blocks side by side, the last one narrow
        (13, 5 * 8, 6),  # with AVX2, 3 vectors and 2
        (13, 20, 9),  # with AVX2, 2 vectors and one that overlaps them
        (40, 30, DEEP + 45),  # several pieces in sequence, which add up
        (FEWEST + 3, FAR + 5, 20),  # columns of b are copied
        LARGE,
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_product_of_rows_inside_larger_arrays(m: int, n: int, k: int, dtype: Any) -> None:
    """All three matrices are parts of longer rows; the entries around c keep their values."""
    for transpose_a, transpose_b, accumulate in itertools.product((False, True), repeat=3):
        a, b, c = normal(
            dtype, (k, m + 3) if transpose_a else (m, k + 3), (n, k + 1) if transpose_b else (k, n + 1), (m, n + 4)
        )
        expected = c.copy()
        of_a = a[:, 2 : 2 + m].T if transpose_a else a[:, 2 : 2 + k]
        of_b = b[:, :k].T if transpose_b else b[:, :n]
        expected[:, 3 : 3 + n] = of_a @ of_b + (c[:, 3 : 3 + n] if accumulate else 0)
        operands = a.reshape(-1), Rows(2, a.shape[1]), b.reshape(-1), Rows(0, b.shape[1])
        product(transpose_a, transpose_b, (m, n, k), *operands, accumulate, c.reshape(-1), Rows(3, n + 4))
        close(c, expected, k)


FINISHED = [
    (6, 8, 3),
    (9, 40, 7),
    (5, 13, 4),
    (3, 5, 2),
    (29, 29, 40),
    (11, 20, DEEP + 45),
    (FEWEST + 3, FAR + 5, 20),
    LARGE,
]


@pytest.mark.parametrize(("m", "n", "k"), FINISHED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bias_and_relu_inside_a_product_give_the_bits_of_a_pass_after_it(m: int, n: int, k: int, dtype: Any) -> None:
    a, b, biases = normal(dtype, (m, k), (k, n), n + 3)
    a[0] = np.nan
    operands = (m, n, k), a.reshape(-1), Rows(0, k), b.reshape(-1), Rows(0, n)
    for bias, relu in itertools.product((biases, biases[:0]), (False, True)):
        target = np.full((m, n + 4), 7, dtype)
        affine(*operands, bias, 2, relu, target.reshape(-1), Rows(3, n + 4))
        plain = np.empty((m, n), dtype)
        matmul(False, False, a, b, False, plain)
        expected = plain + bias[2 : 2 + n] if bias.size else plain
        if relu:
            expected = np.where(expected < 0, 0, expected).astype(dtype)
        np.testing.assert_array_equal(target[:, 3 : 3 + n], expected, strict=True)
        np.testing.assert_array_equal(target[:, [0, 1, 2, n + 3]], 7)
        assert np.isnan(expected[0]).all()
        assert relu == bool((expected[1:] >= 0).all())


@pytest.mark.parametrize(("m", "n", "k"), FINISHED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_through_relu_gives_the_bits_of_a_mask_after_it(m: int, n: int, k: int, dtype: Any) -> None:
    a, b, y, c = normal(dtype, (m, k), (n, k), (m, n + 4), (m, n + 4))
    y[:, ::3], y[1, 3] = 0, np.nan
    before = c.copy()
    product_through_relu(
        (m, n, k), a.reshape(-1), Rows(0, k), b.reshape(-1), Rows(0, k), y.reshape(-1), c.reshape(-1), Rows(3, n + 4)
    )
    plain = np.empty((m, n), dtype)
    matmul(False, True, a, b, False, plain)
    np.testing.assert_array_equal(c[:, 3 : 3 + n], np.where(y[:, 3 : 3 + n] > 0, plain, 0).astype(dtype), strict=True)
    np.testing.assert_array_equal(c[:, [0, 1, 2, n + 3]], before[:, [0, 1, 2, n + 3]])


def test_equal_columns_get_equal_bits() -> None:
    """So hidden units that begin equal stay equal: see initializers.py."""
    for m, n in ((21, 4), (21, 16), (21, 17), (21, 40), (21, 67), (60, 67), (60, 300)):
        a, b = normal(np.float32, (m, DEEP + 9), (DEEP + 9, 1))
        c = np.empty((m, n), np.float32)
        matmul(False, False, a, np.repeat(b, n, axis=1), False, c)
        np.testing.assert_array_equal(c, np.repeat(c[:, :1], n, axis=1))
