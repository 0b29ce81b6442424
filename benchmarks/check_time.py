"""The CPU time of gradient checks, and a comparison with another version of tinydl, measured in turns.

python -m benchmarks.check_time
python -m benchmarks.check_time --against ../older-clone     run the same checks with another clone, in turns
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tinydl.gradcheck import check_function, check_layer, check_loss
from tinydl.layers import BatchNorm, Conv2D, Dense, MaxPool2D
from tinydl.losses import SoftmaxCrossEntropy

ROUNDS = 7


class Attributes:
    """A dense layer as a student may write it."""

    def __init__(self) -> None:
        self.W = np.random.default_rng(0).normal(size=(5, 4))
        self.b = np.random.default_rng(1).normal(size=4)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


class Dicts(Attributes):
    """The same layer with dicts of parameters and gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.params = {"W": self.W, "b": self.b}
        self.grads = {name: np.zeros_like(value) for name, value in self.params.items()}

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads["W"] += self.x.T @ dy
        self.grads["b"] += dy.sum(axis=0)
        return dy @ self.params["W"].T


def dicts() -> Dicts:
    """The layer with dicts as the only holders of its arrays."""
    layer = Dicts()
    del layer.W, layer.b
    return layer


def checks() -> dict[str, Callable[[], object]]:
    """The checks that are timed, by name."""
    labels = np.arange(8) % 3
    return {
        "Dense, relu": lambda: check_layer(Dense(4, "relu"), x=(3, 5)),
        "Conv2D": lambda: check_layer(Conv2D(3, 3, padding="same"), x=(2, 6, 5, 2)),
        "BatchNorm": lambda: check_layer(BatchNorm(), x=(6, 4)),
        "MaxPool2D": lambda: check_layer(MaxPool2D(2), x=(2, 6, 4, 3)),
        "SoftmaxCrossEntropy": lambda: check_loss(SoftmaxCrossEntropy(), (8, 3), labels),
        "a function": lambda: check_function(lambda x, W: x @ W, lambda dy, x, W: (dy @ W.T, x.T @ dy), (6, 5), (5, 4)),
        "attributes": lambda: check_layer(Attributes(), x=(6, 5)),
        "dicts": lambda: check_layer(dicts(), x=(6, 5)),
    }


def measured(repeats: int) -> dict[str, float]:
    """The CPU time of each check in milliseconds, the least of several runs.

    The time is the thread's: on some systems the process's clock counts too little once a check has set the timer that
    bounds its runs (see limits.py), so a version that sets it would look faster than it is.
    """
    found = {}
    for name, check in checks().items():
        check()
        times = []
        for _ in range(repeats):
            start = time.thread_time()
            check()
            times.append(1e3 * (time.thread_time() - start))
        found[name] = min(times)
    return found


def by(clone: Path, repeats: int) -> dict[str, float]:
    """The times measured in a process of its own, with the tinydl of a clone."""
    code = f"import json; from check_time import measured; print(json.dumps(measured({repeats})))"
    paths = os.pathsep.join([str(clone.resolve()), str(Path(__file__).parent)])
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    environment = {**os.environ, **one, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=clone, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="CLONE", help="another clone of tinydl, measured in turns")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each check in a process; default 5")
    given = parser.parse_args()
    here = Path(__file__).parents[1]
    if given.against is None:
        for name, ms in measured(given.repeats).items():
            print(f"{name:20} {ms:8.1f} ms")
        return
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(by(here, given.repeats))
        theirs.append(by(given.against, given.repeats))
    print(f"{'check':20} {'this':>8}    {'other':>8}     ratio")
    for name in checks():
        a, b = min(run[name] for run in ours), min(run[name] for run in theirs)
        print(f"{name:20} {a:8.1f} ms {b:8.1f} ms {a / b:8.2f}")


if __name__ == "__main__":
    main()
