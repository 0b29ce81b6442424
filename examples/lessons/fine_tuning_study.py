"""The study behind lesson 20: frozen layers, and when they help with a new task of few examples.

A small convolutional network learns to tell scikit-learn's ten digits apart. Its layers, all but the last, then start
two new tasks, with 1 to 20 labeled images of each digit:

    even or odd     the same images, two classes: the answer follows from what the layers already know
    quarter turn    the digits turned by 90 degrees: strokes run elsewhere than the layers expect

Each task is learned in three ways, in the same number of steps and from the same first weights of the last layer:

    from scratch    new weights; all layers learn
    frozen          the learned layers, with trainable = False, under a new last layer
    fine-tuned      as "frozen" for the first half of the steps; then all layers learn, at a third of the rate

    python examples/lessons/fine_tuning_study.py              # about half a minute
    python examples/lessons/fine_tuning_study.py --seeds 10   # ten seeds instead of five
    python examples/lessons/fine_tuning_study.py --resume     # continue a run that was stopped

Freezing is one line, `layer.trainable = False`. A frozen layer gets no gradient and no update, and the backward pass
ends at the lowest layer that learns, so a step of the frozen network costs little more than its forward pass. The
script shows this first: frozen weights keep all their bits, few parameters learn, and an epoch takes less time.

The errors are those on images that no network was trained on. The text below the tables is computed from the figures of
the run: what was learned before can also be in the way.

Written to --out: results.json (after every row of the tables), table.md, lesson.png. Ctrl-C stops the run and keeps
finished results; --resume adds the missing ones. The same seed gives the same errors, given the same number of threads.

Reference: Yosinski, Clune, Bengio & Lipson 2014, How transferable are features in deep neural networks?
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from tinydl import Model
from tinydl.datasets import digits
from tinydl.files import markdown_table, write_json, write_whole
from tinydl.layers import Conv2D, Dense, Flatten, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam
from tinydl.plots.style import BLUE, GREEN, VERMILION, dress, finish

RESULTS, TABLE, PICTURE = "results.json", "table.md", "lesson.png"
WAYS = {"from scratch": VERMILION, "frozen": BLUE, "fine-tuned": GREEN}
RATE = 3e-3  # Adam's learning rate; fine-tuning moves all layers at a third of it
BATCH = 16
MARGIN = 0.01  # smallest difference of mean errors worth reporting
TIMED = 5  # epochs timed in each way

Rows = tuple[NDArray, NDArray]


def even_or_odd(x: NDArray, y: NDArray) -> Rows:
    return x, y % 2


def quarter_turn(x: NDArray, y: NDArray) -> Rows:
    return np.ascontiguousarray(np.rot90(x, axes=(1, 2))), y


TASKS: dict[str, tuple[Callable[[NDArray, NDArray], Rows], int]] = {  # with the number of classes
    "even or odd": (even_or_odd, 2),
    "quarter turn": (quarter_turn, 10),
}


def network(seed: int, classes: int) -> Model:
    """Two convolutions and two dense layers for 8x8 images."""
    convolutions = [Conv2D(16, 3, activation="relu"), Conv2D(32, 3, activation="relu"), MaxPool2D(2)]
    model = Model([*convolutions, Flatten(), Dense(64, "relu"), Dense(classes)], (8, 8, 1), seed)
    model.compile(Adam(RATE), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model


def frozen(seed: int, classes: int, learned: Model) -> Model:
    """A new network with the layers of `learned`, frozen, under a new last layer."""
    model = network(seed, classes)
    model.set_weights([*learned.get_weights()[:-2], *model.get_weights()[-2:]])  # all but the last W and b
    for layer in model.layers[:-1]:
        layer.trainable = False
    return model


def error(model: Model, rows: Rows) -> float:
    return 1 - model.evaluate(*rows)[1]


def train(model: Model, few: Rows, steps: int) -> bool:
    """Train for about `steps` steps; return False if Ctrl-C was pressed."""
    epochs = max(1, round(steps / math.ceil(len(few[1]) / BATCH)))
    return not model.fit(*few, epochs=epochs, batch_size=BATCH, verbose=0).interrupted


def trained(way: str, seed: int, classes: int, learned: Model, few: Rows, steps: int) -> Model | None:
    """A network trained in one way; None if Ctrl-C was pressed."""
    model = network(seed, classes) if way == "from scratch" else frozen(seed, classes, learned)
    done = train(model, few, steps // 2 if way == "fine-tuned" else steps)
    if done and way == "fine-tuned":
        model.trainable = True
        assert model.optimizer is not None
        model.optimizer.learning_rate = RATE / 3
        done = train(model, few, steps - steps // 2)
    return model if done else None


def few_of(rows: Rows, each: int, rng: np.random.Generator) -> Rows:
    """`each` random images of every digit."""
    x, y = rows
    chosen = np.concatenate([rng.permutation(np.flatnonzero(y == digit))[:each] for digit in range(10)])
    return x[chosen], y[chosen]


def show_freezing(learned: Model, rows: Rows, seed: int) -> dict[str, Any] | None:
    """Print what freezing does: which weights change, how many parameters learn, and the time of an epoch."""
    x, y = even_or_odd(*rows)
    shown: dict[str, Any] = {}
    for name, model in (("all layers learn", network(seed, 2)), ("only the last layer", frozen(seed, 2, learned))):
        before = model.get_weights()
        history = model.fit(x, y, epochs=1 + TIMED, batch_size=BATCH, verbose=0)  # the first epoch warms up
        if history.interrupted:
            return None
        same = [np.array_equal(new, old) for new, old in zip(model.get_weights(), before, strict=True)]
        learn = sum(array.size for layer in model.layers if layer.trainable for array in layer.params.values())
        seconds = statistics.median(history.seconds[1:])
        shown[name] = {"arrays": len(same), "unchanged": sum(same), "learning": learn, "seconds": seconds}
        print(
            f"{name:20} {learn:6,} of {model.count_params():,} parameters learn, {sum(same)} of {len(same)} arrays "
            f"keep all bits, {1000 * seconds:.0f} ms an epoch",
            flush=True,
        )
    return shown


def run_all(args: argparse.Namespace, results: dict[str, Any]) -> None:
    """Train all networks, printing a line after each, and put their figures into `results`."""
    data = digits.load()
    done = {(run["seed"], run["task"], run["rows"]) for run in results["runs"]}
    train_rows, test_rows = (images.take(np.arange(len(images))) for images in data)
    for seed in range(args.seed, args.seed + args.seeds):
        if all((seed, task, each) in done for task in TASKS for each in args.rows):
            continue
        learned = network(seed, 10)
        if learned.fit(*train_rows, epochs=args.epochs, batch_size=2 * BATCH, verbose=0).interrupted:
            return
        print(f"seed {seed}: ten digits learned, {error(learned, test_rows):.1%} errors on new images", flush=True)
        if not results["freezing"]:
            results["freezing"] = show_freezing(learned, train_rows, seed)
        for task, (change, classes) in TASKS.items():
            for each in args.rows:
                if (seed, task, each) in done:
                    continue
                few = change(*few_of(train_rows, each, np.random.default_rng([seed, each])))
                errors = {}
                for way in WAYS:
                    model = trained(way, seed + 1000, classes, learned, few, args.steps)
                    if model is None:
                        return
                    errors[way] = error(model, change(*test_rows))
                results["runs"].append({"seed": seed, "task": task, "rows": each, "errors": errors})
                write_json(args.out / RESULTS, results)
                shown = ", ".join(f"{way} {error:.1%}" for way, error in errors.items())
                print(f"    {task}, {each:2} images of each digit: {shown}", flush=True)
    results["interrupted"] = False


Errors = dict[int, dict[str, NDArray]]


def errors_of(results: dict[str, Any], task: str) -> Errors:
    """A task's errors by number of images and way, one for each seed."""
    found: dict[int, list[dict[str, float]]] = {}
    for run in results["runs"]:
        if run["task"] == task:
            found.setdefault(run["rows"], []).append(run["errors"])
    return {each: {way: np.array([one[way] for one in runs]) for way in WAYS} for each, runs in found.items()}


