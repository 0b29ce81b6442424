"""Ranking figures, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from tinydl.recommenders import ranking_figures

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
    with pytest.raises(ValueError, match="some known user must rate a known item 4 or more, got none"):
        ranking_figures(Fixed(), [1, 8], [2, 1], [3, 5])
    with pytest.raises(ValueError, match="must be 1-D and of one length"):
        ranking_figures(Fixed(), [1, 2], [2], [3])
    with pytest.raises(ValueError, match="n must be an integer >= 1"):
        ranking_figures(Fixed(), [1], [2], [5], n=0)
