"""How well are ratings of MovieLens predicted? Root mean squared errors over five folds, 80 % for training.

    python -m benchmarks.movielens [--data ml-100k] [--seed 0] [--models "AutoRec, items"]

The folds are drawn by --seed, and the networks begin at that seed, too. Several settings of a model are compared on a
tenth of the training ratings of each fold, which the others then predict; the best is fitted again to all training
ratings of the fold, and only then predicts the test ratings. No figure on test ratings decides anything.
benchmarks/movielens_surprise.py gives the figures of scikit-surprise on the same folds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.movielens_surprise import folds
from tinydl.datasets import movielens
from tinydl.datasets.film_ratings import FilmRatings
from tinydl.recommenders import AutoRec, RBMRecommender, Recommender, UserItemBias

Settings = dict[str, Any]


def autorec(based_on: str) -> Callable[[int, Settings], Recommender]:
    return lambda seed, settings: AutoRec(based_on=based_on, random_state=seed, **settings)


def rbm(**fixed: Any) -> Callable[[int, Settings], Recommender]:
    return lambda seed, settings: RBMRecommender(**fixed, random_state=seed, **settings)


# name -> how the model is made from a seed and settings, and the settings to choose from, "epochs and decay"
NETS: Sequence[Settings] = [{"epochs": epochs, "l2": l2} for epochs, l2 in product((40, 60), (150.0, 250.0))]
RBMS: Sequence[Settings] = [
    {"epochs": epochs, "weight_decay": decay} for epochs, decay in product((30, 40), (3e-3, 5e-3, 7e-3))
]
BOOK_RBMS: Sequence[Settings] = [
    {"epochs": epochs, "weight_decay": decay} for epochs, decay in product((40, 80), (0, 1e-3))
]
BOOK: dict[str, Any] = {"visible": "bernoulli", "units": 80, "k": 5}
MODELS: dict[str, tuple[Callable[[int, Settings], Recommender], Sequence[Settings]]] = {
    "user and item bias": (
        lambda seed, settings: UserItemBias(**settings), [{"regularization": many} for many in (1, 2, 3, 5, 8, 13)],
    ),
    "AutoRec, items": (autorec("item"), NETS),
    "AutoRec, users": (autorec("user"), NETS),
    "RBM, items": (rbm(based_on="item"), RBMS),
    "RBM, users": (rbm(based_on="user", learning_rate=0.01), RBMS),
    "RBM, items, a weight per star": (rbm(based_on="item", linear=False), RBMS),
    "RBM of the book, items": (rbm(based_on="item", **BOOK), BOOK_RBMS),
    "RBM of the book, users": (rbm(based_on="user", **BOOK), BOOK_RBMS),
}  # fmt: skip


def rmse(model: Recommender, data: FilmRatings, rows: NDArray[np.intp]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some films have no rating outside the fold: they get the mean
        predicted = model.predict(data.users[rows], data.items[rows])
    return float(np.sqrt(np.mean((predicted - data.ratings[rows]) ** 2)))


def fitted(model: Recommender, data: FilmRatings, rows: NDArray[np.intp]) -> Recommender:
    return model.fit(data.users[rows], data.items[rows], data.ratings[rows], verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ml-100k, or the folder that holds it (default: the one TINYDL_DATA names)")
    parser.add_argument("--download", action="store_true", help="download the data (5 MB) if they are missing")
    parser.add_argument("--seed", type=int, default=0, help="of the folds and the networks (default 0)")
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="MODEL", help=", ".join(MODELS)
    )
    args = parser.parse_args()
    try:
        data = movielens.load(args.data, download=args.download)
    except (OSError, ValueError) as trouble:
        parser.error(str(trouble))
    print(f"{data.source}: {data.n_users:,} users, {data.n_items:,} films; folds and networks of seed {args.seed}")
    means = []
    for train, test in folds(data.n_ratings, args.seed):
        means.append(float(np.sqrt(np.mean((data.ratings[train].mean() - data.ratings[test]) ** 2))))
    print(f"{'the mean rating':<30} RMSE {np.mean(means):.4f}   folds {' '.join(f'{each:.4f}' for each in means)}")
    for name in args.models:
        make, choices = MODELS[name]
        figures, chosen, seconds = [], [], []
        for train, test in folds(data.n_ratings, args.seed):
            inside, watched = train[len(train) // 10 :], train[: len(train) // 10]  # the order is random
            inner = [rmse(fitted(make(args.seed, each), data, inside), data, watched) for each in choices]
            best = choices[int(np.argmin(inner))]
            start = time.perf_counter()
            model = fitted(make(args.seed, best), data, train)
            seconds.append(time.perf_counter() - start)
            figures.append(rmse(model, data, test))
            chosen.append(", ".join(f"{key} {value:g}" for key, value in best.items()))
            print(f"    {name}, fold {len(figures)}: {figures[-1]:.4f} with {chosen[-1]}", flush=True)
        shown = " ".join(f"{figure:.4f}" for figure in figures)
        print(f"{name:<30} RMSE {np.mean(figures):.4f}   folds {shown}   {np.mean(seconds):.1f} s a fit", flush=True)


if __name__ == "__main__":
    main()
