"""Adding, joining and cutting arrays: the compiled kernels equal the definitions to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, either, normal, spread
from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH
from tinydl.kernels.machine.threads import parts_for, set_num_threads
from tinydl.kernels.merging import WORK
from tinydl.layers import residual

SHAPES = [(1, 1), (7, 3), (5, 1), (2, 3, 5, 6), (1, 1, 1, 17), (3, 37, 41, 33), (3, 61, 63, 96)]
add = Compared("add")
add_and_squash = Compared("add", rounding={np.float32: 2e-6, np.float64: 1e-14})
join, cut, pad_channels = Compared("join"), Compared("cut"), Compared("pad_channels")


def test_some_of_the_shapes_are_for_two_threads() -> None:
    set_num_threads(2)
    sizes = [np.prod(shape).item() for shape in SHAPES]
    assert {parts_for(size, size * WORK) for size in sizes} == {1, 2}


@pytest.mark.parametrize("shape", SHAPES)
def test_add(shape: tuple[int, ...]) -> None:
    for threads, dtype in ((1, np.float64), (2, np.float32)):
        set_num_threads(threads)
        a, b = normal(dtype, shape, shape)
        for activation in (LINEAR, RELU):
            add(a, b, activation)
            add.in_any_layout(a, b, activation, of=["a", "b"])
        for activation in (SIGMOID, TANH):
            add_and_squash(a, b, activation)
    (y,) = add(a, a, LINEAR)
    np.testing.assert_array_equal(y, 2 * a)


@pytest.mark.parametrize("rows", [(1,), (13,), (2, 3, 5), (3, 57, 61)])
def test_join_and_cut_are_inverse(rows: tuple[int, ...]) -> None:
    for number, widths in enumerate([[3], [1, 1], [2, 5, 1, 4], [16, 32, 32, 8], [7] * 9]):
        set_num_threads(1 + number % 2)
        arrays = normal(DTYPES[number // 2 % 2], *[(*rows, width) for width in widths])
        (y,) = join(arrays)
        np.testing.assert_array_equal(join.twin([spread(array) for array in arrays])[0], y, strict=True)
        start = 0
        for array in arrays:
            (piece,) = cut(y, start, start + array.shape[-1])
            np.testing.assert_array_equal(piece, array, strict=True)
            assert piece.flags.c_contiguous
            cut.in_any_layout(y, start, start + array.shape[-1])
            start += array.shape[-1]
        assert start == y.shape[-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_pad_channels(shape: tuple[int, ...]) -> None:
    for threads, dtype in ((1, np.float64), (2, np.float32)):
        set_num_threads(threads)
        (x,) = normal(dtype, shape)
        for more in (0, 1, 16):
            (y,) = pad_channels(x, shape[-1] + more)
            assert np.count_nonzero(y) == x.size
            pad_channels.in_any_layout(x, shape[-1] + more)


@either
def test_nan_passes_through(mode: str) -> None:
    x = np.array([[-1.0, np.nan, 2.0, -np.inf, np.inf, -np.nan]], np.float32)
    with kernels.using(mode):
        total, plain = (residual.add(x, np.zeros_like(x), activation) for activation in (RELU, LINEAR))
    np.testing.assert_array_equal(total, [[0, np.nan, 2, 0, np.inf, np.nan]])
    np.testing.assert_array_equal(plain, x)


def test_complex_numbers() -> None:
    """The complex-step derivative needs complex inputs, also together with real ones."""
    x = np.array([[1 + 2j, -1 + 3j]])
    for a, b in ((x, x), (x, x.real.copy()), (x.real.copy(), x)):
        add(a, b, RELU)
    join([x, x.real.copy()])
    cut(x, 1, 2)


def test_other_shapes_are_refused() -> None:
    """The kernel does not check bounds: if one array were shorter, it would read past that array's end."""
    for other in [(2, 2), (2, 4), (1, 3), (3,), (3, 2)]:
        with pytest.raises(
            ValueError, match=rf"^add: both arrays must have the same shape, got \(2, 3\) and \({other[0]},"
        ):
            add.twin(np.ones((2, 3)), np.ones(other), RELU)
