"""A deep belief network reads handwritten digits, and writes some of its own.

Two restricted Boltzmann machines, of 64-256 and 256-512 units, are trained on 8x8 digits without their labels, one on
top of the other. The stack then becomes a classifier in two ways, and a network without it is the rival:

    logistic regression   on the features of the stack, which stays as it is: the way of the book
    fine-tuned            the stack becomes a Model, and backpropagation trains all of its layers
    from scratch          the same layers, from random weights, with the same backpropagation

Each learns from all labels, and from a tenth of them. (benchmarks/belief_network.py compares more ways, and with more
seeds.) The digits come with scikit-learn: nothing is downloaded.

    python examples/digits_belief_network.py             # less than a minute
    python examples/digits_belief_network.py --seeds 5   # five splits and networks: the mean, and its spread
    python examples/digits_belief_network.py --quick     # few rows and epochs, to see that it runs
    python examples/digits_belief_network.py --seeds 5 --resume   # only the seeds that a stopped run lacks

Written to --out: results.json (after every seed), table.md and three pictures of the first seed's network:

    filters.png     what the hidden units look for
    samples.png     what the stack generates, by Gibbs chains in its top machine
    confusion.png   which digits the fine-tuned network takes for which

The same seed gives the same figures, given the same number of threads.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from tinydl import Model, plots
from tinydl.datasets import digits
from tinydl.datasets.images import Images
from tinydl.files import markdown_table, read_json, write_json, write_whole
from tinydl.layers import Dense
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam
from tinydl.plots.style import finish
from tinydl.unsupervised import DeepBeliefNetwork

RESULTS, TABLE = "results.json", "table.md"
PICTURES = {
    "filters.png": "each tile is a hidden unit: white pixels turn it on, black ones turn it off",
    "samples.png": "wherever a chain starts, it soon reaches digits and moves on to others; gray blurs lie between",
    "confusion.png": "rows are true digits, columns the fine-tuned network's answers: mistakes lie off the diagonal",
}
WAYS = ("logistic regression", "fine-tuned", "from scratch")
SHARES = (1.0, 0.1)  # of the labels
BATCH = 32
CHAINS, STEPS_SHOWN = 10, (1, 10, 100, 1000)
SHOWN = 36  # hidden units of each machine
IN_USE = 0.1  # the standard deviation over images above which a unit's probability counts as varying
SOURCE = "scikit-learn's digits"

Rows = tuple[NDArray, NDArray]


class Effort(NamedTuple):
    """How long to train."""

    rbm_epochs: int
    steps: int  # of backpropagation, whatever the number of labels
    rows: int  # of training


FULL, QUICK = Effort(50, 4500, 1437), Effort(3, 60, 300)


# --- training ---------------------------------------------------------------------------------------------------------


def flat(images: Images) -> Rows:
    """The images as rows of 64 numbers in 0 .. 1, and their labels."""
    x, y = images.take(np.arange(len(images)))
    return x.reshape(len(x), -1), y


def from_scratch(seed: int) -> Model:
    model = Model([Dense(256, "sigmoid"), Dense(512, "sigmoid"), Dense(10)], 64, seed)
    model.compile(Adam(3e-3), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model


def trained(model: Model, rows: Rows, steps: int) -> Model:
    """The model after about this number of steps: with few labels it takes as many as with all."""
    epochs = max(1, round(steps / -(-len(rows[1]) // BATCH)))
    if model.fit(*rows, batch_size=BATCH, epochs=epochs, verbose=0).interrupted:
        raise KeyboardInterrupt
    return model


def run_seed(seed: int, effort: Effort, results: dict[str, Any]) -> tuple[DeepBeliefNetwork, Model, Rows]:
    """Train all ways, adding their accuracies to `results`; return the stack, its tuned network and the test rows."""
    images = digits.load(seed=seed)
    train, test = flat(images.train), flat(images.test)
    x, y = train[0][: effort.rows], train[1][: effort.rows]
    print(f"seed {seed}: training the stack on {len(x):,} images without labels ... ", end="", flush=True)
    start = time.perf_counter()
    dbn = DeepBeliefNetwork(n_iter=effort.rbm_epochs, finetune=False, random_state=seed).fit(x, y)
    print(f"{time.perf_counter() - start:.1f} s", flush=True)
    tuned: list[Model] = []
    for share in SHARES:
        few = (x, y)
        if share < 1:
            few = tuple(train_test_split(x, y, train_size=share, stratify=y, random_state=seed)[::2])
        regression = LogisticRegression(C=1e4, max_iter=10_000).fit(dbn.transform(few[0]), few[1])
        tuned.append(trained(dbn.to_model(), few, effort.steps))
        scratch = trained(from_scratch(seed), few, effort.steps)
        accuracies = [regression.score(dbn.transform(test[0]), test[1])]
        accuracies += [model.evaluate(*test)[1] for model in (tuned[-1], scratch)]
        found = dict(zip(WAYS, accuracies, strict=True))
        results["runs"].append({"seed": seed, "share": share, "labels": len(few[1]), **found})
        said = ", ".join(f"{way} {accuracy:.1%}" for way, accuracy in found.items())
        print(f"seed {seed}, {len(few[1]):,} labels: {said}", flush=True)
    return dbn, tuned[0], test


def table(results: dict[str, Any]) -> str:
    """The mean accuracy of each way, with the standard deviation over the seeds."""
    rows = [["labels", *WAYS, "seeds"]]
    for share in SHARES:
        runs = [run for run in results["runs"] if run["share"] == share]
        if runs:
            values = [np.array([run[way] for run in runs]) for way in WAYS]
            cells = [f"{v.mean():.1%}" + (f" ± {v.std(ddof=1):.1%}" if len(v) > 1 else "") for v in values]
            rows.append([f"{runs[0]['labels']:,}", *cells, str(len(runs))])
    return markdown_table(rows)


# --- pictures ---------------------------------------------------------------------------------------------------------


def tiled(images: NDArray, columns: int) -> NDArray:
    """Images of 64 pixels, (n, 64), side by side, with gaps of NaN between them."""
    rows = -(-len(images) // columns)
    sheet = np.full((9 * rows - 1, 9 * columns - 1), np.nan)
    for i, picture in enumerate(images.reshape(-1, 8, 8)):
        top, left = 9 * (i // columns), 9 * (i % columns)
        sheet[top : top + 8, left : left + 8] = picture
    return sheet


def show(ax: Axes, sheet: NDArray, title: str) -> None:
    ax.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=12)
    ax.axis("off")


def spreads(dbn: DeepBeliefNetwork, x: NDArray) -> list[NDArray]:
    """For each machine, the standard deviation of each unit's probability over the images."""
    found = []
    for machine in dbn.rbms_:
        x = machine.transform(x)
        found.append(x.std(axis=0))
    return found


