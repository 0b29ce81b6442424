"""Sums, relu and its mask, joining and cutting: the compiled kernels are the plain NumPy ones, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH, reference
from tinydl.kernels.maps import WORK
from tinydl.kernels.threads import num_threads, parts_for, set_num_threads

COMPILED = kernels._COMPILED
DTYPES = [np.float32, np.float64]
SHAPES = [(1, 1), (7, 3), (5, 1), (2, 3, 5, 6), (1, 1, 1, 17), (3, 2), (3, 37, 41, 33), (4, 61, 63, 96)]
either = pytest.mark.parametrize("which", ["compiled", "reference"])


@pytest.fixture(autouse=True, params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = num_threads()
    set_num_threads(request.param)
    yield
    set_num_threads(before)


def normal(dtype: Any, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((sum(shape), seed)).standard_normal(shape).astype(dtype)


def spread(array: np.ndarray) -> np.ndarray:
    """The same numbers, every other one in memory."""
    return np.repeat(array, 2, axis=-1)[..., ::2]


def check(compiled: Any, plain: Any, *arguments: Any, exact: bool = True) -> np.ndarray:
    """Compiled is reference, whatever the inputs' layout; they stay as they are; what comes out is nobody's memory."""
    given = [entry for entry in arguments if isinstance(entry, np.ndarray)]
    before = [array.copy() for array in given]
    y = compiled(*arguments)
    expected = plain(*arguments)
    if exact:
        np.testing.assert_array_equal(y, expected, strict=True)
    else:
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-7, strict=True)
    assert y.flags.c_contiguous
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)
        assert not np.shares_memory(array, y)
    for change in (spread, np.asfortranarray):
        again = [change(entry) if isinstance(entry, np.ndarray) else entry for entry in arguments]
        np.testing.assert_array_equal(compiled(*again), y, strict=True)
    return y


def test_some_of_the_shapes_are_for_two_threads() -> None:
    sizes = [np.prod(shape).item() for shape in SHAPES]
    assert max(parts_for(size, size * WORK) for size in sizes) == num_threads()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_add(shape: tuple[int, ...], dtype: Any) -> None:
    a, b = normal(dtype, *shape), normal(dtype, *shape, seed=1)
    for activation in (LINEAR, RELU):
        check(COMPILED["add"], reference.add, a, b, activation)
    for activation in (SIGMOID, TANH):
        check(COMPILED["add"], reference.add, a, b, activation, exact=False)
    np.testing.assert_array_equal(COMPILED["add"](a, a, LINEAR), 2 * a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_relu_and_its_gradient(shape: tuple[int, ...], dtype: Any) -> None:
    x, dy = normal(dtype, *shape), normal(dtype, *shape, seed=1)
    x.ravel()[::5] = 0
    y = check(COMPILED["relu"], reference.relu, x)
    dx = check(COMPILED["relu_gradient"], reference.relu_gradient, dy, y)
    assert not dx[x <= 0].any()  # at 0 it is 0
    np.testing.assert_array_equal(dx[x > 0], dy[x > 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", [[3], [1, 1], [2, 5, 1, 4], [16, 32, 32, 8], [7] * 9])
@pytest.mark.parametrize("rows", [(1,), (13,), (2, 3, 5), (3, 57, 61)])
def test_join_and_cut_are_inverse(rows: tuple[int, ...], widths: list[int], dtype: Any) -> None:
    arrays = [normal(dtype, *rows, width, seed=k) for k, width in enumerate(widths)]
    before = [array.copy() for array in arrays]
    y = COMPILED["join"](arrays)
    np.testing.assert_array_equal(y, np.concatenate(arrays, axis=-1), strict=True)
    np.testing.assert_array_equal(reference.join(arrays), y, strict=True)
    np.testing.assert_array_equal(COMPILED["join"]([spread(array) for array in arrays]), y, strict=True)
    start = 0
    for array, old in zip(arrays, before, strict=True):
        piece = check(COMPILED["cut"], reference.cut, y, start, start + array.shape[-1])
        np.testing.assert_array_equal(piece, array, strict=True)
        np.testing.assert_array_equal(array, old)
        assert not np.shares_memory(array, y)
        start += array.shape[-1]
    assert start == y.shape[-1]


@either
def test_nan_passes_through(which: str) -> None:
    x = np.array([[-1.0, np.nan, 2.0, -np.inf, np.inf, -np.nan]], np.float32)
    with kernels.using(which):
        y, total = kernels.relu(x), kernels.add(x, np.zeros_like(x), RELU)
        plain = kernels.add(x, np.zeros_like(x), LINEAR)
    for result in (y, total):
        np.testing.assert_array_equal(result, [[0, np.nan, 2, 0, np.inf, np.nan]])
    np.testing.assert_array_equal(plain, x)


@either
def test_the_mask_of_a_nan_in_dy(which: str) -> None:
    """A NaN that arrives where the unit is active goes on: a bug further up must not be hidden."""
    with kernels.using(which):
        dx = kernels.relu_gradient(np.array([[np.nan, 1.0]]), np.array([[2.0, 0.0]]))
    np.testing.assert_array_equal(dx, [[np.nan, 0.0]])


@either
def test_relu_of_infinity_and_smallest_numbers(which: str) -> None:
    tiny = np.finfo(np.float64).smallest_subnormal
    with kernels.using(which):
        assert kernels.relu(np.array([[tiny, -tiny, 0.0]])).tolist() == [[tiny, 0, 0]]
        assert kernels.relu_gradient(np.ones((1, 2)), np.array([[tiny, 0.0]])).tolist() == [[1, 0]]


def test_complex_numbers_take_the_plain_way() -> None:
    """For the complex-step derivative; one of two real, too."""
    x = np.array([[1 + 2j, -1 + 3j]])
    np.testing.assert_array_equal(COMPILED["relu"](x), reference.relu(x))
    for a, b in ((x, x), (x, x.real), (x.real, x)):
        np.testing.assert_array_equal(COMPILED["add"](a, b, RELU), reference.add(a, b, RELU))
    np.testing.assert_array_equal(COMPILED["join"]([x, x.real]), [[1 + 2j, -1 + 3j, 1, -1]])
    assert COMPILED["cut"](x, 1, 2).tolist() == [[-1 + 3j]]


@pytest.mark.parametrize("other", [(2, 2), (2, 4), (1, 3), (3,), (3, 2)])
def test_other_shapes_are_refused(other: tuple[int, ...]) -> None:
    """The kernels go through memory: one array shorter than the other, and they would read what is behind it."""
    for name, rest in {"add": (RELU,), "relu_gradient": ()}.items():
        with pytest.raises(
            ValueError, match=rf"^{name}: expected two arrays of one shape, got \(2, 3\) and \({other[0]},"
        ):
            COMPILED[name](np.ones((2, 3)), np.ones(other), *rest)
