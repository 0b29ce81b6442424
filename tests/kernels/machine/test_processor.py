"""One line on stderr when OpenBLAS runs code for an older processor."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from llvmlite.binding import get_host_cpu_features
from threadpoolctl import threadpool_info

from tinydl.kernels.machine import cache, processor

AVX512 = dict.fromkeys(("avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"), True)
AVX2 = {**AVX512, "avx512vl": False}  # a processor with a part of AVX-512, which OpenBLAS does not use
AVX = {"avx": True, "avx2": False}


@pytest.mark.parametrize(("core", "features", "words"), [
    ("SkylakeX", AVX512, None),
    ("Cooperlake", AVX512, None),
    ("Haswell", AVX512, "code for Haswell (AVX2), but this processor has AVX-512: NumPy's matrix products, in layers of your own, take up to twice"),
    ("Zen", AVX512, "code for Zen (AVX2)"),
    ("Sandybridge", AVX512, "(AVX), but this processor has AVX-512: NumPy's matrix products, in layers of your own, take several times as long"),
    ("Haswell", AVX2, None),
    ("Zen", AVX2, None),
    ("Nehalem", AVX2, "(SSE), but this processor has AVX2: NumPy's matrix products, in layers of your own, take several times as long"),
    ("Sandybridge", AVX, None),
    ("Prescott", AVX, "(SSE), but this processor has AVX: NumPy's matrix products, in layers of your own, take up to twice as long"),
    ("Nehalem", {}, None),
    ("neoversen1", {}, None),
    ("a core of the future", AVX512, None),
    (None, AVX512, None),
])  # fmt: skip
def test_a_core_is_compared_with_the_processor(core: str | None, features: dict[str, bool], words: str | None) -> None:
    sentence = processor.older_code(core, features, "Haswell")
    assert (sentence is None) == (words is None)
    if sentence and words:
        assert words in sentence
        assert sentence.endswith(": unset OPENBLAS_CORETYPE (now Haswell)")
        own = processor.older_code(core, features, None)
        assert own is not None
        assert own.endswith(": install newer releases of NumPy and SciPy")


def test_a_core_has_one_level() -> None:
    names = [name for names in processor.CORES for name in names]
    assert len(names) == len(set(names))
    assert len(processor.CORES) == len(processor.LEVELS) == len(processor.NEEDS)


def test_a_line_is_printed_once_and_can_be_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processor, "get_host_cpu_features", lambda: AVX512)
    for quiet, lines in (("1", 0), (None, 1)):
        cache.say_once.cache_clear()
        monkeypatch.setenv("TINYDL_QUIET", quiet) if quiet else monkeypatch.delenv("TINYDL_QUIET", raising=False)
        for _ in range(2):
            processor.say_if_old(["SkylakeX", "Haswell", None, "Nehalem"])
        said = capsys.readouterr().err.splitlines()
        assert len(said) == lines
        assert all(line.startswith("tinydl: OpenBLAS runs its code for Haswell") for line in said)


PROGRAM = """
import sys
import numpy as np
import tinydl
from tinydl.layers import Dense
print("imported", file=sys.stderr)
for _ in range(2):
    tinydl.Model([Dense(2)], 3).predict(np.ones((2, 3)))
"""
OPENBLAS = [library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"]


@pytest.mark.skipif(
    not OPENBLAS or processor.vector_level(get_host_cpu_features()) == 0,
    reason="the processor has no vector instructions that an older core lacks, or the BLAS is not OpenBLAS",
)
@pytest.mark.parametrize("quiet", ["", "1"])
def test_a_process_says_so_when_it_first_uses_a_kernel(quiet: str) -> None:
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem", "TINYDL_QUIET": quiet}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    before, after = process.stderr.split("imported\n")
    assert before == ""
    lines = [line for line in after.splitlines() if "compiling kernels" not in line]
    assert len(lines) == (0 if quiet else 1)
    assert all("OpenBLAS runs its code for Nehalem (SSE)" in line and "OPENBLAS_CORETYPE" in line for line in lines)
