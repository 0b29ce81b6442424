"""Convolution and pooling in one pass: the compiled kernels equal the definitions, whether or not a pass serves both."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, normal
from tinydl.kernels import LINEAR, RELU, TANH, Window
from tinydl.kernels.convolution import winograd
from tinydl.kernels.convolution.choose import WAYS, Convolution, way_for

PAIRS = Window((2, 2), (2, 2))
ROUNDING = {np.float32: 2e-5, np.float64: 1e-12}
forward = Compared("conv2d_pool_forward", rounding=ROUNDING, floor=1)
backward = Compared("conv2d_pool_backward", changes=["dW", "db"], rounding=ROUNDING, floor=1)


@pytest.mark.parametrize("largest", [True, False])
def test_the_twins_equal_the_definitions(largest: bool) -> None:
    windows = [Window((3, 2)), Window((5, 5), (1, 1), ((2, 2), (2, 2))), Window((3, 3), (2, 2), ((1, 0), (0, 1)))]
    for number, (window, (h, w, c), f) in enumerate(itertools.product(windows, [(10, 9, 2), (9, 8, 3)], [1, 6, 9])):
        dtype, code = DTYPES[number % 2], number % 4
        x, W, b = normal(dtype, (5, h, w, c), (*window.size, c, f), (f,), seed=number)
        for bias, pool in itertools.product((b, None), (PAIRS, Window((2, 3), (2, 3)), Window((3, 3), (2, 2)))):
            y, pooled, where = forward(x, W, bias, window, code, pool, largest)
            (dpooled,) = normal(dtype, pooled.shape, seed=9)
            given = x, W, y, window, code, np.zeros_like(W), None if bias is None else np.zeros_like(b)
            backward(dpooled, where, pool, *given, True)
            assert backward(dpooled, where, pool, *given, False)[0].size == 0


@pytest.mark.parametrize("largest", [True, False])
def test_winograds_way_pools_maps_of_whole_tiles(largest: bool) -> None:
    around = {3: ((1, 1), (1, 1)), 2: ((0, 1), (0, 1))}
    for number, (k, (h, w), code) in enumerate(itertools.product((3, 2), [(8, 12), (4, 4), (16, 8)], (LINEAR, RELU))):
        window, dtype, c, f = Window((k, k), (1, 1), around[k]), DTYPES[(number + number // 2) % 2], 16 + k, 19
        chosen = way_for(Convolution(window, c, f, (5, h, w, f), True))
        assert chosen.module is winograd
        assert chosen.pools(window, (5, h, w, f), code)
        x, W, b = normal(dtype, (5, h, w, c), (k, k, c, f), (f,), seed=number)
        for bias in (b, None):
            y, pooled, where = forward(x, W, bias, window, code, PAIRS, largest)
            (dpooled,) = normal(dtype, pooled.shape, seed=9)
            given = x, W, y, window, code, np.zeros_like(W), None if bias is None else np.zeros_like(b)
            backward(dpooled, where, PAIRS, *given, True)


def test_which_maps_winograds_way_pools() -> None:
    way, window = WAYS["winograd_6"], Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    shapes = [(1, 8, 12, 16), (1, 8, 10, 16), (1, 6, 8, 16)]
    assert [way.pools(window, shape, RELU) for shape in shapes] == [True, False, False]
    assert not way.pools(window, shapes[0], TANH)
    assert not WAYS["winograd_5"].pools(window, (1, 12, 12, 16), RELU)  # its tiles give 3x3 pixels
    assert not WAYS["patches"].pools(window, shapes[0], RELU)


def test_arrays_of_any_layout() -> None:
    window = Window((3, 3))
    for dtype, largest in itertools.product(DTYPES, (True, False)):
        x, W, b = normal(dtype, (4, 8, 10, 2), (3, 3, 2, 6), (6,))
        y, pooled, where = forward.twin(x, W, b, window, 3, PAIRS, largest)
        (dpooled,) = normal(dtype, pooled.shape, seed=1)
        forward.in_any_layout(x, W, b, window, 3, PAIRS, largest, of=["x", "W"])
        given = dpooled, where, PAIRS, x, W, y, window, 3, np.zeros_like(W), np.zeros_like(b), True
        backward.in_any_layout(*given, of=["dpooled", "x", "W", "y"])


def test_complex_numbers_run_the_definition() -> None:
    x, W = normal(np.float64, (1, 5, 5, 1), (2, 2, 1, 3))
    for largest in (True, False):
        y, pooled, *_ = forward.twin(x + 1e-20j, W, None, Window((2, 2)), 0, PAIRS, largest)
        assert y.dtype == pooled.dtype == np.complex128
