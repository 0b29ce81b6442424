"""How good the first n recommendations are, measured on ratings that were held out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from .. import arguments
from .base import checked_ratings


class Ranker(Protocol):
    """Anything that was fitted and recommends: `recommend(user, n)` gives ids of items, best first."""

    users_: NDArray[np.int64]
    items_: NDArray[np.int64]

    def recommend(self, user: int, n: int = 10) -> NDArray[np.int64]: ...


def ranking_figures(
    model: Ranker, users: ArrayLike, items: ArrayLike, ratings: ArrayLike, *, n: int = 10, liked: float = 4.0
) -> dict[str, float]:
    """Precision, recall and NDCG of the first n recommendations, each a mean over users.

    users, items, ratings   ratings that fit has not seen. A rating >= `liked` makes an item relevant. Left out are
                            users and items that fit does not know, items that the user has rated in fit, which the
                            model does not rank, and users without a relevant item

    For a user with R relevant items, the model ranks all items that he has not rated in fit:
        precision@n   relevant items among the first n, divided by n
        recall@n      relevant items among the first n, divided by R
        ndcg@n        sum over the relevant items at ranks k <= n of 1 / log2(k + 1), divided by the same sum for a
                      ranking with the relevant items first
    "users" is the number of users in these means.

    An item that the user has not rated counts as not relevant, though he might like it. So all three are far below 1,
    and only good for comparisons on the same ratings.

    TypeError: the model does not recommend. NotFittedError: it has not been fitted. ValueError or TypeError: the
    ratings are not as `Recommender.fit` expects them, or no user has a relevant item.
    """
    owner = "ranking_figures"
    if not hasattr(model, "recommend"):
        mend = "pass a fitted recommender"
        raise TypeError(f"{owner}: model must have recommend(user, n), got {arguments.brief(model)}: {mend}")
    if not hasattr(model, "users_"):
        mend = "call fit(users, items, ratings) first"
        raise NotFittedError(f"{owner}: the recommender must be fitted, got a new {type(model).__name__}: {mend}")
    n = arguments.positive_int(owner, "n", n)
    liked = arguments.number(owner, "liked", liked)
    ids, wanted, values = checked_ratings(owner, users, items, ratings, getattr(model, "scale", None))
    relevant = (values >= liked) & np.isin(ids, model.users_) & np.isin(wanted, model.items_)
    discounts = 1 / np.log2(np.arange(n) + 2)
    figures = []
    for user in np.unique(ids[relevant]):
        hits = np.isin(model.recommend(int(user), len(model.items_)), wanted[relevant & (ids == user)])
        if hits.any():
            first, r = hits[:n], hits.sum()
            ndcg = discounts[: len(first)][first].sum() / discounts[:r].sum()
            figures.append((first.sum() / n, first.sum() / r, ndcg))
    if not figures:
        expected = f"some known user must rate a known item {liked:g} or more that he has not rated in fit"
        raise ValueError(f"{owner}: {expected}, got none: pass ratings held out of fit, or a lower `liked`")
    precision, recall, ndcg = np.mean(figures, axis=0)
    return {f"precision@{n}": precision, f"recall@{n}": recall, f"ndcg@{n}": ndcg, "users": len(figures)}