def table(results: dict[str, Any]) -> str:
    """The mean error of each way, with the standard deviation over the seeds, as a Markdown table for each task."""
    tables = []
    for task in TASKS:
        rows = [["images of each digit", *WAYS, "seeds"]]
        for each, ways in errors_of(results, task).items():
            cells = [f"{e.mean():.1%}" + (f" ± {e.std(ddof=1):.1%}" if len(e) > 1 else "") for e in ways.values()]
            rows.append([str(each), *cells, str(len(ways["frozen"]))])
        tables.append(f"Errors on new images: {task}\n\n{markdown_table(rows)}")
    return "\n\n".join(tables)


def findings(task: str, found: Errors) -> list[str]:
    """What the figures say, in one sentence for each way that starts from learned layers.

    A difference counts if the means differ by MARGIN and the seeds agree on its sign.
    """
    said = []
    for way in ("frozen", "fine-tuned"):
        verdicts: dict[str, list[str]] = {"better": [], "worse": [], "not clearly different": []}
        for each, ways in found.items():
            gain = ways["from scratch"] - ways[way]
            agree = abs(gain.mean()) >= MARGIN and (np.sign(gain) == np.sign(gain.mean())).all()
            verdicts[("better" if gain.mean() > 0 else "worse") if agree else "not clearly different"].append(str(each))
        parts = [f"{verdict} with {', '.join(rows)}" for verdict, rows in verdicts.items() if rows]
        if parts:
            said.append(
                f"{task[0].upper()}{task[1:]}, {way} against from scratch: {'; '.join(parts)} images of each digit."
            )
    return said


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the errors of each way against the number of images: the mean, and a point for each seed."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    for ax, task in zip(figure.subplots(1, len(TASKS)), TASKS, strict=True):
        found = errors_of(results, task)
        for way, color in WAYS.items():
            ax.plot(list(found), [ways[way].mean() for ways in found.values()], "o-", color=color, label=way)
            for each, ways in found.items():
                ax.plot([each] * len(ways[way]), ways[way], ".", color=color, alpha=0.4)
        dress(ax, task[0].upper() + task[1:], "labeled images of each digit", "errors on new images")
        ax.set_xscale("log")
        ax.set_xticks(list(found), [str(each) for each in found], minor=False)
        ax.minorticks_off()
        ax.set_ylim(0)
        ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
        ax.legend()
    finish(figure, "scikit-learn's digits; the frozen layers have learned to tell all ten apart", path)


