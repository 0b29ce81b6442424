"""show_config, or `python -m tinydl info`: versions, hardware and settings, to be pasted into an issue."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from threadpoolctl import threadpool_info

from .kernels.machine import cache, processor
from .kernels.machine.threads import num_threads
from .kernels.twins import current_mode
from .version import __version__

PACKAGES = (
    "numpy", "numba", "llvmlite", "scipy", "scikit-learn", "matplotlib", "tqdm", "threadpoolctl", "safetensors",
    "pooch", "tensorboardX",
)  # fmt: skip
SETTINGS = ("TINYDL_", "NUMBA_", "OPENBLAS_", "OMP_", "MKL_", "BLIS_", "VECLIB_")  # environment variables


def show_config() -> None:
    """Print versions, thread count, BLAS libraries, the kernel cache folder and relevant environment variables."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    vectors = processor.LEVELS[processor.vector_level(get_host_cpu_features())]
    files, size = cache.content()
    rows = [
        ("tinydl", f"{__version__} in {Path(__file__).parent}"),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()}) in {sys.prefix}"),
        ("system", platform.platform()),
        ("processor", f"{platform.machine()}, {get_host_cpu_name()} ({vectors}), {os.cpu_count()} cores"),
        *((name, _version(name)) for name in PACKAGES),
        ("threads", f"{num_threads()}"),
        *(("BLAS", _blas(library)) for library in libraries),
        ("kernels", f"{current_mode()}, kept in {cache.folder()} ({files} files, {size / 1e6:.0f} MB)"),
    ]
    rows += [(name, value) for name, value in sorted(os.environ.items()) if name.startswith(SETTINGS)]
    if (warning := processor.old_code_in_use(library.get("architecture") for library in libraries)) is not None:
        rows.append(("warning", warning))
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {value}" for name, value in rows))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _blas(library: dict[str, str]) -> str:
    core = f" {library['architecture']}" if library.get("architecture") else ""
    threads = f"threads when no kernel runs: {library['num_threads']}"
    return f"{library['internal_api']} {library['version']}{core}, {threads}, {Path(library['filepath']).name}"
