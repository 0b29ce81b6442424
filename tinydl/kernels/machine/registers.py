"""The vector registers of this processor, for which kernels choose the size of their blocks.

With AVX-512 there are 32 registers of 64 bytes, with AVX2 16 of 32 bytes. ARM's 32 registers of 16 bytes work as 16 of
32 bytes. A block that needs more registers is correct, but slow: its sums move to memory and back in every step.
"""

from __future__ import annotations

from llvmlite.binding import get_host_cpu_features

MANY = bool(get_host_cpu_features().get("avx512f"))  # whether there are 32 registers instead of 16
VECTOR = 64 if MANY else 32  # bytes
