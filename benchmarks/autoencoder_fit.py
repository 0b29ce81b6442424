"""Time per row of `fit`, with everything on, against PyTorch's eager loop and JAX's compiled epoch, on one thread.

    python -m benchmarks.autoencoder_fit [--rows 227440] [--rounds 5]

An epoch, at the real data's size, is a new permutation, mini-batches of 64, forward, backward, Adam and the mean loss.
tinydl runs its public `fit` with History, progress bar and a ModelCheckpoint that saves the epoch. PyTorch runs a plain
loop without these, on rows already in a tensor and gathered by index_select, with each of its Adam variants; the best
one counts. JAX runs the whole epoch as one compiled scan over batches in order, which neither shuffles nor reports, and
leaves out an incomplete last batch. PyTorch comes with the extra `benchmarks`, JAX by `pip install jax`; peers that are
not installed are skipped.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # set before the libraries are loaded
os.environ["NPROC"] = "1"  # for XLA, which JAX uses
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import argparse
import io
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.side_by_side import machine, optional, table, take_turns
from tinydl import Model, models
from tinydl.callbacks import ModelCheckpoint
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam

torch, jax = optional("torch"), optional("jax")

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
    layers: list[Any] = []
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


def jax_epoch(sizes: list[int], rate: float, x: np.ndarray, seed: int = 0) -> Callable[[], object]:
    rng, jnp = np.random.default_rng(seed), jax.numpy
    limits = [np.sqrt(6 / (inputs + outputs)) for inputs, outputs in itertools.pairwise(sizes)]
    shapes = itertools.pairwise(sizes)
    W = [rng.uniform(-limit, limit, shape).astype(np.float32) for limit, shape in zip(limits, shapes, strict=True)]
    parameters = [(jnp.asarray(w), jnp.zeros(w.shape[1], jnp.float32)) for w in W]
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    batches = jnp.asarray(x[: len(x) // BATCH_SIZE * BATCH_SIZE].reshape(-1, BATCH_SIZE, sizes[0]))

    def loss_of(parameters: Any, batch: Any) -> Any:
        y = batch
        for k, (w, b) in enumerate(parameters):
            y = y @ w + b
            if k < len(parameters) - 1:
                y = jnp.maximum(y, 0)
        return jnp.mean((y - batch) ** 2)

    def step(state: Any, batch: Any) -> Any:
        parameters, m, v, t = state
        loss, gradient = jax.value_and_grad(loss_of)(parameters, batch)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
        size, scale = rate / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
        parameters = jax.tree.map(lambda p, m, v: p - size * m / (scale * jnp.sqrt(v) + 1e-7), parameters, m, v)
        return (parameters, m, v, t), loss

    epoch = jax.jit(lambda state: jax.lax.scan(step, state, batches), donate_argnums=0)
    state: Any = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0))

    def run() -> float:
        nonlocal state
        state, losses = epoch(state)
        return float(losses.mean())  # waits for the result

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
            if jax is not None:
                contestants["JAX, the epoch as one compiled scan"] = jax_epoch(sizes, rate, x)
            seconds = take_turns(contestants, args.rounds)
            print(f"\n{name} autoencoder, microseconds per row")
            print(table(seconds, "us", 1e6 / args.rows, next(iter(contestants))))


if __name__ == "__main__":
    main()
