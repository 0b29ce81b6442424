"""The machine's own speed, in a process of its own that takes turns with the contestants.

fma         the peak of fused multiply-adds: chains of vectors that stay in registers, on every thread
sgemm       NumPy's product of two matrices of 2048 x 2048
bandwidth   c = a + b on vectors of 32 MB, on every thread: bytes read and written (not those read to be overwritten)

The first two are in operations per second, the third is in bytes per second.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from threadpoolctl import threadpool_info

SIDE, ROUNDS, LENGTH = 2048, 8_000_000, 8 << 20
TRIES = 4


def fma_loop() -> tuple[Callable[[int], float], int]:
    """A function of a number of rounds, compiled for this processor, and its operations per round."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # the chains, the factor and the term fit into 32 registers, or 16 without AVX-512
    lanes, chains_at_once = (16, 24) if llvm.get_host_cpu_features().get("avx512f") else (8, 12)
    module, count, real = ir.Module("probe"), ir.IntType(64), ir.FloatType()
    vector = ir.VectorType(real, lanes)
    function = ir.Function(module, ir.FunctionType(real, [count]), "fma_loop")
    entry, loop, end = (function.append_basic_block(name) for name in ("entry", "loop", "end"))
    builder = ir.IRBuilder(entry)
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(count)
    at.add_incoming(ir.Constant(count, 0), entry)
    fma = ir.Function(module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f32")
    factor, term = (ir.Constant(vector, [value] * lanes) for value in (0.5, 1.0))
    chains = [builder.phi(vector) for _ in range(chains_at_once)]
    results = [builder.call(fma, [chain, factor, term]) for chain in chains]
    for start, (chain, result) in enumerate(zip(chains, results, strict=True)):
        chain.add_incoming(ir.Constant(vector, [float(start)] * lanes), entry)
        chain.add_incoming(result, loop)
    following = builder.add(at, ir.Constant(count, 1))
    at.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, function.args[0]), loop, end)
    builder.position_at_end(end)
    total = results[0]
    for result in results[1:]:
        total = builder.fadd(total, result)
    builder.ret(builder.extract_element(total, ir.Constant(ir.IntType(32), 0)))
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(engine.get_function_address("fma_loop"))

    def run(rounds: int, engine: object = engine) -> float:  # the engine owns the code
        return float(call(rounds))

    return run, 2 * chains_at_once * lanes


class Probes:
    """The three measurements with a number of threads, and the core that NumPy's BLAS is written for."""

    def __init__(self, threads: int) -> None:
        self.threads, self.pool = threads, ThreadPoolExecutor(threads)
        self.loop, self.operations = fma_loop()
        self.a, self.b, self.c = np.random.default_rng(0).standard_normal((3, SIDE, SIDE), np.float32)
        self.vectors = np.ones((3, threads, LENGTH), np.float32)
        self.core = ", ".join(sorted({str(each.get("architecture")) for each in threadpool_info()}))
        self.measure()

    def together(self, run: Callable[[int], object]) -> float:
        """The fewest seconds, of several tries, until `run(k)` has returned for every thread k."""
        seconds = []
        for _ in range(TRIES):
            start = time.perf_counter()
            list(self.pool.map(run, range(self.threads)))
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    def measure(self) -> dict[str, float]:
        x, y, z = self.vectors
        fma = self.together(lambda k: self.loop(ROUNDS))
        moved = self.together(lambda k: np.add(x[k], y[k], out=z[k]))
        start = time.perf_counter()
        np.matmul(self.a, self.b, out=self.c)
        product = time.perf_counter() - start
        return {
            "fma": self.threads * ROUNDS * self.operations / fma,
            "sgemm": 2 * SIDE**3 / product,
            "bandwidth": self.vectors.nbytes / moved,
        }
