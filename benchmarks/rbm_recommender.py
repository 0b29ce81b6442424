"""What matters in RBMRecommender? Its defaults on MovieLens 100K, and each change of one of them.

    python -m benchmarks.rbm_recommender [--data ml-100k] [--seed 0] [--folds 0 2 4]

Test ratings are not touched: in each of these folds of benchmarks/movielens.py, a tenth of the training ratings is
predicted from the others. The defaults were chosen on these figures. The last line predicts with a mean-field pass
instead of the exact conditional probabilities (derived in tinydl/recommenders/rating_machine.py).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.movielens import fitted, rmse
from benchmarks.movielens_surprise import folds
from tinydl.datasets import movielens
from tinydl.datasets.film_ratings import FilmRatings
from tinydl.recommenders import RBMRecommender

CHANGES: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "a weight per star": {"linear": False},
    "50 hidden units": {"units": 50},
    "100 hidden units": {"units": 100},
    "400 hidden units": {"units": 400},
    "k = 3": {"k": 3},
    "no weight decay": {"weight_decay": 0.0},
    "half the weight decay": {"weight_decay": 0.0025},
    "20 epochs": {"epochs": 20},
    "80 epochs": {"epochs": 80},
    "users as rows": {"based_on": "user"},
    "users as rows, half the rate": {"based_on": "user", "learning_rate": 0.01},
    "Bernoulli units": {"visible": "bernoulli"},
}


def by_mean_field(model: RBMRecommender, data: FilmRatings, learned: NDArray[np.intp], rows: NDArray[np.intp]) -> float:
    """The RMSE with scores b + sum_f p_f w_f, for a model with items as rows."""
    W, b, c = model.components_, model.intercept_visible_, model.intercept_hidden_
    users = np.searchsorted(model.users_, data.users)
    items, values = np.searchsorted(model.items_, data.items), np.searchsorted(model.values_, data.ratings)
    a = np.tile(c, (len(model.items_), 1))
    np.add.at(a, items[learned], W[:, users[learned], values[learned]].T)
    known = rows[np.isin(data.items[rows], model.items_) & np.isin(data.users[rows], model.users_)]
    p = 1 / (1 + np.exp(-a[items[known]]))
    scores = b[users[known]] + np.einsum("nf,fnk->nk", p, W[:, users[known]])
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    predicted = shares @ model.values_ / shares.sum(axis=1)
    exact = model.predict(data.users[known], data.items[known])
    squares = [np.mean((each - data.ratings[known]) ** 2) for each in (predicted, exact)]
    return float(np.sqrt(rmse(model, data, rows) ** 2 + (squares[0] - squares[1]) * len(known) / len(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ml-100k, or the folder that holds it (default: the one TINYDL_DATA names)")
    parser.add_argument("--seed", type=int, default=0, help="of the folds and the machines (default 0)")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 2, 4], choices=range(5), help="default: 0 2 4")
    args = parser.parse_args()
    try:
        data = movielens.load(args.data)
    except (OSError, ValueError) as trouble:
        parser.error(str(trouble))
    every = list(folds(data.n_ratings, args.seed))
    splits = [every[fold][0] for fold in args.folds]
    print(f"{'':<30} {'RMSE':<7} {' '.join(f'fold {fold} ' for fold in args.folds)} seconds a fit")

    def show(name: str, figures: list[float], seconds: float) -> None:
        print(
            f"{name:<30} {np.mean(figures):.4f}  {'  '.join(f'{each:.4f}' for each in figures)}  {seconds:.1f}",
            flush=True,
        )

    mean_field = []
    for name, settings in CHANGES.items():
        figures, start = [], time.perf_counter()
        for train in splits:
            inside, watched = train[len(train) // 10 :], train[: len(train) // 10]  # the order is random
            model = RBMRecommender(random_state=args.seed, **settings)
            fitted(model, data, inside)
            figures.append(rmse(model, data, watched))
            if not settings:
                mean_field.append(by_mean_field(model, data, inside, watched))
        show(name, figures, (time.perf_counter() - start) / len(splits))
    show("mean-field predictions", mean_field, 0.0)


if __name__ == "__main__":
    main()
