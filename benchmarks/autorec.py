"""What matters in AutoRec? Its defaults, and each of them changed, on rows inside one training fold of MovieLens 100K.

    python -m benchmarks.autorec [--data ml-100k] [--variants "no dropout" ...]

Each net learns nine tenths of the first fold's training ratings and predicts the rest; the fold's test ratings are not
used. The defaults were chosen so. Recommendations are measured on the same rest; "rare" is the share of the first ten
recommendations that have fewer than five ratings.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.movielens import fitted, rmse
from benchmarks.movielens_surprise import folds
from tinydl.datasets import movielens
from tinydl.recommenders import AutoRec, Recommender, UserItemBias, ranking_figures

# The best found with a sigmoid, whose slope at 0 is a quarter of that of tanh.
SIGMOID: dict[str, Any] = {"activation": "sigmoid", "l2": 32.0, "dropout": 0.5, "learning_rate": 2e-3}
VARIANTS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "user-based": {"based_on": "user"},
    "no baseline": {"regularization": 1e9},  # all biases are 0, so the mean alone is subtracted
    "sigmoid": SIGMOID,
    "sigmoid, user-based": {**SIGMOID, "based_on": "user"},
    "relu": {"activation": "relu"},
    "linear": {"activation": None},
    "no dropout": {"dropout": 0.0},
    "dropout 0.5": {"dropout": 0.5},
    "l2 / 4": {"l2": 50.0},
    "l2 * 4": {"l2": 800.0},
    "100 units": {"units": 100},
    "1000 units": {"units": 1000},
    "batches of 32": {"batch_size": 32},
    "25 epochs": {"epochs": 25},
    "100 epochs": {"epochs": 100},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ml-100k, or the folder that holds it (default: the one TINYDL_DATA names)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    args = parser.parse_args()
    try:
        data = movielens.load(args.data)
    except (OSError, ValueError) as trouble:
        parser.error(str(trouble))
    train = next(iter(folds(data.n_ratings, 0)))[0]
    inside, watched = train[len(train) // 10 :], train[: len(train) // 10]
    counts = np.bincount(data.items[inside], minlength=data.items.max() + 1)
    models: dict[str, Recommender] = {"user and item bias": UserItemBias()}
    models |= {name: AutoRec(**VARIANTS[name]) for name in args.variants}
    print(f"{'':<20} RMSE    learned  precision@10  rare")
    for name, model in models.items():
        fitted(model, data, inside)
        figures = ranking_figures(model, data.users[watched], data.items[watched], data.ratings[watched])
        shown = np.concatenate([model.recommend(user) for user in model.users_.tolist()])
        print(
            f"{name:<20} {rmse(model, data, watched):.4f}  {rmse(model, data, inside):.4f}   "
            f"{figures['precision@10']:.3f}         {(counts[shown] < 5).mean():.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
