"""A contestant's process: builds its model, then works for one turn per line it reads.

The first line on standard input is a JSON object: library, modules, options and task. The answers are JSON lines: one
about the model once it is built and warm, then one for every turn. A turn's line is its length in seconds.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

WARM = 3  # steps before the first turn, besides the first step


def peak_memory() -> float:
    """The peak memory of this process so far, in megabytes.

    On Linux getrusage would give the peak of the process that started this one, if that was larger.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def age() -> float:
    """Seconds since this process was started."""
    return time.time() - float(os.environ["STARTED"])


def main() -> None:
    from benchmarks.suite.task import Task

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries' own output must not mix with the JSON

    def answer(**entries: Any) -> None:
        print(json.dumps(entries), file=answers, flush=True)

    asked = json.loads(sys.stdin.readline())
    before = time.perf_counter()
    try:
        modules = [importlib.import_module(module) for module in asked["modules"]]
        library = importlib.import_module(f"benchmarks.suite.libraries.{asked['library']}")
    except ImportError as error:
        answer(missing=str(error))
        return
    importing, imported = time.perf_counter() - before, peak_memory()
    task = Task(**asked["task"])
    built = getattr(library, task.work)(task, **asked["options"])
    first = float(built.step())
    since_start = age()
    versions = {module.__name__: module.__version__ for module in modules}
    if not asked["only_first"]:
        for _ in range(WARM):
            last = built.step()
        float(last)
    answer(versions=versions, parameters=built.parameters, imported=imported, importing=importing, first=since_start)
    for line in sys.stdin:
        length, steps = float(line), 0
        cpu, start = time.process_time(), time.perf_counter()
        while True:
            last = built.step()
            steps += 1
            if time.perf_counter() - start >= length:
                break
        number = float(last)  # waits for a library that works ahead
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        finite = math.isfinite(number) and math.isfinite(first)
        units = steps * built.units
        answer(seconds=seconds / units, cpu=cpu / units, finite=finite, peak=peak_memory())


if __name__ == "__main__":
    main()
