"""Time the training step of every architecture at its native size; with --peers, compare two with PyTorch and Keras.

    python -m benchmarks.architectures [--threads 2] [--rounds 5] [--only vgg] [--peers] [--seconds 2]

Without --peers the result is a table of ImageNet networks, on batches of 2 images of 224x224, and of small networks, on
128 images of 32x32. A step is forward, loss and backward, as in `train_on_batch`. It is timed alternately without an
optimizer and with SGD and momentum; medians are reported. GFLOP/s is the arithmetic of the convolutions and dense
layers (twice as much in backward as in forward, but no dx for the first layer), divided by the time without the
optimizer. Each model runs in a process of its own; memory is that process's peak, followed by its growth since the
imports.

With --peers, ResNet-20 on batches of 128 (with SGD and momentum) and VGG16 on 2 images (forward and backward only) are
compared with the same layers in PyTorch and in Keras on TensorFlow; each contestant has its own process, and they take
turns. All versions of a network must have the same number of parameters. Data are float32, with images in the layout
that each contestant expects. "CPU ms" is the processor time of a step over all threads. With --threads 1 no threads
spin at barriers, so this time is valid even on a busy machine.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import math
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.processes import Built, Contestant, Worker, peak_memory, same_benchmark, start, take_turns, work
from benchmarks.side_by_side import add_threads, machine, use_threads

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


def build(network: Network, size: int, train: bool) -> Any:
    """A compiled tinydl model; unless `train`, its optimizer leaves the parameters unchanged."""
    from tinydl import models
    from tinydl.losses import SoftmaxCrossEntropy
    from tinydl.optimizers import SGD

    channels = 1 if network.builder == "lenet5" else 3
    model = getattr(models, network.builder)(**network.options, input_shape=(size, size, channels))
    model.compile(SGD(RATE, MOMENTUM) if train else still(), SoftmaxCrossEntropy())
    return model


def still() -> Any:
    from tinydl.optimizers import Optimizer

    class Still(Optimizer):
        def update(self, params: Any, grads: Any, learning_rate: float) -> None:
            pass

    return Still(0.0)


def flops(model: Any) -> int:
    """The floating-point operations of a training step, per image."""
    from tinydl.layers import Conv2D, Dense

    layers = [layer for layer in model.root.walk() if isinstance(layer, Conv2D | Dense)]
    products = [layer.params["W"].size * math.prod((layer.output_shape or ())[:-1]) for layer in layers]
    return 2 * (3 * sum(products) - products[0])


# --- every architecture, one after the other --------------------------------------------------------------------------


def measure(name: str, rounds: int) -> None:
    """Time one model and print one JSON object; to be called in a process of its own."""
    importlib.import_module("tinydl.models")
    imported = peak_memory()
    network = NETWORKS[name]
    size, batch = network.native
    model = build(network, size, True)
    x, y = batch_of(model.input_shape, model.output_shape[0], batch)
    sgd, idle = model.optimizer, still()
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for turn in range(rounds + 1):
        for key, optimizer in (("without", idle), ("with", sgd)):
            model.optimizer = optimizer
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
    for network in NETWORKS.values():
        if network.options.get("depth") in (11, 19, 110):  # other depths use the same kernels
            continue
        model = build(network, network.least, True)
        model.train_on_batch(*batch_of(model.input_shape, model.output_shape[0], 2))


def run(*arguments: object) -> str:
    command = same_benchmark(*map(str, arguments))
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


# --- two architectures beside PyTorch and Keras -----------------------------------------------------------------------

PEERS = {"ResNet-20": True, "VGG16": False}  # whether the optimizer is included
VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters, convolutions


def batches_of(name: str, count: int = 2) -> list[tuple[Any, Any]]:
    size, batch = NETWORKS[name].native
    return [batch_of((size, size, 3), 10 if size == 32 else 1000, batch, seed) for seed in range(count)]


def tinydl(name: str, train: bool) -> Built:
    network = NETWORKS[name]
    model = build(network, network.native[0], train)
    return Built(model.train_on_batch, batches_of(name), model.parameters.size)


def torch_resnet20() -> Any:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels: int, filters: int) -> None:
            super().__init__()
            self.strides, self.more = filters // channels, filters - channels
            self.body = nn.Sequential(
                nn.Conv2d(channels, filters, 3, self.strides, 1, bias=False), nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
                nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            around = x
            if self.more:
                around = nn.functional.pad(x[:, :, :: self.strides, :: self.strides], (0, 0, 0, 0, 0, self.more))
            return torch.relu(self.body(x) + around)

    layers: list[Any] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    channels = 16
    for filters in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(channels, filters))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def torch_vgg16() -> Any:
    from torch import nn

    layers, channels = [], 3
    for filters, count in VGG16:
        for _ in range(count):
            layers += [nn.Conv2d(channels, filters, 3, 1, 1), nn.ReLU(inplace=True)]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    layers += [nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(4096, 1000))


def pytorch(name: str, train: bool, channels_last: bool, fused: bool = False) -> Built:
    import torch

    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = {"ResNet-20": torch_resnet20, "VGG16": torch_vgg16}[name]().to(memory_format=layout)
    options = {"fused": True} if fused else {}
    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, **options)
    loss_of = torch.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        if train:
            optimizer.step()
        return float(loss)

    batches = [
        (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout), torch.from_numpy(y).long())
        for x, y in batches_of(name)
    ]
    return Built(step, batches, sum(parameter.numel() for parameter in model.parameters()))


def keras_resnet20(keras: Any) -> Any:
    add = keras.layers

    def conv(x: Any, filters: int, strides: int = 1) -> Any:
        if strides > 1:  # "same" would pad only one side
            x = add.ZeroPadding2D(1)(x)
        padding = "valid" if strides > 1 else "same"
        return add.BatchNormalization(momentum=0.9, epsilon=1e-5)(
            add.Conv2D(filters, 3, strides, padding, use_bias=False)(x)
        )

    image = keras.Input((32, 32, 3))
    x, channels = add.Activation("relu")(conv(image, 16)), 16
    for filters in (16, 32, 64):
        for _ in range(3):
            more, around = filters - channels, x
            if more:
                around = keras.ops.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, more)))
            y = conv(add.Activation("relu")(conv(x, filters, 2 if more else 1)), filters)
            x, channels = add.Activation("relu")(add.Add()([y, around])), filters
    return keras.Model(image, add.Dense(10)(add.GlobalAveragePooling2D()(x)))


def keras_vgg16(keras: Any) -> Any:
    add = keras.layers
    layers = [keras.Input((224, 224, 3))]
    for filters, count in VGG16:
        layers += [add.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(count)]
        layers.append(add.MaxPooling2D(2))
    layers.append(add.Flatten())
    for _ in range(2):
        layers += [add.Dense(4096, activation="relu"), add.Dropout(0.5)]
    return keras.Sequential([*layers, add.Dense(1000)])


def tensorflow(name: str, train: bool) -> Built:
    """A training step as a tf.function, which is faster than train_on_batch."""
    tf, keras = importlib.import_module("tensorflow"), importlib.import_module("keras")
    keras.utils.set_random_seed(0)
    model = {"ResNet-20": keras_resnet20, "VGG16": keras_vgg16}[name](keras)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(RATE, MOMENTUM)
    weights = model.trainable_variables
    optimizer.build(weights)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, weights)
        if train:
            optimizer.apply(gradients, weights)
            return loss, ()
        return loss, gradients  # TensorFlow would not compute them otherwise

    batches = [(tf.constant(x), tf.constant(y)) for x, y in batches_of(name)]
    return Built(lambda x, y: float(step(x, y)[0]), batches, sum(math.prod(weight.shape) for weight in weights))


def contestants_of(name: str) -> list[Contestant]:
    train = PEERS[name]

    def entry(library: str, make: Callable[..., Built], *modules: str, **options: bool) -> Contestant:
        backend = "tensorflow" if "keras" in modules else ""
        return Contestant(f"{name}: {library}", make, modules, {"name": name, "train": train, **options}, backend)

    fused = [
        entry("PyTorch, fused SGD", pytorch, "torch", channels_last=False, fused=True),
        entry("PyTorch, channels_last, fused SGD", pytorch, "torch", channels_last=True, fused=True),
    ]
    return [
        entry("tinydl", tinydl, "tinydl"),
        entry("PyTorch", pytorch, "torch", channels_last=False),
        entry("PyTorch, channels_last", pytorch, "torch", channels_last=True),
        *(fused if train else []),
        entry("Keras on TensorFlow, tf.function", tensorflow, "tensorflow", "keras"),
    ]


def compare(name: str, rounds: int, arguments: list[str]) -> None:
    workers: list[Worker] = []
    try:
        start(contestants_of(name), arguments, workers)
        idle = take_turns(workers, rounds)
    finally:
        for worker in workers:
            worker.stop()
    counts = {worker.name: worker.built["parameters"] for worker in workers}
    if len(set(counts.values())) != 1:
        raise SystemExit(f"the numbers of parameters differ: {counts}")
    for worker in workers:
        if not math.isfinite(worker.loss):
            raise SystemExit(f"{worker.name}: the loss became {worker.loss}")
    batch, what = NETWORKS[name].native[1], "training step, SGD" if PEERS[name] else "forward and backward"
    base = statistics.median(workers[0].seconds)
    print(f"\n| {name}, {what}, batch {batch} | ms | range | images/s | tinydl is | cores | CPU ms | memory |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for worker in workers:
        median = statistics.median(worker.seconds)
        low, high = (1e3 * bound(worker.seconds) for bound in (min, max))
        memory = f"{worker.peak:.0f} MB (+{worker.peak - worker.built['imported']:.0f})"
        times = f"{median / base:.2f} x as fast" if worker is not workers[0] else ""
        cpu = statistics.median(1e3 * each * cores for each, cores in zip(worker.seconds, worker.cores, strict=True))
        print(
            f"| {worker.name.split(': ')[1]} | {1e3 * median:.0f} | {low:.0f} - {high:.0f} | {batch / median:.1f} | "
            f"{times} | {statistics.median(worker.cores):.2f} | {cpu:.0f} | {memory} |"
        )
    versions = {module: number for worker in workers for module, number in worker.built["versions"].items()}
    print(f"{next(iter(counts.values())):,} parameters each; idle contestants used at most {idle:.1%} of a core")
    print(", ".join(f"{module} {number}" for module, number in versions.items()), "\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per turn with --peers (at least one step)")
    parser.add_argument("--only", metavar="WORD", help="only networks whose name contains this word")
    parser.add_argument("--peers", action="store_true", help="compare ResNet-20 and VGG16 with PyTorch and Keras")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_threads(args.threads)
    if args.measure:
        compile_kernels() if args.measure == "compile" else measure(args.measure, args.rounds)
        return
    if args.worker:
        with contextlib.suppress(KeyboardInterrupt):
            everyone = {one.name: one for name in PEERS for one in contestants_of(name)}
            work(everyone[args.worker], args.seconds)
        return
    print(machine(), f"{args.threads} thread{'s'[: args.threads > 1]}, {args.rounds} rounds, float32", sep="\n")
    wanted = (args.only or "").lower()
    names = [name for name in (PEERS if args.peers else NETWORKS) if wanted in name.lower()]
    if not names:
        parser.error(f"--only {args.only}: expected part of a name: {', '.join(PEERS if args.peers else NETWORKS)}")
    if args.peers:
        for name in names:
            compare(name, args.rounds, ["--threads", str(args.threads), "--seconds", str(args.seconds)])
    else:
        show_all(names, args.threads, args.rounds)


if __name__ == "__main__":
    main()
