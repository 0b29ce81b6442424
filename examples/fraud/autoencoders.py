"""Five autoencoders detect fraud among card payments without training on labels.

Each learns to reproduce normal rows; rows that it reproduces badly are suspicious. Without arguments the script trains
all of them on generated transactions, as many as in the real data (284,807 rows, 492 frauds), and compares the results:

    python examples/fraud/autoencoders.py
    python examples/fraud/autoencoders.py --data creditcard.csv --seeds 5      # the real data
    python examples/fraud/autoencoders.py --model vanilla --quick              # a trial in a few seconds

Two protocols are compared:
    book     as in Liu & Mehta 2019, faults included: scaling before the split, all frauds in the test rows, validation
             on the test rows, no rows left for the choice of a threshold
    honest   separate training, validation and test rows, the scaler fitted to training rows, the best epoch by
             validation loss restored, the threshold chosen on labeled calibration rows

Written to --out: report.json, table.md, pictures (of the honest protocol, if it is run), models as safetensors, and
TensorBoard logs if tensorboardX is installed.
"""

from __future__ import annotations

import argparse
import itertools
import math
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pictures
from generator import generate
from report import PREVALENCES, fraud_report, summarise
from sklearn.model_selection import train_test_split
from splits import Split, book_split, honest_split

from tinydl import Model, models, plots
from tinydl.callbacks import Callback, EarlyStopping, ModelCheckpoint, TensorBoard
from tinydl.datasets import creditcard
from tinydl.detection import detection_metrics, reconstruction_error
from tinydl.files import markdown_table, write_json, write_whole
from tinydl.layers import Dense
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError
from tinydl.optimizers import Adam

BATCH_SIZE = 64
BOOK_ROWS = 284_807 - 492


@dataclass(frozen=True)
class Recipe:
    """The book's training settings for a model, and the area under its precision-recall curve as the book prints it."""

    build: Callable[..., Model]
    learning_rate: float
    epochs: int
    train_fraction: float = 0.8
    book_pr_area: float | None = None

    def epochs_for(self, rows: int) -> int:
        """The number of epochs over `rows` rows with as many optimizer steps as the book's run on all rows."""
        return round(self.epochs * self.train_fraction * BOOK_ROWS / rows)


RECIPES = {
    "vanilla": Recipe(models.vanilla_autoencoder, 1e-4, 30, book_pr_area=0.8218),
    "deep": Recipe(models.deep_autoencoder, 5e-5, 50, book_pr_area=0.8279),
    "deep, 5 % of data": Recipe(models.deep_autoencoder, 8e-4, 30, 0.05, 0.6629),
    "sparse, 5 % of data": Recipe(models.sparse_autoencoder, 8e-4, 30, 0.05, 0.6956),
    "denoising": Recipe(models.denoising_autoencoder, 1e-3, 30),
    "contractive": Recipe(models.contractive_autoencoder, 3e-4, 30, book_pr_area=0.8312),
}


@dataclass
class Run:
    """One trained model and everything reported about it."""

    report: dict[str, Any]
    history: dict[str, list[float]]
    split: Split
    scores: np.ndarray
    reconstruction: np.ndarray

    @property
    def threshold(self) -> float | None:
        return self.report["threshold"]["threshold"] if "threshold" in self.report else None


