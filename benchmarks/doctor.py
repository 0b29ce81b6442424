"""Does the doctor name planted faults first, and is it silent on healthy models?

    python -m benchmarks.doctor                    # planted faults and small healthy models, three seeds each
    python -m benchmarks.doctor --seeds 10
    python -m benchmarks.doctor --drawn 200        # also 200 healthy networks drawn at random
    python -m benchmarks.doctor --famous           # also lenet5, vgg, inception and resnet on digits, one seed each
    python -m benchmarks.doctor --cifar            # also networks on CIFAR-10 (in TINYDL_DATA), one seed each

The cases are those of tests/study/planted.py and tests/study/healthy.py. A seed draws other initial weights and, where
a case makes its rows, other rows; it is the doctor's seed, too. "first" counts the runs in which the planted fault is
the first finding and its layer or argument is named. A finding in a healthy model is a false alarm. The exit code is 1
if a fault is not named first, or after a false alarm.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

from tqdm import tqdm

from tests.study.healthy import LIBRARY, LIBRARY_SLOW, ON_CIFAR, USERS, Case, drawn
from tests.study.planted import PLANTED

ROW = "{:<46} {:>5} {:>6} {:>8}"


def planted(seeds: int) -> tuple[int, int]:
    """Examine all planted faults; return how many runs there were, and in how many the fault was named first."""
    runs = hits = 0
    print(ROW.format("planted fault", "runs", "first", "slowest"), flush=True)
    for case in tqdm(PLANTED, unit="fault", leave=False, disable=None):
        first, slowest = 0, 0.0
        for seed in range(seeds):
            model, x, y, *options = case.build(seed)
            start = time.perf_counter()
            report = model.doctor(x, y, seed=seed, **(options[0] if options else {}))
            slowest = max(slowest, time.perf_counter() - start)
            found = [(each.code, each.where) for each in report.findings]
            if found[:1] == [(case.code, case.where)]:
                first += 1
            else:
                tqdm.write(f"seed {seed}: expected {case.code} ({case.where}) first, got {found}")
        runs, hits = runs + seeds, hits + first
        tqdm.write(ROW.format(case.name, seeds, first, f"{slowest:.1f} s"))
    return runs, hits


def healthy(title: str, cases: dict[str, Case], seeds: int, spread: dict[str, list[float]]) -> tuple[int, int]:
    """Examine healthy models; return the numbers of runs and of runs with a finding. spread: gets their figures."""
    runs = alarms = 0
    print(f"\n{ROW.format(title, 'runs', 'alarms', 'slowest')}", flush=True)
    for name, case in tqdm(cases.items(), unit="model", leave=False, disable=None):
        here, slowest = 0, 0.0
        for seed in range(seeds):
            model, x, y = case(seed)
            start = time.perf_counter()
            report = model.doctor(x, y, seed=seed)
            slowest = max(slowest, time.perf_counter() - start)
            for figure, value in report.figures.items():
                spread.setdefault(figure, []).append(value)
            if not report.passed:
                here += 1
                tqdm.write(f"seed {seed}: {report}")
        runs, alarms = runs + seeds, alarms + here
        tqdm.write(ROW.format(name, seeds, here, f"{slowest:.1f} s"))
    return runs, alarms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each case (default 3)")
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="also N networks drawn at random")
    parser.add_argument("--famous", action="store_true", help="also famous networks on digits")
    parser.add_argument("--cifar", action="store_true", help="also networks on CIFAR-10, which TINYDL_DATA must hold")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # a case that fit would warn about is made on purpose
    runs, hits = planted(args.seeds)
    spread: dict[str, list[float]] = {}
    groups = [
        healthy("healthy model of the library", LIBRARY, args.seeds, spread),
        healthy("as users write them", USERS, args.seeds, spread),
    ]
    if args.drawn:
        groups.append(healthy("drawn at random", {"networks for tables, seeds from 0": drawn}, args.drawn, spread))
    if args.famous:
        groups.append(healthy("famous network on digits", LIBRARY_SLOW, 1, spread))
    if args.cifar:
        groups.append(healthy("on CIFAR-10", ON_CIFAR, 1, spread))
    print("\nfigures of the healthy models")
    for figure, values in spread.items():
        print(f"{figure:<18} {min(values):.3g} to {max(values):.3g}")
    total, alarms = (sum(column) for column in zip(*groups, strict=True))
    print(f"\n{hits} of {runs} runs name the planted fault first ({len(PLANTED)} faults); "
          f"{alarms} false alarms in {total} runs of healthy models")  # fmt: skip
    sys.exit(0 if hits == runs and not alarms else 1)


if __name__ == "__main__":
    main()
