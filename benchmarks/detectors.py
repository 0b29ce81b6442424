"""Does an autoencoder that is chosen on calibration rows beat PCA and an isolation forest on test rows?

    python -m benchmarks.detectors [--seeds 3]                                # generated payments
    python -m benchmarks.detectors --data creditcard.csv --book-steps         # the real cards

Each seed draws its own generated rows, or divides the real ones anew, by the honest protocol of examples/fraud. All
detectors are fitted to the same training rows, and their settings are chosen on the same calibration rows: which of
seven autoencoders, how many components, how many rows per tree. The table gives average precision on the test rows, at
their own prevalence and at the book's, 0.858 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from tinydl.datasets import creditcard
from tinydl.files import markdown_table

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "fraud"))
from autoencoders import detect
from baselines import BASELINES
from generator import generate
from recipes import RECIPES
from training import Options
from words import chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", nargs="?", const="", metavar="PATH",
        help="the real creditcard.csv or its folder; without PATH, the folder that TINYDL_DATA names",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--book-steps", action="store_true", help="as in examples/fraud/autoencoders.py")
    args = parser.parse_args()
    rows: dict[str, list[tuple[float, float]]] = {}
    choices = []
    with tempfile.TemporaryDirectory() as folder:
        options = Options(Path(folder), book_steps=args.book_steps, bar=sys.stderr.isatty())
        for seed in range(args.seeds):
            try:
                data = generate(seed=seed) if args.data is None else creditcard.load(args.data or None)
            except (OSError, ValueError) as trouble:
                parser.error(str(trouble))
            runs = {name: detect(name, "honest", seed, data, options) for name in (*RECIPES, *BASELINES)}
            choices.append(chosen(runs))
            figures = {
                name: (test["average_precision"], test["at_prevalence"]["0.00858"]["average_precision"])
                for name, run in runs.items()
                for test in [run.report["test"]]
            }
            for name, figure in {"chosen autoencoder": figures[choices[-1]], **figures}.items():
                rows.setdefault(name, []).append(figure)
    print(f"\n{'generated payments' if args.data is None else data.source}; chosen: {', '.join(choices)}\n")
    for column, prevalence in enumerate(("the test rows' own prevalence", "0.858 %")):
        header = [f"average precision at {prevalence}", *(f"seed {seed}" for seed in range(args.seeds)), "mean"]
        values = {name: [figure[column] for figure in figures] for name, figures in rows.items()}
        cells = [[name, *(f"{value:.3f}" for value in [*each, np.mean(each)])] for name, each in values.items()]
        print(markdown_table([header, *cells]))
        for name in BASELINES:
            difference = np.subtract(values["chosen autoencoder"], values[name])
            wins = int((difference > 0).sum())
            print(f"the chosen autoencoder beats {name} with {wins} of {args.seeds} seeds, by {difference.mean():+.3f}")
        print(flush=True)


if __name__ == "__main__":
    main()
