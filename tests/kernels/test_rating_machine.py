"""The RBM of a row of ratings: the compiled kernels equal the definitions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared
from tinydl.kernels.machine.threads import set_num_threads

divergence = Compared("contrastive_divergence", ["dW", "db", "dc"], {np.float32: 3e-6, np.float64: 1e-12})
expected = Compared("expected_values", rounding={np.float32: 2e-6, np.float64: 1e-12})
x = np.linspace(-1, 1, 5)
FEATURES = {  # (values, features), softmax
    "free": (np.eye(5), True),
    "linear": (np.stack([np.ones(5), x], axis=1), True),
    "one value": (np.ones((1, 1)), True),
    "bernoulli": (np.ones((1, 1)), False),
}


def a_table(features: np.ndarray, softmax: bool, dtype: Any, shape: tuple[int, int, int], spread: float = 1.0) -> Any:
    """Weights, and the entries of a table (rows, columns) with some empty and some full rows."""
    rng = np.random.default_rng(1)
    rows, columns, units = shape
    values = len(features)
    rated = rng.random((rows, columns)) < rng.choice([0.0, 0.3, 1.0], (rows, 1))
    of_row, places = np.nonzero(rated)
    starts = np.searchsorted(of_row, np.arange(rows + 1))
    v = np.eye(values)[rng.integers(0, values, len(places))] if softmax else rng.random((len(places), 1))
    W = spread * rng.standard_normal((columns, features.shape[1], units))
    b, c = rng.standard_normal((columns, values)), rng.standard_normal(units)
    weights = [array.astype(dtype) for array in (W, b, c, features)]
    return weights, (starts, places, v.astype(dtype)), rng


@pytest.mark.parametrize("kind", FEATURES)
def test_contrastive_divergence(kind: str) -> None:
    for shape, k, dtype in itertools.product([(9, 30, 17), (4, 1, 1), (5, 7, 64)], [1, 3], DTYPES):
        features, softmax = FEATURES[kind]
        weights, entries, rng = a_table(features, softmax, dtype, shape)
        rows = rng.permutation(shape[0])[: shape[0] - 1]
        count = np.diff(entries[0])[rows].sum()
        draws = [rng.random(size, dtype) for size in ((len(rows), k, shape[2]), (k, count))]
        gradients = [np.ones_like(array) for array in weights[:3]]  # the estimates are added
        divergence(*weights, softmax, rows, *entries, *draws, *gradients)


@pytest.mark.parametrize("kind", FEATURES)
def test_expected_values(kind: str) -> None:
    for shape, dtype in itertools.product([(9, 30, 17), (4, 1, 1), (5, 7, 64), (3, 4, 100)], DTYPES):
        features, softmax = FEATURES[kind]
        weights, entries, _ = a_table(features, softmax, dtype, shape)
        expected(*weights, softmax, *entries, np.linspace(1, 5, len(features)).astype(dtype))


def test_products_that_overflow_are_computed_by_their_logarithms() -> None:
    features, softmax = FEATURES["linear"]
    values = np.linspace(1, 5, 5)
    (W, *others), entries, _ = a_table(features, softmax, np.float64, (5, 7, 64))
    for weight in (10.0, -10.0):  # both features of the highest value pull with it: 64 factors of exp(20)
        (table,) = expected(np.full_like(W, weight), *others, softmax, *entries, values)
        assert np.isfinite(table).all()


def test_any_number_of_threads() -> None:
    features, softmax = FEATURES["linear"]
    weights, entries, _ = a_table(features, softmax, np.float32, (60, 200, 64))
    values = np.linspace(1, 5, 5).astype(np.float32)
    set_num_threads(1)
    (alone,) = expected.twin(*weights, softmax, *entries, values)
    for threads in (2, 3):
        set_num_threads(threads)
        (together,) = expected.twin(*weights, softmax, *entries, values)
        np.testing.assert_array_equal(together, alone)
