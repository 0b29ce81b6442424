"""RBMRecommender: training, settings and errors. test_rating_machine.py has the arithmetic."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.datasets import synthetic_ratings
from tinydl.recommenders import RBMRecommender, UserItemBias

DATA = synthetic_ratings.load(n_users=200, n_items=100, seed=0)
FOR_TEST = np.random.default_rng(0).random(len(DATA.ratings)) < 0.2
LEARNED = tuple(array[~FOR_TEST] for array in (DATA.users, DATA.items, DATA.ratings))
HELD_OUT = tuple(array[FOR_TEST] for array in (DATA.users, DATA.items, DATA.ratings))


def rmse(model: Any) -> float:
    users, items, ratings = HELD_OUT
    return float(np.sqrt(np.mean((model.predict(users, items) - ratings) ** 2)))


def fitted(**settings: Any) -> RBMRecommender:
    return RBMRecommender(**{"units": 20, "epochs": 5, **settings}).fit(*LEARNED, verbose=0)


@pytest.fixture(scope="module")
def biases() -> float:
    return rmse(UserItemBias().fit(*LEARNED, verbose=0))


@pytest.mark.parametrize("based_on", ["item", "user"])
def test_the_defaults_predict_better_than_biases(based_on: str, biases: float) -> None:
    assert rmse(RBMRecommender(based_on=based_on).fit(*LEARNED, verbose=0)) < 0.99 * biases


def test_bernoulli_units_predict_better_than_the_items_means() -> None:
    means = {item: LEARNED[2][LEARNED[1] == item].mean() for item in np.unique(LEARNED[1])}
    by_mean = np.sqrt(np.mean([(means[item] - rating) ** 2 for item, rating in zip(*HELD_OUT[1:], strict=True)]))
    assert rmse(fitted(epochs=30, visible="bernoulli", k=5)) < by_mean


def test_the_first_machine_predicts_the_columns_own_ratings() -> None:
    """With almost no step: a smoothed mean per column, the same in all rows but for the small first weights."""
    users, items, ratings = LEARNED
    model = fitted(epochs=1, learning_rate=1e-9)
    user = users[0]
    own = ratings[users == user]
    shares = np.array([(ratings == value).mean() for value in model.values_])
    counts = np.array([(own == value).sum() for value in model.values_])
    smoothed = (counts + 15 * shares) / (len(own) + 15)
    place = np.searchsorted(model.users_, user)
    np.testing.assert_allclose(np.exp(model.intercept_visible_[place]), smoothed, rtol=1e-5)
    assert model.predict([user], items[:1])[0] == pytest.approx(smoothed @ model.values_, abs=0.2)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two, other = fitted(), fitted(), fitted(random_state=1)
    for name in ("components_", "intercept_visible_", "intercept_hidden_", "_predictions"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.history_ == two.history_
    assert not np.array_equal(one.components_, other.components_)


def test_the_definitions_train_the_same_machine() -> None:
    expected = fitted(epochs=2)
    with kernels.using("reference"):
        actual = fitted(epochs=2)
    np.testing.assert_allclose(actual.components_, expected.components_, atol=2e-4)
    np.testing.assert_allclose(actual._predictions, expected._predictions, atol=2e-3)


def test_shapes_and_history() -> None:
    model = fitted()
    columns = len(model.users_)
    assert model.components_.shape == (20, columns, 5)
    assert model.intercept_visible_.shape == (columns, 5)
    assert model.intercept_hidden_.shape == (20,)
    assert list(model.history_) == ["loss"]
    losses = model.history_["loss"]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    watched = RBMRecommender(5, epochs=2).fit(*LEARNED, validation=HELD_OUT, verbose=0)
    assert watched.history_["val_rmse"][-1] == pytest.approx(rmse(watched), rel=1e-6)


def test_a_step_is_the_mean_estimate_with_momentum_decay_and_a_falling_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of one batch each, with gradients of 1 times the number of rows: by hand."""
    from tinydl.recommenders import rating_machine

    def ones(*arguments: Any) -> float:
        for gradient in arguments[-3:]:
            gradient += 6.0
        return 0.0

    users, items = (array.ravel() for array in np.meshgrid([1, 2], [1, 2, 3]))
    ratings = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 1.0])
    settings = {"units": 2, "epochs": 2, "batch_size": 3, "learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.25}
    monkeypatch.setattr(rating_machine, "contrastive_divergence", ones)
    model = RBMRecommender(**settings, linear=False).fit(users, items, ratings, verbose=0)
    rates = 0.1, 0.05  # half a cosine: 1 and 1/2
    g = 6 / 3
    c = -rates[0] * g - rates[1] * (0.5 * g + g)
    np.testing.assert_allclose(model.intercept_hidden_, c, rtol=1e-6)
    first = 0.03 * np.random.default_rng(0).standard_normal((2, 5, 2), np.float32)
    v1 = g + 0.25 * first
    then = first - rates[0] * v1
    W = then - rates[1] * (0.5 * v1 + g + 0.25 * then)
    np.testing.assert_allclose(model.components_, W.transpose(2, 0, 1), rtol=1e-5)


def test_other_scales() -> None:
    users, items, ratings = LEARNED
    half_stars = RBMRecommender(5, epochs=2, scale=(0.5, 5)).fit(users, items, ratings - 0.5, verbose=0)
    np.testing.assert_array_equal(half_stars.values_, [0.5, 1.5, 2.5, 3.5, 4.5])
    below_zero = RBMRecommender(5, epochs=2, scale=(-2, 2)).fit(users, items, ratings - 3, verbose=0)
    normal = RBMRecommender(5, epochs=2).fit(users, items, ratings, verbose=0)
    np.testing.assert_allclose(below_zero._predictions + 3, normal._predictions, atol=1e-5)
    real = np.random.default_rng(0).uniform(0, 1, len(ratings))
    shares = RBMRecommender(5, epochs=2, visible="bernoulli", scale=(0, 1)).fit(users, items, real, verbose=0)
    assert shares._predictions.min() >= 0
    assert shares._predictions.max() <= 1


@pytest.mark.parametrize("visible", ["softmax", "bernoulli"])
def test_one_rating_and_equal_ratings(visible: str) -> None:
    alone = RBMRecommender(3, epochs=2, visible=visible).fit([7], [9], [5.0], verbose=0)
    assert alone.predict([7], [9])[0] == pytest.approx(5, abs=0.06)
    users, items, _ = LEARNED
    equal = RBMRecommender(3, epochs=2, visible=visible).fit(users, items, np.full(len(users), 5.0), verbose=0)
    np.testing.assert_allclose(equal.predict(users, items), 5, atol=0.3)


def test_copies_and_pickles_predict_and_hold_no_ratings() -> None:
    model = fitted(epochs=1)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin._entries is None
        np.testing.assert_array_equal(twin.predict(*HELD_OUT[:2]), model.predict(*HELD_OUT[:2]))


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    RBMRecommender(3, epochs=2).fit(*LEARNED, validation=HELD_OUT, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("loss: " in line and "val_rmse: " in line for line in lines)
    RBMRecommender(3, epochs=2).fit(*LEARNED, verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": 0}, "RBMRecommender: units must be an integer >= 1, got 0"),
        ({"epochs": 2.5}, "RBMRecommender: epochs must be an integer >= 1, got 2.5"),
        ({"batch_size": 0}, "RBMRecommender: batch_size must be an integer >= 1, got 0"),
        ({"learning_rate": 0.0}, "RBMRecommender: learning_rate must be above 0, got 0.0"),
        ({"momentum": 1.0}, "RBMRecommender: momentum must be a finite number with 0 <= momentum < 1, got 1.0"),
        (
            {"weight_decay": -1.0},
            "RBMRecommender: weight_decay must be a finite number with 0 <= weight_decay, got -1.0",
        ),
        ({"visible": "gaussian"}, "RBMRecommender: visible must be one of 'softmax', 'bernoulli', got 'gaussian'"),
        ({"linear": 1}, "RBMRecommender: linear must be True or False, got 1"),
        ({"k": 0}, "RBMRecommender: k must be an integer >= 1, got 0"),
        (
            {"visible": "bernoulli", "scale": (-1, 1)},
            "RBMRecommender: scale must begin at 0 or above for Bernoulli units, got (-1, 1): shift the ratings, or use "
            "visible='softmax'",
        ),
        ({"n_components": 5}, "n_components"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        RBMRecommender(**settings)
    assert message in str(caught.value)


def test_a_fit_that_fails_changes_nothing() -> None:
    users, items, ratings = LEARNED
    model = fitted(epochs=1)
    before = model.predict(users, items)
    many = np.linspace(1, 5, len(ratings))
    with pytest.raises(
        ValueError, match=r"^fit: ratings must have at most 100 different values for .*, got [\d,]+: round"
    ):
        model.fit(users, items, many, verbose=0)
    with pytest.raises(ValueError, match=r"^fit: units must be <= 671,088 for 200 columns, got 1,000,000,000$"):
        RBMRecommender(10**9).fit(users, items, ratings, verbose=0)
    with pytest.raises(
        ValueError, match=r"^fit: a batch must need at most 536,870,912 random numbers, got .*: lower k, "
    ):
        RBMRecommender(k=10**12).fit(users, items, ratings, verbose=0)
    model.learning_rate = 100.0
    with pytest.raises(
        FloatingPointError, match=r"^fit: weights must stay below 20, got larger ones in epoch 1: lower"
    ):
        model.fit(users, items, ratings, verbose=0)
    np.testing.assert_array_equal(model.predict(users, items), before)
