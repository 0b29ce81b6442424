"""What all recommenders share: ids, checks, predictions, recommendations, and a failed fit that changes nothing."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tinydl.recommenders import AutoRec, Recommender, UserItemBias

USERS = np.array([7, 7, 7, 3, 3, 9])
ITEMS = np.array([50, 20, 40, 20, 30, 50])
RATINGS = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 1.0])


class Scripted(Recommender):
    """Predicts 3 + (user's row) / 10 + (item's row) everywhere, after as many epochs as it has rows."""

    fails = False

    def _fit(self, table: np.ndarray, rated: np.ndarray, verbose: Any) -> None:
        if self.fails:
            raise FloatingPointError("the loss became nan")
        self.table, self.rated = table, rated
        for epoch in range(len(table)):
            self._record(loss=float(epoch))

    def _predict_table(self) -> np.ndarray:
        rows, columns = np.arange(self.table.shape[0]), np.arange(self.table.shape[1])
        users, items = (columns, rows[:, None]) if self.based_on == "item" else (rows[:, None], columns)
        return 3 + users / 10 + items


def fitted(**arguments: Any) -> Scripted:
    return Scripted(**arguments).fit(USERS, ITEMS, RATINGS)


def test_the_table_holds_the_ratings_by_sorted_ids() -> None:
    model = fitted(based_on="user")
    assert model.users_.tolist() == [3, 7, 9]
    assert model.items_.tolist() == [20, 30, 40, 50]
    assert model.mean_ == RATINGS.mean()
    assert model.table.tolist() == [[2, 4, 0, 0], [1, 0, 3, 5], [0, 0, 0, 1]]
    assert model.rated.tolist() == (model.table > 0).tolist()
    assert model.table.dtype == np.float32
    turned = fitted(based_on="item")
    np.testing.assert_array_equal(turned.table, model.table.T)
    np.testing.assert_array_equal(turned.rated, model.rated.T)


@pytest.mark.parametrize("based_on", ["item", "user"])
def test_predictions_are_looked_up_and_lie_within_the_scale(based_on: str) -> None:
    model = fitted(based_on=based_on)
    np.testing.assert_allclose(model.predict([9, 3, 7, 3], [20, 30, 40, 50]), [3.2, 4.0, 5.0, 5.0], rtol=1e-6)
    assert fitted(scale=(0, 10)).predict([7], [50])[0] == pytest.approx(6.1)
    assert model.predict([], []).shape == (0,)
    assert model.predict(np.array([9], np.uint8), [20]).dtype == np.float64


def test_unknown_ids_get_the_mean_and_one_warning() -> None:
    model = fitted()
    message = r"^predict: 3 of 4 pairs hold an unknown user or item \(1 users and 2 items were not in fit\): they get"
    with pytest.warns(UserWarning, match=message) as caught:
        predicted = model.predict([4, 3, 3, 3], [20, 21, -5, 20])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert predicted.tolist() == [model.mean_] * 3 + [3.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(USERS, ITEMS)


def test_recommendations_leave_out_what_was_rated() -> None:
    model = fitted()
    assert model.recommend(3, 1).tolist() == [50]
    assert model.recommend(3).tolist() == [50, 40]  # above 5 stars, the better one still comes first
    assert model.recommend(9, 2).tolist() == [40, 30]
    with pytest.raises(ValueError, match="recommend: user must be one of 3 ids, 3 to 9, got 4, which fit has not seen"):
        model.recommend(4)
    for n in (0, 1.5, True):
        with pytest.raises(ValueError, match="recommend: n must be an integer >= 1"):
            model.recommend(3, n)
    with pytest.raises(ValueError, match="recommend: user must be an integer, got '3': write 3 without quotes"):
        model.recommend("3")  # type: ignore[arg-type]
    for huge in (2**63, -(2**70)):
        with pytest.raises(ValueError, match="recommend: user must be one of 3 ids, 3 to 9, got"):
            model.recommend(huge)
    everything = Scripted().fit([1, 1], [5, 6], [1, 2])
    assert everything.recommend(1).tolist() == []


def test_similar_items_are_those_whose_predictions_correlate() -> None:
    class Correlated(Scripted):
        def _predict_table(self) -> np.ndarray:
            rng = np.random.default_rng(0)
            a, b = rng.normal(size=(2, self.table.shape[1]))
            return np.stack([a, b, a + 0.2 * b, -a])

    model = Correlated().fit(*(np.repeat([1, 2, 3, 4, 5, 6], 4), np.tile([10, 11, 12, 13], 6), np.full(24, 3.0)))
    predictions = model._predictions - model._predictions.mean(axis=1, keepdims=True)
    expected = np.corrcoef(predictions.T)[0]
    assert model.similar(10).tolist() == [model.items_[k] for k in np.argsort(-expected) if k != 0]
    assert model.similar(10, 1).tolist() == [12]
    with pytest.raises(
        ValueError, match="similar: item must be one of 4 ids, 10 to 13, got 14, which fit has not seen"
    ):
        model.similar(14)


def test_similarity_needs_more_than_biases() -> None:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.uniform(size=(2000, 40)) < 0.5)
    ratings = rng.integers(1, 6, len(users))
    message = "similar: item must be predicted for some users as better, .*, got the same for all users: use AutoRec"
    for model in (fitted(), UserItemBias().fit(users, items, ratings), Scripted().fit([1, 1], [20, 30], [2, 4])):
        for item in model.items_:
            with pytest.raises(ValueError, match=message):
                model.similar(item)


def test_scikit_learn_copies_and_changes_recommenders() -> None:
    model = fitted(scale=[0, 6], random_state=3)
    new = clone(model)
    assert new.get_params() == model.get_params() == {"scale": (0.0, 6.0), "based_on": "item", "random_state": 3}
    assert not hasattr(new, "users_")
    assert new.set_params(based_on="user") is new
    assert new.based_on == "user"
    for params, message in (({"based_on": "x"}, "based_on must be one of"), ({"colour": 1}, "colour")):
        with pytest.raises((ValueError, TypeError), match=message):
            new.set_params(random_state=7, **params)
    assert new.random_state == 3
    assert clone([AutoRec(units=5)])[0].units == 5


def test_history_has_the_figures_of_every_epoch() -> None:
    assert fitted().history_ == {"loss": [0, 1, 2, 3]}
    model = Scripted(based_on="user").fit(USERS, ITEMS, RATINGS, validation=([3, 8], [40, 20], [4, 2]))
    assert model.history_["loss"] == [0, 1, 2]
    expected = np.sqrt(((5 - 4) ** 2 + (RATINGS.mean() - 2) ** 2) / 2)  # user 8 is unknown and gets the mean
    assert model.history_["val_rmse"] == pytest.approx([expected] * 3)
    assert model.history_["rmse"] == pytest.approx([np.sqrt(np.mean((model.predict(USERS, ITEMS) - RATINGS) ** 2))] * 3)
    assert not hasattr(model, "_watched")


class NAType:
    """As pandas.NA: it is neither a number nor true."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