def train(name: str, protocol: str, seed: int, data: creditcard.Transactions, args: argparse.Namespace) -> Run:
    """Train and evaluate one model under one protocol."""
    recipe = RECIPES[name]
    if protocol == "book":
        split = book_split(data, seed, recipe.train_fraction)
        x = split.x_train
        monitor, restore = "loss", False
    else:
        split = honest_split(data, seed, drop_duplicates=args.drop_duplicates)
        x = split.x_train[: round(len(split.x_train) * recipe.train_fraction / 0.8)]  # the book's ratio, same test rows
        monitor, restore = "val_loss", True
    model = recipe.build(x.shape[1], seed=seed)
    model.compile(Adam(recipe.learning_rate, epsilon=1e-7), MeanSquaredError())  # Keras's default epsilon
    run_name = f"{protocol}-{slug(name)}-seed{seed}"
    callbacks: list[Callback] = [
        ModelCheckpoint(
            args.out / "models" / f"{run_name}.safetensors", monitor, save_best_only=True, restore_best_weights=restore
        )
    ]
    if find_spec("tensorboardX"):
        logs = args.out / "logs" / run_name
        shutil.rmtree(logs, ignore_errors=True)  # TensorBoard would draw an older run's curves as well
        callbacks.append(TensorBoard(logs, histogram_freq=5))
    epochs = args.epochs or (recipe.epochs_for(len(x)) if args.book_steps else recipe.epochs)
    print(f"\n{protocol} protocol, {name}, seed {seed}: {len(x):,} training rows, {epochs} epochs", flush=True)
    start = time.perf_counter()
    history = model.fit(
        x,
        x,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation_data=(split.x_val, split.x_val),
        callbacks=callbacks,
        verbose=0 if args.quiet else 1,
    )
    seconds = time.perf_counter() - start
    if history.interrupted:
        raise KeyboardInterrupt  # fit returns at Ctrl-C, but a half-trained model is no result
    reconstruction = model.predict(split.x_test)
    scores = reconstruction_error(model, split.x_test)
    calibration = None if split.x_calibration is None else reconstruction_error(model, split.x_calibration)
    report = {
        **fraud_report(split.y_test, scores, split.y_calibration, calibration),
        "train_rows": len(x),
        "epochs": epochs,
        "seconds": seconds,
        "microseconds_per_row": 1e6 * seconds / (len(x) * epochs),
        "first_epoch": {figure: values[0] for figure, values in history.history.items()},
        "last_epoch": {figure: values[-1] for figure, values in history.history.items()},
        "history": history.history,
    }
    return Run(report, history.history, split, scores, reconstruction)


def draw(runs: dict[str, Run], protocol: str, source: str, out: Path) -> None:
    """Draw the pictures of one protocol's first seed: comparisons of all models, and a folder for each model."""
    folder = out / "pictures"
    shutil.rmtree(folder, ignore_errors=True)  # remove the pictures of an earlier run
    y = next(iter(runs.values())).split.y_test
    # Models share a picture only if they have the same test rows; the book's 5 % pair has its own test rows.
    together = {name: run for name, run in runs.items() if np.array_equal(run.split.y_test, y)}
    histories = {name: run.history for name, run in runs.items()}
    scores = {name: run.scores for name, run in together.items()}
    name, run = next(iter(together.items()))
    label = f"{source}; {protocol} protocol"
    plots.loss_curves(histories, loss=pictures.LOSS, source=label, path=folder / "loss.png")
    pictures.pr_curves(y, scores, source=label, path=folder / "precision_recall.png")
    pictures.roc_curves(y, scores, source=label, path=folder / "roc.png")
    rows = (run.split.x_test, run.reconstruction, run.split.feature_names)
    pictures.fraud_overview(
        histories, y, scores, *rows, run.threshold, source=f"{label}; right side: {name}", path=folder / "overview.png"
    )
    for name, run in runs.items():
        own, label = folder / slug(name), f"{source}; {protocol} protocol, {name}"
        y, rows = run.split.y_test, (run.split.x_test, run.reconstruction, run.split.feature_names)
        pictures.precision_recall_against_threshold(
            y, run.scores, run.threshold, source=label, path=own / "threshold.png"
        )
        pictures.error_histogram(y, run.scores, run.threshold, source=label, path=own / "errors.png")
        pictures.feature_errors(y, *rows, source=label, path=own / "feature_errors.png")
        pictures.reconstructions(y, *rows, source=label, path=own / "reconstructions.png")


def slug(name: str) -> str:
    """A model's name as a file name."""
    return name.replace(", ", "-").replace(" % of data", "pct")


def figure(summary: dict[str, Any], *path: str) -> str:
    for key in path:
        summary = summary[key]
    spread = f" ± {summary['std']:.3f}" if len(summary["values"]) > 1 else ""
    return f"{summary['mean']:.3f}{spread}"