def report(results: dict[str, Any], out: Path) -> None:
    """Write the table and the picture, and print the findings."""
    results["findings"] = [said for task in TASKS for said in findings(task, errors_of(results, task))]
    write_json(out / RESULTS, results)
    text = "\n".join([table(results), "", *(textwrap.fill(said, 100) for said in results["findings"]), ""])
    write_whole(out / TABLE, text.encode())
    print(f"\n{text}", flush=True)
    draw(results, out / PICTURE)
    print(f"Written to {out.resolve()}: {RESULTS}, {TABLE}, {PICTURE}")


def arguments() -> argparse.Namespace:
    """The command's arguments, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 5, 10, 20], help="labeled images of each digit")
    parser.add_argument("--steps", type=int, default=600, help="steps of each training (default: 600)")
    parser.add_argument("--epochs", type=int, default=15, help="epochs of the first network (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: 5)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, if any")
    parser.add_argument("--out", type=Path, default=Path("runs", "fine_tuning"), help="default: runs/fine_tuning")
    args = parser.parse_args()
    for name, least in (("rows", 1), ("steps", 2), ("epochs", 1), ("seeds", 1), ("seed", 0)):
        value = getattr(args, name)
        if min(value if isinstance(value, list) else [value]) < least:
            parser.error(f"--{name} must be >= {least}")
    if max(args.rows) > 100:
        parser.error("--rows must be at most 100: there are about 140 images of each digit to learn from")
    args.rows = sorted(set(args.rows))
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    return args


def main() -> None:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in vars(args).items() if name not in ("out", "resume")}
    results: dict[str, Any] = {"settings": settings, "interrupted": True, "freezing": None, "runs": []}
    if args.resume and (args.out / RESULTS).exists():
        saved = json.loads((args.out / RESULTS).read_text())
        if saved["settings"] != settings:
            sys.exit(f"--resume: the run in {args.out} was made with other settings: {saved['settings']}")
        results |= {"freezing": saved["freezing"], "runs": saved["runs"]}
    for name in (RESULTS, TABLE, PICTURE) if not results["runs"] else (TABLE, PICTURE):
        (args.out / name).unlink(missing_ok=True)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C between two networks
        run_all(args, results)
    if not results["runs"]:
        sys.exit("\nInterrupted before any task was finished: nothing to report.")
    if results["interrupted"]:
        whole = args.seeds * len(TASKS) * len(args.rows)
        print(f"\nINTERRUPTED: {len(results['runs'])} of {whole} rows are finished; only these are reported.")
    report(results, args.out)
    if results["interrupted"]:
        sys.exit(130)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; finished results are kept.")
