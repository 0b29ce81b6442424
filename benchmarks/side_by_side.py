"""What every benchmark shares: contestants that take turns in one process, and the machine they ran on."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


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


def take_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call. Each contestant runs once untimed, then all in turn, so that noise falls on all alike."""
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def table(seconds: dict[str, list[float]], unit: str, scale: float, baseline: str) -> str:
    """Medians in `unit` (seconds * scale), their range, and how many times the baseline's they are."""
    base = statistics.median(seconds[baseline])
    lines = [f"{'':<44}{'median':>10}{'range':>18}  {unit}"]
    for name, values in seconds.items():
        median = statistics.median(values)
        low, high = min(values) * scale, max(values) * scale
        lines.append(f"{name:<44}{median * scale:>10.2f}{f'{low:.2f} - {high:.2f}':>18}  {median / base:.1f} x")
    return "\n".join(lines)
