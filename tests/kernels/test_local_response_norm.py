"""Local response normalization: the compiled kernels equal the definitions, which equal the formula."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, either, normal
from tinydl import kernels
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import normalization

ROUNDING = {np.float32: 2e-6, np.float64: 1e-12}
forward = Compared("local_response_norm_forward", rounding=ROUNDING)
backward = Compared("local_response_norm_backward", rounding=ROUNDING)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9])
def test_local_response_norm(size: int) -> None:
    shapes = [(2, 3, 4, 6), (1, 1, 1, 1), (3, 2, 1, 7), (2, 5), (1, 4, 3, 32)]
    constants = [(1e-4, 0.75, 2.0), (0.3, 0.75, 0.5), (0.3, 0.5, 0.5), (2.0, 1.5, 1.0)]  # alpha, beta, k
    for shape, (alpha, beta, k), dtype in itertools.product(shapes, constants, DTYPES):
        x, dy = normal(dtype, shape, shape)
        _, s = forward(x, size, alpha, beta, k)
        backward(dy, x, s, size, alpha, beta)
    forward.in_any_layout(x, size, alpha, beta, k)
    backward.in_any_layout(dy, x, s, size, alpha, beta, of=["dy", "x", "s"])


@either
def test_by_hand(mode: str) -> None:
    """Channels 1, 2, 3, 4; an even window reaches one further left: j - size // 2 .. j - size // 2 + size - 1."""
    for size, around in [(1, [1, 4, 9, 16]), (2, [1, 5, 13, 25]), (3, [5, 14, 29, 25])]:
        x = np.arange(1.0, 5.0).reshape(1, 1, 1, 4)
        with kernels.using(mode):
            y, s = normalization.local_response_norm_forward(x, size, 0.5, 2.0, 3.0)
        np.testing.assert_allclose(s.ravel(), 3 + 0.5 * np.array(around), rtol=1e-15)
        np.testing.assert_allclose(y.ravel(), x.ravel() / (3 + 0.5 * np.array(around)) ** 2, rtol=1e-14)


def test_any_number_of_threads() -> None:
    """Results agree to the bit: a pixel's values do not depend on the thread that computes them."""
    for dtype in DTYPES:
        x, dy = normal(dtype, (3, 31, 33, 64), (3, 31, 33, 64))
        set_num_threads(1)
        y, s = forward(x, 5, 0.1, 0.75, 2.0)
        (dx,) = backward(dy, x, s, 5, 0.1, 0.75)
        for threads in (2, 3):
            set_num_threads(threads)
            run = forward.twin(x, 5, 0.1, 0.75, 2.0) + backward.twin(dy, x, s, 5, 0.1, 0.75)
            for actual, expected in zip(run, [y, s, dx], strict=True):
                np.testing.assert_array_equal(actual, expected)


@either
def test_nan_stays_with_its_neighbours(mode: str) -> None:
    x = np.ones((1, 1, 2, 6), np.float32)
    x[0, 0, 0, 0] = np.nan
    with kernels.using(mode):
        y, _ = normalization.local_response_norm_forward(x, 3, 0.1, 0.75, 2.0)
    assert np.isnan(y[0, 0, 0]).tolist() == [True, True, False, False, False, False]
    assert np.isfinite(y[0, 0, 1]).all()
