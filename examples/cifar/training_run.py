"""A training run on labeled images, from loading to report: code shared by the CIFAR-10 examples.

A run may be stopped anywhere and resumed bit for bit. Files written to its folder: report.json, table.md, pictures,
model.safetensors (the model that was tested), history.json after every epoch, and checkpoint.safetensors after every
epoch and every minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tinydl import Model, plots
from tinydl.callbacks import Callback, Checkpoint, Logs, ModelCheckpoint
from tinydl.datasets import cifar10, digits
from tinydl.datasets.images import Images
from tinydl.files import markdown_table, read_json, write_json, write_whole
from tinydl.layers import Dropout
from tinydl.losses import SoftmaxCrossEntropy

HISTORY, CHECKPOINT, MODEL = "history.json", "checkpoint.safetensors", "model.safetensors"
REPORT, TABLE = "report.json", "table.md"
SECONDS = 60.0  # between checkpoints inside an epoch
PICTURES = ("curves.png", "filters.png", "feature_maps.png", "confusion_matrix.png", "confident_mistakes.png")


class Data(NamedTuple):
    """The images of a run; `validation` is None if all training images are used for training."""

    source: str
    train: Images
    validation: Images | None
    test: Images


class Run(NamedTuple):
    """The network's name, the folder for its results, and its settings."""

    name: str  # the network's name
    out: Path
    settings: dict[str, Any]  # a resumed run must have the same settings
    epochs: int
    batch_size: int
    monitor: str  # the figure that selects the best epoch if there are validation images


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the images, the seed and a run to resume."""
    parser.add_argument(
        "--data", nargs="?", const="", metavar="PATH",
        help="CIFAR-10's folder or archive; without PATH, the folder that TINYDL_DATA names (default: digits)",
    )  # fmt: skip
    parser.add_argument("--download", action="store_true", help="with --data: download CIFAR-10 (163 MB) if missing")
    parser.add_argument("--all-rows", action="store_true", help="no validation images; test the last epoch's model")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, if any, bit for bit")
    parser.add_argument("--quick", action="store_true", help="a trial, not a result: 2 epochs; CIFAR-10: 5,000 images")
    parser.add_argument("--seed", type=int, default=0, help="for weights, shuffling and validation images (default: 0)")


def check_data_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Reject unusable options with a one-line error."""
    for option, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
        if getattr(args, option) is not None and getattr(args, option) < least:
            parser.error(f"--{option.replace('_', '-')} must be >= {least}")
    if args.data is None and args.download:
        parser.error("--download needs --data")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    if not args.resume and is_unfinished(args.out):
        parser.error(f"{args.out} holds an unfinished run: continue with --resume, delete it, or give another --out")


