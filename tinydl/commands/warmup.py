"""`python -m tinydl warmup`: compile the kernels that the library's networks use, and keep them on disk."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..model import Model
    from ..optimizers import Optimizer

DESCRIPTION = """\
Compile the float32 kernels that the library's layers, losses and optimizers use, so that the first training step of
later processes does not wait for them. Kernels that are already compiled are only loaded.
"""
EXITS = "exit code: 0 if the kernels are on disk, 1 if the cache folder cannot be written"
ROWS = 4


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    summary = "compile the kernels ahead of the first training step"
    command = commands.add_parser("warmup", help=summary, description=DESCRIPTION, epilog=EXITS)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train every network for a few steps, with a line for each; return the exit code."""
    from ..kernels.machine import cache  # the other commands run where only NumPy is installed
    from ..kernels.twins import current_mode

    if current_mode() != "compiled":
        print("Nothing to compile: TINYDL_KERNELS or NUMBA_DISABLE_JIT makes the NumPy definitions run.")
        return 0
    print(f"Compiling into {cache.folder()}", flush=True)
    start, before = time.perf_counter(), cache.content()[0]
    for name, step in steps().items():
        print(f"  {name:30}", end="", flush=True)
        started = time.perf_counter()
        step()
        print(f"{time.perf_counter() - started:6.1f} s", flush=True)
    files, size = cache.content()
    new = f"{files - before} new kernels" if files > before else "no new kernel"
    print(f"Done in {time.perf_counter() - start:.1f} s: {new}; {files} files, {size / 1e6:.0f} MB")
    return 0 if files else 1


def steps() -> dict[str, Callable[[], None]]:
    """Training steps by name that together use every kernel (a test trains all other architectures)."""
    from .. import layers, models
    from ..model import Model
    from ..optimizers import SGD, Adam, Lion, RMSprop

    def others() -> Model:
        # Not after a convolution, which would take them over:
        alone = [layers.MaxPool2D(3), layers.BatchNorm(), layers.MaxPool2D(2), layers.AveragePool2D(2)]
        first = layers.Conv2D(16, 5, activation="sigmoid")
        images = [*alone, first, layers.AveragePool2D(2), layers.LocalResponseNorm(), layers.PadChannels(20)]
        pools = [layers.MaxPool2D(3, 1, "same"), layers.AveragePool2D(3, 1, "same"), layers.AveragePool2D((4, 2))]
        ends = [
            layers.GlobalAveragePool2D(),
            layers.LayerNorm(),
            layers.ReLU(),
            layers.Dense(10, "sigmoid"),
            layers.Dense(10),
        ]
        return Model([*images, *pools, *ends], (144, 144, 3))

    pairs: dict[str, tuple[Callable[[], Model], Optimizer]] = {
        "dense layers, Adam": (lambda: models.vanilla_autoencoder(29), Adam(global_clipnorm=1.0)),
        "dense layers in spans, Adam": (lambda: models.vanilla_autoencoder(29), Adam()),
        "a small CNN, SGD": (models.digits_cnn, SGD(0.01)),
        "LeNet-5, RMSprop": (models.lenet5, RMSprop()),
        "a CNN for CIFAR-10, Lion": (models.cifar_cnn, Lion()),
        "a residual network": (models.resnet_cifar, SGD(0.01, 0.9, nesterov=True)),
        "other layers": (others, Adam()),
    }
    networks = {name: partial(_train, *pair) for name, pair in pairs.items()}
    return {**networks, "a restricted Boltzmann machine": _train_machine}


def _train_machine() -> None:
    from ..unsupervised import BernoulliRBM

    BernoulliRBM(8, n_iter=1).fit(np.zeros((ROWS, 8), np.float32))


def _train(make: Callable[[], Model], optimizer: Optimizer) -> None:
    from ..losses import MeanSquaredError, SoftmaxCrossEntropy

    model = make()
    rows = len(model.input_shape) == 1
    x = np.random.default_rng(0).standard_normal((ROWS, *model.input_shape)).astype(np.float32)
    model.compile(optimizer, MeanSquaredError() if rows else SoftmaxCrossEntropy())
    batch_size = 1 if rows else ROWS  # several batches, as the first and the last one are not in a span
    model.fit(x, x if rows else np.arange(ROWS), batch_size=batch_size, verbose=0)
    model.predict(x)
