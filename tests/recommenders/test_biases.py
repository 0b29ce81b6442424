"""The baseline: against a ridge regression on one-hot columns, solved by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from tinydl.recommenders import UserItemBias


@pytest.mark.parametrize("based_on", ["item", "user"])
@pytest.mark.parametrize("regularization", [0.5, 5.0])
def test_the_biases_are_those_of_a_ridge_regression(regularization: float, based_on: str) -> None:
    rng = np.random.default_rng(0)
    n, m = 12, 9
    users, items = np.nonzero(rng.uniform(size=(n, m)) < 0.5)
    ratings = np.clip(3 + rng.normal(size=n)[users] + rng.normal(size=m)[items] / 2 + rng.normal(size=len(users)), 1, 5)
    columns = sparse.hstack([sparse.csr_array(np.eye(n)[users]), sparse.csr_array(np.eye(m)[items])]).toarray()
    ridge = Ridge(regularization, fit_intercept=False, tol=1e-12).fit(columns, ratings - ratings.mean())
    expected = ratings.mean() + ridge.coef_[:n, None] + ridge.coef_[n:]
    model = UserItemBias(regularization, based_on=based_on).fit(users, items, ratings)
    grid = np.indices((n, m)).reshape(2, -1)
    known = np.isin(grid[0], users) & np.isin(grid[1], items)
    got = model.predict(*grid[:, known])
    np.testing.assert_allclose(got, np.clip(expected.ravel()[known], 1, 5), atol=2e-5)


def test_one_rating_stays_near_the_mean() -> None:
    model = UserItemBias(4.0).fit([1, 2, 3, 4, 5], [1, 1, 1, 1, 2], [3, 3, 3, 3, 5])
    assert 3.4 < model.predict([5], [2])[0] < 4.2
    assert UserItemBias(0.0).fit([1, 2, 3, 4, 5], [1, 1, 1, 1, 2], [3, 3, 3, 3, 5]).predict([5], [2])[0] == 5


def test_history_has_one_epoch() -> None:
    model = UserItemBias().fit([1, 2], [1, 1], [3, 4], validation=([1], [1], [4]))
    assert [len(values) for values in model.history_.values()] == [1, 1]


def test_bad_regularization_is_refused() -> None:
    for value in (-1, np.nan, "5"):
        with pytest.raises(ValueError, match=r"^UserItemBias: regularization must be a finite number with 0 <= "):
            UserItemBias(value)  # type: ignore[arg-type]