def load_data(args: argparse.Namespace, validation_rows: int) -> Data:
    """Load the images and split them according to the options."""
    rng = np.random.default_rng(args.seed)
    if args.data is None:
        source, (train, test) = "scikit-learn's digits", digits.load()
    else:
        source, (train, test) = "CIFAR-10", cifar10.load(args.data or None, download=args.download)
        if args.quick:
            train, test = train.split(5_000, rng)[1], test.split(2_000, rng)[1]
            source += " (a subset)"
    validation: Images | None = None
    if not args.all_rows:
        train, validation = train.split(min(validation_rows, len(train) // 5), rng)
    return Data(source, train, validation, test)


def standardised(data: Data) -> Data:
    """Standardize all images by the mean and standard deviation of the training images."""
    train = data.train.standardised()
    mean, std = train.mean, train.std
    validation = data.validation and data.validation.standardised(mean, std)
    return Data(data.source, train, validation, data.test.standardised(mean, std))


class Log(Callback):
    """Write history.json after every epoch: the settings and all figures so far, with each epoch's seconds."""

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        self.out, self.settings = out, settings
        self.history: dict[str, list[float]] = {}

    def on_train_begin(self) -> None:
        if not self.params["resumed"]:
            write_json(self.out / HISTORY, {"settings": self.settings, "history": {}})

    def on_epoch_begin(self, epoch: int) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        figures = {**logs, "seconds": time.perf_counter() - self._start}
        longer = {name: [*self.history.get(name, []), value] for name, value in figures.items()}
        write_json(self.out / HISTORY, {"settings": self.settings, "history": longer})
        self.history.update(longer)  # last and in one call, because Ctrl-C may come at any point

    def get_state(self) -> dict[str, Any]:
        return {"history": self.history}

    def set_state(self, state: dict[str, Any]) -> None:
        self.history = state["history"]


def best_epoch(history: dict[str, list[float]], monitor: str) -> int:
    """The epoch, counted from 1, whose model is kept: the best (the first if tied) or, without validation, the last."""
    if monitor not in history:
        return len(history["loss"])
    values = np.array(history[monitor])
    return int(values.argmax() if monitor.endswith("accuracy") else values.argmin()) + 1


def saved_run(out: Path) -> dict[str, Any]:
    """The content of history.json. Raises OSError or ValueError if it cannot be used."""
    saved = read_json(out / HISTORY)
    if not all(isinstance(saved.get(part), dict) for part in ("settings", "history")):
        raise ValueError(f"{out / HISTORY}: expected settings and a history, got {list(saved)!r:.100}")
    return saved


def check_settings(out: Path, settings: dict[str, Any]) -> None:
    """Raise ValueError if the run in the folder, if there is one, was made with other settings."""
    if not (out / HISTORY).exists():
        return
    saved = saved_run(out)["settings"]
    for name, value in settings.items():
        if saved.get(name) != value:
            raise ValueError(f"the run in {out} was made with {name} = {saved.get(name)!r}, got {value!r}")


def is_unfinished(out: Path) -> bool:
    """Whether --out holds a run that --resume could continue and that a new run would destroy."""
    if not (out / CHECKPOINT).exists():
        return False
    try:
        return not (out / REPORT).exists() or read_json(out / REPORT).get("interrupted", True)
    except ValueError:
        return True


def perform(parser: argparse.ArgumentParser, model: Model, data: Data, run: Run, resume: bool) -> None:
    """Train the compiled model, from the start or from the checkpoint, and report; exit if interrupted."""
    keep = ModelCheckpoint(run.out / MODEL, run.monitor, save_best_only=data.validation is not None)
    log, path = Log(run.out, run.settings), run.out / CHECKPOINT
    if resume:
        try:
            check_settings(run.out, run.settings)
        except (OSError, ValueError, LookupError) as error:
            parser.error(f"--resume: {error}")
    outdated = [REPORT, TABLE, *(f"pictures/{name}" for name in PICTURES)]
    for name in outdated if resume and path.exists() else [*outdated, HISTORY, CHECKPOINT, MODEL]:
        (run.out / name).unlink(missing_ok=True)

    held_back = "" if data.validation is None else f", {len(data.validation):,} validation"
    print(f"{data.source}: {len(data.train):,} training{held_back}, {len(data.test):,} test images")
    epochs = f"{run.epochs} epoch{'s'[: run.epochs > 1]}"
    print(f"{run.name}: {model.parameters.size:,} parameters; {epochs}, batches of {run.batch_size}", flush=True)
    try:
        interrupted = model.fit(
            data.train,
            epochs=run.epochs,
            batch_size=run.batch_size,
            validation_data=data.validation,
            callbacks=[log, keep, Checkpoint(path, every_epochs=1, every_seconds=SECONDS)],
            resume=path if resume else None,
        ).interrupted
    except FloatingPointError as error:
        sys.exit(f"{error}\nEarlier epochs are kept in {run.out.resolve()}")
    except (OSError, ValueError) as error:
        if not resume:
            raise
        parser.error(f"--resume: {error}")
    history = log.history
    if not history:
        sys.exit("\nInterrupted before any epoch was finished: nothing to report.")
    finish(model, data, run, history, interrupted)
    if interrupted:
        sys.exit(130)


def finish(model: Model, data: Data, run: Run, history: dict[str, list[float]], interrupted: bool) -> None:
    """Report the results; if the run was not interrupted, evaluate the kept model on the test images."""
    best, seconds = best_epoch(history, run.monitor), float(np.median(history["seconds"]))
    report: dict[str, Any] = {
        "data": data.source, "model": run.name, "settings": run.settings, "interrupted": interrupted,
        "epochs": len(history["loss"]), "best_epoch": best, "train_rows": len(data.train),
        "validation_rows": 0 if data.validation is None else len(data.validation),
        "dropout": any(isinstance(layer, Dropout) for layer in model.root.walk()),
        "seconds_per_epoch": seconds, "images_per_second": len(data.train) / seconds, "history": history,
    }  # fmt: skip
    if not interrupted:
        model.load_weights(run.out / MODEL)
        report["test"], probabilities = judge(model, data.test)
    write_json(run.out / REPORT, report)
    plots.training_curves(
        history,
        best=None if data.validation is None else best,
        source=f"{data.source}, {run.name}",
        path=run.out / "pictures" / "curves.png",
    )
    if interrupted:
        done = f"{len(history['loss'])} of {run.epochs} epochs are finished and kept in {run.out.resolve()}"
        print(f"{done}; --resume continues the run. The test images were not used.", flush=True)
        return
    text = table(report, data.test.class_names)
    write_whole(run.out / TABLE, f"{text}\n".encode())
    print(f"\n{text}\n", flush=True)
    draw(model, data, report, probabilities, run.out / "pictures")
    print(f"Written to {run.out.resolve()}: {REPORT}, {TABLE}, {MODEL}, {CHECKPOINT}, pictures/")


def judge(model: Model, test: Images) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Loss, accuracy and confusion matrix on the test images, and the probabilities."""
    logits = model.predict(test)
    says, y, classes = logits.argmax(axis=1), test.labels, len(test.class_names)
    matrix = np.bincount(classes * y + says, minlength=classes**2).reshape(classes, classes)
    figures = {
        "rows": len(test),
        "loss": SoftmaxCrossEntropy().forward(logits, y),
        "accuracy": float(np.mean(says == y)),
        "confusion_matrix": matrix.tolist(),
    }
    return figures, softmax(logits, axis=1)


def table(report: dict[str, Any], names: tuple[str, ...]) -> str:
    """The result as a Markdown table."""
    history, epoch = report["history"], report["best_epoch"]
    why = "the best on the validation images" if "val_loss" in history else "the last"
    rows = [["images", "how many", "loss", "accuracy"]]
    dropout = ", dropout on" if report["dropout"] else ""
    rows.append([f"training, during the epoch{dropout}", f"{report['train_rows']:,}"])
    rows[-1] += [f"{history['loss'][epoch - 1]:.4f}", f"{history['accuracy'][epoch - 1]:.2%}"]
    if "val_loss" in history:
        rows.append(["validation", f"{report['validation_rows']:,}"])
        rows[-1] += [f"{history['val_loss'][epoch - 1]:.4f}", f"{history['val_accuracy'][epoch - 1]:.2%}"]
    test = report["test"]
    rows.append(["test, evaluated once", f"{test['rows']:,}", f"{test['loss']:.4f}", f"{test['accuracy']:.2%}"])
    counts = np.array(test["confusion_matrix"])
    by_class = [["class", "right", "most often mistaken for"]]
    for k, row in enumerate(counts):
        others = np.where(np.arange(len(row)) == k, 0, row)
        other = f"{names[others.argmax()]} ({others.max() / row.sum():.1%})" if others.any() else "-"
        by_class.append([names[k], f"{row[k] / row.sum():.1%}", other])
    return "\n".join([
        f"{report['data']}, {report['model']}, seed {report['settings']['seed']}: epoch {epoch} of {report['epochs']}, "
        f"{why}",
        f"{report['seconds_per_epoch']:.3g} s per epoch, {report['images_per_second']:,.0f} training images per second",
        "",
        markdown_table(rows),
        "",
        markdown_table(by_class),
    ])  # fmt: skip


def draw(model: Model, data: Data, report: dict[str, Any], probabilities: NDArray[np.float32], folder: Path) -> None:
    """Draw all pictures of a finished run."""
    y, names, source = data.test.labels, data.test.class_names, f"{report['data']}, {report['model']}"
    says = probabilities.argmax(axis=1)
    tested = f"{source}, epoch {report['best_epoch']}; {len(y):,} test images"
    first = int(np.flatnonzero(says == y)[0]) if (says == y).any() else 0
    filters = next(layer.params["W"] for layer in model.layers if layer.params.get("W", np.empty(0)).ndim == 4)
    plots.filters(filters, source=f"{source}, first layer, epoch {report['best_epoch']}", path=folder / "filters.png")
    plots.feature_maps(
        model,
        data.test.take(slice(first, first + 1))[0],
        source=f'{source}; test image {first}: "{names[y[first]]}", classified as "{names[says[first]]}"',
        path=folder / "feature_maps.png",
    )
    plots.confusion_matrix(y, says, names, source=tested, path=folder / "confusion_matrix.png")
    plots.most_confident_mistakes(
        data.test.x, y, probabilities, names, source=tested, path=folder / "confident_mistakes.png"
    )
