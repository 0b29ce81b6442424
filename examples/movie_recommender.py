"""A movie recommender: predict how many stars a user would give to a film that he has not rated.

Without arguments the script generates ratings, fits all models, compares them and recommends films, in under a minute:

    python examples/movie_recommender.py
    python examples/movie_recommender.py --data ml-100k            # MovieLens 100K, about three minutes
    python examples/movie_recommender.py --data --download         # get it first (5 MB)
    python examples/movie_recommender.py --data ml-100k --model autorec --user 7 --film "Star Wars"
    python examples/movie_recommender.py --data ml-100k --resume   # continue a run that was stopped, bit for bit

A fifth of the ratings is held out for the comparison. Nothing is chosen by these: the settings of all models are their
defaults, which benchmarks/movielens.py explains.

Written to --out: report.json, table.md, recommendations.md, pictures, and after each epoch the checkpoints from which
--resume continues.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydl.datasets import movielens, synthetic_ratings
from tinydl.datasets.film_ratings import FilmRatings
from tinydl.files import PathLike, markdown_table, write_json, write_whole
from tinydl.plots.style import BLUE, GREY, VERMILION, add_legend, cycle, dress, finish, panel
from tinydl.recommenders import AutoRec, RBMRecommender, Recommender, UserItemBias, ranking_figures

Maker = Callable[[int, bool], Recommender]  # from the seed, and whether this is only a trial

MODELS: dict[str, tuple[str, Maker]] = {
    "bias": ("user and item bias", lambda seed, quick: UserItemBias(random_state=seed)),
    "autorec": ("AutoRec, items", lambda seed, quick: autorec("item", seed, quick)),
    "autorec-user": ("AutoRec, users", lambda seed, quick: autorec("user", seed, quick)),
    "rbm": ("RBM, items", lambda seed, quick: rbm("item", seed, quick)),
    "rbm-user": ("RBM, users", lambda seed, quick: rbm("user", seed, quick)),
}


def autorec(based_on: str, seed: int, quick: bool) -> AutoRec:
    model = AutoRec(based_on=based_on, random_state=seed)
    return AutoRec(**{**model.get_config(), "epochs": 5}) if quick else model


def rbm(based_on: str, seed: int, quick: bool) -> RBMRecommender:
    return RBMRecommender(epochs=5 if quick else 40, based_on=based_on, random_state=seed)


class MostRated:
    """Recommends to all users the films with the most ratings: no tastes, but hard to beat in a ranking."""

    def __init__(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> None:
        self.users_ = np.unique(users)
        self.items_, counts = np.unique(items, return_counts=True)
        self._ranked = self.items_[np.argsort(-counts, kind="stable")]
        self._seen = {user: items[users == user] for user in self.users_.tolist()}

    def recommend(self, user: int, n: int = 10) -> NDArray[np.int64]:
        return self._ranked[~np.isin(self._ranked, self._seen[user])][:n]


class Run:
    """A fitted model and its figures on the ratings held out. If the checkpoint exists, its run is continued."""

    def __init__(
        self, name: str, model: Recommender, data: FilmRatings, train: Any, test: Any, checkpoint: Path, shown: bool
    ) -> None:
        self.name, self.model, self.resumed = name, model, checkpoint.exists()
        start, verbose = time.perf_counter(), "auto" if shown else 0
        model.fit(*rows(data, train), validation=rows(data, test), verbose=verbose, checkpoint=checkpoint)
        self.seconds = time.perf_counter() - start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # some films have all their ratings in the test part
            self.predicted = model.predict(data.users[test], data.items[test])
        self.ranking = ranking_figures(model, *rows(data, test))

    @property
    def rmse(self) -> float:
        return self.model.history_["val_rmse"][-1]


def rows(data: FilmRatings, chosen: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return data.users[chosen], data.items[chosen], data.ratings[chosen]


# --- words ------------------------------------------------------------------------------------------------------------


def table(runs: list[Run], data: FilmRatings, train: NDArray[np.intp], test: NDArray[np.intp]) -> str:
    """The comparison as a Markdown table."""
    mean = float(np.sqrt(np.mean((data.ratings[train].mean() - data.ratings[test]) ** 2)))
    most = ranking_figures(MostRated(*rows(data, train)[:2]), *rows(data, test))
    lines = [
        ["model", "RMSE, learned", "RMSE, held out", "precision@10", "recall@10", "NDCG@10", "seconds"],
        ["the mean rating", "", f"{mean:.4f}", "", "", "", ""],
        ["the most rated films", "", "", *shares(most), ""],
    ]
    for run in runs:
        figures = [f"{run.model.history_[name][-1]:.4f}" for name in ("rmse", "val_rmse")]
        seconds = f"{run.seconds:.1f}{', resumed' if run.resumed else ''}"
        lines.append([run.name, *figures, *shares(run.ranking), seconds])
    return markdown_table(lines)


def shares(figures: dict[str, float]) -> list[str]:
    return [f"{figures[f'{name}@10']:.3f}" for name in ("precision", "recall", "ndcg")]


def in_words(runs: list[Run]) -> str:
    best = min(runs, key=lambda run: run.rmse)
    words = f"RMSE is how many stars a prediction is off, roughly. The best is {best.name}: {best.rmse:.3f} held out"
    others = [run for run in runs if isinstance(run.model, UserItemBias) and run is not best]
    if others:
        words += f"; biases alone, without any taste, reach {others[0].rmse:.3f}"
    return (
        f"{words}.\nprecision@10 and the like count held-out films with 4 or 5 stars among the first ten recommended."
        "\nA film that the user has not rated at all counts as wrong: compare the rows with each other, not with 1."
    )


def described(data: FilmRatings, item: int) -> str:
    return f"{data.titles[item]} [{item}; {', '.join(data.genres[item])}]"


def recommendations(run: Run, data: FilmRatings, train: NDArray[np.intp], test: NDArray[np.intp], user: int) -> str:
    """What the model says about one user."""
    mine, held = train[data.users[train] == user], test[data.users[test] == user]
    liked = mine[np.argsort(-data.ratings[mine], kind="stable")][:5]
    lines = [f"{run.name} for user {user}, who rated {len(mine)} films, for example", ""]
    lines += [f"- {data.ratings[k]:.0f} stars: {described(data, data.items[k])}" for k in liked]
    chosen = run.model.recommend(user, 10)
    lines += ["", "recommends, of the films that the user has not rated (with the predicted stars)", ""]
    predictions = run.model.predict(np.full(len(chosen), user), chosen)
    truth = dict(zip(data.items[held].tolist(), data.ratings[held].tolist(), strict=True))
    for item, stars in zip(chosen.tolist(), predictions, strict=True):
        known = f", in truth {truth[item]:.0f}" if item in truth else ""
        lines.append(f"- {stars:.1f}{known}: {described(data, item)}")
    return "\n".join(lines)


def nearest_films(run: Run, data: FilmRatings, film: int) -> str:
    near = run.model.similar(film, 10).tolist()
    lines = [f"The films nearest to {described(data, film)}, those that please the same users ({run.name})", ""]
    return "\n".join([*lines, *(f"- {described(data, item)}" for item in near)])


# --- pictures ---------------------------------------------------------------------------------------------------------


def learning_curves(runs: list[Run], source: str, path: PathLike) -> Figure:
    """RMSE by epoch, on the ratings learned and on those held out."""
    figure, ax = panel()
    for colour, run in zip(cycle({run.name: run for run in runs}), runs, strict=True):
        history = run.model.history_
        epochs = np.arange(1, len(history["rmse"]) + 1)
        if len(epochs) == 1:
            ax.axhline(history["val_rmse"][0], color=colour, ls="--", label=f"{run.name}, held out")
            continue
        ax.plot(epochs, history["rmse"], color=colour, label=f"{run.name}, learned")
        ax.plot(epochs, history["val_rmse"], color=colour, ls="--", label=f"{run.name}, held out")
    dress(ax, "Errors by epoch", "epoch", "RMSE (stars)")
    add_legend(ax)
    return finish(figure, source, path)


def predictions_by_stars(run: Run, ratings: NDArray[np.float64], source: str, path: PathLike) -> Figure:
    """The predictions for all ratings of one star, of two stars, and so on."""
    figure, ax = panel(width=8)
    stars = np.unique(ratings)
    ax.boxplot(
        [run.predicted[ratings == each] for each in stars], positions=stars, widths=0.6, whis=(5, 95), showfliers=False,
        medianprops={"color": VERMILION}, tick_labels=[f"{each:g}" for each in stars],
    )  # fmt: skip
    ax.plot(stars, stars, color=GREY, ls=":", label="perfect")
    dress(ax, f"What {run.name} predicts for held-out ratings", "stars given", "stars predicted")
    add_legend(ax)
    return finish(figure, source, path)


def errors_by_popularity(
    runs: list[Run], data: FilmRatings, train: NDArray[np.intp], test: NDArray[np.intp], source: str, path: PathLike
) -> Figure:
    """RMSE against the number of ratings from which a film is known, in groups with as many held-out ratings each."""
    figure, ax = panel()
    counts = np.bincount(data.items[train], minlength=int(data.items.max()) + 1)[data.items[test]]
    groups = np.array_split(np.argsort(counts, kind="stable"), 8)
    places = [np.median(counts[group]) for group in groups]
    for colour, run in zip(cycle({run.name: run for run in runs}), runs, strict=True):
        squares = (run.predicted - data.ratings[test]) ** 2
        ax.plot(places, [np.sqrt(squares[group].mean()) for group in groups], "o-", color=colour, label=run.name)
    dress(ax, "Which films are hard?", "ratings of the film that were learned", "RMSE (stars), held out")
    add_legend(ax)
    return finish(figure, source, path)


def film_map(run: Run, data: FilmRatings, film: int, source: str, path: PathLike, shown: int = 70) -> Figure:
    """Frequently rated films on a plane: the two directions in which predictions differ most between users.

    Of two gray films whose titles would cover each other, one is a dot without a title.
    """
    known, counts = np.unique(data.items, return_counts=True)
    frequent = [item for item in known[np.argsort(-counts, kind="stable")].tolist() if item in run.model.items_]
    near = run.model.similar(film, 5).tolist()
    items = list(dict.fromkeys([film, *near, *frequent[:shown]]))
    users = run.model.users_
    grid = run.model.predict(np.repeat(users, len(items)), np.tile(items, len(users))).reshape(len(users), len(items))
    grid -= grid.mean(axis=1, keepdims=True)
    grid -= grid.mean(axis=0)
    _, sizes, directions = np.linalg.svd(grid, full_matrices=False)
    x, y = sizes[:2, np.newaxis] * directions[:2]
    figure, ax = panel(width=12, height=9)
    ax.scatter(x, y, 14, [VERMILION, *[BLUE] * len(near), *[GREY] * (len(items) - 1 - len(near))])
    title = f"Films that please the same users are near each other ({run.name})"
    dress(ax, title, "first direction", "second direction")
    figure.draw_without_rendering()  # only then is it known where the titles lie
    taken: list[Any] = []
    for item, place in zip(items, zip(x, y, strict=True), strict=True):
        title = data.titles[item].rpartition(" (")[0] or data.titles[item]
        colour = VERMILION if item == film else BLUE if item in near else GREY
        text = ax.annotate(title, place, (4, 2), textcoords="offset points", fontsize=8, color=colour)
        box = text.get_window_extent()
        if colour == GREY and any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)
    return finish(figure, source, path)


# --- the run ----------------------------------------------------------------------------------------------------------


def film_of(parser: argparse.ArgumentParser, data: FilmRatings, known: NDArray[np.int64], given: str | None) -> int:
    """The film that --film names by its id or a part of its title; the most rated one by default."""
    ids, counts = np.unique(data.items[np.isin(data.items, known)], return_counts=True)
    by_count = ids[np.argsort(-counts, kind="stable")].tolist()
    if given is None:
        return by_count[0]
    found = [item for item in by_count if given == str(item) or given.lower() in data.titles[item].lower()]
    if not found:
        parser.error(f"--film: no rated film has the id {given!r}, or {given!r} in its title")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all", help="which model (default: all)")
    parser.add_argument(
        "--data", nargs="?", const="", metavar="PATH",
        help="MovieLens: ml-100k or ml-1m, a folder or an archive; without PATH, the folder that TINYDL_DATA names "
        "(default: generated ratings)",
    )  # fmt: skip
    parser.add_argument("--download", action="store_true", help="with --data: download MovieLens 100K if it is missing")
    parser.add_argument("--user", type=int, help="recommend to this user (default: one with about 100 ratings)")
    parser.add_argument(
        "--film", help="find films near this one: its id, or a part of its title (default: the most rated)"
    )
    parser.add_argument("--seed", type=int, default=0, help="for the split, the weights and the generator (default: 0)")
    parser.add_argument("--quick", action="store_true", help="a trial, not a result: 5 epochs, fewer generated ratings")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, if any, bit for bit")
    parser.add_argument("--out", type=Path, default=Path("runs/movies"), help="output folder (default: runs/movies)")
    args = parser.parse_args()
    if args.seed < 0:
        parser.error("--seed must be >= 0")
    if args.data is None and args.download:
        parser.error("--download needs --data")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    if args.data is None:
        data = synthetic_ratings.load(150, 80, args.seed) if args.quick else synthetic_ratings.load(seed=args.seed)
    else:
        try:
            data = movielens.load(args.data or None, download=args.download)
        except (OSError, ValueError, ImportError) as error:
            parser.error(str(error))
    order = np.random.default_rng(args.seed).permutation(data.n_ratings)
    test, train = order[: data.n_ratings // 5], order[data.n_ratings // 5 :]
    users, counts = np.unique(data.users[train], return_counts=True)
    user = int(users[np.abs(counts - 100).argmin()]) if args.user is None else args.user
    if user not in users:
        parser.error(f"--user: no user {user} among {len(users):,}, {users[0]} to {users[-1]}")
    film = film_of(parser, data, np.unique(data.items[train]), args.film)

    print(
        f"{data.source}: {data.n_users:,} users, {data.n_items:,} films; {len(test):,} ratings are held out", flush=True
    )
    runs: list[Run] = []
    chosen = list(MODELS) if args.model == "all" else [args.model]
    try:
        for key in chosen:
            name, make = MODELS[key]
            print(f"fitting {name} ...", flush=True)
            checkpoint = args.out / "checkpoints" / f"{key}.safetensors"
            if not args.resume:
                checkpoint.unlink(missing_ok=True)
            runs.append(Run(name, make(args.seed, args.quick), data, train, test, checkpoint, sys.stderr.isatty()))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. --resume continues the run.")
    except ValueError as error:
        if not args.resume:
            raise
        parser.error(f"--resume: {error}")

    best = min(runs, key=lambda run: run.rmse)
    with_tastes = [run for run in runs if not isinstance(run.model, UserItemBias)]  # only these know similar films
    nearest = min(with_tastes, key=lambda run: run.rmse, default=None)
    comparison, text = table(runs, data, train, test), recommendations(best, data, train, test, user)
    if nearest:
        text += f"\n\n{nearest_films(nearest, data, film)}"
    print(f"\n{comparison}\n\n{in_words(runs)}\n\n{text}\n")
    write_whole(args.out / "table.md", f"{data.source}\n\n{comparison}\n".encode())
    write_whole(args.out / "recommendations.md", f"{text}\n".encode())
    figures = {
        run.name: {"rmse": run.rmse, "seconds": run.seconds, **run.ranking, "history": run.model.history_}
        for run in runs
    }
    write_json(args.out / "report.json", {"data": data.source, "synthetic": data.is_synthetic, "models": figures})
    pictures = args.out / "pictures"
    learning_curves(runs, data.source, pictures / "learning_curves.png")
    errors_by_popularity(runs, data, train, test, data.source, pictures / "errors_by_popularity.png")
    predictions_by_stars(best, data.ratings[test], data.source, pictures / "predictions.png")
    if nearest:
        film_map(nearest, data, film, data.source, pictures / "film_map.png")
    print(f"Written to {args.out.resolve()}: report.json, table.md, recommendations.md and pictures")
    print("    learning_curves.png       where the dashed curve no longer falls, more epochs only learn by heart")
    print("    errors_by_popularity.png  the fewer ratings a film has, the less is known about it")
    print("    predictions.png           predictions are cautious: low ratings are overrated, high ones underrated")
    if nearest:
        print(
            "    film_map.png              films near each other please the same users; in color --film and the nearest"
        )


if __name__ == "__main__":
    main()
