"""The squared error, and cross-entropy with softmax: the compiled kernels equal the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, normal

ROUNDING = {np.float32: 2e-6, np.float64: 2e-15}
value = Compared("mean_squared_error", rounding={each: 10 * rounding for each, rounding in ROUNDING.items()})
gradient = Compared("mean_squared_error_gradient", rounding=ROUNDING)
cross_entropy = Compared("softmax_cross_entropy", rounding=ROUNDING, floor=1)  # the logarithm of a p near 1 is rounded


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (64, 29), (2, 3, 4, 5)])
def test_mean_squared_error(shape: tuple[int, ...], dtype: Any) -> None:
    y_pred, y_true = normal(dtype, shape, shape)
    assert type(value(y_pred, y_true)[0]) is float
    gradient(y_pred, y_true)


def test_complex_numbers_go_to_the_definition() -> None:
    """The complex-step derivative needs complex inputs."""
    y_pred, y_true = normal(np.float64, 5, 5)
    (result,) = value(y_pred + 1e-20j, y_true)
    assert result.imag == pytest.approx(1e-20 * gradient(y_pred, y_true)[0].sum(), rel=1e-12)


# --- cross-entropy ----------------------------------------------------------------------------------------------------


def distributions(dtype: Any, n: int, classes: int) -> np.ndarray:
    """Rows that are not negative, with sums near 1, and an entry of 0 in each row of more than one."""
    q = np.random.default_rng(1).dirichlet(np.ones(classes), n) * np.linspace(0.9995, 1.0005, n)[:, None]
    if classes > 1:
        q[np.arange(n), np.arange(n) % classes] = 0
    return q.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (5, 1), (1, 2), (7, 3), (64, 10), (9, 16), (3, 1000)])
def test_softmax_cross_entropy(n: int, classes: int, dtype: Any) -> None:
    z, w = normal(dtype, (n, classes), n)
    rows, labels = distributions(dtype, n, classes), np.arange(n) % classes
    for y in (rows, labels):
        for smoothing in (0.0, 0.1):
            value, _, _ = cross_entropy(z, y, smoothing, None)
            assert type(value) is float
            cross_entropy(30 * z, y, smoothing, np.abs(w))
            cross_entropy.in_any_layout(z, y, smoothing, np.abs(w), of=("z", "y", "w") if y is rows else ("z", "w"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_that_are_far_apart_or_infinite(dtype: Any) -> None:
    z = np.array([[1e4, 0, -1e4], [0, -1e4, 1e4], [-1e30, -1e30, -1e30], [0, -np.inf, -np.inf]], dtype)
    value, p_sum_q, q = cross_entropy(z, np.array([0, 1, 2, 0]), 0.0, None)
    assert value == pytest.approx((2e4 + np.log(3)) / 4, rel=1e-6)
    np.testing.assert_allclose(p_sum_q, [[1, 0, 0], [0, 0, 1], [1 / 3] * 3, [1, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(q, np.eye(3)[[0, 1, 2, 0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of the definition
def test_a_row_that_is_not_finite_leaves_the_gradient_of_the_others_alone(at: int, bad: float) -> None:
    (z,) = normal(np.float32, (3, 3))
    q = distributions(np.float32, 3, 3)
    _, expected, _ = cross_entropy(z, q, 0.0, None)
    z[1, at] = bad
    for run in (cross_entropy.twin, cross_entropy.definition):
        value, p_sum_q, _ = run(z, q, 0.0, None)
        assert np.isnan(value)
        assert np.isnan(p_sum_q[1]).all()
        np.testing.assert_allclose(p_sum_q[[0, 2]], expected[[0, 2]], rtol=1e-5)


def test_complex_logits_go_to_the_definition() -> None:
    (z,) = normal(np.float64, (4, 3))
    y = distributions(np.float64, 4, 3)
    step = np.zeros((4, 3))
    step[2, 1] = 1e-20
    value, _, _ = cross_entropy(z + 1j * step, y, 0.1, None)
    _, p_sum_q, q = cross_entropy(z, y, 0.1, None)
    assert value.imag / 1e-20 == pytest.approx((p_sum_q - q)[2, 1] / 4, rel=1e-12)


def test_rows_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same rows, got \(4, 3\) and \(4, 2\)"):
        cross_entropy.twin(np.zeros((4, 3)), np.zeros((4, 2)), 0.0, None)
