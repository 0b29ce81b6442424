"""Run all lessons in their order, each in its own process, and print the time of each:

    python examples/lessons/run_all.py                # all lessons, in less than four minutes on two cores
    python examples/lessons/run_all.py 01 05          # some of them
    python examples/lessons/run_all.py --quiet        # only the times

Pictures are saved in one folder for each lesson, in --out (default: runs/lessons). The exit code is 1 if a lesson
fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LESSONS = sorted(HERE.glob("[0-9][0-9]_*.py"))


def run(lesson: Path, out: Path, quiet: bool) -> tuple[float, bool]:
    """Run one lesson; return its time in seconds, and whether it succeeded."""
    command = [sys.executable, str(lesson), "--out", str(out / lesson.stem)]
    root = HERE.parents[1]  # where tinydl is found when it is not installed
    paths = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": paths}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL if quiet else None)
    return time.perf_counter() - start, done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="numbers of lessons (default: all)")
    parser.add_argument("--out", type=Path, default=Path("runs", "lessons"), help="folder of the pictures")
    parser.add_argument("--quiet", action="store_true", help="print only the times")
    args = parser.parse_args()
    by_number = {lesson.stem[:2]: lesson for lesson in LESSONS}
    numbers = [number.zfill(2) for number in args.numbers] or list(by_number)
    if unknown := [number for number in numbers if number not in by_number]:
        parser.error(f"NUMBER must be one of {' '.join(by_number)}, got {unknown[0]}")

    results = {}
    for number in numbers:
        name = by_number[number].stem
        if not args.quiet:
            print(f"\n{'=' * 80}\n{name}\n{'=' * 80}\n", flush=True)
        results[name] = run(by_number[number], args.out, args.quiet)
        if args.quiet:
            print(f"{results[name][0]:6.1f} s  {name}", flush=True)
    if not args.quiet:
        print(f"\n{'=' * 80}\n")
        for name, (seconds, _) in results.items():
            print(f"{seconds:6.1f} s  {name}")
    print(f"{sum(seconds for seconds, _ in results.values()):6.1f} s  in all")
    if failed := [name for name, (_, succeeded) in results.items() if not succeeded]:
        sys.exit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
