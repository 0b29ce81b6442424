"""Time the training step of every architecture at its native size.

    python -m benchmarks.architectures [--threads 2] [--rounds 5] [--only vgg]

The result is a table of ImageNet networks, on batches of 2 images of 224x224, and of small networks, on 128 images of
32x32. (`python -m benchmarks` compares many of them with other libraries.) A step is forward, loss and backward, as in
`train_on_batch`. It is timed without an optimizer, then with SGD and momentum; medians are reported. GFLOP/s
is the arithmetic of the convolutions and dense layers (twice as much in backward as in forward, but no dx for the
first layer), divided by the time without the optimizer. Each model runs in a process of its own; memory is that
process's peak, followed by its growth since the imports.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple

from benchmarks.side_by_side import add_threads, machine, use_threads
from benchmarks.suite.worker import peak_memory

LARGE, SMALL = (224, 2), (32, 128)  # image size and batch size
RATE, MOMENTUM = 1e-3, 0.9


class Network(NamedTuple):
    """A function of tinydl.models, its arguments, the image size and the batch size."""

    builder: str
    options: dict[str, Any]
    native: tuple[int, int]
    least: int = 32  # smallest image size, for compiling


NETWORKS = {
    "LeNet-5": Network("lenet5", {}, SMALL),
    "AlexNet": Network("alexnet", {}, LARGE, 63),
    "VGG11": Network("vgg", {"depth": 11}, LARGE),
    "VGG16": Network("vgg", {"depth": 16}, LARGE),
    "VGG19": Network("vgg", {"depth": 19}, LARGE),
    "GoogLeNet": Network("googlenet", {}, LARGE),
    "GoogLeNet, auxiliary heads": Network("googlenet", {"auxiliary_heads": True}, LARGE, 65),
    "ResNet-18": Network("resnet", {"depth": 18}, LARGE),
    "ResNet-34": Network("resnet", {"depth": 34}, LARGE),
    "ResNet-50": Network("resnet", {"depth": 50}, LARGE),
    "VGG, small": Network("vgg_cifar", {}, SMALL),
    "Inception, small": Network("inception_cifar", {}, SMALL),
    "ResNet-20": Network("resnet_cifar", {"depth": 20}, SMALL),
    "ResNet-56": Network("resnet_cifar", {"depth": 56}, SMALL),
    "ResNet-110": Network("resnet_cifar", {"depth": 110}, SMALL),
}


def batch_of(shape: tuple[int, ...], classes: int, batch: int, seed: int = 0) -> tuple[Any, Any]:
    """Make images of noise and random labels."""
    import numpy as np

    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, *shape), np.float32), rng.integers(0, classes, batch, np.int32)


def build(network: Network, size: int) -> Any:
    """A tinydl model for square images of this size."""
    from tinydl import models

    channels = 1 if network.builder == "lenet5" else 3
    return getattr(models, network.builder)(**network.options, input_shape=(size, size, channels))


def flops(model: Any) -> int:
    """The floating-point operations of a training step, per image."""
    from tinydl.layers import Conv2D, Dense

    layers = [layer for layer in model.root.walk() if isinstance(layer, Conv2D | Dense)]
    products = [layer.params["W"].size * math.prod((layer.output_shape or ())[:-1]) for layer in layers]
    return 2 * (3 * sum(products) - products[0])


# --- every architecture, one after the other --------------------------------------------------------------------------


def measure(name: str, rounds: int) -> None:
    """Time one model and print one JSON object; to be called in a process of its own."""
    from benchmarks.suite.libraries.ours import Still
    from tinydl.losses import SoftmaxCrossEntropy
    from tinydl.optimizers import SGD

    imported = peak_memory()
    network = NETWORKS[name]
    size, batch = network.native
    model = build(network, size)
    x, y = batch_of(model.input_shape, model.output_shape[0], batch)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for key, optimizer in (("without", Still(0.0)), ("with", SGD(RATE, MOMENTUM))):
        model.compile(optimizer, SoftmaxCrossEntropy())
        for turn in range(rounds + 1):
            since = time.perf_counter()
            loss = model.train_on_batch(x, y)
            if turn:
                seconds[key].append(time.perf_counter() - since)
    if not math.isfinite(loss):
        raise SystemExit(f"{name}: the loss became {loss}")
    result = {"parameters": model.parameters.size, "flops": batch * flops(model), "imported": imported}
    print(json.dumps({**result, **seconds, "peak": peak_memory()}))


def compile_kernels() -> None:
    """Run every model once on small images, so that the timed processes find compiled kernels."""
    from tinydl.losses import SoftmaxCrossEntropy
    from tinydl.optimizers import SGD

    for network in NETWORKS.values():
        if network.options.get("depth") in (11, 19, 110):  # other depths use the same kernels
            continue
        model = build(network, network.least)
        model.compile(SGD(RATE, MOMENTUM), SoftmaxCrossEntropy())
        model.train_on_batch(*batch_of(model.input_shape, model.output_shape[0], 2))


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "benchmarks.architectures", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def show_all(names: list[str], threads: int, rounds: int) -> None:
    run("--measure", "compile", "--threads", threads)
    print("| | parameters | images | without SGD, ms | with SGD, ms | images/s | GFLOP/s | memory |", flush=True)
    print("|---|---:|---|---:|---:|---:|---:|---:|", flush=True)
    for name in names:
        size, batch = NETWORKS[name].native
        result = json.loads(run("--measure", name, "--threads", threads, "--rounds", rounds))
        without, complete = (statistics.median(result[key]) for key in ("without", "with"))
        memory = f"{result['peak']:.0f} MB (+{result['peak'] - result['imported']:.0f})"
        print(
            f"| {name} | {result['parameters']:,} | {batch} of {size}x{size} | {1e3 * without:.0f} | "
            f"{1e3 * complete:.0f} | {batch / complete:.1f} | {result['flops'] / without / 1e9:.0f} | {memory} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", metavar="WORD", help="only networks whose name contains this word")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_threads(args.threads)
    if args.measure:
        compile_kernels() if args.measure == "compile" else measure(args.measure, args.rounds)
        return
    print(machine(), f"{args.threads} thread{'s'[: args.threads > 1]}, {args.rounds} rounds, float32", sep="\n")
    wanted = (args.only or "").lower()
    names = [name for name in NETWORKS if wanted in name.lower()]
    if not names:
        parser.error(f"--only {args.only}: expected part of a name: {', '.join(NETWORKS)}")
    show_all(names, args.threads, args.rounds)


if __name__ == "__main__":
    main()
