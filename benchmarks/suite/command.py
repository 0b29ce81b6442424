"""tinydl beside PyTorch, Keras on TensorFlow and on JAX, plain JAX, scikit-learn and ONNX Runtime, on this machine.

Every contestant of a row has a process of its own. All take turns, and the machine's own speed is measured in the same
rounds. Peers that are not installed are skipped: `pip install -e ".[benchmarks]"` installs them all. Ctrl-C ends the
run and prints what there is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from benchmarks.suite import report, suite
from benchmarks.suite.header import header
from benchmarks.suite.results import Run
from benchmarks.suite.rows import ROWS, Row

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BASELINE = Path(__file__).resolve().parents[1] / "baseline.json"


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    words.add_argument("--quick", action="store_true", help="only the rows that matter most, in a few minutes")
    words.add_argument(
        "--only", metavar="WORD", action="append", default=[], help="only rows with this word in their name"
    )
    words.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True, help="also time the peers (default)"
    )
    words.add_argument(
        "--threads", type=int, default=min(2, CORES), help="threads per contestant (default %(default)s)"
    )
    words.add_argument("--rounds", type=int, help="rounds (default 5; 3 with --quick)")
    words.add_argument("--seconds", type=float, default=0.5, help="least seconds per turn (default %(default)s)")
    words.add_argument("--save", metavar="FILE", help="keep the run in this file")
    words.add_argument("--list", action="store_true", help="list the rows, and stop")
    return words


def chosen(options: argparse.Namespace) -> list[Row]:
    """The rows that the options ask for."""
    rows = [row for row in ROWS if row.quick or not options.quick]
    if options.only:
        wanted = [word.lower() for word in options.only]
        rows = [row for row in rows if any(word in f"{row.group}: {row.name}".lower() for word in wanted)]
    return rows


def main() -> None:
    words = parser()
    options = words.parse_args()
    rows = chosen(options)
    if options.list:
        print("\n".join(f"{row.group}: {row.name}" for row in rows))
        return
    if not rows:
        words.error(f"--only {' '.join(options.only)}: no such row; --list lists them")
    settings = suite.Settings(
        options.rounds or (3 if options.quick else 5), options.seconds, options.threads, options.peers
    )
    run = Run(header(settings), [])
    with contextlib.suppress(KeyboardInterrupt):
        suite.run(rows, settings, run, Run.load(BASELINE) if BASELINE.exists() else None)
    print(report.text(run))
    if options.save:
        run.save(options.save)
        print(f"Written to {options.save}", file=sys.stderr)
