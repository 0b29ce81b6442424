"""AutoRec: the network's arithmetic written out anew, what it learns, and the figure on MovieLens 100K."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from tinydl.datasets import movielens, synthetic_ratings
from tinydl.datasets.film_ratings import FilmRatings
from tinydl.gradcheck import check_model
from tinydl.recommenders import AutoRec, UserItemBias

DATA = synthetic_ratings.load(n_users=250, n_items=100, seed=1)
ROWS = np.random.default_rng(0).permutation(DATA.n_ratings)
TRAIN, TEST = ROWS[len(ROWS) // 5 :], ROWS[: len(ROWS) // 5]
SMALL: dict[str, Any] = {"units": 20, "epochs": 4, "batch_size": 16}


def parts(rows: np.ndarray, data: FilmRatings = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return data.users[rows], data.items[rows], data.ratings[rows]


def fitted(**arguments: Any) -> AutoRec:
    return AutoRec(**{**SMALL, **arguments}).fit(*parts(TRAIN), verbose=0)


@pytest.mark.parametrize("based_on", ["item", "user"])
def test_a_prediction_is_the_baseline_plus_what_the_network_says(based_on: str) -> None:
    model = fitted(based_on=based_on)
    plain = UserItemBias(model.regularization, based_on=based_on).fit(*parts(TRAIN))
    users, items = model.users_, model.items_
    grid = np.meshgrid(users, items, indexing="ij")
    base = plain._predictions
    x = np.zeros_like(base)
    at = np.searchsorted(users, DATA.users[TRAIN]), np.searchsorted(items, DATA.items[TRAIN])
    x[at] = DATA.ratings[TRAIN] - base[at]
    x = x.T if based_on == "item" else x
    W, b, V = model.model_.get_weights()
    o = np.tanh(x @ W + b) @ V
    expected = np.clip(base + (o.T if based_on == "item" else o), 1, 5)
    got = model.predict(grid[0].ravel(), grid[1].ravel()).reshape(expected.shape)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_it_is_a_plain_model_whose_gradient_is_right() -> None:
    model = fitted(dropout=0.0).model_
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dropout", "Dense"]
    rng = np.random.default_rng(0)
    y = np.where(rng.uniform(size=(3, model.input_shape[0])) < 0.7, np.nan, 1.0)
    assert check_model(model, np.nan_to_num(y), y, probes=20).passed


def test_an_entry_that_is_not_rated_pulls_at_no_weight() -> None:
    model = fitted(l2=0.0).model_
    y = np.full((4, model.output_shape[0]), np.nan, np.float32)
    y[:, 3] = 1.0
    model.train_on_batch(np.zeros_like(y), y)
    gradient = model.layers[-1].grads["W"]
    assert np.abs(gradient).max(axis=0).nonzero()[0].tolist() == [3]


def test_it_beats_the_baseline_on_generated_ratings() -> None:
    model = AutoRec(units=100, batch_size=16, based_on="user").fit(*parts(TRAIN), validation=parts(TEST), verbose=0)
    plain = UserItemBias().fit(*parts(TRAIN), validation=parts(TEST))
    assert model.history_["val_rmse"][-1] < plain.history_["val_rmse"][-1] - 0.01
    assert [len(values) for values in model.history_.values()] == [50, 50, 50]
    assert list(model.history_) == ["loss", "rmse", "val_rmse"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        predicted = model.predict(*parts(TEST)[:2])
    rmse = np.sqrt(np.mean((predicted - DATA.ratings[TEST]) ** 2))
    assert model.history_["val_rmse"][-1] == pytest.approx(rmse, rel=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    one, same, other = fitted(random_state=3), fitted(random_state=3), fitted(random_state=4)
    np.testing.assert_array_equal(one._predictions, same._predictions)
    assert one.history_ == same.history_
    assert np.abs(one._predictions - other._predictions).max() > 1e-4
    watched = AutoRec(**SMALL, random_state=3).fit(*parts(TRAIN), validation=parts(TEST), verbose=0)
    np.testing.assert_array_equal(one._predictions, watched._predictions)  # watching changes nothing


def test_the_order_of_the_ratings_does_not_matter() -> None:
    shuffled = AutoRec(**SMALL).fit(*parts(TRAIN[::-1]), verbose=0)
    np.testing.assert_allclose(shuffled._predictions, fitted()._predictions, atol=1e-5)


def test_copies_and_pickles_predict_the_same() -> None:
    model = fitted()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(*parts(TRAIN)[:2]), model.predict(*parts(TRAIN)[:2]))
        np.testing.assert_array_equal(other.recommend(5), model.recommend(5))
    assert repr(AutoRec(units=7)).startswith("AutoRec(units=7, epochs=")


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    AutoRec(units=5, epochs=2).fit(*parts(TRAIN), validation=parts(TEST), verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "loss: " in lines[0]
    assert "val_rmse: " in lines[0]
    AutoRec(units=5, epochs=1).fit(*parts(TRAIN), verbose=0)
    assert capsys.readouterr().out == ""


def test_a_loss_that_is_not_finite_leaves_a_fitted_model_as_it_was() -> None:
    model = fitted()
    before = model.predict(*parts(TRAIN)[:2])
    model.learning_rate = 1e38
    with pytest.raises(FloatingPointError), np.errstate(all="ignore"):
        model.fit(*parts(TRAIN), verbose=0)
    np.testing.assert_array_equal(model.predict(*parts(TRAIN)[:2]), before)


def test_bad_arguments_are_refused() -> None:
    for name, value in [
        ("units", 0), ("epochs", 1.5), ("batch_size", -1), ("learning_rate", 0), ("l2", -1), ("dropout", 1.0),
        ("regularization", np.nan), ("activation", "softmax"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=f"^AutoRec: {name} must be"):
            AutoRec(**{name: value})
    with pytest.raises(TypeError, match=r"AutoRec: the arguments are units, .*, got 'lr': write learning_rate"):
        AutoRec(lr=1e-3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"AutoRec: the arguments are units, .*, got 'seed': write random_state"):
        AutoRec(seed=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="verbose must be one of"):
        AutoRec().fit([1], [2], [3], verbose="loud")
    with pytest.raises(ValueError, match=r"^fit: units must be <= 1,335,499 for 100 columns, got 1,000,000,000,000$"):
        AutoRec(units=10**12, based_on="user").fit(np.arange(100), np.arange(100), np.full(100, 3), verbose=0)


@pytest.mark.slow
def test_movielens_100k() -> None:
    if "TINYDL_DATA" not in os.environ or movielens.FILES.find() is None:
        pytest.skip("needs MovieLens: set TINYDL_DATA to a folder with ml-100k")
    data = movielens.load()
    rows = np.random.default_rng(0).permutation(data.n_ratings)
    test, train = rows[:20_000], rows[20_000:]
    model = AutoRec().fit(*parts(train, data), validation=parts(test, data), verbose=0)
    assert model.history_["val_rmse"][-1] < 0.92
