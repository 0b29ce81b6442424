"""The machine and the settings of a run, for the head of every table."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import scipy

import tinydl
from benchmarks.suite.suite import Settings
from benchmarks.suite.turns import UNSET


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def generation() -> str:
    """The name that LLVM has for the processor's generation."""
    from llvmlite.binding import get_host_cpu_name

    return str(get_host_cpu_name())


def header(settings: Settings) -> dict[str, Any]:
    return {
        "date": date.today().isoformat(), "processor": processor(), "generation": generation(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": settings.threads, "rounds": settings.rounds, "seconds": settings.seconds,
        "unset": [f"{name}={os.environ[name]}" for name in UNSET if name in os.environ],
        "versions": {
            "Python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
            "tinydl": tinydl.__version__,
        },
    }  # fmt: skip


def machine(header: dict[str, Any]) -> str:
    """What two runs must have in common for their times to be compared."""
    return f"{header['processor']} ({header['generation']}), {header['cores']} cores"
