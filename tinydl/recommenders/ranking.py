"""How good the first n recommendations are, measured on ratings that were held out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import ndcg_score

from .. import arguments


class Ranker(Protocol):
    """Anything that was fitted and recommends: `recommend(user, n)` gives ids of items, best first."""

    users_: NDArray[np.int64]
    items_: NDArray[np.int64]

    def recommend(self, user: int, n: int = 10) -> NDArray[np.int64]: ...


def ranking_figures(
    model: Ranker, users: ArrayLike, items: ArrayLike, ratings: ArrayLike, *, n: int = 10, liked: float = 4.0
) -> dict[str, float]:
    """Precision, recall and NDCG of the first n recommendations, each a mean over users.

    users, items, ratings   ratings that fit has not seen. A rating >= `liked` makes an item relevant; users and items
                            that fit does not know, and users without a relevant item, are left out

    For a user with R relevant items, the model ranks all items that he has not rated in fit:
        precision@n   relevant items among the first n, divided by n
        recall@n      relevant items among the first n, divided by R
        ndcg@n        sum over the relevant items at ranks k <= n of 1 / log2(k + 1), divided by the same sum for a
                      ranking with the relevant items first; scikit-learn's ndcg_score
    "users" is the number of users in these means.

    An item that the user has not rated counts as not relevant, though he might like it. So all three are far below 1,
    and only good for comparisons on the same ratings.

    ValueError: no user has a relevant item, or lengths differ.
    """
    n = arguments.positive_int("ranking_figures", "n", n)
    users, items, ratings = (np.asarray(each) for each in (users, items, ratings))
    if not users.shape == items.shape == ratings.shape or users.ndim != 1:
        shapes = f"{users.shape}, {items.shape} and {ratings.shape}"
        raise ValueError(f"ranking_figures: users, items and ratings must be 1-D and of one length, got {shapes}")
    relevant = (ratings >= liked) & np.isin(users, model.users_) & np.isin(items, model.items_)
    if not relevant.any():
        raise ValueError(f"ranking_figures: some known user must rate a known item {liked:g} or more, got none")
    figures = []
    for user in np.unique(users[relevant]):
        ranked = model.recommend(int(user), len(model.items_))
        wanted = items[relevant & (users == user)]
        hits = np.isin(ranked, wanted)
        found = hits[:n].sum()
        ndcg = ndcg_score([hits], [-np.arange(len(hits))], k=n)
        figures.append((found / n, found / len(wanted), ndcg))
    precision, recall, ndcg = np.mean(figures, axis=0)
    return {f"precision@{n}": precision, f"recall@{n}": recall, f"ndcg@{n}": ndcg, "users": len(figures)}
