"""Attacks on tinydl: training runs are killed, disks fail, files are damaged or hostile, Ctrl-C comes at every line.

    python -m benchmarks.trust                     # all attacks: takes more than an hour
    python -m benchmarks.trust --share 0.05        # one in twenty
    python -m benchmarks.trust --only files bombs

It prints the table in docs/trust.md and, above it, each attack that did harm; then the exit code is 1. The attacks are
in tests/trust, whose tests make a sample of them. A seed and a number give the same attacks again, but a random kill
comes at another moment of the run. Power cuts need root and loop devices, and the preloaded library a C compiler; the
table says where they are missing. Temporary files lie in memory (/dev/shm) if there is such a folder and --folder names
no other.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from tests.trust.kinds import KINDS
from tinydl.files import markdown_table

SHOWN = 20  # harmful attacks printed for each kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="only these kinds")
    parser.add_argument("--share", type=float, default=1.0, help="the share of the full counts (default 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="the folder for temporary files")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    tempfile.tempdir = str(options.folder or (memory if os.access(memory, os.W_OK) else "")) or None
    rows = [["attack", "number", "afterwards", "held", "minutes"]]
    harm = 0
    for kind in options.only:
        attacks = KINDS[kind]
        start = time.perf_counter()
        tally = attacks.make(max(1, round(attacks.full * options.share)), options.seed)
        minutes = (time.perf_counter() - start) / 60
        for failure in tally.failures[:SHOWN]:
            print(f"{kind}: {failure}", flush=True)
        if len(tally.failures) > SHOWN:
            print(f"{kind}: and {len(tally.failures) - SHOWN} more", flush=True)
        harm += len(tally.failures)
        held = tally.skipped or f"{tally.attacks - len(tally.failures):,}"
        what = f"{attacks.what} ({tally.note})" if tally.note else attacks.what
        rows.append([what, f"{tally.attacks:,}", attacks.holds, held, f"{minutes:.1f}"])
        print(f"{kind}: {held} of {tally.attacks:,} held, {minutes:.1f} minutes", flush=True)
    print(f"\n{markdown_table(rows)}\n")
    print(f"{date.today()}, Python {platform.python_version()}, {platform.machine()}, seed {options.seed}")
    return 1 if harm else 0


if __name__ == "__main__":
    sys.exit(main())