def draw_filters(dbn: DeepBeliefNetwork, found: list[NDArray], path: Path) -> None:
    """Draw the weights of the first machine's units, and for the second machine's the sum of the filters below them.

    The units are those of the largest spread in `found`.
    """
    first, second = (machine.components_ for machine in dbn.rbms_)
    layers = {
        "First machine: its weights": first,
        "Second machine: first filters, summed by its weights": second @ first,
    }
    figure = Figure(figsize=(12.5, 7.2), layout=ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.1))
    for ax, spread, (title, filters) in zip(figure.subplots(1, 2), found, layers.items(), strict=True):
        shown = filters[np.argsort(-spread, kind="stable")[:SHOWN]]
        shown = 0.5 + 0.5 * shown / np.abs(shown).max(axis=1, keepdims=True)
        note = f"{(spread > IN_USE).sum()} of {len(spread)} units are in use; the {SHOWN} that vary most"
        show(ax, tiled(shown, 6), f"{title}\n{note}")
    figure.suptitle("What hidden units look for: white turns a unit on, black off; each on its own scale", fontsize=14)
    finish(figure, SOURCE, path)


def draw_samples(dbn: DeepBeliefNetwork, test: Rows, seed: int, path: Path) -> None:
    """Draw what chains give after some steps: half of them start at noise, half at one test image of each digit."""
    noise = np.random.default_rng(seed).random((CHAINS, 64)).astype(test[0].dtype)
    of_each = np.array([test[0][test[1] == digit][0] for digit in range(10)])
    figure = Figure(figsize=(9, 8.6), layout="constrained")
    for ax, (name, start) in zip(
        figure.subplots(1, 2), {"noise": noise, "test images": of_each}.items(), strict=True
    ):  # fmt: skip
        columns = [start, *(dbn.gibbs(start, steps) for steps in STEPS_SHOWN)]
        show(ax, tiled(np.stack(columns, axis=1).reshape(-1, 64), len(columns)), f"Chains that start at {name}")
        for place, steps in enumerate(("start", *(f"{steps:,}" for steps in STEPS_SHOWN))):
            ax.text(9 * place + 3.5, 9 * CHAINS + 1.5, steps, ha="center", fontsize=10)
        ax.text(9 * len(columns) / 2, 9 * CHAINS + 4.5, "steps in the top machine", ha="center", fontsize=10)
    figure.suptitle("What the stack generates: the probability of each pixel", fontsize=14)
    finish(figure, SOURCE, path)


