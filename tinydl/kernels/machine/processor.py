"""Whether OpenBLAS runs code for an older processor than this one, which halves the speed of NumPy's matrix products.

tinydl's kernels do not use OpenBLAS (see product.py), but layers that users write in NumPy do.

OpenBLAS chooses its code when it is loaded, by the processor's name or by the environment variable OPENBLAS_CORETYPE,
which some machines set for all programs. Its choice is a core's name, here ranked by the vector instructions used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from llvmlite.binding import get_host_cpu_features

from .cache import say_once

LEVELS = ("SSE", "AVX", "AVX2", "AVX-512")
NEEDS = ((), ("avx",), ("avx2", "fma"), ("avx512f", "avx512bw", "avx512dq", "avx512vl"))
CORES = (  # by level, with OpenBLAS's names
    {"Katmai", "Coppermine", "Northwood", "Prescott", "Banias", "Atom", "Core2", "Penryn", "Dunnington", "Nehalem",
     "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat", "Nano"},
    {"Sandybridge", "Bulldozer", "Piledriver", "Steamroller"},
    {"Haswell", "Zen", "Excavator"},
    {"SkylakeX", "Cooperlake", "SapphireRapids"},
)  # fmt: skip


def vector_level(features: Mapping[str, bool]) -> int:
    """The best of LEVELS that a processor with these features has; only x86 processors have any."""
    return max(level for level, needed in enumerate(NEEDS) if all(features.get(name) for name in needed))


def older_code(core: str | None, features: Mapping[str, bool], forced: str | None) -> str | None:
    """A sentence if OpenBLAS's code for `core` leaves this processor's vector instructions unused, otherwise None.

    forced: the value of OPENBLAS_CORETYPE. Nothing is said of cores whose names are not known here.
    """
    used = next((level for level, names in enumerate(CORES) if core in names), None)
    present = vector_level(features)
    if used is None or used >= present:
        return None
    cost = "up to twice as long" if present - used == 1 else "several times as long"
    mend = f"unset OPENBLAS_CORETYPE (now {forced})" if forced else "install newer releases of NumPy and SciPy"
    reason = f"OpenBLAS runs its code for {core} ({LEVELS[used]}), but this processor has {LEVELS[present]}"
    return f"{reason}: NumPy's matrix products, in layers of your own, take {cost}: {mend}"


def old_code_in_use(cores: Iterable[str | None]) -> str | None:
    """The sentence of `older_code` for the first of the process's OpenBLAS libraries that it applies to, or None."""
    features, forced = get_host_cpu_features(), os.environ.get("OPENBLAS_CORETYPE")
    return next(filter(None, (older_code(core, features, forced) for core in cores)), None)


def say_if_old(cores: Iterable[str | None]) -> None:
    """Print the sentence, if any, as one line on stderr, once per process."""
    sentence = old_code_in_use(cores)
    if sentence is not None:
        say_once(f"{sentence} (TINYDL_QUIET=1 hides such lines)")
