"""Generated ratings of invented films, for runs without files.

    data = synthetic_ratings.load(seed=0)

How the ratings arise, for user u and film i:
    films      have one or two genres, a taste vector t_i (the mean of their genres' vectors, and noise), a quality
               b_i ~ N(0, 0.5^2) and a popularity, which falls with the film's random rank as 1 / (rank + 10) and grows
               with its quality
    users      have a taste vector p_u, a generosity b_u ~ N(0, 0.45^2) and a number of ratings, log-normal, at least 15
    seen       a user sees the films with the highest log popularity + (p_u . t_i) / 2 + Gumbel noise: popular films,
               and those of his taste. What is missing is therefore not missing at random, as in real ratings
    stars      3.2 + b_u + b_i + p_u . t_i + N(0, 0.8^2), rounded, and between 1 and 5

The taste term has a standard deviation of about 0.6, so biases alone explain a part of the ratings, and a model that
learns tastes explains more. No model can predict the noise: its RMSE is at least about 0.8.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from .. import arguments
from .film_ratings import FilmRatings

__all__ = ["load"]

GENRES = ("Action", "Comedy", "Documentary", "Drama", "Horror", "Romance", "Sci-Fi", "Western")
FIRST_WORDS = (
    "Amber", "Broken", "Crimson", "Distant", "Electric", "Forgotten", "Golden", "Hidden", "Iron", "Last", "Lonely",
    "Midnight", "Paper", "Quiet", "Restless", "Second", "Silver", "Stolen", "Velvet", "Winter",
)  # fmt: skip
SECOND_WORDS = (
    "Afternoon", "Bridge", "Canyon", "Carnival", "Detective", "Express", "Garden", "Harbor", "Horizon", "Island",
    "Letters", "Machine", "Melody", "Mirror", "Orchard", "Promise", "River", "Shadow", "Signal", "Stranger", "Summer",
    "Tower", "Voyage", "Waltz", "Witness",
)  # fmt: skip
LARGEST = len(FIRST_WORDS) * len(SECOND_WORDS)
MOST_USERS = 100_000  # 400 MB per array with 500 films
FEWEST = 15  # ratings of a user
DIMENSIONS = 6  # of tastes


def load(n_users: int = 500, n_items: int = 300, seed: int = 0) -> FilmRatings:
    """Generate the ratings of `n_users` users for at most `n_items` films; the same seed gives the same ratings.

    Films that no user has seen have a title, but no ratings.

    ValueError: unless 1 <= n_users <= 100,000, 30 <= n_items <= 500 (there are no more titles) and seed >= 0.
    """
    owner = "synthetic_ratings.load"
    n_users = arguments.positive_int(owner, "n_users", n_users)
    if n_users > MOST_USERS:
        raise ValueError(f"{owner}: n_users must be at most {MOST_USERS:,}, got {n_users:,}: generate fewer")
    n_items = arguments.whole(owner, "n_items", n_items, 2 * FEWEST)
    if n_items > LARGEST:
        raise ValueError(f"{owner}: n_items must be at most {LARGEST}, the number of titles, got {n_items}")
    rng = np.random.default_rng(arguments.whole(owner, "seed", seed))

    of_genres = rng.normal(0, 0.8, (len(GENRES), DIMENSIONS))
    chosen = [rng.choice(len(GENRES), rng.integers(1, 3), replace=False) for _ in range(n_items)]
    film_tastes = np.array([of_genres[few].mean(axis=0) for few in chosen]) + rng.normal(0, 0.2, (n_items, DIMENSIONS))
    quality = rng.normal(0, 0.5, n_items)
    log_popularity = quality - np.log(rng.permutation(n_items) + 10)

    user_tastes = rng.normal(0, 0.4, (n_users, DIMENSIONS))
    generosity = rng.normal(0, 0.45, n_users)
    counts = np.clip(np.exp(rng.normal(3.6, 0.7, n_users)).astype(int), FEWEST, n_items // 2)

    liking = user_tastes @ film_tastes.T  # (users, films)
    attraction = log_popularity + liking / 2 + rng.gumbel(size=liking.shape)
    places = np.argsort(np.argsort(-attraction, axis=1), axis=1)  # 0: the film that attracts most
    users, items = np.nonzero(places < counts[:, np.newaxis])
    exact = 3.2 + generosity[users] + quality[items] + liking[users, items] + rng.normal(0, 0.8, len(users))
    times = 1_000_000_000 + rng.integers(0, 200 * 24 * 3600, len(users))

    names = list(product(FIRST_WORDS, SECOND_WORDS))
    words = [names[k] for k in rng.permutation(len(names))[:n_items]]
    years = {item: int(year) for item, year in enumerate(rng.integers(1950, 2001, n_items), 1)}
    return FilmRatings(
        users=users + 1,
        items=items + 1,
        ratings=np.clip(np.rint(exact), 1, 5),
        times=times,
        titles={item: f"{' '.join(pair)} ({years[item]})" for item, pair in enumerate(words, 1)},
        genres={item: tuple(GENRES[k] for k in sorted(few)) for item, few in enumerate(chosen, 1)},
        years=years,
        source=f"SYNTHETIC: {n_users} users, {n_items} films, seed {seed} ({len(users):,} ratings)",
    )
