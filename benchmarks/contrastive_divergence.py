"""Contrastive divergence against the exact gradient, on machines so small that all their states can be enumerated.

    python -m benchmarks.contrastive_divergence [--chains 100000] [--picture docs/pictures/contrastive_divergence.png]

1. The exact gradient against enumeration of all joint states, on machines of 1 + 1 to 12 + 8 units.
2. CD-k: the mean over --chains chains for k = 1 .. 100, and its distance from the exact gradient. The part of it that
   does not shrink with the number of chains, the bias, is computed by powers of the chain's transition matrix.
3. Persistent contrastive divergence, and CD-1: the log-likelihood that each reaches, and the best that exact gradients
   reach, on patches of 3x4 pixels of scikit-learn's digits.
4. Annealed importance sampling against the exact partition function: the errors in units of the estimated standard
   error, on 20 machines, and with the defaults on 100.

The enumeration (tests/unsupervised/enumeration.py) shares no code with tinydl.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.side_by_side import use_threads

use_threads(1)

import numpy as np
from sklearn.datasets import load_digits

from tests.unsupervised import enumeration
from tinydl.plots.style import BLUE, VERMILION, dress, finish, panel
from tinydl.unsupervised import BernoulliRBM

NAMES = ("dW", "db", "dc")
STEPS = (1, 2, 3, 5, 10, 20, 50, 100)
SCALES = {"weights from N(0, 1)": 1.0, "weights from N(0, 2^2)": 2.0}


def flat(gradient: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([gradient[name].ravel() for name in NAMES])


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def exact_gradients() -> None:
    sizes = [(visible, hidden) for visible in range(1, 13) for hidden in range(1, 9)]
    largest = 0.0
    for visible, hidden in sizes:
        rbm, data = enumeration.machine(visible, hidden), enumeration.rows(visible)
        difference = flat(rbm.exact_gradient(data)) - flat(enumeration.gradient(rbm, data))
        largest = max(largest, float(np.abs(difference).max()))
    print(f"1. Exact gradient: {len(sizes)} machines, largest difference of an entry {largest:.1e}\n", flush=True)


def contrastive_divergence(chains: int, seed: int) -> dict[str, list[tuple[int, float, float, float]]]:
    """Print the table; return (k, bias, distance, standard error) for each machine, as root mean squares."""
    found: dict[str, list[tuple[int, float, float, float]]] = {}
    print(f"2. CD-k on 12 + 8 units: mean of {chains:,} chains, root mean square over the 116 entries")
    print(f"{'':<24}{'k':>4}{'bias':>12}{'distance':>12}{'std. error':>12}   largest |distance| / std. error")
    for name, scale in SCALES.items():
        found[name] = []
        row = np.ones((1, 12))
        for k in STEPS:
            rbm = enumeration.machine(12, 8, scale, seed=seed, k=k)
            exact = flat(rbm.exact_gradient(row))
            expected, variance = map(flat, enumeration.expected_cd(rbm, row, k))
            error = np.sqrt(variance / chains)
            distance = flat(rbm.gradient(np.tile(row, (chains, 1)))) - exact
            found[name].append((k, rms(expected - exact), rms(distance), rms(error)))
            figures = "".join(f"{figure:>12.6f}" for figure in found[name][-1][1:])
            print(f"{name:<24}{k:>4}{figures}{np.abs(distance / error).max():>12.1f}", flush=True)
    print()
    return found


def draw(found: dict[str, list[tuple[int, float, float, float]]], chains: int, path: Path) -> None:
    figure, ax = panel(width=8, height=5)
    for color, (name, rows) in zip((BLUE, VERMILION), found.items(), strict=True):
        k, bias, distance, error = zip(*rows, strict=True)
        ax.plot(k, bias, color=color, label=f"{name}: bias, by enumeration")
        ax.plot(k, distance, "o", color=color, label=f"{name}: mean of {chains:,} chains")
        ax.plot(k, error, ":", color=color, label=f"{name}: standard error of this mean")
    dress(ax, "CD-k's distance from the exact gradient", "k, Gibbs steps", "root mean square over the entries")
    ax.set_xscale("log")
    ax.set_xticks(STEPS, map(str, STEPS))
    ax.minorticks_off()
    ax.set_yscale("log")
    ax.set_ylim(1e-5, 3)
    ax.legend()
    finish(figure, "machines of 12 visible and 8 hidden units", path)
    print(f"Written: {path}\n")


def patches() -> np.ndarray:
    """Pixels from the middle of the digits, black or white: 1,797 rows of 12."""
    images = load_digits().images
    return (images[:, 2:5, 2:6] >= 8).reshape(len(images), 12).astype(np.float64)


def by_exact_gradients(data: np.ndarray, seed: int, steps: int) -> float:
    """The log-likelihood after `steps` steps of gradient ascent, with momentum, on all rows."""
    rbm = BernoulliRBM(8, n_iter=0, random_state=seed).fit(data)
    parameters = {"dW": rbm.components_, "db": rbm.intercept_visible_, "dc": rbm.intercept_hidden_}
    velocity = {name: np.zeros_like(array) for name, array in parameters.items()}
    for _ in range(steps):
        gradient = rbm.exact_gradient(data)
        for name, array in parameters.items():
            velocity[name] = 0.9 * velocity[name] + 0.1 * gradient[name]
            array += velocity[name]
    return rbm.log_likelihood(data).value


def by_chains(data: np.ndarray, persistent: bool, seed: int, steps: int) -> float:
    """The log-likelihood after PCD-1 or CD-1 with batches of 500 rows, at a rate that falls from 0.3 to 0."""
    rbm = BernoulliRBM(8, persistent=persistent, batch_size=500, n_iter=0, random_state=seed).fit(data)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        rbm.learning_rate = 0.3 * (1 - step / steps)
        rbm.partial_fit(data[rng.integers(0, len(data), 500)])
    return rbm.log_likelihood(data).value


def persistence(seeds: int, steps: int) -> None:
    data = patches()
    exact = [by_exact_gradients(data, seed, steps // 5) for seed in range(seeds)]
    print(f"3. Exact gradients, {steps // 5:,} steps, {seeds} seeds: {max(exact):.4f} nats a row at best", flush=True)
    for name, persistent in (("PCD-1", True), ("CD-1", False)):
        for seed in range(seeds):
            value = by_chains(data, persistent, seed, steps)
            below = f"{value / max(exact) - 1:.2%} below"
            print(f"   {name}, {steps:,} steps, seed {seed}: {value:.4f}, {below}", flush=True)
    print()


def annealing() -> None:
    for count, chains, temperatures in ((20, 500, 1000), (100, 100, 1000)):
        start = time.perf_counter()
        errors, standard_errors = [], []
        for seed in range(count):
            rbm = enumeration.machine(12, 8, seed=seed)
            found = rbm.annealed_log_partition_function(chains, temperatures, random_state=seed)
            p = enumeration.log_joint(rbm)
            errors.append(found.value - float(np.log(np.exp(p - p.max()).sum()) + p.max()))
            standard_errors.append(found.standard_error)
        z = np.abs(np.array(errors) / standard_errors)
        print(
            f"4. AIS with {chains} chains, {temperatures:,} temperatures: {count} machines of 12 + 8 units in "
            f"{time.perf_counter() - start:.0f} s;\n   largest error {np.abs(errors).max():.3f} nats, largest "
            f"standard error {max(standard_errors):.3f} nats; |error| / standard error: root mean square "
            f"{rms(z):.2f}, at most {z.max():.2f}, within 3 in {np.sum(z <= 3)} of {count}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=100_000, help="chains for each k (default 100000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the machines of part 2 (default 0)")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of part 3 (default 3)")
    parser.add_argument("--steps", type=int, default=50_000, help="updates of each PCD run (default 50000)")
    parser.add_argument("--picture", type=Path, help="write the picture of part 2 there")
    args = parser.parse_args()
    exact_gradients()
    found = contrastive_divergence(args.chains, args.seed)
    if args.picture is not None:
        draw(found, args.chains, args.picture)
    persistence(args.seeds, args.steps)
    annealing()


if __name__ == "__main__":
    main()
