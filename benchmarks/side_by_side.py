"""Code that the benchmarks share: alternating timings, numbers of threads, and a description of the machine."""

from __future__ import annotations

import argparse
import importlib
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = min(2, CORES)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TINYDL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC",  # the last is for XLA, and so for JAX
)  # fmt: skip


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the option --threads."""
    parser.add_argument("--threads", type=int, default=THREADS, help=f"threads per contestant (default {THREADS})")


def use_threads(threads: int | None = None) -> int:
    """Make all libraries use `threads` threads (default: the value of --threads); call this before importing them."""
    if threads is None:
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        add_threads(parser)
        threads = int(parser.parse_known_args()[0].threads)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only
    return threads


def optional(module: str) -> Any:
    """Import a peer; return None if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def machine() -> str:
    """Processor, cores and versions, for the first line of a result."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()
    found = []
    for package in ("numpy", "numba", "torch"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return f"{processor}; Python {platform.python_version()}, {', '.join(found)}"


def take_turns(
    contestants: Mapping[str, Callable[[], object]], rounds: int, rest: float = 0.0, least: float = 0.0
) -> dict[str, list[float]]:
    """Time calls, in seconds. Each contestant runs once untimed; then all take turns, so noise affects all equally.

    rest: seconds to wait before each turn, while the previous contestant's threads stop spinning; the turn then begins
        with an untimed call. least: minimum seconds per turn; a short call is repeated, and the mean counts.
    """
    for run in contestants.values():
        run()
    calls = dict.fromkeys(contestants, 1)
    if least:
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            calls[name] = max(1, math.ceil(least / (time.perf_counter() - start)))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            if rest:
                time.sleep(rest)
                run()
            start = time.perf_counter()
            for _ in range(calls[name]):
                run()
            seconds[name].append((time.perf_counter() - start) / calls[name])
    return seconds


def table(seconds: dict[str, list[float]], unit: str, scale: float, baseline: str) -> str:
    """Medians in `unit` (seconds * scale), with ranges and ratios to the baseline's median."""
    base = statistics.median(seconds[baseline])
    lines = [f"{'':<44}{'median':>10}{'range':>18}  {unit}"]
    for name, values in seconds.items():
        median = statistics.median(values)
        low, high = min(values) * scale, max(values) * scale
        lines.append(f"{name:<44}{median * scale:>10.2f}{f'{low:.2f} - {high:.2f}':>18}  {median / base:.1f} x")
    return "\n".join(lines)