ONE = np.ones(1, int)
WRONG: dict[str, tuple[tuple[Any, Any, Any], str]] = {
    "above the scale": (
        ([1], [2], [5.5]),
        "ratings must lie within the scale, 1 to 5, got 5.5 at position 0: give .*scale=\\(1, 5.5\\)",
    ),
    "below": ((USERS, ITEMS, RATINGS - 1), "got 0 at position 1, and 1 others: leave them out if 0 .*scale=\\(0, 5\\)"),
    "half stars": (
        ([1, 1], [2, 3], [0.5, 0]),
        "got 0.5 at .*: give the scale that holds all ratings, scale=\\(0, 5\\)",
    ),
    "NaN": (([1, 2], [2, 2], [3, np.nan]), "got nan at position 1: leave such ratings out"),
    "infinite": (([1], [2], [np.inf]), "within the scale, 1 to 5, got inf at position 0: leave such ratings out"),
    "masked": (
        ([1], [2], np.ma.masked_array([3.0])),
        "ratings must be a plain array, got a masked .*: leave the masked",
    ),
    "masked ids": (([1], np.ma.masked_array([2], [True]), [3]), "items must be a plain array, got a masked array"),
    "pandas gaps": (([1], [2], np.array([NAType()], object)), "ratings must be real .*: pandas.NA marks gaps: leave"),
    "words": (([1], [2], ["good"]), "ratings must be real numbers"),
    "no ratings": (([], [], []), "ratings must hold at least one rating, got none"),
    "lengths": (([1, 2], [2], [3, 3]), "of one length, got 2 users, 1 items and ratings of shape \\(2,\\)"),
    "table": (([1, 2], [1, 2], [[3], [3]]), "ratings of shape \\(2, 1\\)"),
    "column": ((ONE[:, None], ONE, ONE), "users must be 1-D, one id per rating, got shape \\(1, 1\\)"),
    "one number": ((1, 2, 3), "users must be 1-D, one id per rating, got shape \\(\\): write \\[id\\] for one"),
    "floats": (([1.0], [2], [3]), "users must be integer ids, got dtype float64: write users.astype\\(int\\)"),
    "fractions": (
        ([1], [2.5], [3]),
        "items must be integer ids, got dtype float64: number them: names, items = np.uni",
    ),
    "NaN id": (([1.0, np.nan], [2, 2], [3, 3]), "users must be integer ids, got dtype float64: leave rows without an"),
    "infinite id": (([np.inf], [2], [3]), "users must be integer ids, got dtype float64: leave rows without an id"),
    "no id": (([1, None], [2, 2], [3, 3]), "users must be integer ids, got dtype object: leave rows without an id"),
    "objects": ((np.array([1], object), [2], [3]), "users must be integer ids, got dtype object: write users.astype"),
    "names": (([1], ["Fargo"], [3]), "items must be integer ids, got dtype <U5: number them"),
    "truths": (([True], [1], [3]), "users must be integer ids, got dtype bool"),
    "huge": ((np.array([2**63], np.uint64), [1], [3]), "users must be at most 2\\*\\*63 - 1, got 9223372036854775808"),
    "twice": (([1, 2, 1], [2, 2, 2], [3, 4, 5]), "may rate an item once, got user 1 and item 2 more than once: keep"),
    "often": (([1, 1, 1], [2, 2, 2], [3, 4, 5]), "got user 1 and item 2 more than once, and 1 other repetitions"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_ratings_change_nothing(case: str) -> None:
    arguments, message = WRONG[case]
    model = fitted()
    before = pickle.dumps(model)
    with pytest.raises((ValueError, TypeError), match=f"^fit: .*{message}"):
        model.fit(*arguments)
    with pytest.raises((ValueError, TypeError), match=f"^fit: validation: .*{message}"):
        model.fit(USERS, ITEMS, RATINGS, validation=arguments)
    assert pickle.dumps(model) == before


def test_a_fit_that_fails_halfway_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted()
    monkeypatch.setattr(Scripted, "fails", True)
    with pytest.raises(FloatingPointError):
        model.fit([1, 2], [1, 2], [3, 4])
    assert model.recommend(3).tolist() == [50, 40]
    monkeypatch.setattr(Scripted, "fails", False)
    model.fit([1, 1, 2], [1, 2, 3], [3, 4, 5])
    assert model.users_.tolist() == [1, 2]  # nothing of the first fit is left


def test_a_table_too_large_for_memory_is_refused() -> None:
    ids = np.arange(30_000)
    with pytest.raises(ValueError, match="536,870,912 entries, got 30,000 users times 30,000 items: leave out"):
        Scripted().fit(ids, ids, np.full(len(ids), 3.0))


def test_bad_arguments_are_refused() -> None:
    for scale in ((1,), 5, (1, 2, 3), "15"):
        with pytest.raises(ValueError, match=r"Scripted: scale must be \(lowest, highest\)"):
            Scripted(scale=scale)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"scale must be \(lowest, highest\), got \(5, 1\): exchange them"):
        Scripted(scale=(5, 1))
    with pytest.raises(ValueError, match=r"scale must be \(lowest, highest\), got array\(\[1, 5\]\): write \(1, 5\)"):
        Scripted(scale=np.array([1, 5]))  # type: ignore[arg-type]
    for verbose in ("x", -1, 3, None):
        with pytest.raises(ValueError, match="fit: verbose must be one of 0, 1, 2, 'auto'"):
            Scripted().fit(USERS, ITEMS, RATINGS, verbose=verbose)  # type: ignore[arg-type]
    Scripted().fit(USERS, ITEMS, RATINGS, verbose=np.int64(0))
    with pytest.raises(ValueError, match="Scripted: based_on must be one of 'item', 'user', got 'users': did you mean"):
        Scripted(based_on="users")
    with pytest.raises(ValueError, match="Scripted: random_state must be an integer >= 0"):
        Scripted(random_state=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"fit: validation must be \(users, items, ratings\), got \[1, 2\]"):
        Scripted().fit(USERS, ITEMS, RATINGS, validation=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="predict: users and items must have one length, got 1 and 2"):
        fitted().predict([3], [20, 30])


def test_what_is_not_fitted_says_so() -> None:
    for call in (lambda m: m.predict([1], [2]), lambda m: m.recommend(1), lambda m: m.similar(1)):
        with pytest.raises(NotFittedError, match=r"the recommender must be fitted, got a new Scripted: call fit\("):
            call(Scripted())


def test_ids_may_be_of_any_size_and_series_are_taken() -> None:
    large = np.array([2**62, -5, 2**62])
    model = Scripted().fit(large, [1, 1, 2], [1, 2, 3])
    assert model.users_.tolist() == [-5, 2**62]
    assert model.recommend(-5).tolist() == [2]
    assert Scripted().fit([3, 5], (1, 1), [4, 4]).predict([3], [1])[0] == 3.0
