"""Does the gradient check judge code correctly that always computes in float32?

    python -m benchmarks.float32_only [--count 100] [--seed 0] [--probes 64]

Layers, losses and networks that cast to float32 are drawn at random. The wrong ones have a gradient that is off by a
factor of 1.01 to 1.1, lacks a small term, has a wrong row, or is otherwise off by at least 1 % of its norm. Each wrong
verdict is shown. The exit code is 1 if a right array is called wrong, or if more than 5 % of the wrong ones are missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tqdm import tqdm

from tests.gradcheck.float32_layers import KINDS, Wrong, case, checked, summary
from tinydl.gradcheck.options import Options
from tinydl.gradcheck.report import WRONG


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="number of right and of wrong layers (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probes", type=int, default=64, help="as in check_layer (default 64)")
    args = parser.parse_args()
    start = time.perf_counter()
    options = Options(seed=args.seed, probes=args.probes)
    right, wrong, elsewhere = Counter[tuple[str, str]](), Counter[tuple[str, str]](), 0
    for number in tqdm(range(args.count), unit="pair", leave=False):
        for spoilt, tally in ((False, right), (True, wrong)):
            kind, layer, x, dy = case(number, args.seed, spoilt)
            rows = checked(layer, x, dy, options)
            verdict = summary(rows)
            tally[kind, verdict] += 1
            if (verdict == WRONG) != spoilt:
                bug = f" with {layer.bug}" if isinstance(layer, Wrong) else ""
                details = "".join(f"\n    {row.detail}" for row in rows.values() if not row.passed)
                tqdm.write(f"{kind}{bug}, case({number}, {args.seed}, {spoilt}): {verdict}{details}")
            elsewhere += sum(
                row.verdict == WRONG and isinstance(layer, Wrong) and name != layer.name for name, row in rows.items()
            )
    print(f"{'kind':<22} right: passed  other  WRONG   wrong: WRONG  other  passed")
    for kind in KINDS:
        counts = []
        for tally, order in ((right, ("passed", WRONG)), (wrong, (WRONG, "passed"))):
            first, last = (tally[kind, verdict] for verdict in order)
            counts += [first, sum(n for (each, _), n in tally.items() if each == kind) - first - last, last]
        print(f"{kind:<22} {counts[0]:>13} {counts[1]:>6} {counts[2]:>6} {counts[3]:>14} {counts[4]:>6} {counts[5]:>7}")
    alarms = sum(n for (_, verdict), n in right.items() if verdict == WRONG)
    found = sum(n for (_, verdict), n in wrong.items() if verdict == WRONG)
    print(
        f"of {args.count} right ones, {alarms} are called wrong; of {args.count} wrong ones, {found} are found, and "
        f"{elsewhere} of their right arrays are called wrong; {time.perf_counter() - start:.0f} s",
        flush=True,
    )
    sys.exit(1 if alarms or elsewhere or found < 0.95 * args.count else 0)


if __name__ == "__main__":
    main()
