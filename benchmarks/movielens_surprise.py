"""scikit-surprise on the folds of benchmarks/movielens.py: its bias baseline, SVD and SVD++, with their defaults.

    python benchmarks/movielens_surprise.py --data ml-100k [--seed 0] [--models baseline svd svd++]

scikit-surprise needs NumPy 1, so it lives in an environment of its own, in which this file runs alone:

    python3 -m venv surprise && surprise/bin/pip install "numpy<2" scikit-surprise
    surprise/bin/python benchmarks/movielens_surprise.py --data ml-100k

Its figures are comparable with those of benchmarks/movielens.py, which draws the same folds by the function below.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


def folds(n: int, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """The places of the training and test ratings, 80 % and 20 %, five times; each rating is tested once."""
    parts = np.array_split(np.random.default_rng(seed).permutation(n), FOLDS)
    for number, test in enumerate(parts):
        yield np.concatenate([part for other, part in enumerate(parts) if other != number]), test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder ml-100k")
    parser.add_argument("--seed", type=int, default=0, help="of the folds (default 0)")
    parser.add_argument("--models", nargs="+", default=["baseline", "svd", "svd++"])
    args = parser.parse_args()

    surprise: Any = import_module("surprise")
    reader = surprise.Reader(line_format="user item rating timestamp", sep="\t", rating_scale=(1, 5))
    data = surprise.Dataset.load_from_file(str(args.data / "u.data"), reader)
    rows = data.raw_ratings  # (user, item, rating, time), in the file's order
    makers = {
        "baseline": lambda: surprise.BaselineOnly(verbose=False),
        "svd": lambda: surprise.SVD(random_state=0),
        "svd++": lambda: surprise.SVDpp(random_state=0),
    }
    print(f"scikit-surprise {surprise.__version__}, folds of seed {args.seed}")
    for name in args.models:
        figures, start = [], time.perf_counter()
        for train, test in folds(len(rows), args.seed):
            model = makers[name]().fit(data.construct_trainset([rows[k] for k in train]))
            errors = [model.predict(*rows[k][:2]).est - rows[k][2] for k in test]
            figures.append(float(np.sqrt(np.mean(np.square(errors)))))
        shown = " ".join(f"{figure:.4f}" for figure in figures)
        print(
            f"{name:<10} RMSE {np.mean(figures):.4f}   folds {shown}   {time.perf_counter() - start:.0f} s", flush=True
        )


if __name__ == "__main__":
    main()
