"""Measure the time that Adam saves by setting subnormal moments to zero.

    python -m benchmarks.subnormals

The gradient of a dead relu's weights is 0 at every step. Adam's m for these weights shrinks by a factor of 0.9 per step
until it is subnormal, and would then remain so: 0.9 times a few times the smallest number rounds to the same number.
The definition (plain NumPy) keeps subnormal numbers, whereas its compiled twin sets them to 0. The benchmark times one
step on 11,269 parameters (the deep autoencoder's) after 3,000 steps: with ordinary gradients throughout, and with
gradients that have been 0 since step 1,000.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.side_by_side import machine, table, take_turns
from tinydl import kernels, optimizers

SETTINGS = (1e-3, 0.9, 0.999, 1e-8, 0.0)
STEPS = 2_000


def steps(adam: Callable[..., None], *vectors: np.ndarray) -> None:
    for _ in range(STEPS):
        adam(*vectors, 3_001, *SETTINGS)


def main() -> None:
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=11_269).astype(np.float32)
    contestants = {}
    twin = kernels.optimizers.adam
    for kernel, adam in (("compiled", twin), ("reference", kernels.definition_of(twin))):
        for dead in (False, True):
            p, m, v = (np.zeros_like(gradient) for _ in range(3))
            for t in range(1, 3_001):
                adam(p, gradient * (0 if dead and t > 1_000 else 1), m, v, t, *SETTINGS)
            subnormal = int(((m != 0) & (np.abs(m) < np.finfo(np.float32).tiny)).sum())
            g = gradient * (0 if dead else 1)

            state = "gradients 0 for 2,000 steps" if dead else "ordinary gradients"
            contestants[f"{kernel}, {state}"] = partial(steps, adam, p, g, m, v)
            print(f"{kernel}, {state}: {subnormal} of {m.size} entries of m are subnormal")
    print(machine())
    print(table(take_turns(contestants, 5), "us per step", 1e6 / STEPS, next(iter(contestants))))


if __name__ == "__main__":
    assert optimizers.adam is kernels.optimizers.adam
    main()
