"""Does the gradient check find mistakes? Thousands are planted in all layers and losses, one at a time.

    python -m benchmarks.mutants [--layer Dense --layer Conv2D] [--verbose]

The output lists every mutant that passed the check, with the reason why passing is right, and has tables by layer and
by kind of mistake; with --verbose it also lists all other mutants, with the check that caught each. The exit code is 1
if a wrong gradient passed. The planted changes and the meaning of the columns are described in
tinydl/gradcheck/mutation, and the inputs are in tests/proofs/specs.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tqdm import tqdm

from tests.proofs.mutants import targets
from tinydl.gradcheck.mutation import CAUGHT, CRASH, MISSED, OPERATORS, VERDICTS, Verdict, judge


@dataclass(frozen=True)
class Judged:
    """A mutant and its verdict."""

    target: str
    operator: str
    place: str
    change: str
    verdict: Verdict

    def __str__(self) -> str:
        return f"- {self.verdict.kind}, {self.operator}, {self.place}: `{self.change}`\n  {self.verdict.why}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", action="append", metavar="NAME", help="only this layer or loss (may be repeated)")
    parser.add_argument("--verbose", action="store_true", help="list all mutants, not only those that passed the check")
    args = parser.parse_args()
    every = targets()
    if unknown := set(args.layer or ()) - set(every):
        parser.error(f"unknown: {', '.join(sorted(unknown))}: choose from {', '.join(every)}")

    start = time.perf_counter()
    judged = []
    for target in [every[name] for name in args.layer or every]:
        for site, mutant in tqdm(list(target.mutants()), desc=target.name, unit="mutant", leave=False):
            verdict = judge(target, site, mutant)
            judged.append(Judged(target.name, mutant.operator, site.name, mutant.change, verdict))

    for name in args.layer or every:
        print(f"\n### {name}\n")
        for one in judged:
            if one.target == name and (args.verbose or one.verdict.kind not in (CAUGHT, CRASH)):
                print(one)
    print("\n## By layer and loss\n")
    print_table("layer", args.layer or list(every), judged, lambda one: one.target)
    print("\n## By kind of mistake\n")
    print_table("mistake", list(OPERATORS), judged, lambda one: one.operator)

    wrong = [one for one in judged if one.verdict.kind in (CAUGHT, MISSED)]
    missed = sum(one.verdict.kind == MISSED for one in wrong)
    distinct = len({(one.place, one.change) for one in wrong})
    print(f"\n{time.perf_counter() - start:.0f} seconds; {distinct} distinct code changes (layers share kernels)")
    print(f"{len(wrong)} mutants with a wrong gradient or a broken rule: {len(wrong) - missed} caught, {missed} missed")
    sys.exit(missed > 0)


def print_table(head: str, rows: list[str], judged: list[Judged], row_of: Callable[[Judged], str]) -> None:
    """Print a Markdown table of how often each verdict was given, per row and in total."""
    print("|", " | ".join([head, "mutants", *VERDICTS]), "|")
    print("|---|" + "---:|" * (1 + len(VERDICTS)))
    for row in [*rows, "all"]:
        count = Counter(one.verdict.kind for one in judged if row in ("all", row_of(one)))
        print("|", " | ".join([row, str(count.total()), *(str(count[kind]) for kind in VERDICTS)]), "|")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # mutants cause numeric warnings
    main()
