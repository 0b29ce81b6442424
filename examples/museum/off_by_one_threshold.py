"""precision[1:] against thresholds: every threshold is given the precision of the next one.

scikit-learn's precision_recall_curve returns thresholds in increasing order, precision and recall at each of them, and
one extra point at the end, precision 1 and recall 0, which belongs to no threshold. So precision[:-1] matches the
thresholds, but the book plots precision[1:]:

    python examples/museum/off_by_one_threshold.py

No gradient is involved, so no gradient check can help. The right test is to count: of the rows flagged at the chosen
threshold, how many are frauds? With many distinct scores the error becomes small; with tied scores it remains.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from tinydl.detection import choose_threshold, confusion_at

Curves = dict[str, NDArray[np.float64]]


def scored_rows(n: int, decimals: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels and scores for n rows, a quarter of them frauds; fewer decimals give more ties."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 4 == 0).astype(np.int64)
    return y, np.round(rng.normal(0.4 + 0.25 * y, 0.15).clip(0, 1), decimals)


def precision_by_threshold(y: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], Curves]:
    """All thresholds, and the precision at each: by the book's alignment, by the right alignment, and by counting."""
    precision, _, thresholds = precision_recall_curve(y, scores)
    counted = np.array([y[scores >= threshold].mean() for threshold in thresholds])
    return thresholds, {"precision[1:]": precision[1:], "precision[:-1]": precision[:-1], "counted": counted}


def draw(thresholds: NDArray[np.float64], curves: Curves, path: Path) -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="threshold", ylabel="precision")
    for name, style in (("precision[1:]", "o"), ("precision[:-1]", "o"), ("counted", "k+")):
        axes.plot(thresholds, curves[name], style, label=name)
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wanted", type=float, default=0.8, help="the precision to reach (default: 0.8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also plot the curves and save the plot to this file")
    args = parser.parse_args()
    if not 0 < args.wanted <= 1 or args.seed < 0:
        parser.error("--wanted must be above 0 and at most 1, --seed >= 0")

    y, scores = scored_rows(60, 1, args.seed)
    thresholds, curves = precision_by_threshold(y, scores)
    try:
        chosen = choose_threshold(y, scores, "precision", args.wanted)
    except ValueError as error:
        parser.error(str(error))
    print(f"{'threshold':<18}{''.join(f'{name:>16}' for name in curves)}")
    for i, threshold in enumerate(thresholds):
        print(f"{threshold:<18.1f}{''.join(f'{curve[i]:>16.3f}' for curve in curves.values())}")

    print(f"\n{f'for {args.wanted:g} choose':<18}{'threshold':>16}{'claimed':>16}{'counted':>16}")
    for name in ("precision[1:]", "precision[:-1]"):
        first = int(np.argmax(curves[name] >= args.wanted))
        print(f"{name:<18}{thresholds[first]:>16.1f}{curves[name][first]:>16.3f}{curves['counted'][first]:>16.3f}")
    at_chosen = confusion_at(y, scores, chosen)
    print(f"{'choose_threshold':<18}{chosen:>16.1f}{'-':>16}{at_chosen['precision']:>16.3f}")

    print(f"\n{'scores':<34}{'largest error [1:]':>20}{'[:-1]':>10}")
    for n, decimals in ((60, 1), (6000, 1), (6000, 9)):
        thresholds_n, curves_n = precision_by_threshold(*scored_rows(n, decimals, args.seed))
        errors = [np.abs(curves_n[name] - curves_n["counted"]).max() for name in ("precision[1:]", "precision[:-1]")]
        print(f"{f'{n:,} rows, {len(thresholds_n):,} distinct':<34}{errors[0]:>20.3f}{errors[1]:>10.3f}")
    if args.out:
        out = args.out if args.out.suffix else args.out.with_suffix(".png")
        draw(thresholds, curves, out)
        print(f"\nPlot saved to {out}")


if __name__ == "__main__":
    main()
