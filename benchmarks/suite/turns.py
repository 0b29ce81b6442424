"""The parent's side: starts contestants' processes, lets them take turns, and collects what they measured."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.suite import plan
from benchmarks.suite.contestants import Contestant
from benchmarks.suite.results import Measured
from benchmarks.suite.rows import Row
from benchmarks.suite.task import Task

REST = 0.15  # seconds before a turn, while the previous contestant's threads stop spinning
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they slow down NumPy and tinydl, and no peer
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TINYDL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC",  # the last is for XLA, and so for JAX
)  # fmt: skip
CACHES = ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
BUSY = "while True: pass"


def environment(threads: int, more: dict[str, str]) -> dict[str, str]:
    """The variables of a contestant's process."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TINYDL_QUIET": "1", "STARTED": repr(time.time())}
    one = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    return {**kept, **quiet, **one, **dict.fromkeys(THREADS, str(threads)), **more}


class Process:
    """A process that answers lines with JSON lines."""

    def __init__(self, module: str, arguments: list[str], variables: dict[str, str]) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.suite.{module}", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=variables,
            start_new_session=True,  # Ctrl-C is for the parent
        )  # fmt: skip

    def tell(self, line: str) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self.process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """Read one answer; raise RuntimeError with the process's last words if it has died."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
            code = self.process.wait()
            raise RuntimeError(f"the process ended with code {code}: {last[0][:300] if last else 'no output'}")
        return dict(json.loads(line))

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


class Worker:
    """A contestant of a row: as many processes as the row has copies."""

    def __init__(self, contestant: Contestant, row: Row, task: Task) -> None:
        self.contestant, self.row, self.task = contestant, row, task
        self.measured = Measured(contestant.name)
        self.processes: list[Process] = []
        self.caches: list[str] = []

    def launch(self) -> None:
        """Start the processes, which import, build and warm up."""
        more = dict(self.row.environment)
        if self.contestant.backend:
            more["KERAS_BACKEND"] = self.contestant.backend
        if self.row.cold:
            self.caches.append(tempfile.mkdtemp())
            more.update(dict.fromkeys(CACHES, self.caches[-1]))
        asked = {
            "library": self.contestant.library, "modules": self.contestant.modules, "task": self.task._asdict(),
            "options": self.contestant.options, "only_first": bool(self.row.reads),
        }  # fmt: skip
        for _ in range(self.row.copies):
            process = Process("worker", [], environment(self.task.threads, more))
            self.processes.append(process)
            process.tell(json.dumps(asked))

    def await_model(self) -> None:
        """Wait until the models are built and warm; raise RuntimeError if one cannot be."""
        for process in self.processes:
            built = process.answer()
            if "missing" in built:
                raise RuntimeError(f"not installed: {built['missing']}")
            self.measured.built = built
        expected, got = plan.parameters(self.task.plan), self.measured.built["parameters"]
        if got and got != expected:  # ONNX Runtime does not tell
            raise RuntimeError(f"it has {got:,} parameters, expected {expected:,}")

    def turn(self, seconds: float) -> None:
        """Work for some seconds, all copies at once; raise RuntimeError if a process dies or a loss is not finite."""
        if self.row.reads:  # a turn is a fresh process
            self.launch()
            self.await_model()
            self.measured.add(self.measured.built[self.row.reads], 0.0, 0.0)
            self.stop()
            return
        with load() if self.row.load else contextlib.nullcontext():
            for process in self.processes:
                process.tell(str(seconds))
            answers = [process.answer() for process in self.processes]
        if not all(each["finite"] for each in answers):
            raise RuntimeError("the loss is not finite")
        together = 1 / sum(1 / each["seconds"] for each in answers)
        cpu = sum(each["cpu"] for each in answers) / len(answers)
        self.measured.add(together, cpu, sum(each["peak"] for each in answers))

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        for folder in self.caches:
            shutil.rmtree(folder, ignore_errors=True)
        self.processes, self.caches = [], []


@contextlib.contextmanager
def load() -> Iterator[None]:
    """A process that keeps one core busy meanwhile."""
    busy = subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True)
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


class Prober:
    """The probes' processes, one for every number of threads that is asked for."""

    def __init__(self) -> None:
        self.processes: dict[int, Process] = {}
        self.core = ""

    def measure(self, threads: int) -> dict[str, float]:
        if threads not in self.processes:
            self.processes[threads] = Process("prober", [str(threads)], environment(threads, {}))
            self.core = self.processes[threads].answer()["core"]
        self.processes[threads].tell("")
        return self.processes[threads].answer()

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()


def start(workers: list[Worker], at_once: int) -> Iterator[tuple[Worker, str]]:
    """Start the workers, some at a time; yield each with its trouble, "" if there is none."""
    for first in range(0, len(workers), at_once):
        group = workers[first : first + at_once]
        for worker in group:
            worker.launch()
        for worker in group:
            try:
                worker.await_model()
            except RuntimeError as error:
                worker.stop()
                yield worker, str(error)
            else:
                yield worker, ""
