"""What a run measured, as it is kept in a file, and the figures that the tables need."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tinydl.files import PathLike, write_whole


class Required(NamedTuple):
    """At least `ratio` times as fast as the fastest contestant whose name contains `against`."""

    ratio: float
    against: str = ""


class Measured:
    """A contestant's rounds in one row: seconds and processor seconds per unit, and its peak memory in megabytes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.peak = 0.0
        self.built: dict[str, Any] = {}

    def add(self, seconds: float, cpu: float, peak: float) -> None:
        self.seconds.append(seconds)
        self.cpu.append(cpu)
        self.peak = max(self.peak, peak)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Result:
    """A row's contestants, tinydl first, the probes of each round, and the contestants that did not run."""

    def __init__(self, row: str, group: str, unit: str, required: Required | None = None) -> None:
        self.row, self.group, self.unit, self.required = row, group, unit, required
        self.contestants: list[Measured] = []
        self.probes: dict[str, list[float]] = {}
        self.missing: dict[str, str] = {}
        self.batch = self.threads = 1
        self.operations = self.traffic = 0
        self.took = 0.0

    @property
    def ours(self) -> Measured | None:
        return next((each for each in self.contestants if each.name == "tinydl"), None)

    def peers(self, word: str = "") -> list[Measured]:
        """The others whose names contain the word, fastest first."""
        found = [each for each in self.contestants if each is not self.ours and word in each.name]
        return sorted(found, key=lambda each: each.median)

    def ratios(self, peer: Measured) -> list[float]:
        """How many times as fast tinydl was in each round."""
        assert self.ours
        return [theirs / own for own, theirs in zip(self.ours.seconds, peer.seconds, strict=False)]

    def ratio(self, peer: Measured) -> float:
        return statistics.median(self.ratios(peer))

    def verdict(self) -> str:
        """ "ahead" or "lost" against the fastest peer; where a ratio is required, whether it was reached. Or ""."""
        if self.ours is None or not self.peers():
            return ""
        lost = self.ratio(self.peers()[0]) < 1
        if self.required is None:
            return "lost" if lost else "ahead"
        against = self.peers(self.required.against)
        if not against:
            return "lost" if lost else "not measured"
        return "reached" if self.ratio(against[0]) >= self.required.ratio else "missed"

    def share(self, measured: Measured, probe: str) -> float:
        """The share of the machine's speed that a contestant's arithmetic, or its least traffic, comes to."""
        amount = self.traffic if probe == "bandwidth" else self.operations
        if not amount or not self.probes.get(probe):
            return math.nan
        return amount / measured.median / statistics.median(self.probes[probe])

    def as_json(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name != "contestants"}
        plain["probes"] = {name: [_short(value) for value in values] for name, values in self.probes.items()}
        plain["took"] = round(self.took, 1)
        plain["contestants"] = [
            {
                "name": each.name, "seconds": [_short(value) for value in each.seconds],
                "cpu": [_short(value) for value in each.cpu], "peak": round(each.peak), "built": each.built,
            }
            for each in self.contestants
        ]  # fmt: skip
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Result:
        required = plain["required"] and Required(*plain["required"])
        result = cls(plain["row"], plain["group"], plain["unit"], required)
        for name in ("probes", "missing", "batch", "threads", "operations", "traffic", "took"):
            setattr(result, name, plain[name])
        for each in plain["contestants"]:
            measured = Measured(each["name"])
            vars(measured).update(each)
            result.contestants.append(measured)
        return result


def _short(value: float) -> float:
    return float(f"{value:.4g}")


class Run(NamedTuple):
    """A whole run: the machine and the settings, and a result for every row."""

    header: dict[str, Any]
    results: list[Result]

    def save(self, path: PathLike) -> None:
        lines = ",\n".join(json.dumps(result.as_json()) for result in self.results)
        write_whole(path, f'{{"header": {json.dumps(self.header)},\n"results": [\n{lines}\n]}}\n'.encode())

    @classmethod
    def load(cls, path: PathLike) -> Run:
        plain = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(plain["header"], [Result.from_json(each) for each in plain["results"]])

    def get(self, row: str) -> Result | None:
        return next((result for result in self.results if result.row == row), None)


def spread(values: Sequence[float]) -> float:
    """Half the range from the first to the third quartile, as a share of the median: robust against one bad round."""
    if len(values) < 2:
        return math.nan
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / 2 / median
