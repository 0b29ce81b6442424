"""Is a run slower than an earlier one? A rule that tells a change from noise.

On the same machine, tinydl's time in a round is multiplied by the rate of fused multiply-adds in that round: a clock
that runs slower lowers one as it raises the other. Neighbours of a virtual machine, which take cache and bandwidth, do
not change that rate, but they slow down the peers too. So if both runs have the peer that was the fastest, tinydl's
time as a share of the peer's must have changed as well. On another machine, or with another number of threads, this
share alone is compared.

Of these numbers the logarithms are taken. The change is the difference of the two runs' medians. Its error is

    e = sqrt(e_1^2 + e_2^2)        e_i = 1.25 s_i / sqrt(rounds_i)        (the standard error of a median)

with s the spread of a run's rounds, 1.48 times the median distance from the median, and at least 2 %. A row has become
slower if the whole interval, change - 2 e to change + 2 e, lies above 3 %, and faster if it lies below -3 %: two
processes of the same code differ by so much because of where their arrays lie. With five rounds, 10 % are found.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.suite.header import machine
from benchmarks.suite.results import Result, Run
from tinydl.files import markdown_table

MARGIN, FLOOR, WIDTH = 0.03, 0.02, 2.0


class Change(NamedTuple):
    """A row's relative change, in logarithms, half the width of its interval, and "slower", "faster" or "same"."""

    row: str
    against: str
    change: float
    half: float
    verdict: str


def judge(row: str, against: str, old: Sequence[float], new: Sequence[float]) -> Change:
    """Compare the rounds of two runs."""
    (before, error), (after, other) = _median_and_error(old), _median_and_error(new)
    change, half = after - before, WIDTH * math.hypot(error, other)
    verdict = "slower" if change - half > MARGIN else "faster" if change + half < -MARGIN else "same"
    return Change(row, against, change, half, verdict)


def _median_and_error(values: Sequence[float]) -> tuple[float, float]:
    logs = [math.log(value) for value in values]
    middle = statistics.median(logs)
    distance = max(1.48 * statistics.median(abs(log - middle) for log in logs), FLOOR)
    return middle, 1.25 * distance / math.sqrt(len(logs))


def same_machine(old: Run, new: Run) -> bool:
    return machine(old.header) == machine(new.header) and old.header["threads"] == new.header["threads"]


def compare(old: Run, new: Run) -> list[Change]:
    """The change of every row that both runs have."""
    pairs = [(old.get(result.row), result) for result in new.results if result.ours]
    changes = [_change(before, after, same_machine(old, new)) for before, after in pairs if before and before.ours]
    return [change for change in changes if change is not None]


def _change(before: Result, after: Result, comparable: bool) -> Change | None:
    """The smallest of a row's changes; None if nothing can be compared."""
    found = []
    if comparable and before.probes and after.probes:
        found.append(judge(after.row, "the peak", _in_operations(before), _in_operations(after)))
    name = before.peers()[0].name if before.peers() else ""
    if any(peer.name == name for peer in after.peers()):
        found.append(judge(after.row, name, _of_peer(before, name), _of_peer(after, name)))
    return min(found, key=lambda change: (change.verdict != "same", abs(change.change)), default=None)


def _in_operations(result: Result) -> list[float]:
    """Each round's time, as the number of operations that the machine could have done in it."""
    assert result.ours
    return [seconds * rate for seconds, rate in zip(result.ours.seconds, result.probes["fma"], strict=False)]


def _of_peer(result: Result, name: str) -> list[float]:
    """Each round's time as a share of the peer's."""
    peer = next(each for each in result.peers() if each.name == name)
    return [1 / ratio for ratio in result.ratios(peer)]


def text(old: Run, new: Run) -> str:
    """The comparison as a table, rows that changed first."""
    changes = sorted(compare(old, new), key=lambda change: (change.verdict == "same", -change.change))
    if not changes:
        return "The two runs have no row in common that can be compared."
    lines = [f"Compared with the run of {old.header['date']} on {machine(old.header)}."]
    if not same_machine(old, new):
        lines.append("It ran on another machine or with other threads: only ratios to peers are compared.")
    table = [["", "time", "interval", "against", ""]]
    for row, against, change, half, verdict in changes:
        low, high = (f"{math.expm1(end):+.1%}" for end in (change - half, change + half))
        mark = f"**{verdict}**" if verdict != "same" else verdict
        table.append([row, f"{math.expm1(change):+.1%}", f"{low} to {high}", against, mark])
    return "\n\n".join([*lines, markdown_table(table)])


def slower(old: Run, new: Run) -> bool:
    """Whether any row has become slower."""
    return any(change.verdict == "slower" for change in compare(old, new))