def table(result: dict[str, Any]) -> str:
    """The comparison as a Markdown table: mean and standard deviation over seeds."""
    header = "protocol|model|epochs|seeds|ROC-AUC|prevalence|AP|AP at 0.858 %|AP at 0.173 %|area at 0.858 %"
    rows = [header.split("|") + ([] if result["synthetic"] else ["book's area"])]
    for protocol, by_model in result["summary"].items():
        for name, summary in by_model.items():
            test = summary["test"]
            book, nature = (test["at_prevalence"][key] for key in ("0.00858", "0.00173"))
            area = RECIPES[name].book_pr_area if protocol == "book" else None
            rows.append([
                protocol, name, f"{summary['epochs']['mean']:.0f}", str(len(summary["epochs"]["values"])),
                figure(test, "roc_auc"), f"{test['prevalence']['mean']:.2%}", figure(test, "average_precision"),
                figure(book, "average_precision"), figure(nature, "average_precision"),
                figure(book, "pr_area_trapezoid"), *([] if result["synthetic"] else [f"{area:.4f}" if area else ""]),
            ])  # fmt: skip
    explained = [
        f"{result['data']}{' INTERRUPTED: not all runs were finished.' if result['interrupted'] else ''}",
        "AP: average precision at the test rows' own prevalence, at the book's 0.858 % and at the natural 0.173 %.",
        "Generated data: these figures say nothing about real fraud."
        if result["synthetic"]
        else "The book gives the trapezoid area of one run, at 0.858 % (0.182 % for the 5 % pair).",
    ]
    pretraining = [
        f"{name}: average precision {figure(summary, 'average_precision')}"
        for name, summary in result.get("pretraining", {}).items()
    ]
    return "\n".join([*explained, "", markdown_table(rows), "", *pretraining])


def write(result: dict[str, Any], out: Path) -> None:
    """Write report.json and table.md; called after every run, so that no result is lost."""
    write_json(out / "report.json", result)
    write_whole(out / "table.md", f"{table(result)}\n".encode())


