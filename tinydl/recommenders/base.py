"""Recommender, the base class of all recommenders: checks, ids and their rows, predictions, and what is recommended."""

from __future__ import annotations

import math
import os
import warnings
import zlib
from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from .. import arguments, interrupts
from ..datasets.film_ratings import repeated_pairs
from ..files import PathLike, destination
from ..losses.base import real_numbers
from ..training.inputs import check_verbose

LARGEST_TABLE = 2**29  # entries: 2 GB in float32, and training needs several arrays of this size
MOST_WEIGHTS = 2**28  # 1 GB in float32; their gradients, and what the optimizer remembers, take as much again
SHRINKAGE = 50  # users who must have rated two items before half of their correlation counts
Triple = tuple[ArrayLike, ArrayLike, ArrayLike]  # users, items, ratings


class Ratings(NamedTuple):
    """Checked ratings: value k was given by users[k] to items[k]."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float64]


class Recommender(arguments.Configured):
    """Base class of all recommenders: learn ratings that users gave to items, and predict the others.

        model = AutoRec(random_state=0).fit(users, items, ratings)
        model.predict([196, 186], [242, 302])       the ratings that these users would give to these items
        model.recommend(196, 10)                    the ids of the ten items with the best predictions
        model.similar(242, 10)                      the ids of the ten items nearest to an item

    Ids are integers of any size, in 1-D arrays of one length; rating k belongs to users[k] and items[k].

    scale         the lowest and the highest rating
    based_on      "item": each item is a row of the table, the ratings that it got from all users; "user": each user is
                  a row, the ratings given to all items
    random_state  an integer that determines all random numbers: the same seed gives the same bits

    After fit: users_, items_ (the known ids, sorted), mean_ (of all ratings) and history_, {name: [a figure per
    epoch]}, with "rmse" and "val_rmse" if `validation` was given. A copy or a pickle holds which items each user rated.

    scikit-learn's clone, get_params and set_params work. GridSearchCV and cross_val_score do not: they call fit(X, y).

    Subclasses define two methods for a table (rows, columns), oriented by based_on:
        _fit(table, rated, verbose)    learn from a float32 table, 0 where the mask `rated` is False; append the
                                       figures of each epoch to the history with _record. If _checkpoint is not None,
                                       save the run in this file after each epoch, and continue the run that it holds
        _predict_table()               predictions for all entries, (rows, columns)
    """

    users_: NDArray[np.int64]
    items_: NDArray[np.int64]
    mean_: float
    history_: dict[str, list[float]]

    def __init__(self, *, scale: Sequence[float] = (1.0, 5.0), based_on: str = "item", random_state: int = 0) -> None:
        owner = type(self).__name__
        if not isinstance(scale, tuple | list) or len(scale) != 2:
            mend = f": write {tuple(scale.tolist())}" if isinstance(scale, np.ndarray) and scale.shape == (2,) else ""
            raise ValueError(f"{owner}: scale must be (lowest, highest), got {arguments.brief(scale)}{mend}")
        low, high = (arguments.number(owner, "an end of scale", end) for end in scale)
        if not low < high:
            raise ValueError(f"{owner}: scale must be (lowest, highest), got ({low:g}, {high:g}): exchange them")
        self.scale = (low, high)
        self.based_on = arguments.one_of(owner, "based_on", based_on, ("item", "user"))
        self.random_state = arguments.whole(owner, "random_state", random_state)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as in scikit-learn; `deep` makes no difference."""
        return self.get_config()

    def set_params(self, **params: Any) -> Any:
        """Change some of the constructor's arguments, and return the recommender; raises as the constructor does."""
        vars(self).update(self._with(**params).get_config())
        return self

    def __sklearn_clone__(self) -> Any:
        return self._with()

    def _with(self, **params: Any) -> Any:
        """A new recommender with the same arguments but for `params`, not fitted."""
        return type(self)(**{**self.get_config(), **params})

    def _fit(self, table: NDArray[np.float32], rated: NDArray[np.bool_], verbose: int | str) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no _fit")

    def _predict_table(self) -> NDArray[np.floating[Any]]:
        raise NotImplementedError(f"{type(self).__name__} has no _predict_table")

    # --- learning -----------------------------------------------------------------------------------

    @interrupts.held
    def fit(
        self, users: ArrayLike, items: ArrayLike, ratings: ArrayLike, *, validation: Triple | None = None,
        verbose: int | str = "auto", checkpoint: PathLike | None = None,
    ) -> Any:  # fmt: skip
        """Learn ratings, and forget any that were learned before. Returns the recommender itself.

        validation  (users, items, ratings) to watch: history_["val_rmse"] is the RMSE on them after each epoch, and
                    history_["rmse"] that on the ratings learned. Unknown users and items count with the mean
        verbose     0 is silent, 1 and "auto" show a bar (lines without a terminal), 2 shows lines
        checkpoint  a file in which the run is saved after each epoch. The same call continues a run that was stopped,
                    to the bit, and takes a finished one from the file. UserItemBias has no epochs and writes no file

        Raises ValueError or TypeError, before anything changes, unless ids are integers in 1-D arrays of one length,
        ratings are finite numbers within the scale, each user rated each item at most once, and the checkpoint, if
        the file exists, holds a run with the same arguments, ratings and validation. A recommender whose fit fails, or
        is interrupted by Ctrl-C, stays as it was.
        """
        learned = checked_ratings("fit", users, items, ratings, self.scale)
        watched = None
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 3:
                got = arguments.brief(validation)
                raise ValueError(f"fit: validation must be (users, items, ratings), got {got}")
            watched = checked_ratings("fit: validation", *validation, self.scale)
        verbose = check_verbose("fit", verbose)
        if checkpoint is not None:
            _check_writable(checkpoint)
        new = self._with()  # so that a failure leaves self as it was
        new._learn(learned, watched, verbose, checkpoint)
        self._become(new)
        return self

    @interrupts.sealed
    def _become(self, other: Recommender) -> None:
        vars(self).clear()
        vars(self).update(vars(other))

    def _learn(
        self, learned: Ratings, watched: Ratings | None, verbose: int | str, checkpoint: PathLike | None
    ) -> None:
        self.users_, user_rows = np.unique(learned.users, return_inverse=True)
        self.items_, item_rows = np.unique(learned.items, return_inverse=True)
        shape = (len(self.users_), len(self.items_))
        if shape[0] * shape[1] > LARGEST_TABLE:
            got = f"{shape[0]:,} users times {shape[1]:,} items"
            mend = "leave out users or items with few ratings"
            raise ValueError(f"fit: the table must have at most {LARGEST_TABLE:,} entries, got {got}: {mend}")
        self.mean_ = float(learned.values.mean())
        self.history_ = {}
        table, rated = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        table[user_rows, item_rows] = learned.values
        rated[user_rows, item_rows] = True
        self._rated = rated
        self._learned, self._watched, self._checkpoint = learned, watched, checkpoint
        if self.based_on == "item":
            self._fit(np.ascontiguousarray(table.T), np.ascontiguousarray(rated.T), verbose)
        else:
            self._fit(table, rated, verbose)
        del self._learned, self._watched, self._checkpoint
        self._predictions = self._user_by_item()

    def _record(self, **figures: float) -> dict[str, float]:
        """Append the figures of one epoch to history_, and "rmse" and "val_rmse" if there are validation ratings."""
        if self._watched is not None:
            table = self._user_by_item()
            figures["rmse"] = self._rmse(table, self._learned)
            figures["val_rmse"] = self._rmse(table, self._watched)
        for name, value in figures.items():
            self.history_.setdefault(name, []).append(value)
        return figures

    def _identity(self) -> dict[str, Any]:
        """What a run must share with the one that it continues, as JSON."""
        watched = None if self._watched is None else _checksum(self._watched)
        return {"recommender": repr(self), "ratings": _checksum(self._learned), "validation": watched}

    def _check_identity(self, saved: dict[str, Any]) -> None:
        for name, own in self._identity().items():
            if saved[name] != own:
                both = f"{arguments.shown(str(saved[name])):.400}, as in the file, got {own}"
                same = both if name == "recommender" else "those of this run, got others"
                mend = "remove the file, or pass another path, to start a new run"
                raise ValueError(f"fit: {name} must be {same}: {mend}")

    def _begun(self) -> PathLike | None:
        """The checkpoint, if there is such a file: it holds a run to continue."""
        path = self._checkpoint
        return path if path is not None and os.path.lexists(os.path.expanduser(path)) else None

    def _rmse(self, table: NDArray[np.float32], ratings: Ratings) -> float:
        predicted = self._look_up(table, ratings.users, ratings.items)[0]
        return float(np.sqrt(np.mean((predicted - ratings.values) ** 2)))

    def _user_by_item(self) -> NDArray[np.float32]:
        """The predictions (users, items), which may lie outside the scale."""
        table = self._predict_table()
        return (table.T if self.based_on == "item" else table).astype(np.float32, order="C")

    # --- using what was learned ---------------------------------------------------------------------

    def predict(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """The predicted rating, within the scale, of items[k] by users[k], for each k.

        Pairs with a user or an item that fit has not seen get mean_, and one warning says how many there are.

        Raises NotFittedError before fit; ValueError or TypeError unless both are 1-D arrays of integer ids of one
        length.
        """
        self._check_fitted("predict")
        users, items = _ids("predict", "users", users), _ids("predict", "items", items)
        if len(users) != len(items):
            raise ValueError(f"predict: users and items must have one length, got {len(users)} and {len(items)}")
        predicted, known_users, known_items = self._look_up(self._predictions, users, items)
        unknown = ~(known_users & known_items)
        if unknown.any():
            new_users, new_items = len(np.unique(users[~known_users])), len(np.unique(items[~known_items]))
            of = f"{unknown.sum():,} of {len(unknown):,} pairs hold an unknown user or item"
            counts = f"{new_users:,} users and {new_items:,} items were not in fit"
            warnings.warn(f"predict: {of} ({counts}): they get the mean rating, {self.mean_:.3g}", stacklevel=2)
        return predicted

    def recommend(self, user: int, n: int = 10) -> NDArray[np.int64]:
        """The ids of the n items with the highest predictions for a user among those that the user has not rated, best
        first; fewer if fewer are left. Predictions above the scale count as they are.

        Raises NotFittedError before fit; ValueError for a user that fit has not seen, who has no ratings to go by.
        """
        self._check_fitted("recommend")
        row = _row("recommend", "user", user, self.users_)
        n = arguments.positive_int("recommend", "n", n)
        unrated = np.flatnonzero(~self._rated[row])
        best = np.argsort(-self._predictions[row, unrated], kind="stable")[:n]
        return self.items_[unrated[best]]

    def similar(self, item: int, n: int = 10) -> NDArray[np.int64]:
        """The ids of the n items nearest to an item, nearest first.

        With p_ui the predicted rating and d_ui = p_ui - mean_i p_ui, which leaves out how generous user u is,
            similarity of i and j = n_ij / (n_ij + 50) times the correlation of d_ui and d_uj over all users
        n_ij is the number of users who rated both: if few did, a correlation of predictions means little.

        Reference  Koren 2010, "Factor in the Neighbors", section 2.2
        Raises NotFittedError before fit; ValueError for an item that fit has not seen, and if its d_ui are 0 but for
        rounding, as they always are in UserItemBias: it predicts the same differences between items for all users.
        """
        self._check_fitted("similar")
        row = _row("similar", "item", item, self.items_)
        n = arguments.positive_int("similar", "n", n)
        d = self._predictions - self._predictions.mean(axis=1, keepdims=True, dtype=np.float64)
        d -= d.mean(axis=0)
        lengths = np.sqrt(np.einsum("ui,ui->i", d, d))
        rounding = 4 * np.finfo(np.float32).eps * np.abs(self._predictions).max() * np.sqrt(len(d))
        if lengths[row] <= rounding:
            expected, got = "be predicted for some users as better, for others as worse", "the same for all users"
            raise ValueError(f"similar: item must {expected}, got {got}: use AutoRec or RBMRecommender")
        products = d.T @ d[:, row]
        correlation = np.divide(products, lengths * lengths[row], out=np.zeros(len(d.T)), where=lengths > rounding)
        both = self._rated[self._rated[:, row]].sum(axis=0)
        nearest = np.argsort(-correlation * both / (both + SHRINKAGE), kind="stable")
        return self.items_[nearest[nearest != row][:n]]

    def _look_up(
        self, table: NDArray[np.float32], users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """The entries of a table (users, items), within the scale, or the mean; which users and items are known."""
        rows, known_users = _places(self.users_, users)
        columns, known_items = _places(self.items_, items)
        known = known_users & known_items
        found = np.full(len(users), self.mean_)
        found[known] = np.clip(table[rows[known], columns[known]], *self.scale)
        return found, known_users, known_items

    # --- checks -------------------------------------------------------------------------------------

    def _check_fitted(self, method: str) -> None:
        if not hasattr(self, "_predictions"):
            mend = "call fit(users, items, ratings) first"
            raise NotFittedError(f"{method}: the recommender must be fitted, got a new {type(self).__name__}: {mend}")


def check_history(history: dict[str, list[float]], epochs: int) -> None:
    """Raise ValueError or TypeError unless a history from a file holds a number for each epoch."""
    for name, values in history.items():
        if not isinstance(values, list) or len(values) != epochs:
            raise ValueError(f"the history must hold {epochs} epochs, got {arguments.brief(values)} for {name!r:.80}")
        for value in values:
            arguments.number("checkpoint", "a figure of the history", value)


def _check_writable(path: PathLike) -> None:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"fit: checkpoint must be a path or None, got {arguments.brief(path)}")
    try:
        destination(path)
    except OSError as error:
        raise ValueError(f"fit: checkpoint must be writable: {error}") from None


def _checksum(ratings: Ratings) -> int:
    return zlib.crc32(b"".join(np.ascontiguousarray(column).tobytes() for column in ratings))


def checked_ratings(
    owner: str, users: ArrayLike, items: ArrayLike, ratings: ArrayLike, scale: tuple[float, float] | None
) -> Ratings:
    """Return ratings as arrays; raise unless all are as fit expects. Without a scale, any finite number is a rating."""
    users, items = _ids(owner, "users", users), _ids(owner, "items", items)
    _refuse_mask(owner, "ratings", ratings)
    values = real_numbers(owner, "ratings", ratings).astype(np.float64)
    if values.ndim != 1 or not len(users) == len(items) == len(values):
        got = f"{len(users)} users, {len(items)} items and ratings of shape {values.shape}"
        raise ValueError(f"{owner}: users, items and ratings must be 1-D and of one length, got {got}")
    if len(values) == 0:
        raise ValueError(f"{owner}: ratings must hold at least one rating, got none")
    low, high = scale or (-np.inf, np.inf)
    bad = np.flatnonzero(~(np.isfinite(values) & (low <= values) & (values <= high)))
    if len(bad):
        expected = "be finite" if scale is None else f"lie within the scale, {low:g} to {high:g}"
        got = f"{values[bad[0]]:g} at position {bad[0]}" + f", and {len(bad) - 1:,} others" * (len(bad) > 1)
        raise ValueError(f"{owner}: ratings must {expected}, got {got}: {_mend_of_ratings(values[bad], low, high)}")
    again = repeated_pairs(users, items)
    if len(again):
        got = f"user {users[again[0]]} and item {items[again[0]]} more than once"
        got += f", and {len(again) - 1:,} other repetitions" * (len(again) > 1)
        raise ValueError(f"{owner}: each user may rate an item once, got {got}: keep one rating, such as the last")
    return Ratings(users, items, values)


def _mend_of_ratings(bad: NDArray[np.float64], low: float, high: float) -> str:
    """What to do about ratings that are not finite, or outside the scale."""
    if not np.isfinite(bad).all():
        return "leave such ratings out"
    mend = f"give the scale that holds all ratings, scale=({min(low, bad.min()):g}, {max(high, bad.max()):g})"
    return f"leave them out if 0 marks what was not rated, or {mend}" if not bad.any() else mend


def check_units(units: int, weights: int, columns: int) -> None:
    """Raise if `units` hidden units, with this many weights each, need too much memory."""
    most = MOST_WEIGHTS // weights
    if units > most:
        raise ValueError(f"fit: units must be <= {most:,} for {columns:,} columns, got {units:,}")


def _refuse_mask(owner: str, name: str, values: ArrayLike) -> None:
    if isinstance(values, np.ma.MaskedArray):
        got = "got a masked array, whose mask would be lost"
        mend = "leave the masked entries out of users, items and ratings"
        raise ValueError(f"{owner}: {name} must be a plain array, {got}: {mend}")


def _ids(owner: str, name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Return ids as int64; raise unless they are integers in one dimension."""
    _refuse_mask(owner, name, values)
    ids = np.asarray(values)
    if ids.ndim != 1:
        mend = "write [id] for one" if ids.ndim == 0 else "pass one column, without others"
        raise ValueError(f"{owner}: {name} must be 1-D, one id per rating, got shape {ids.shape}: {mend}")
    if ids.size == 0:
        return np.empty(0, np.int64)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{owner}: {name} must be integer ids, got dtype {ids.dtype}: {_mend_of_ids(name, ids)}")
    if ids.dtype.kind == "u" and ids.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{owner}: {name} must be at most 2**63 - 1, got {ids.max()}: number them with np.unique")
    return ids.astype(np.int64)


def _mend_of_ids(name: str, ids: NDArray[Any]) -> str:
    """What to do about ids that are no integers: gaps, integers in other types, names."""
    kind = ids.dtype.kind
    gaps = kind == "f" and not np.isfinite(ids).all()
    if gaps or (kind == "O" and not all(isinstance(each, str | Integral) for each in ids)):
        return "leave rows without an id out"
    if np.array_equal(ids, np.rint(ids)) if kind == "f" else all(isinstance(each, Integral) for each in ids):
        return f"write {name}.astype(int)"
    return f"number them: names, {name} = np.unique({name}, return_inverse=True)"


def _places(known: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The place of each id in the sorted known ids, and whether it is there at all."""
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return places, known[places] == ids


def _row(owner: str, name: str, value: int, known: NDArray[np.int64]) -> int:
    """The place of one id; raise unless fit has seen it."""
    identity = arguments.whole(owner, name, value, -math.inf)
    places, found = _places(known, np.array([identity]))
    if not found[0]:
        got = f"{identity}, which fit has not seen"
        raise ValueError(f"{owner}: {name} must be one of {len(known):,} ids, {known[0]} to {known[-1]}, got {got}")
    return int(places[0])
