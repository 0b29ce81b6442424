# %% [markdown]
"""
# Lesson 19: from loops to peak speed, in seven measured steps

    python examples/lessons/19_from_loops_to_peak_speed.py

Dense is a matrix product, forward and backward (lesson 3). So is a convolution (lesson 9). Almost all the time of
training goes into products C[i, j] = sum over k of A[i, k] B[k, j]. For n x n numbers these are n^3 multiplications and
as many additions. The speed is their number divided by the time, in billions per second (GFLOP/s).

**Question.** All seven programs below do the same multiplications. Why is the last one thousands of times faster?
"""

# %%
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from lesson import Lesson
from numba import njit
from numpy.typing import NDArray

import tinydl
from tinydl.layers import Dense
from tinydl.plots import BLUE
from tinydl.plots.style import dress, panel

lesson = Lesson("19_from_loops_to_peak_speed")
rng = np.random.default_rng(0)
A, B, C = rng.standard_normal((3, 480, 480))
speeds: dict[str, float] = {}


def measure(name: str, product: Callable[..., Any], *arrays: Any) -> None:
    """Print the speed: the best of all calls in half a second, since other programs also use the machine."""
    product(*arrays)  # the first call compiles
    best, end = np.inf, time.perf_counter() + 0.5
    while (start := time.perf_counter()) < end:
        product(*arrays)
        best = min(best, time.perf_counter() - start)
    speeds[f"{len(speeds) + 1}. {name}"] = speed = 2 * len(arrays[0]) ** 3 / best / 1e9
    print(f"{len(speeds)}. {name:28} {speed:9.3f} GFLOP/s", flush=True)


# %% [markdown]
"""
**1. Loops in Python.** For each multiplication Python looks up two objects, checks their types and makes a third.

**2. The same loops, compiled.** Numba translates the function into machine code, as it does for tinydl's own kernels.
The types are known before the loop starts, so one multiplication is one instruction.
"""


# %%
def by_formula(A: Any, B: Any, C: Any) -> None:
    n = len(A)
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += A[i][k] * B[k][j]
            C[i][j] = total


measure("loops in Python", by_formula, *(M[:64, :64].tolist() for M in (A, B, C)))  # small, as Python is so slow
measure("compiled", njit(fastmath=True)(by_formula), A, B, C)

# %% [markdown]
"""
**3. In the order of the memory.** The processor waits for memory. An array lies there row by row and arrives in lines
of 64 bytes, 8 numbers at a time. The inner loop above walks down a column of B and uses one number of each line.
Exchange the two inner loops, and the inner one walks along rows of B and C. It uses whole lines, and one vector
instruction multiplies several neighbors.

**4. Use what is near.** The inner loop now reads C[i, j], adds one product, and writes it back. With four rows of B at
once it adds four products before it writes. Every number is needed n times; the art is to use it while it is near.
"""


# %%
@njit(fastmath=True)
def in_memory_order(A: NDArray, B: NDArray, C: NDArray) -> None:
    C[:] = 0
    for i in range(len(A)):
        for k in range(len(A)):
            for j in range(len(A)):
                C[i, j] += A[i, k] * B[k, j]


@njit(fastmath=True)
def four_at_once(A: NDArray, B: NDArray, C: NDArray) -> None:
    C[:] = 0
    for k in range(0, len(A), 4):
        for i in range(len(A)):
            a0, a1, a2, a3 = A[i, k], A[i, k + 1], A[i, k + 2], A[i, k + 3]
            for j in range(len(A)):
                C[i, j] += a0 * B[k, j] + a1 * B[k + 1, j] + a2 * B[k + 2, j] + a3 * B[k + 3, j]


for name, product in (("in the order of the memory", in_memory_order), ("four rows at once", four_at_once)):
    measure(name, product, A, B, C)
    assert np.allclose(C, A @ B)

# %% [markdown]
"""
**5. BLAS.** BLAS is the library behind NumPy's A @ B and tinydl's Dense. It takes step 4 to its end, separately for
each processor: blocks of C stay in the processor itself (its registers), and blocks of A and B in the small, fast
memories beside it (its caches).

**6. Half the digits.** A vector instruction handles twice as many float32 as float64, and they take half the memory.
Learning does not need 16 digits, since the choice of the batch changes the gradient more. (Checks do: lesson 18.)

**7. All cores.** Every core computes some columns of C. No core waits for another, as all only read A and B.
"""

# %%
cores = tinydl.num_threads()
for name, dtype, threads in (("BLAS", "float64", 1), ("float32", "float32", 1), ("all cores", "float32", cores)):
    tinydl.set_num_threads(threads)
    dense = Dense(len(B), use_bias=False)
    dense.build((len(B),), rng, dtype)
    dense.params["W"][...] = B
    measure(name, dense.forward, A.astype(dtype))
    assert np.allclose(dense.forward(A.astype(dtype)), A @ B, atol=1e-3)
values = list(speeds.values())
print(f"\nfrom the first step to the last, on {cores} cores: {values[-1] / values[0]:,.0f} times as fast")

figure, ax = panel(width=7, height=3.2)
bars = ax.barh(list(speeds), values, color=BLUE, log=True)
ax.bar_label(bars, fmt=" {:.3g}", fontsize=9)
ax.invert_yaxis()
ax.set_xlim(right=max(values) * 4)
dress(ax, "The same matrix product, seven times", "GFLOP/s (a tick is a factor of ten)", "")
lesson.show(figure, "speeds")

# %% [markdown]
"""
Step 7 gains nothing if the other cores are busy with other programs.

## The real thing

tinydl/layers/dense.py holds the definition, x @ W; tinydl/kernels/dense.py the fast version of the whole layer, with
bias and relu in the same pass. docs/speed.md measures whole training steps against the speed of a large product.

**Exercise.** examples/lessons/exercises/19_from_loops_to_peak_speed.py: a convolution in nine matrix products instead
of a million small steps. Fill in the gaps and run the file; it checks the values and the speed.

**Next.** Lesson 20: the fastest training is the one that has already been done.
"""