def pretrain(data: creditcard.Transactions, seeds: int, epochs: int | None) -> dict[str, Any]:
    """Test whether a denoising autoencoder's unlabeled training helps a classifier that has few labels.

    Both classifiers are 29 - 40 relu - 1; one starts with random weights, the other with the denoising encoder. They
    train on normal rows and the honest split's calibration frauds (all, or a tenth), and are tested on its test rows.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for seed in range(seeds):
        split = honest_split(data, seed)
        assert split.x_calibration is not None
        assert split.y_calibration is not None
        autoencoder = models.denoising_autoencoder(split.x_train.shape[1], seed=seed)
        autoencoder.compile(Adam(1e-3), MeanSquaredError())
        x = split.x_train
        if autoencoder.fit(x, x, epochs=epochs or 30, batch_size=BATCH_SIZE, verbose=0).interrupted:
            raise KeyboardInterrupt
        encoder = autoencoder.get_weights()[:2]
        for share in (1.0, 0.1):
            frauds = np.flatnonzero(split.y_calibration == 1)
            frauds = frauds[: math.ceil(share * len(frauds))]
            normal = np.flatnonzero(split.y_calibration == 0)
            x = np.concatenate([split.x_train, split.x_calibration[normal], split.x_calibration[frauds]])
            y = np.repeat([0, 1], [len(x) - len(frauds), len(frauds)])
            x, x_val, y, y_val = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
            for start in ("scratch", "pretrained"):
                model = Model([Dense(len(encoder[1]), "relu"), Dense(1)], x.shape[1], seed=seed)
                if start == "pretrained":
                    model.set_weights(encoder + model.get_weights()[2:])
                model.compile(Adam(1e-3), BinaryCrossEntropy())
                best = EarlyStopping(patience=5, restore_best_weights=True)
                history = model.fit(
                    x, y, epochs=epochs or 30, batch_size=BATCH_SIZE, validation_data=(x_val, y_val), callbacks=[best],
                    verbose=0,
                )  # fmt: skip
                if history.interrupted:
                    raise KeyboardInterrupt
                metrics = detection_metrics(split.y_test, model.predict(split.x_test)[:, 0], PREVALENCES)
                name = f"classifier ({start}), {len(frauds)} training frauds"
                results.setdefault(name, []).append(metrics)
                print(f"seed {seed}, {name}: average precision {metrics['average_precision']:.3f}", flush=True)
    return {name: summarise(reports) for name, reports in results.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted({name.split(",")[0] for name in RECIPES})
    parser.add_argument("--model", choices=[*kinds, "all"], default="all", help="which autoencoder (default: all)")
    parser.add_argument(
        "--data", nargs="?", const="", metavar="PATH",
        help="the real creditcard.csv, plain or gzip, or its folder; without PATH, the folder that TINYDL_DATA names "
        "(default: generated transactions)",
    )  # fmt: skip
    parser.add_argument("--download", action="store_true", help="with --data: get missing data from OpenML")
    parser.add_argument("--protocol", choices=["book", "honest", "both"], default="both")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, help="epochs for every model (default: the book's, 30 or 50)")
    length.add_argument(
        "--book-steps", action="store_true",
        help="with part of the data: train for more epochs, to match the book's optimizer steps on all rows",
    )  # fmt: skip
    parser.add_argument("--drop-duplicates", action="store_true", help="honest protocol: keep the first of equal rows")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each model, with seeds 0, 1, ... (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("runs/fraud"), help="output folder (default: runs/fraud)")
    parser.add_argument("--quick", action="store_true", help="a trial, not a result: 40,000 generated rows, 5 epochs")
    parser.add_argument("--pretrain", action="store_true", help="also train a classifier from the denoising encoder")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    args = parser.parse_args()
    for option in ("epochs", "seeds"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            parser.error(f"--{option} must be >= 1")
    if args.data is None and args.download:
        parser.error("--download needs --data")
    if args.data is not None and args.quick:
        parser.error("--quick needs generated data: with --data use --epochs 5")
    if args.quick and args.epochs is None and not args.book_steps:
        args.epochs = 5

    if args.data is not None:
        try:
            data = creditcard.load(args.data or None, download=args.download)
            honest_split(data, 0)  # raises if there are too few frauds
        except (OSError, ValueError) as error:
            parser.error(str(error))
    else:
        data = generate(40_000, 400) if args.quick else generate()
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    print(f"{data.source}: {data.n_rows:,} rows, {data.n_frauds} frauds, prevalence {data.prevalence:.3%}")

    names = [name for name in RECIPES if args.model in ("all", name.split(",")[0])]
    protocols = ["book", "honest"] if args.protocol == "both" else [args.protocol]
    shown: dict[str, dict[str, Run]] = {protocol: {} for protocol in protocols}
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    summary: dict[str, dict[str, Any]] = {}
    result: dict[str, Any] = {
        "data": data.source, "synthetic": data.is_synthetic, "interrupted": False, "summary": summary, "runs": runs
    }  # fmt: skip
    written = [
        "report.json",
        "table.md",
        "models/",
        *(["logs/ (for TensorBoard)"] if find_spec("tensorboardX") else []),
    ]
    try:
        for protocol, name, seed in itertools.product(protocols, names, range(args.seeds)):
            run = train(name, protocol, seed, data, args)
            runs.setdefault(protocol, {}).setdefault(name, []).append(run.report)
            summary.setdefault(protocol, {})[name] = summarise(runs[protocol][name])
            if seed == 0:
                shown[protocol][name] = run
            write(result, args.out)
        if args.pretrain:
            print("\nA supervised classifier, from scratch and from the denoising encoder")
            result["pretraining"] = pretrain(data, args.seeds, args.epochs)
    except KeyboardInterrupt:
        result["interrupted"] = True
        if not runs:
            sys.exit("\nInterrupted before any run was finished: no report was written.")
    write(result, args.out)
    print(f"\n{table(result)}", flush=True)
    drawn = next(protocol for protocol in reversed(protocols) if shown[protocol])  # the honest protocol, if it was run
    try:
        draw(shown[drawn], drawn, data.source, args.out)
        written.append("pictures/ (start with overview.png)")
    except KeyboardInterrupt:
        result["interrupted"] = True
    print(f"Written to {args.out.resolve()}: {', '.join(written)}")
    if result["interrupted"]:
        sys.exit(130)


if __name__ == "__main__":
    main()
