"""A run of the suite: row after row, with progress on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.suite import plan
from benchmarks.suite.contestants import CONTESTANTS, OURS
from benchmarks.suite.results import Result, Run
from benchmarks.suite.rows import Row
from benchmarks.suite.task import Task
from benchmarks.suite.turns import REST, Prober, Worker, start

START = 6.0  # seconds to start a contestant, if no earlier run tells


class Settings(NamedTuple):
    """The options of a run."""

    rounds: int
    seconds: float
    threads: int
    peers: bool


def expected(row: Row, settings: Settings, earlier: Run | None) -> float:
    """Seconds that a row will take: as long as in an earlier run, else a guess."""
    rounds, known = row.rounds or settings.rounds, earlier and earlier.get(row.name)
    contestants = 1 + len(row.peers) * settings.peers
    if known and known.took and known.contestants:
        per_contestant = known.took / (len(known.contestants) + len(known.missing))
        return contestants * per_contestant * max(rounds / max(len(known.contestants[0].seconds), 1), 0.5)
    return contestants * (START + rounds * (settings.seconds + REST))


def say(text: str) -> None:
    print(text, end="", flush=True, file=sys.stderr)


def task_of(row: Row, threads: int) -> Task:
    model = plan.build(*row.network)
    return Task(row.work, row.network, plan.of(model), row.batch, row.optimizer, row.rate, row.threads or threads)


def measure(row: Row, settings: Settings, prober: Prober, into: Result) -> None:
    """Measure one row; `into` holds what there is at any moment."""
    since = time.perf_counter()
    task = task_of(row, settings.threads)
    into.batch, into.threads = row.batch, task.threads
    if row.work in ("train", "infer", "epoch", "layer") and not row.reads:
        into.operations = plan.operations(task.plan, row.work)
        into.traffic = plan.traffic(task.plan, row.work, row.batch, row.optimizer) // row.batch
    chosen = [CONTESTANTS[key] for key in (OURS, *(row.peers if settings.peers else ()))]
    workers = [Worker(each, row, task) for each in chosen]
    running: list[Worker] = []
    try:
        if row.reads:
            running = list(workers)
        else:
            for worker, trouble in start(workers, 2 if row.copies == 1 else 1):
                if trouble:
                    into.missing[worker.contestant.name] = trouble
                else:
                    running.append(worker)
        into.contestants = [worker.measured for worker in running]
        for _ in range(row.rounds or settings.rounds):
            take_turns(running, row, settings, prober, into)
            say(".")
    finally:
        for worker in workers:
            worker.stop()
        into.contestants = [each for each in into.contestants if each.seconds]
        into.took = time.perf_counter() - since


def take_turns(running: list[Worker], row: Row, settings: Settings, prober: Prober, into: Result) -> None:
    """One round: the probes, then every contestant. Those that fail are taken out."""
    if not row.reads:
        for name, value in prober.measure(row.threads or settings.threads).items():
            into.probes.setdefault(name, []).append(value)
    for worker in list(running):
        time.sleep(REST)
        try:
            worker.turn(settings.seconds)
        except RuntimeError as error:
            into.missing[worker.contestant.name] = str(error)
            into.contestants.remove(worker.measured)
            running.remove(worker)
            worker.stop()


def run(rows: Sequence[Row], settings: Settings, run: Run, earlier: Run | None) -> None:
    """Measure all rows into `run.results`, also if it is interrupted."""
    prober, told = Prober(), set[str]()
    left = [expected(row, settings, earlier) for row in rows]
    say(f"{len(rows)} rows, about {sum(left) / 60:.0f} minutes\n")
    try:
        run.header["probes"] = prober.measure(settings.threads)
        run.header["core"] = prober.core
        for at, row in enumerate(rows):
            say(f"[{at + 1}/{len(rows)}] {row.name} ")
            result = Result(row.name, row.group, row.unit, row.required)
            run.results.append(result)
            measure(row, settings, prober, result)
            note(result, run)
            verdict = result.verdict()
            say(f" {result.took:.0f} s{', ' * bool(verdict)}{verdict}; {sum(left[at + 1 :]) / 60:.0f} minutes left\n")
            for name, trouble in result.missing.items():
                if trouble not in told:  # a library that is not installed is told once
                    say(f"    {name}: {trouble}\n")
                    told.add(trouble)
    finally:
        prober.stop()


def note(result: Result, run: Run) -> None:
    """Keep the versions of the libraries in the header."""
    for each in result.contestants:
        run.header["versions"].update(each.built.pop("versions", {}))
