"""Train famous architectures on CIFAR-10, with a choice of network, recipe and time budget.

Without --data the script trains on the 1,797 handwritten digits included in scikit-learn, enlarged to 32x32 pixels:

    python examples/cifar/famous_networks.py                                  # ResNet-20 on digits, a few minutes
    python examples/cifar/famous_networks.py --data --model resnet20          # 30 epochs of CIFAR-10 from TINYDL_DATA
    python examples/cifar/famous_networks.py --data --model inception --minutes 60  # as many epochs as fit in an hour
    python examples/cifar/famous_networks.py --data --model resnet20 --recipe paper   # 182 epochs, as in He et al.
    python examples/cifar/famous_networks.py --data --model vgg --resume      # continue a run, bit for bit

Both recipes use SGD with momentum 0.9, batches of 128, images that are standardized, shifted by up to 4 pixels and
mirrored (digits are not mirrored), and weight decay on the weights alone, not on biases or batch normalization:

    one_cycle   the learning rate rises and falls once over the whole run; Nesterov momentum, decay 5e-4
    paper       learning rate 0.1, divided by 10 after half and after three quarters of the epochs, decay 1e-4 (without
                the 400 warm-up steps at 0.01 that He et al. used for ResNet-110)

5,000 of the training images (digits: 180) are held back, with balanced classes; the weights of the epoch with the best
accuracy on them are restored at the end. Only then is the model evaluated on the test images, once.

Written to --out: model.png (the network's block diagram), report.json, table.md, pictures, model.safetensors (the model
that was tested), history.json after every epoch, and checkpoint.safetensors, from which --resume continues, after every
epoch and every minute. Ctrl-C ends a run cleanly.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from training_run import (
    HISTORY,
    Data,
    Run,
    add_data_options,
    check_data_options,
    load_data,
    perform,
    saved_run,
    standardised,
)

from tinydl import Model, models
from tinydl.datasets.augmentation import crop_and_flip, cutout, random_crop
from tinydl.datasets.images import Images
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD
from tinydl.schedules import OneCycle, PiecewiseConstant

MODELS: dict[str, Callable[..., Model]] = {
    "lenet5": models.lenet5,
    "vgg": models.vgg_cifar,
    "inception": models.inception_cifar,
    **{f"resnet{depth}": partial(models.resnet_cifar, depth) for depth in (20, 32, 44, 56, 110)},
}
EPOCHS = {"one_cycle": 30, "paper": 182}  # for paper, the 64,000 steps of He et al.
LEARNING_RATE = {"one_cycle": 0.2, "paper": 0.1}  # maximum
VALIDATION_ROWS = 5_000
DIGIT_PIXELS = 4  # each digit pixel becomes a square of this side
TRIAL_STEPS = 8  # timed to convert --minutes into epochs


def sgd(args: argparse.Namespace, steps: int) -> SGD:
    """The optimizer of a recipe, for a run of `steps` steps."""
    clip, peak = args.clip_norm or None, args.learning_rate
    if args.recipe == "one_cycle":
        return SGD(OneCycle(peak, steps), 0.9, nesterov=True, weight_decay=5e-4, global_clipnorm=clip)
    divided = PiecewiseConstant([max(1, steps // 2), max(2, 3 * steps // 4)], [peak, peak / 10, peak / 100])
    return SGD(divided, 0.9, weight_decay=1e-4, global_clipnorm=clip)


def prepare(data: Data, args: argparse.Namespace) -> Data:
    """Standardize all images; training images are also augmented anew in every epoch."""
    if args.data is None:
        validation = data.validation and enlarged(data.validation)
        data = Data(data.source, enlarged(data.train), validation, enlarged(data.test))
    data = standardised(data)
    augmentations = [random_crop if args.data is None else crop_and_flip]
    if args.cutout:
        mean = np.rint(255 * np.array(data.train.mean))
        augmentations.append(partial(cutout, size=args.cutout, fill=mean))
    return data._replace(train=data.train.augmented(*augmentations).mixed(args.mixup))


def enlarged(images: Images) -> Images:
    """Enlarge every pixel to a square, because the networks halve their maps up to four times."""
    return Images(images.x.repeat(DIGIT_PIXELS, 1).repeat(DIGIT_PIXELS, 2), images.labels, images.class_names)


def compiled(args: argparse.Namespace, data: Data, epochs: int) -> Model:
    """The network, compiled for a run of `epochs` epochs."""
    model = MODELS[args.model](input_shape=data.train.sample_shape, seed=args.seed)
    steps = epochs * math.ceil(len(data.train) / args.batch_size)
    model.compile(sgd(args, steps), SoftmaxCrossEntropy(args.label_smoothing), metrics=["accuracy"])
    return model


def epochs_in(minutes: float, args: argparse.Namespace, data: Data) -> int:
    """Estimate how many epochs fit, from a few steps of a throwaway model; a forward pass is a third of a step."""
    model, rng = compiled(args, data, 1), np.random.default_rng(args.seed)
    seconds = []
    for _ in range(TRIAL_STEPS):
        x, y = data.train.take(rng.integers(0, len(data.train), args.batch_size), rng)
        start = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - start)
    image = statistics.median(seconds[2:]) / args.batch_size
    epoch = image * (len(data.train) + (0 if data.validation is None else len(data.validation)) / 3)
    return max(1, int(60 * minutes / epoch))


def arguments() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parse the options and fill in the defaults that depend on other options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(MODELS), default="resnet20", help="default: resnet20")
    parser.add_argument("--recipe", choices=sorted(EPOCHS), default="one_cycle", help="default: one_cycle")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--epochs", type=int, help=f"default: {EPOCHS}")
    budget.add_argument("--minutes", type=float, help="as many epochs as fit into this time on this machine")
    add_data_options(parser)
    parser.add_argument("--batch-size", type=int, default=128, help="default: 128")
    parser.add_argument("--learning-rate", type=float, help=f"maximum; default: {LEARNING_RATE}")
    parser.add_argument("--label-smoothing", type=float, default=0.0, help="default: 0")
    parser.add_argument("--cutout", type=int, default=0, metavar="SIZE", help="blank out a square, SIZE pixels wide")
    parser.add_argument("--mixup", type=float, default=0.0, metavar="ALPHA", help="blend images and their labels")
    parser.add_argument("--clip-norm", type=float, default=0.0, metavar="NORM", help="limit the gradient's norm")
    parser.add_argument("--out", type=Path, help="default: runs/MODEL_cifar or runs/MODEL_digits")
    args = parser.parse_args()
    args.out = args.out or Path("runs", f"{args.model}_{'digits' if args.data is None else 'cifar'}")
    if args.learning_rate is None:
        args.learning_rate = LEARNING_RATE[args.recipe]
    check_data_options(parser, args)
    for name in ("learning_rate", "minutes"):
        value = getattr(args, name)
        if value is not None and not 0 < value < math.inf:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    for name, high in (("label_smoothing", 1.0), ("mixup", math.inf), ("clip_norm", math.inf)):
        if not 0 <= getattr(args, name) < high:
            parser.error(f"--{name.replace('_', '-')} must be >= 0 and below {high:g}")
    if args.cutout < 0:
        parser.error("--cutout must be >= 0")
    return parser, args


def settings_of(args: argparse.Namespace, data: Data, epochs: int) -> dict[str, Any]:
    names = (
        "recipe", "seed", "batch_size", "learning_rate", "label_smoothing", "cutout", "mixup", "clip_norm", "all_rows",
    )  # fmt: skip
    return {
        "data": data.source, "model": args.model, **{name: getattr(args, name) for name in names},
        "epochs": epochs, "train_rows": len(data.train),
    }  # fmt: skip


def main() -> None:
    parser, args = arguments()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        data = prepare(load_data(args, VALIDATION_ROWS if args.data is not None else 180), args)
        epochs = args.epochs or (2 if args.quick else EPOCHS[args.recipe])
        if args.resume and (args.out / HISTORY).exists():  # the schedule depends on the number of epochs
            epochs = args.epochs or saved_run(args.out)["settings"]["epochs"]
        elif args.minutes is not None:
            epochs = epochs_in(args.minutes, args, data)
        model = compiled(args, data, epochs)
    except (OSError, ValueError, ImportError, LookupError) as error:
        parser.error(str(error))
    model.plot(args.out / "model.png")
    run = Run(model.name, args.out, settings_of(args, data, epochs), epochs, args.batch_size, "val_accuracy")
    perform(parser, model, data, run, args.resume)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C came outside fit, which handles it itself
        sys.exit("\nInterrupted; finished results are kept.")
