"""The checker's verdicts on strangers' code: the whole corpus in tests/gradcheck/strangers.

    python -m benchmarks.strangers                  # the counts, as tables
    python -m benchmarks.strangers --only textbook  # the cases whose file or name matches
    python -m benchmarks.strangers --failures       # also each case or bug with an unexpected outcome
    python -m benchmarks.strangers --json

Each case is correct code in one stranger's manner, checked by the call that its author would try first. The verdicts
are

    passed        all arrays were checked and found right
    not checked   some arrays were not checked: expected only of layers that read constant arrays, which have
                  a table row of their own
    refused       the checker does not know how to call the code; "adapted" counts the refused cases that pass with
                  the adapter written for them
    WRONG         a false alarm
    crashed       an exception that is not the checker's own

"as expected" counts the cases with the verdict that their author wrote. A case that passed does not count if an array
in which a bug is planted is missing from the report.

Each planted bug makes a gradient wrong. "found" counts the bugs for which an array is called wrong, or the bug's own
array is not checked because backward never wrote its gradient; "array" counts those for which exactly the bug's arrays
are named; "index" those for which the only wrong entry is named; "cause" those whose message matches the expectation.
The float32 cases force single precision. The exit code is 1 if a bug passes or correct code is called wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.side_by_side import use_threads

use_threads(1)

from tqdm import tqdm

from tests.gradcheck.strangers.corpus import Case, cases
from tests.gradcheck.strangers.verdicts import (
    NOT_CHECKED,
    PASSED,
    REFUSED,
    VERDICTS,
    WRONG,
    as_expected,
    find,
    outcome,
    unseen,
)

GROUPS = ("float64", "float32", "constant arrays", "refusals")


def group(case: Case) -> str:
    """The row of the table to which a case belongs."""
    if case.expect == NOT_CHECKED:
        return "constant arrays"
    if case.expect == REFUSED:
        return "refusals"
    return "float32" if case.file.stem.startswith("f_") or "float32" in case.file.stem else "float64"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="of file:case names")
    parser.add_argument("--failures", action="store_true", help="list every unexpected outcome")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    chosen = [case for case in cases() if args.only.search(case.key)]
    if not chosen:
        parser.error("--only matches no case")
    start = time.perf_counter()
    right: dict[str, Counter[str]] = {name: Counter() for name in GROUPS}
    bugs: dict[str, Counter[str]] = {name: Counter() for name in GROUPS}
    failures: list[dict[str, Any]] = []
    seconds = []
    for case in tqdm(chosen, unit="case", leave=False, disable=args.json):
        counts = right[group(case)]
        result = outcome(case.check)
        seconds.append(result.seconds)
        counts.update(["cases", result.verdict])
        if as_expected(case, result):
            counts["as expected"] += 1
        else:
            failures.append({
                "case": case.key, "expected": case.expect, "verdict": result.verdict,
                "never looked at": unseen(case, result), "says": result.message,
            })  # fmt: skip
        if case.adapter is not None:
            adapted = outcome(case.adapter)
            counts["adapted"] += adapted.verdict == PASSED
            if adapted.verdict != PASSED:
                verdict = f"{adapted.verdict} by its adapter"
                failures.append({"case": case.key, "expected": PASSED, "verdict": verdict, "says": adapted.message})
        for bug in case.bugs:
            finding = find(case, bug)
            seconds.append(finding.outcome.seconds)
            faults = [name for name in ("found", "array", "index", "cause") if not getattr(finding, name)]
            bugs[group(case)].update({"bugs": 1, PASSED: finding.passed, "found": finding.found})
            bugs[group(case)].update(
                {name: finding.found and name not in faults for name in ("array", "index", "cause")}
            )
            if faults:
                failures.append({
                    "case": case.key, "old": bug.old, "new": bug.new, "arrays": bug.arrays, "cause": bug.cause,
                    "verdict": finding.outcome.verdict, "not": faults, "says": finding.outcome.message,
                })  # fmt: skip
    elapsed = time.perf_counter() - start
    if args.json:
        document = {"right": right, "bugs": bugs, "failures": failures, "seconds": elapsed}
        print(json.dumps(document, indent=2))
    else:
        table("correct code", right, ("cases", "as expected", *VERDICTS, "adapted"))
        table("planted bugs", bugs, ("bugs", PASSED, "found", "array", "index", "cause"))
        manners = len({case.file for case in chosen})
        print(f"{manners} manners, {len(seconds)} checks in {elapsed:.0f} s, the slowest {max(seconds):.1f} s")
        for failure in failures if args.failures else ():
            print("\n" + "\n".join(f"{name}: {value}" for name, value in failure.items()))
    false_alarms = sum(counts[WRONG] for counts in right.values())
    sys.exit(1 if false_alarms or sum(counts[PASSED] for counts in bugs.values()) else 0)


def table(title: str, groups: dict[str, Counter[str]], columns: tuple[str, ...]) -> None:
    """Print one row per group that has cases, and their sum."""
    rows = {name: counts for name, counts in groups.items() if counts}
    rows["all"] = sum(rows.values(), Counter())
    print(f"{title:18}" + "".join(f"{column:>13}" for column in columns))
    for name, counts in rows.items():
        print(f"{name:18}" + "".join(f"{counts[column]:13}" for column in columns))
    print()


if __name__ == "__main__":
    main()
