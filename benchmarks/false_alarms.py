"""Does the gradient check raise false alarms? It is run on correct layers, losses and models, drawn at random.

    python -m benchmarks.false_alarms [--count 1000] [--seed 0] [--method central]

For each check, shapes, hyper-parameters, data and seeds are drawn anew from the specs in tests/proofs/specs. The
checks are spread evenly over all layers, losses and models. Each failure is printed and sets the exit code to 1.
"zero" counts the checks in which all gradients of some array were truly zero, as with dead units and dropped inputs;
such checks prove less.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from tests.proofs.cases import Case
from tests.proofs.drawing import Draw, drawer
from tests.proofs.models import RANDOM, ModelCase
from tests.proofs.specs import DIFFERENTIATED
from tinydl.gradcheck import GradientCheckError
from tinydl.gradcheck.options import METHODS, MODES
from tinydl.gradcheck.report import ZERO


@dataclass
class Tally:
    """The results of all checks of one layer."""

    checks: int = 0
    zero: int = 0
    false_alarms: int = 0
    largest_error: float = 0.0
    probes: int = 0
    dropped: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="number of checks (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=METHODS, default="auto", help="as in check_layer (default auto)")
    parser.add_argument("--mode", choices=MODES, default="sampled", help="as in check_layer (default sampled)")
    args = parser.parse_args()
    cases: dict[str, Callable[[Draw], Case | ModelCase]] = {
        **{name: spec.drawn for name, spec in DIFFERENTIATED.items()},
        **RANDOM,
    }
    tallies = {name: Tally() for name in cases}
    start = time.perf_counter()
    for number in tqdm(range(args.count), unit="check", leave=False):
        name = list(cases)[number % len(cases)]
        tally = tallies[name]
        case = cases[name](drawer(np.random.default_rng([args.seed, number])))
        tally.checks += 1
        try:
            report = case.check(method=args.method, mode=args.mode)
        except GradientCheckError as error:
            tally.false_alarms += 1
            tqdm.write(f"{name}(drawer(np.random.default_rng([{args.seed}, {number}]))):\n{error}\n")
            continue
        rows = report.arrays.values()
        tally.zero += any(row.verdict == ZERO for row in rows)
        tally.largest_error = max(tally.largest_error, report.max_relative_error)
        tally.probes += sum(row.probes for row in rows)
        tally.dropped += sum(row.dropped for row in rows)
    seconds = time.perf_counter() - start
    print(f"{'layer':<20} {'checks':>6} {'zero':>5} {'false alarms':>13} {'largest relative error':>23} probes dropped")
    for name, tally in tallies.items():
        print(
            f"{name:<20} {tally.checks:>6} {tally.zero:>5} {tally.false_alarms:>13} {tally.largest_error:>23.1e} "
            f"{tally.dropped} of {tally.probes + tally.dropped}"
        )
    alarms = sum(tally.false_alarms for tally in tallies.values())
    print(
        f"{args.count} checks of correct layers at random shapes and seeds: {alarms} false alarms, {seconds:.0f} s",
        flush=True,
    )
    sys.exit(1 if alarms else 0)


if __name__ == "__main__":
    main()
