"""FilmRatings, what the data sets of ratings return: who gave which film how many stars, and what the films are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import arguments

__all__ = ["FilmRatings", "repeated_pairs"]


@dataclass(frozen=True, eq=False)
class FilmRatings:
    """Ratings of 1 to 5 stars, and the films by id.

    users, items (n,) int64: the user and the film of each rating.
    ratings (n,) float64: 1 to 5.
    times (n,) int64: seconds since 1970.
    titles, genres, years: by film id; the year is None if the source omits it.
    source: the origin of the ratings; for generated data it begins with "SYNTHETIC".

    TypeError: a column that is no array. ValueError: arrays of unequal length, or an item without a title.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    ratings: NDArray[np.float64]
    times: NDArray[np.int64]
    titles: Mapping[int, str]
    genres: Mapping[int, tuple[str, ...]]
    years: Mapping[int, int | None]
    source: str

    def __post_init__(self) -> None:
        for name in ("users", "items", "ratings", "times"):
            if not isinstance(column := getattr(self, name), np.ndarray):
                got = f"got {arguments.brief(column)}: write np.asarray({name})"
                raise TypeError(f"FilmRatings: {name} must be a NumPy array, {got}")
        shapes = [each.shape for each in (self.users, self.items, self.ratings, self.times)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1:
            expected = "users, items, ratings and times must be 1-D and of one length"
            raise ValueError(f"FilmRatings: {expected}, got shapes {shapes}")
        without = next((item for item in np.unique(self.items).tolist() if item not in self.titles), None)
        if without is not None:
            raise ValueError(f"FilmRatings: titles must hold every item, got none for item {without}")

    @property
    def n_ratings(self) -> int:
        return len(self.ratings)

    @property
    def n_users(self) -> int:
        return len(np.unique(self.users))

    @property
    def n_items(self) -> int:
        """The number of films with at least one rating."""
        return len(np.unique(self.items))

    @property
    def is_synthetic(self) -> bool:
        return self.source.startswith("SYNTHETIC")


def repeated_pairs(users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.intp]:
    """The places where a user and an item occur together that also do so earlier, in order."""
    order = np.lexsort((items, users))  # stable, so that the first of equal pairs comes first
    again = (np.diff(users[order]) == 0) & (np.diff(items[order]) == 0)
    return np.sort(order[1:][again])
