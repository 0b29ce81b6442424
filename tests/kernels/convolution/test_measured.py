"""Convolution that takes the statistics of its output: the kernel equals the definition, and takes them as BatchNorm."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.kernels.comparing import ACTIVATIONS, DTYPES, Compared, normal
from tinydl.kernels import LINEAR, Window
from tinydl.kernels.convolution.choose import WAYS, Convolution
from tinydl.kernels.machine.moments import CHUNK
from tinydl.kernels.machine.threads import set_num_threads

SAME = ((1, 1), (1, 1))
forward = Compared("conv2d_measured_forward", rounding={np.float32: 2e-5, np.float64: 1e-12}, floor=1)
convolution, statistics = Compared("conv2d_forward"), Compared("batch_norm_statistics")


@pytest.mark.parametrize("code", ACTIVATIONS.values())
def test_the_twin_equals_the_definition(code: int) -> None:
    windows = [Window((3, 3), (1, 1), SAME), Window((2, 2)), Window((5, 4), (2, 1), SAME), Window((1, 1), (2, 2))]
    for number, (window, (h, w, c), f) in enumerate(itertools.product(windows, [(7, 9, 2), (6, 6, 17)], [1, 5, 20])):
        x, W, b = normal(DTYPES[number % 2], (5, h, w, c), (*window.size, c, f), (f,), seed=number)
        for bias in (b, None):
            forward(x, W, bias, window, code)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_bits_of_one_after_the_other_in_every_way(way: str, threads: int) -> None:
    """A chunk is many small images, the last of them fewer, or a piece of a large one: more than CHUNK entries."""
    set_num_threads(threads)
    small, odd, large = (151, 8, 8, 16), (11, 21, 23, 18), (3, 60, 66, 16)
    assert 9 < 151 * 8 * 8 * 32 / CHUNK < 10  # the last chunk has fewer images
    assert 3 * CHUNK < 60 * 66 * 32 < 4 * CHUNK  # four chunks of an image
    for number, shape in enumerate((small, odd, large)):
        window, f = Window((3, 3), (1, 1), SAME), 32
        assert WAYS[way].can(Convolution(window, shape[3], f, (*shape[:3], f), False))
        x, W, b = normal(DTYPES[number % 2], shape, (3, 3, shape[3], f), (f,), seed=number)
        for code in ACTIVATIONS.values():
            y, *moments = forward.twin(x, W, b, window, code, way=way)
            (expected,) = convolution.twin(x, W, b, window, code, way=way)
            for actual, wanted in zip((y, *moments), (expected, *statistics.twin(expected)), strict=True):
                np.testing.assert_array_equal(actual, wanted)


def test_as_many_bits_with_any_number_of_threads() -> None:
    (x,) = normal(np.float32, (64, 20, 20, 24))
    found = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        found.append(statistics.twin(x))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_nan_infinity_and_what_overflows_are_seen() -> None:
    x, W = normal(np.float32, (4, 6, 6, 3), (3, 3, 3, 8))
    for wrong in (np.nan, np.inf, 1e30):
        x[2, 3, 3, 1] = wrong
        y, mean, var = forward.twin(x, W, None, Window((3, 3)), LINEAR)
        with np.errstate(invalid="ignore"):
            expected = statistics.definition(y)
        np.testing.assert_array_equal((mean, var), expected)
        assert not np.isfinite(var).any()


def test_empty_arrays_complex_numbers_and_arrays_of_any_layout() -> None:
    x, W, b = normal(np.float64, (3, 7, 6, 4), (3, 3, 4, 5), (5,))
    forward.in_any_layout(x, W, b, Window((3, 3)), LINEAR, of=["x", "W"])
    assert {array.dtype for array in forward.twin(x + 1e-20j, W, b, Window((3, 3)), LINEAR)} == {np.dtype(complex)}
    with pytest.warns(RuntimeWarning, match="empty slice|invalid value"):
        y, mean, _ = forward.twin(x[:0], W, b, Window((3, 3)), LINEAR)
    assert y.shape == (0, 5, 4, 5)
    assert np.isnan(mean).all()
