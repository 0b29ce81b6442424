"""Contestants that run in processes of their own and take turns.

A benchmark lists its `Contestant`s, calls `start` to run a process for each, and calls `take_turns` to time them. In
each process the same benchmark, called with --worker NAME, calls `work`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

REST = 0.2  # seconds before a turn, while the previous contestant's threads stop spinning

Step = Callable[[Any, Any], float]  # a training step on one batch; returns the loss


class Built(NamedTuple):
    """A model ready to be trained: its step, the batches in the step's layout, and its number of parameters."""

    step: Step
    batches: list[tuple[Any, Any]]
    parameters: int


class Contestant(NamedTuple):
    """A contestant's row in the table, the function that builds its model, and the modules it needs."""

    name: str
    build: Callable[..., Built]
    modules: tuple[str, ...]
    options: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    backend: str = ""


# --- a worker: builds, then trains for one turn per line it reads ---------------------------------------


def peak_memory() -> float:
    """The peak memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def work(contestant: Contestant, seconds: float, *arguments: Any) -> None:
    """Build and train a model; print one JSON object about the model, then one for every turn."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries' own output must not mix with the JSON

    def answer(**entries: Any) -> None:
        print(json.dumps(entries), file=answers, flush=True)

    try:
        modules = [importlib.import_module(module) for module in contestant.modules]
    except ImportError as error:
        answer(missing=str(error))
        return
    imported = peak_memory()
    step, batches, parameters = contestant.build(*arguments, **contestant.options)
    for batch in batches[:2] * 2:
        step(*batch)  # the first steps compile
    start = time.perf_counter()
    step(*batches[0])
    steps = max(1, round(seconds / (time.perf_counter() - start)))
    versions = {module.__name__: module.__version__ for module in modules}
    answer(versions=versions, parameters=parameters, imported=imported)
    at = 0
    for _ in sys.stdin:
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(steps):
            loss = step(*batches[at % len(batches)])
            at += 1
        elapsed = time.perf_counter() - start
        cores = (time.process_time() - cpu) / elapsed
        answer(seconds=elapsed / steps, loss=loss, cores=cores, peak=peak_memory())


def same_benchmark(*arguments: str) -> list[str]:
    """The command that runs this benchmark again, in a process of its own."""
    return [sys.executable, "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *arguments]


class Worker:
    """A contestant's process, as the parent sees it."""

    def __init__(self, contestant: Contestant, arguments: list[str]) -> None:
        self.name = contestant.name
        self.seconds: list[float] = []
        self.cores: list[float] = []
        self.loss = math.nan
        self.peak = math.nan
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        environment = {**os.environ, "KERAS_BACKEND": contestant.backend} if contestant.backend else None
        self.process = subprocess.Popen(
            same_benchmark("--worker", contestant.name, *arguments),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environment,
        )  # fmt: skip
        self.built: dict[str, Any] = {}

    def wait_for_model(self) -> str:
        """Wait until the model is built and has trained a little; return the error, or "" if there is none."""
        try:
            self.built = self.answer()
        except RuntimeError as error:
            return str(error)
        return str(self.built.get("missing", ""))

    def answer(self) -> dict[str, Any]:
        """Read one answer; raise RuntimeError with the process's last output if it has died."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().splitlines()[-3:]
            raise RuntimeError(f"the process ended: {' / '.join(last) or 'no output'}")
        return dict(json.loads(line))

    def turn(self) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            print(file=self.process.stdin, flush=True)
        result = self.answer()
        self.seconds.append(result["seconds"])
        self.cores.append(result["cores"])
        self.loss, self.peak = result["loss"], result["peak"]

    def cpu_seconds(self) -> float:
        """The processor time used so far; nan without /proc."""
        path = Path(f"/proc/{self.process.pid}/stat")
        if not path.exists():
            return math.nan
        user, system = path.read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.errors.close()


# --- the parent: lets workers take turns ------------------------------------------------------------


def start(contestants: list[Contestant], arguments: list[str], workers: list[Worker]) -> None:
    """Start a worker for each contestant, one after the other; report and skip contestants that cannot run."""
    for contestant in contestants:
        print(f"starting {contestant.name} ... ", end="", flush=True)
        since = time.perf_counter()
        if "tinydl" in contestant.modules:  # an extra run, so that memory for compiling is not counted
            before = Worker(contestant, arguments)
            before.wait_for_model()
            before.stop()
        worker = Worker(contestant, arguments)
        trouble = worker.wait_for_model()
        if trouble:
            worker.stop()
        else:
            workers.append(worker)
        print(f"skipped: {trouble}" if trouble else f"{time.perf_counter() - since:.0f} s", flush=True)


def take_turns(workers: list[Worker], rounds: int) -> float:
    """Time all rounds, skipping workers that die; return the largest share of a core that an idle worker used."""
    idle = 0.0
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} ... ", end="", flush=True)
        waited, used = dict.fromkeys(workers, 0.0), dict.fromkeys(workers, 0.0)
        for worker in list(workers):
            time.sleep(REST)
            before, since = {other: other.cpu_seconds() for other in workers}, time.perf_counter()
            try:
                worker.turn()
            except RuntimeError as error:
                print(f"{worker.name} is skipped: {error} ... ", end="", flush=True)
                worker.stop()
                workers.remove(worker)
            for other in workers:
                if other is not worker:
                    waited[other] += time.perf_counter() - since
                    used[other] += other.cpu_seconds() - before[other]
        idle = max([idle, *(used[worker] / waited[worker] for worker in workers if waited[worker])])
        print(", ".join(f"{1e3 * worker.seconds[-1]:.0f}" for worker in workers), "ms", flush=True)
    return idle
