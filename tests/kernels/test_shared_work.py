"""Work that threads share: large Dense layers and long parameter vectors give what one thread gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import reference
from tinydl.kernels.threads import WORTH_SHARING, set_num_threads

COMPILED = kernels._COMPILED
ACTIVATIONS = {name: code for name, code in kernels.ACTIVATIONS.items() if name}
DTYPES = [np.float32, np.float64]
ROUNDING = {np.float32: 2e-7, np.float64: 4e-16}  # of the largest entry, times sqrt(products in a sum)


def normal(seed: int, dtype: Any, *shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def close(actual: np.ndarray, expected: np.ndarray, terms: int) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    if expected.size:
        tolerance = ROUNDING[expected.dtype.type] * terms**0.5
        assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "use_bias"), [("relu", True), ("tanh", False)])
@pytest.mark.parametrize(
    ("n", "inputs", "units"),
    [
        (128, 201, 187),
        (7, 701, 651),
        (5, 6001, 67),
        (1, 1500, 1501),
        (64, 2000, 17),  # too few units to share a layer by
        (64, 17, 2000),  # too few inputs
        (130, 15, 1100),
        (130, 1100, 15),
    ],
)
def test_large_dense_layers(n: int, inputs: int, units: int, activation: str, use_bias: bool, dtype: Any) -> None:
    assert n * inputs * units > WORTH_SHARING
    code, terms = ACTIVATIONS[activation], max(n, inputs, units)
    x, W, b, dy, dW, db = normal(1, dtype, (n, inputs), (inputs, units), units, (n, units), (inputs, units), units)
    W /= dtype(inputs**0.5)
    if not use_bias:
        b, db = b[:0], db[:0]
    y = reference.dense_forward(x, W, b, code)
    given = [x, W, b, y, dy]
    before = [array.copy() for array in given]

    def run(backward: Any, need_dx: bool) -> list[np.ndarray]:
        gradients = dW.copy(), db.copy()
        return [backward(dy, x, W, y, code, *gradients, need_dx), *gradients]

    expected = {need_dx: run(reference.dense_backward, need_dx) for need_dx in (True, False)}
    for threads in (1, 2, 3):
        set_num_threads(threads)
        actual = COMPILED["dense_forward"](x, W, b, code)
        close(actual, y, terms)
        np.testing.assert_array_equal(COMPILED["dense_forward"](x, W, b, code), actual)  # the same bits again
        for need_dx, wanted in expected.items():
            one, again = run(COMPILED["dense_backward"], need_dx), run(COMPILED["dense_backward"], need_dx)
            for first, second, reference_one in zip(one, again, wanted, strict=True):
                close(first, reference_one, terms)
                np.testing.assert_array_equal(first, second)
            assert one[0].shape == ((n, inputs) if need_dx else (0, 0))
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize("need_dx", [True, False])
@pytest.mark.parametrize(("n", "inputs", "units"), [(6, 5, 4), (64, 260, 150)])  # by one thread, and shared
def test_gradients_may_be_written_instead_of_added_to(
    n: int, inputs: int, units: int, need_dx: bool, which: str
) -> None:
    """Whatever was there, NaN even, has no part in them."""
    set_num_threads(2)
    x, W, b, dy = normal(2, np.float32, (n, inputs), (inputs, units), units, (n, units))
    for code in ACTIVATIONS.values():
        y = reference.dense_forward(x, W, b, code)
        for bias in (b, b[:0]):
            zero, old = (np.zeros_like(W), np.zeros_like(bias)), (np.full_like(W, np.nan), np.full_like(bias, np.nan))
            with kernels.using(which):
                expected = kernels.dense_backward(dy, x, W, y, code, *zero, need_dx, True)
                dx = kernels.dense_backward(dy, x, W, y, code, *old, need_dx, False)
            np.testing.assert_array_equal(dx, expected)
            for written, added in zip(old, zero, strict=True):
                np.testing.assert_array_equal(written, added)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_and_infinity_pass_through_a_shared_layer(activation: str) -> None:
    set_num_threads(2)
    x, W = np.zeros((1100, 60), np.float32), np.ones((60, 64), np.float32)
    x[0], x[1], x[2] = np.nan, np.inf, -np.inf
    y = COMPILED["dense_forward"](x, W, W[0, :0], ACTIVATIONS[activation])
    limits = {"linear": (np.inf, -np.inf), "relu": (np.inf, 0), "sigmoid": (1, 0), "tanh": (1, -1)}[activation]
    assert np.isnan(y[0]).all()
    assert (y[1] == limits[0]).all()
    assert (y[2] == limits[1]).all()


OPTIMIZERS: dict[str, Any] = {  # kernel, slots, arguments before and after the number of the step
    "adam": ("adam", 2, lambda t: (t, 1e-2, 0.9, 0.999, 1e-8, 0.1)),
    "rmsprop": ("rmsprop", 1, lambda t: (1e-2, 0.9, 1e-8)),
    "sgd": ("sgd", 0, lambda t: (1e-2, 0.0, False, 0.1)),
    "momentum": ("sgd", 1, lambda t: (1e-2, 0.9, False, 0.1)),
    "nesterov": ("sgd", 1, lambda t: (1e-2, 0.9, True, 0.0)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_long_vectors_are_stepped_to_the_bit_as_by_one_thread(name: str, dtype: Any) -> None:
    kernel, slots, arguments = OPTIMIZERS[name]
    size = 1_000_003
    assert size * 4 > WORTH_SHARING
    p, g, *state = normal(0, dtype, size, size, *[size] * slots)
    state = [np.abs(slot) for slot in state] or [p[:0]]

    def run(function: Any) -> list[np.ndarray]:
        vectors = [p.copy(), *(slot.copy() for slot in state)]
        before = g.copy()
        for t in (1, 2):
            function(vectors[0], g, *vectors[1:], *arguments(t))
        np.testing.assert_array_equal(g, before)
        return vectors

    runs = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        runs.append(run(COMPILED[kernel]))
    for vectors in runs[1:]:
        for actual, expected in zip(vectors, runs[0], strict=True):
            np.testing.assert_array_equal(actual, expected)
    for actual, expected in zip(runs[0], run(getattr(reference, kernel)), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-6)
