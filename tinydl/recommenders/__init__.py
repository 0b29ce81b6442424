"""Recommenders: learn the ratings that users gave to items, and predict the others.

    model = AutoRec(random_state=0).fit(users, items, ratings)
    model.predict(users, items),  model.recommend(user, 10),  model.similar(item, 10)

base.py holds everything that recommenders share; the other files hold one idea each, and ranking.py measures what is
recommended.
"""

from __future__ import annotations

from .autorec import AutoRec
from .base import Recommender
from .biases import UserItemBias
from .ranking import ranking_figures
from .rbm_recommender import RBMRecommender

__all__ = ["AutoRec", "RBMRecommender", "Recommender", "UserItemBias", "ranking_figures"]