# --- the command ------------------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    """The command's arguments, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows and epochs, to see that it runs")
    parser.add_argument("--seed", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds (default: 1)")
    parser.add_argument("--resume", action="store_true", help="keep the finished seeds of the run in --out, if any")
    parser.add_argument("--out", type=Path, default=Path("runs", "digits"), help="default: runs/digits")
    args = parser.parse_args()
    for name, least in (("seed", 0), ("seeds", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be >= {least}")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    return args


def read_results(path: Path) -> dict[str, Any]:
    """The results of an earlier run; OSError or ValueError, which name the file, if it cannot be read or is damaged."""
    saved = read_json(path)
    try:
        table(saved)
        figures = [run[way] for run in saved["runs"] for way in WAYS] + [run["seed"] for run in saved["runs"]]
        whole = np.isfinite(np.array(figures, float)).all() and {"quick", "seed"} <= saved.keys()
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        whole = False
    if not whole:
        raise ValueError(f"{path}: expected the results of an earlier run, got damaged ones: remove the file")
    return saved


def main() -> None:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"quick": args.quick, "seed": args.seed, "runs": []}
    if args.resume and (args.out / RESULTS).exists():
        try:
            saved = read_results(args.out / RESULTS)
        except (OSError, ValueError) as error:
            sys.exit(f"--resume: {error}")
        if any(saved.get(name) != results[name] for name in ("quick", "seed")):
            sys.exit(f"--resume: the run in {args.out} was made with another --quick or --seed")
        results = saved
    done = {run["seed"] for run in results["runs"]}
    for seed in range(args.seed, args.seed + args.seeds):
        if seed in done:
            continue
        dbn, model, test = run_seed(seed, QUICK if args.quick else FULL, results)
        if seed == args.seed:
            found = spreads(dbn, test[0])
            used = results["units_in_use"] = [int((spread > IN_USE).sum()) for spread in found]
            for number, name in zip(used, ("first", "second"), strict=True):
                print(f"  the {name} machine has {number} units whose probability varies from image to image")
            draw_filters(dbn, found, args.out / "filters.png")
            draw_samples(dbn, test, seed, args.out / "samples.png")
            answers = model.predict(test[0]).argmax(axis=1)
            names = [str(digit) for digit in range(10)]
            plots.confusion_matrix(test[1], answers, names, source=SOURCE, path=args.out / "confusion.png")
        write_json(args.out / RESULTS, results)  # the seed is finished
    text = f"Accuracy on 360 test images\n\n{table(results)}\n"
    write_whole(args.out / TABLE, text.encode())
    print(f"\n{text}\nPictures in {args.out.resolve()}:")
    for name, meaning in PICTURES.items():
        print(f"  {name:14} {meaning}")
    if args.quick:
        print("This was a quick run: its machines have hardly learned anything yet.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
