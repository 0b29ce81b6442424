"""A convolutional network that classifies pictures: the book's CNN on CIFAR-10.

Without --data the script trains a small network on the 1,797 handwritten digits included in scikit-learn:

    python examples/cifar/cnn.py                              # digits, a few seconds
    python examples/cifar/cnn.py --data cifar-10-batches-py   # the book's network on the book's data, 20 epochs
    python examples/cifar/cnn.py --data --quick               # a trial: 5,000 images from TINYDL_DATA, 2 epochs
    python examples/cifar/cnn.py --data --resume              # continue the last run, bit for bit

5,000 of the training images (digits: 180) are held back, with balanced classes; the weights of the epoch with the best
accuracy on them (digits: the lowest loss) are restored at the end. Only then is the model evaluated on the test images,
once. With --all-rows the script trains on all 50,000, as in the book, and tests the model of the last epoch.

Written to --out: report.json, table.md, pictures, model.safetensors (the model that was tested), history.json after
every epoch, and checkpoint.safetensors, from which --resume continues, after every epoch and every minute. Ctrl-C ends
a run cleanly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training_run import Run, add_data_options, check_data_options, load_data, perform, standardised

from tinydl import Model, models
from tinydl.datasets.augmentation import crop_and_flip
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam


@dataclass(frozen=True)
class Recipe:
    """The default training settings of a network."""

    name: str
    build: Callable[..., Model]
    epochs: int
    batch_size: int
    learning_rate: float
    validation_rows: int
    monitor: str  # the figure that selects the best epoch


CIFAR = Recipe("cifar_cnn", models.cifar_cnn, 20, 128, 1e-3, 5_000, "val_accuracy")  # the book's
# On 180 images the accuracy soon reaches 100 % and cannot distinguish epochs, but the loss can.
DIGITS = Recipe("digits_cnn", models.digits_cnn, 40, 32, 2e-3, 180, "val_loss")


def arguments() -> tuple[argparse.ArgumentParser, argparse.Namespace, Recipe]:
    """Parse the options and fill in the defaults that depend on other options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--epochs", type=int, help=f"default: {CIFAR.epochs}, the book's; digits: {DIGITS.epochs}")
    parser.add_argument("--batch-size", type=int, help=f"default: {CIFAR.batch_size}; digits: {DIGITS.batch_size}")
    parser.add_argument("--augment", action="store_true", help="with --data: crop and mirror images at random")
    parser.add_argument("--standardise", action="store_true", help="scale to mean 0 and variance 1, not to [0, 1]")
    parser.add_argument("--out", type=Path, help=f"default: runs/{CIFAR.name} or runs/{DIGITS.name}")
    args = parser.parse_args()
    recipe = DIGITS if args.data is None else CIFAR
    args.out = args.out or Path("runs", recipe.name)
    check_data_options(parser, args)
    if args.data is None and args.augment:
        parser.error("--augment needs --data: a mirrored digit is not a digit")
    args.epochs = args.epochs or (2 if args.quick else recipe.epochs)
    args.batch_size = args.batch_size or recipe.batch_size
    return parser, args, recipe


def main() -> None:
    parser, args, recipe = arguments()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        data = load_data(args, recipe.validation_rows)
    except (OSError, ValueError, ImportError) as error:
        parser.error(str(error))
    if args.standardise:
        data = standardised(data)
    if args.augment:
        data = data._replace(train=data.train.augmented(crop_and_flip))
    settings = {
        "data": data.source, "seed": args.seed, "batch_size": args.batch_size, "learning_rate": recipe.learning_rate,
        "augment": args.augment, "standardise": args.standardise, "all_rows": args.all_rows,
        "train_rows": len(data.train),
    }  # fmt: skip
    model = recipe.build(seed=args.seed)
    model.compile(Adam(recipe.learning_rate), SoftmaxCrossEntropy(), metrics=["accuracy"])
    run = Run(recipe.name, args.out, settings, args.epochs, args.batch_size, recipe.monitor)
    perform(parser, model, data, run, args.resume)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C came outside fit, which handles it itself
        sys.exit("\nInterrupted; finished results are kept.")
