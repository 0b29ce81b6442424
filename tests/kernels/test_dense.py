"""Dense: the compiled kernels equal the definitions, for one thread and several, also with NaN and infinity."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import ACTIVATIONS, DTYPES, Compared, either, normal
from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, TANH
from tinydl.kernels.dense import FEW, IN_CACHE
from tinydl.kernels.machine.memory import zeros
from tinydl.kernels.machine.simd import MOST_ROWS
from tinydl.kernels.machine.threads import WORTH_SHARING, set_num_threads
from tinydl.layers import dense

CODES = list(ACTIVATIONS.values())


def pair(terms: int) -> tuple[Compared, Compared]:
    """Pairs for forward and backward; `terms` is the number of products of size about 1 in each sum."""
    rounding = {np.float32: 2e-7 * terms**0.5, np.float64: 4e-16 * terms**0.5}
    forward = Compared("dense_forward", rounding=rounding, floor=1)
    return forward, Compared("dense_backward", changes=["dW", "db"], rounding=rounding, floor=1)


def arrays(n: int, inputs: int, units: int, dtype: Any, use_bias: bool) -> list[Any]:
    """x, W, b, dy, dW, db."""
    shapes = (n, inputs), (inputs, units), units, (n, units), (inputs, units), units
    x, W, b, dy, dW, db = normal(dtype, *shapes)
    W /= dtype(inputs**0.5)
    return [x, W, b if use_bias else None, dy, dW, db if use_bias else None]


@pytest.mark.parametrize(
    ("n", "inputs", "units"),
    [(1, 1, 1), (1, 5, 3), (7, 1, 4), (7, 5, 1), (3, 2, 2), (64, 29, 40), (5, 40, 29), (33, 17, 65)],
)
def test_small_layers(n: int, inputs: int, units: int) -> None:
    assert 2 * n * inputs * units < WORTH_SHARING
    forward, backward = pair(max(n, inputs, units))
    for dtype, code, use_bias in itertools.product(DTYPES, CODES, (True, False)):
        x, W, b, dy, dW, db = arrays(n, inputs, units, dtype, use_bias)
        (y,) = forward(x, W, b, code)
        for need_dx, accumulate in ((True, True), (False, False)):
            dx, *_ = backward(dy, x, W, y, code, dW, db, need_dx, accumulate)
            assert dx.shape == ((n, inputs) if need_dx else (0, 0))
            (alone,) = backward(dy, x, W, y, code, None, None, need_dx, accumulate)  # a frozen layer
            np.testing.assert_array_equal(alone, dx)


@pytest.mark.parametrize(
    ("n", "inputs", "units", "activation", "dtype"),
    [
        (131, 201, 197, "relu", np.float32),
        (131, 201, 197, "tanh", np.float64),
        (7, 701, 651, "tanh", np.float32),
        (5, 6001, 67, "linear", np.float64),
        (1, 1500, 1501, "relu", np.float32),
        (64, 5000, 17, "relu", np.float64),  # too few units to share among threads
        (64, 17, 5000, "tanh", np.float32),  # too few inputs
        (130_000, 10, 4, "tanh", np.float64),  # tall, with fewer inputs than a cache line
        (130, 15, 2600, "relu", np.float32),
        (8, 401, 701, "relu", np.float32),  # blocks that are not full
        (200, 170, 401, "linear", np.float32),
        (130, 2600, 15, "sigmoid", np.float64),
    ],
)
def test_large_layers(n: int, inputs: int, units: int, activation: str, dtype: Any) -> None:
    """Results equal the definition's to rounding; the same number of threads gives the same bits each time."""
    assert n * inputs * units > (WORTH_SHARING if n <= FEW else WORTH_SHARING / IN_CACHE)
    forward, backward = pair(max(n, inputs, units))
    code = ACTIVATIONS[activation]
    for threads in (1, 2, 3):
        set_num_threads(threads)
        x, W, b, dy, dW, db = arrays(n, inputs, units, dtype, threads != 1)
        (y,) = first = forward(x, W, b, code)
        rest = dy, x, W, y, code, dW, db, threads != 3, threads != 1
        first += backward(*rest)
        assert first[1].shape == ((n, inputs) if threads != 3 else (0, 0))
        for actual, expected in zip(forward.twin(x, W, b, code) + backward.twin(*rest), first, strict=True):
            np.testing.assert_array_equal(actual, expected)
        (alone,) = backward(dy, x, W, y, code, None, None, threads != 3)  # a frozen layer
        np.testing.assert_array_equal(alone, first[1])


