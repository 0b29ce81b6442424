"""tinydl beside PyTorch, Keras on TensorFlow and on JAX, plain JAX, scikit-learn and ONNX Runtime, on this machine.

Every contestant of a row has a process of its own. All take turns, and the machine's own speed is measured in the same
rounds. Peers that are not installed are skipped: pip install -e ".[benchmarks]" installs them all. Ctrl-C ends the run
and prints what there is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from pathlib import Path

from benchmarks.suite import compare, page, report, scaling, suite
from benchmarks.suite.header import header
from benchmarks.suite.results import Run
from benchmarks.suite.rows import ROWS, Row

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BASELINE = Path(__file__).resolve().parents[1] / "baseline.json"
ROUNDS, QUICK_ROUNDS = 5, 3


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = words.add_argument
    add("--quick", action="store_true", help="only the rows that matter most, in less than ten minutes")
    add("--only", metavar="WORD", nargs="+", default=[], help="only rows with these names, or words in GROUP: NAME")
    add("--list", action="store_true", help="list the rows as GROUP: NAME, and stop")
    add("--peers", action=argparse.BooleanOptionalAction, default=True, help="time the peers beside tinydl (default)")
    add("--threads", type=int, default=min(2, CORES), help="threads per contestant (default %(default)s)")
    add("--rounds", type=int, help=f"turns of each contestant (default {ROUNDS}; {QUICK_ROUNDS} with --quick)")
    add("--seconds", type=float, default=0.5, help="least seconds per turn (default %(default)s)")
    add("--save", metavar="FILE", help="keep the run in this file")
    add("--show", metavar="FILE", help="instead of running, show the run in this file")
    add(
        "--compare", metavar="FILE", nargs="?", const=BASELINE,
        help="compare with the run in this file (default benchmarks/baseline.json); exit with 1 if a row is slower",
    )  # fmt: skip
    add(
        "--docs", metavar="NAME", nargs="?", const="benchmarks",
        help="write docs/NAME.md and its pictures (default NAME: benchmarks; another for another machine's page)",
    )  # fmt: skip
    return words


def chosen(options: argparse.Namespace) -> list[Row]:
    """The rows that the options ask for."""
    rows = [row for row in ROWS if row.quick or not options.quick]
    return [row for row in rows if not options.only or any(wanted(word.lower(), row) for word in options.only)]


def wanted(word: str, row: Row) -> bool:
    """Whether a word of --only means this row: a row's whole name means this row alone."""
    if any(word == each.name.lower() for each in ROWS):
        return word == row.name.lower()
    return word in f"{row.group}: {row.name}".lower()


def without_save(words: list[str]) -> list[str]:
    """The command line without --save FILE, which says nothing about the run."""
    at = words.index("--save") if "--save" in words else len(words)
    return words[:at] + words[at + 2 :]


def measured(options: argparse.Namespace, rows: list[Row]) -> Run:
    """Run the rows; Ctrl-C ends the run early."""
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    settings = suite.Settings(rounds, options.seconds, options.threads, options.peers)
    run = Run({**header(settings), "options": shlex.join(without_save(sys.argv[1:]))}, [])
    with contextlib.suppress(KeyboardInterrupt):
        suite.run(rows, settings, run, Run.load(BASELINE) if BASELINE.exists() else None)
    return run


def main() -> int:
    """Return the exit code: 1 if a row has become slower than in the run that --compare names."""
    words = parser()
    options = words.parse_args()
    rows = chosen(options)
    if options.list:
        print("\n".join(f"{row.group}: {row.name}" for row in rows))
        return 0
    if not rows:
        words.error(f"--only {' '.join(options.only)}: no such row; --list lists them")
    run = Run.load(options.show) if options.show else measured(options, rows)
    print(report.text(run))
    if curves := scaling.text(run):
        print(f"\n{curves}")
    if options.save:
        run.save(options.save)
        print(f"Written: {options.save}", file=sys.stderr)
    if options.docs:
        for path in page.write(run, options.docs):
            print(f"Written: {path}", file=sys.stderr)
    if not options.compare:
        return 0
    earlier = Run.load(options.compare)
    print(f"\n{compare.text(earlier, run)}")
    return int(compare.slower(earlier, run))
