"""Ranking figures, by hand and against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import ndcg_score

from tinydl.recommenders import UserItemBias, ranking_figures

RATED: dict[int, list[int]] = {1: [1], 2: [], 3: [2, 3]}


class Fixed:
    """Recommends the same items to all: 1, 2, 3 ..., but for those a user has rated."""

    users_ = np.array([1, 2, 3])
    items_ = np.arange(1, 7)

    def recommend(self, user: int, n: int = 10) -> np.ndarray:
        return np.array([item for item in self.items_ if item not in RATED[user]])[:n]


def test_figures_by_hand() -> None:
    # user 1: ranks 2, 3, 4, 5, 6; likes 3 and 6.  user 2: ranks 1 .. 6; likes 1.  user 3 likes nothing
    users, items, ratings = [1, 1, 1, 2, 2, 3], [3, 6, 2, 1, 2, 1], [5, 4, 3, 4, 1, 2]
    figures = ranking_figures(Fixed(), users, items, ratings, n=2)
    first = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    assert figures == pytest.approx(
        {"precision@2": (1 / 2 + 1 / 2) / 2, "recall@2": (1 / 2 + 1) / 2, "ndcg@2": (first + 1) / 2, "users": 2}
    )
    assert ranking_figures(Fixed(), users, items, ratings, n=2, liked=5)["users"] == 1


def test_unknown_users_and_items_are_left_out() -> None:
    figures = ranking_figures(Fixed(), [2, 2, 8], [1, 99, 1], [5, 5, 5], n=1)
    assert figures == {"precision@1": 1, "recall@1": 1, "ndcg@1": 1, "users": 1}


def test_nothing_to_rank_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"some known user must rate a known item 4 or more .*, got none: pass"):
        ranking_figures(Fixed(), [1, 8], [2, 1], [3, 5])
    with pytest.raises(ValueError, match="must be 1-D and of one length"):
        ranking_figures(Fixed(), [1, 2], [2], [3])
    with pytest.raises(ValueError, match="n must be an integer >= 1"):
        ranking_figures(Fixed(), [1], [2], [5], n=0)


def test_ndcg_is_that_of_scikit_learn() -> None:
    relevant = np.array([0, 1, 0, 1, 1, 0])
    for n in range(1, 8):
        figures = ranking_figures(Fixed(), [2, 2, 2], [2, 4, 5], [5, 5, 5], n=n)
        assert figures[f"ndcg@{n}"] == pytest.approx(ndcg_score([relevant], [-np.arange(6)], k=n))


def test_learned_items_are_left_out() -> None:
    # user 1 learned item 1, and user 3 items 2 and 3
    held_out = ranking_figures(Fixed(), [1], [6], [5], n=5)
    assert ranking_figures(Fixed(), [1, 1, 3, 3], [6, 1, 2, 3], [5, 5, 5, 5], n=5) == held_out
    with pytest.raises(ValueError, match="that he has not rated in fit, got none: pass ratings held out of fit"):
        ranking_figures(Fixed(), [1, 3], [1, 2], [5, 5])


def test_a_single_item_is_left_to_rank() -> None:
    model = UserItemBias().fit([1, 2, 2], [1, 1, 2], [3, 4, 5])
    assert ranking_figures(model, [1], [2], [5], n=1) == {"precision@1": 1, "recall@1": 1, "ndcg@1": 1, "users": 1}


WRONG: dict[str, tuple[tuple[Any, Any, Any], str]] = {
    "twice": (([1, 1], [3, 3], [5, 5]), "each user may rate an item once, got user 1 and item 3 more than once"),
    "NaN": (([1], [3], [np.nan]), "ratings must .*, got nan at position 0: leave such ratings out"),
    "names": ((["1"], [3], [5]), "users must be integer ids, got dtype <U1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_ratings_are_checked_as_in_fit(case: str) -> None:
    arguments, message = WRONG[case]
    for model in (Fixed(), UserItemBias().fit([1, 1], [2, 3], [3, 4])):
        with pytest.raises((ValueError, TypeError), match=f"^ranking_figures: {message}"):
            ranking_figures(model, *arguments)
    with pytest.raises(ValueError, match="ratings must lie within the scale, 1 to 5, got 6 at position 0"):
        ranking_figures(UserItemBias().fit([1, 1], [2, 3], [3, 4]), [1], [2], [6])


def test_bad_models_and_limits_are_refused() -> None:
    with pytest.raises(NotFittedError, match="ranking_figures: the recommender must be fitted, got a new UserItemBias"):
        ranking_figures(UserItemBias(), [1], [2], [5])
    with pytest.raises(TypeError, match=r"ranking_figures: model must have recommend\(user, n\), got 5: pass a fitted"):
        ranking_figures(5, [1], [2], [5])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ranking_figures: liked must be a finite number, got 'a'"):
        ranking_figures(Fixed(), [1], [2], [5], liked="a")  # type: ignore[arg-type]
