"""The squared error, and cross-entropy with softmax: the compiled kernels equal the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, normal

ROUNDING = {np.float32: 2e-6, np.float64: 2e-15}
value = Compared("mean_squared_error", rounding={each: 10 * rounding for each, rounding in ROUNDING.items()})
gradient = Compared("mean_squared_error_gradient", rounding=ROUNDING)
cross_entropy = Compared("softmax_cross_entropy", rounding=ROUNDING)


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
@pytest.mark.parametrize("n, classes", [(1, 1), (5, 1), (1, 2), (7, 3), (64, 10), (9, 16), (3, 1000)])
def test_softmax_cross_entropy(n: int, classes: int, dtype: Any) -> None:
    (z,) = normal(dtype, (n, classes))
    q = distributions(dtype, n, classes)
    for scale in (1, 30):
        cross_entropy(scale * z, q)
    cross_entropy.in_any_layout(z, q, of=("z", "q"))
    cross_entropy(z, np.eye(classes, dtype=dtype)[np.arange(n) % classes])


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_that_are_far_apart_or_infinite(dtype: Any) -> None:
    one_hot = np.eye(3, dtype=dtype)[[0, 1, 2, 0]]
    z = np.array([[1e4, 0, -1e4], [0, -1e4, 1e4], [-1e30, -1e30, -1e30], [0, -np.inf, -np.inf]], dtype)
    losses, p_sum_q = cross_entropy(z, one_hot)
    np.testing.assert_allclose(losses, [0, 2e4, np.log(3), 0], rtol=1e-6)
    np.testing.assert_allclose(p_sum_q, [[1, 0, 0], [0, 0, 1], [1 / 3] * 3, [1, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of the definition
def test_a_row_that_is_not_finite_has_no_loss_and_leaves_the_others_alone(at: int, bad: float) -> None:
    (z,) = normal(np.float32, (3, 3))
    q = distributions(np.float32, 3, 3)
    expected = cross_entropy(z, q)
    z[1, at] = bad
    for results in (cross_entropy.twin(z, q), cross_entropy.definition(z, q)):
        for result, old in zip(results, expected, strict=True):
            assert np.isnan(result[1]).all()
            np.testing.assert_allclose(result[[0, 2]], old[[0, 2]], rtol=1e-5)


def test_complex_logits_go_to_the_definition() -> None:
    (z,) = normal(np.float64, (4, 3))
    q = distributions(np.float64, 4, 3)
    losses, _ = cross_entropy(z + 1e-20j * np.eye(4, 3), q)
    _, p_sum_q = cross_entropy(z, q)
    slopes = np.diagonal(p_sum_q - q)
    np.testing.assert_allclose(losses.imag[:3] / 1e-20, slopes, rtol=1e-12)


def test_rows_of_another_shape_are_refused() -> None:
    z, q = np.zeros((4, 3)), np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"same shape, got \(4, 3\) and \(4, 2\)"):
        cross_entropy.twin(z, q)
