"""Generated ratings: reproducible, and of the kind that their docstring promises."""

from __future__ import annotations

import numpy as np
import pytest

from tinydl.datasets import synthetic_ratings
from tinydl.datasets.synthetic_ratings import load


def test_the_same_seed_gives_the_same_ratings() -> None:
    one, same, other = load(60, 50, seed=1), load(60, 50, seed=1), load(60, 50, seed=2)
    for name in ("users", "items", "ratings", "times"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert one.titles == same.titles
    assert len(one.items) != len(other.items) or not np.array_equal(one.items, other.items)
    assert one.source == f"SYNTHETIC: 60 users, 50 films, seed 1 ({one.n_ratings:,} ratings)"
    assert one.is_synthetic


def test_films_and_ratings_are_what_they_should_be() -> None:
    data = load()
    assert set(np.unique(data.ratings)) == {1, 2, 3, 4, 5}
    assert data.n_users == 500
    assert len(set(data.titles.values())) == 300 == len(data.genres) == len(data.years)
    assert all(f"({data.years[item]})" in title for item, title in data.titles.items())
    assert {len(genres) for genres in data.genres.values()} == {1, 2}
    assert np.bincount(data.users)[1:].min() >= synthetic_ratings.FEWEST
    pairs = data.users * 1000 + data.items
    assert len(np.unique(pairs)) == data.n_ratings
    by_film = np.sort(np.bincount(data.items, minlength=301)[1:])[::-1]
    assert by_film[:30].sum() > 3 * by_film[150:180].sum()  # a few films have most of the ratings


def test_users_see_what_they_like() -> None:
    """Ratings of the same users for films drawn evenly would be lower: what is missing is not missing at random."""
    data = load()
    by_film = [data.ratings[data.items == item] for item in np.unique(data.items)]
    counts, means = np.array([len(each) for each in by_film]), np.array([each.mean() for each in by_film])
    assert np.corrcoef(np.log(counts), means)[0, 1] > 0.2
    assert data.ratings.mean() > means.mean() + 0.1


def test_bad_sizes_are_refused() -> None:
    for sizes, message in [
        ((0, 50), "n_users must be an integer >= 1"), ((10**12, 50), "n_users must be at most 100,000, got 1,000,000,0"),
        ((5, 29), "n_items must be an integer >= 30"),
        ((5, 501), "n_items must be at most 500, the number of titles, got 501"), ((5, 50, -1), "seed must be"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=f"^synthetic_ratings.load: {message}"):
            load(*sizes)
