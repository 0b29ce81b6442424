"""Time per row of `fit`, with everything on, against PyTorch's eager loop, for the same networks on one thread.

    python -m benchmarks.autoencoder_fit [--rows 227440] [--rounds 5]

An epoch, at the real data's size, is a new permutation, mini-batches of 64, forward, backward, Adam and the mean loss.
tinydl runs its public `fit` with History, progress bar and a ModelCheckpoint that saves the epoch. PyTorch runs a plain
loop without these, on rows already in a tensor and gathered by index_select, with each of its Adam variants; the best
one counts. PyTorch comes with the extra `benchmarks`; without PyTorch only tinydl is timed.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # set before the libraries are loaded

import argparse
import io
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.side_by_side import machine, table, take_turns
from tinydl import Model, models
from tinydl.callbacks import ModelCheckpoint
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam

try:
    import torch
except ImportError:
    torch = None

BATCH_SIZE, FEATURES = 64, 29
NETWORKS: dict[str, tuple[Callable[..., Model], list[int], float]] = {
    "vanilla": (models.vanilla_autoencoder, [29, 40, 29], 1e-4),
    "deep": (models.deep_autoencoder, [29, 80, 40, 80, 29], 5e-5),
}
TORCH_ADAMS = {"": {}, ", foreach Adam": {"foreach": True}, ", fused Adam": {"fused": True}}


class Terminal(io.StringIO):
    """A terminal that discards its output, so that the progress bar still does all its work."""

    def isatty(self) -> bool:
        return True


def tinydl_epoch(build: Callable[..., Model], rate: float, x: np.ndarray, folder: Path) -> Callable[[], object]:
    model = build(FEATURES)
    model.compile(Adam(rate, epsilon=1e-7), MeanSquaredError())

    def run() -> None:
        checkpoint = ModelCheckpoint(folder / "model.safetensors", "loss", save_best_only=True)
        with mock.patch("sys.stderr", Terminal()):
            if model.fit(x, x, epochs=1, batch_size=BATCH_SIZE, callbacks=[checkpoint]).interrupted:
                raise KeyboardInterrupt

    return run


def torch_network(sizes: list[int], rate: float, variant: dict[str, bool], seed: int = 0) -> tuple[Any, Any]:
    """The same network in PyTorch, initialized in the same way, and its optimizer."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        torch.nn.init.xavier_uniform_(layers[-2].weight)
        torch.nn.init.zeros_(layers[-2].bias)
    model = torch.nn.Sequential(*layers[:-1])
    return model, torch.optim.Adam(model.parameters(), lr=rate, eps=1e-7, **variant)


def torch_epoch(model: Any, optimizer: Any, x: np.ndarray) -> Callable[[], object]:
    rows, mse = torch.from_numpy(x), torch.nn.functional.mse_loss

    def run() -> float:
        total = torch.zeros(())  # summed as a tensor: reading each loss as a number would cost PyTorch more
        for chosen in torch.randperm(len(rows)).split(BATCH_SIZE):
            batch = rows.index_select(0, chosen)
            optimizer.zero_grad(set_to_none=True)
            loss = mse(model(batch), batch)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        return float(total) / len(rows)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=227_440)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    x = np.random.default_rng(0).normal(size=(args.rows, FEATURES)).astype(np.float32)
    print(machine(), f"one thread, {args.rows:,} rows, batch {BATCH_SIZE}, {args.rounds} rounds", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, (build, sizes, rate) in NETWORKS.items():
            contestants = {"tinydl, fit with everything on": tinydl_epoch(build, rate, x, Path(folder))}
            if torch is not None:
                for label, variant in TORCH_ADAMS.items():
                    contestants[f"PyTorch eager{label}"] = torch_epoch(*torch_network(sizes, rate, variant), x)
            seconds = take_turns(contestants, args.rounds)
            print(f"\n{name} autoencoder, microseconds per row")
            print(table(seconds, "us", 1e6 / args.rows, next(iter(contestants))))


if __name__ == "__main__":
    main()
