"""scikit-learn's BernoulliRBM beside ours, on its digits: log-likelihoods and the time of a pass.

    python -m benchmarks.rbm_peers [--seeds 5] [--rounds 5] [--threads 2]

Both machines have 64 visible and 256 hidden units and learn from the same 1,437 rows of pixels, black (half of full ink
or more) or white, with the same batch size, learning rate and number of passes. scikit-learn's machine is trained by
persistent contrastive divergence with one step; ours by CD-1, which is the default, and by PCD-1.

The log-likelihoods are those of ours, computed from scikit-learn's weights too: log Z comes from annealed importance
sampling with 100 chains and 1,000 temperatures, with a standard error of less than 0.1 nats. The times are those of
alternating runs of `fit`, divided by the number of passes.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from typing import Any

from benchmarks.side_by_side import add_threads, machine, take_turns, use_threads

threads = use_threads()

import numpy as np
import sklearn
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tinydl.unsupervised import BernoulliRBM

HIDDEN = 256
MACHINES: dict[str, Any] = {
    "scikit-learn": sklearn.neural_network.BernoulliRBM,
    "tinydl, CD-1": BernoulliRBM,
    "tinydl, PCD-1": partial(BernoulliRBM, persistent=True),
}
SETTINGS = [(10, 0.1), (10, 0.01), (64, 0.1), (64, 0.01)]  # batch_size, learning_rate
PASSES_TIMED = 5


def ours(trained: Any, rows: np.ndarray) -> BernoulliRBM:
    """A machine of ours with the weights of a trained one."""
    rbm = BernoulliRBM(HIDDEN, n_iter=0, random_state=0).fit(rows)
    rbm.components_[...] = trained.components_
    rbm.intercept_visible_[...] = trained.intercept_visible_
    rbm.intercept_hidden_[...] = trained.intercept_hidden_
    return rbm


def likelihoods(train: np.ndarray, test: np.ndarray, epochs: int, seeds: int) -> None:
    print(f"Log-likelihood per row in nats after {epochs} passes: mean (range) of {seeds} seeds")
    print(f"{'batch':>5} {'rate':>5}  {'':<15}{'training rows':>28}{'test rows':>28}{'standard error':>17}")
    for batch_size, rate in SETTINGS:
        for name, make in MACHINES.items():
            found = []
            for seed in range(seeds):
                rbm = make(HIDDEN, batch_size=batch_size, learning_rate=rate, n_iter=epochs, random_state=seed)
                mine = ours(rbm.fit(train), train)
                log_Z = mine.annealed_log_partition_function(random_state=seed)
                values = [mine.log_likelihood(rows, log_Z).value for rows in (train, test)]
                found.append((*values, log_Z.standard_error))
            means, low, high = (function(found, axis=0) for function in (np.mean, np.min, np.max))
            cells = [f"{means[i]:.2f} ({low[i]:.2f} to {high[i]:.2f})" for i in (0, 1)]
            line = "".join(f"{cell:>28}" for cell in cells)
            print(f"{batch_size:>5} {rate:>5}  {name:<15}{line}{high[2]:>17.3f}", flush=True)
    print()


def times(rows: np.ndarray, rounds: int) -> None:
    print(f"Milliseconds a pass, {len(rows):,} rows, {threads} threads: median (range)")
    print(
        f"{'batch':>5} {'dtype':<8}" + "".join(f"{name:>24}" for name in MACHINES) + "   CD-1 : scikit-learn (fastest)"
    )
    for batch_size in (10, 64):
        for dtype in ("float64", "float32"):
            contestants = {
                name: partial(
                    make(HIDDEN, batch_size=batch_size, n_iter=PASSES_TIMED, random_state=0).fit, rows.astype(dtype)
                )
                for name, make in MACHINES.items()
            }
            found = {
                name: [1e3 * seconds / PASSES_TIMED for seconds in each]
                for name, each in take_turns(contestants, rounds).items()
            }
            cells = [f"{statistics.median(each):.1f} ({min(each):.1f} - {max(each):.1f})" for each in found.values()]
            first, second, _ = map(statistics.median, found.values())
            line = "".join(f"{cell:>24}" for cell in cells)
            fastest = min(found["tinydl, CD-1"]) / min(found["scikit-learn"])
            print(f"{batch_size:>5} {dtype:<8}{line}   {second / first:.2f} ({fastest:.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="passes of each training (default 20)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each machine; 0: times only (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="timings of each machine (default 5)")
    add_threads(parser)
    args = parser.parse_args()
    digits = load_digits()
    black = (digits.data >= 8).astype(np.float64)
    train, test = train_test_split(black, test_size=360, random_state=0, stratify=digits.target)
    print(f"{machine()}, scikit-learn {sklearn.__version__}")
    independent = BernoulliRBM(1, n_iter=0).fit(train)  # its visible biases are the log-odds of the pixels' means
    independent.components_[...] = 0
    print(f"Independent pixels: {independent.log_likelihood(test).value:.2f} nats per test row")
    if args.seeds:
        likelihoods(train, test, args.epochs, args.seeds)
    times(train, args.rounds)


if __name__ == "__main__":
    main()