@either
@pytest.mark.parametrize(("n", "inputs", "units"), [(6, 5, 4), (64, 300, 150)])  # on one thread, then on several
def test_gradients_may_be_written_instead_of_added_to(n: int, inputs: int, units: int, mode: str) -> None:
    """Earlier contents of the gradient arrays, even NaN, do not affect the gradients."""
    set_num_threads(2)
    for code, use_bias in ((RELU, True), (TANH, False)):
        x, W, b, dy, *_ = arrays(n, inputs, units, np.float32, use_bias)
        zero, old = ([None if each is None else np.full_like(each, fill) for each in (W, b)] for fill in (0, np.nan))
        with kernels.using(mode):
            y = dense.dense_forward(x, W, b, code)
            expected = dense.dense_backward(dy, x, W, y, code, *zero, True, True)
            dx = dense.dense_backward(dy, x, W, y, code, *old, True, False)
        for written, added in zip([dx, *old], [expected, *zero], strict=True):
            np.testing.assert_array_equal(written, added)


@pytest.mark.parametrize("n", [1, 2, MOST_ROWS, MOST_ROWS + 1])
def test_rows_of_dW_that_are_whole_cache_lines(n: int) -> None:
    """Such rows are written without reading what was there, unless they are added to."""
    for threads, dtype, units in ((1, np.float32, 1024), (2, np.float64, 1088)):
        set_num_threads(threads)
        x, W, _, dy, _, db = arrays(n, 701, units, dtype, True)
        x[0, 5] = dy[0, 7] = np.nan
        dW = zeros(W.size, dtype).reshape(W.shape)
        for old, accumulate in ((np.nan, False), (1, True)):
            dW[...] = old
            with kernels.using("reference"):
                expected = np.full_like(W, old)
                dx = dense.dense_backward(dy, x, W, dy, LINEAR, expected, db.copy(), True, accumulate)
            actual = kernels.dense.backward(dy, x, W, dy, LINEAR, dW, db, True, accumulate)
            for one, other in ((actual, dx), (dW, expected)):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13)


@either
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("n", "inputs"), [(4, 1), (1100, 60)])  # on one thread, then on several
def test_nan_and_infinity_pass_through(n: int, inputs: int, activation: str, mode: str) -> None:
    """A relu written as `x if x > 0 else 0` would turn NaN into 0 and hide that a run has diverged."""
    set_num_threads(2)
    limits = {"linear": (np.inf, -np.inf), "relu": (np.inf, 0), "sigmoid": (1, 0), "tanh": (1, -1)}[activation]
    for dtype in DTYPES:
        x, W = np.zeros((n, inputs), dtype), np.ones((inputs, 64), dtype)
        x[:4, 0] = np.nan, np.inf, -np.inf, 1e30
        with kernels.using(mode):
            y = dense.dense_forward(x, W, None, ACTIVATIONS[activation])
        assert np.isnan(y[0]).all()
        assert (y[1] == limits[0]).all()
        assert (y[2] == limits[1]).all()
        assert (y[3] == (x[3, 0] if activation in ("linear", "relu") else 1)).all()


def test_complex_numbers_go_to_the_definition() -> None:
    """The complex-step derivative needs complex inputs."""
    forward, _ = pair(3)
    x, W, b = normal(np.float64, (4, 3), (3, 2), 2)
    for code in CODES:
        (y,) = forward(x + 1e-20j * x, W.astype(complex), b, code)
        assert y.dtype == np.complex128
        assert y.imag.any()
