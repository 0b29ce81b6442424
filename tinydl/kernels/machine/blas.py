"""SciPy's BLAS, callable from inside compiled kernels.

`gemm(transpose_a, transpose_b, alpha, a, b, beta, c)` computes, for C-contiguous matrices of one dtype,

    c = alpha * op(a) @ op(b) + beta * c        op(m) = m or m.T

in place, without allocating memory. Unlike `np.dot` in Numba, BLAS can transpose for free, accumulate (beta = 1) and
write into a given array. `product` multiplies `Rows` of larger arrays, in blocks of the size for which BLAS is fastest.

SciPy exports the addresses of its BLAS functions (scipy.linalg.cython_blas). tinydl registers them with LLVM under
names of its own, so compiled code can call them, and can be cached on disk because it contains names, not addresses.

BLAS is column-major: it reads a C-contiguous (m, k) matrix as its (k, m) transpose. c = a @ b is therefore computed as
c.T = b.T @ a.T: the operands swap places, and nothing is copied.
"""

from __future__ import annotations

from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import get_cython_function_address, intrinsic, overload

from .compile import kernel

# BLAS first copies the operands of a large product into panels that suit the processor. OpenBLAS skips this for
# products of up to a million multiply-adds. If the operands are in the cache, as in a convolution that processes its
# image in pieces, a piece runs at 105 to 111 GFLOP/s per core when cut into blocks of that size, and at 88 to 96 in one
# call (on a Zen 4; benchmarks/convolution.py prints both speeds). `product` therefore uses such blocks. They are slower
# than one call if the operands come from memory.
BITE = 1_000_000  # multiply-adds in a block
SIDE = 128  # the largest side of a block: 128 x 128 float32 take 64 kB


class Rows(NamedTuple):
    """The rows of a matrix in a flat array: row i begins at entry start + i step.

    (The array is passed separately: Numba counts references to arrays in tuples, which is slow for small products.)
    """

    start: int
    step: int


for _name in ("sgemm", "dgemm"):
    llvm.add_symbol(f"tinydl_{_name}", get_cython_function_address("scipy.linalg.cython_blas", _name))

_POINTERS = (types.intp,) * 13  # transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc: all passed by address
_sgemm = types.ExternalFunction("tinydl_sgemm", types.void(*_POINTERS))
_dgemm = types.ExternalFunction("tinydl_dgemm", types.void(*_POINTERS))


@intrinsic
def _address_of(typingctx, value):
    """The address of a copy of a scalar on the stack: Fortran takes every argument by reference."""

    def codegen(context, builder, signature, args):
        slot = cgutils.alloca_once_value(builder, args[0])
        return builder.ptrtoint(slot, ir.IntType(types.intp.bitwidth))

    return types.intp(value), codegen


def _blas_gemm(transa, transb, sizes, alpha, a, in_a, b, in_b, beta, c, in_c):
    """Call sgemm or dgemm, chosen by the dtype of c when the caller is compiled."""


@overload(_blas_gemm, inline="always")
def _blas_gemm_overload(transa, transb, sizes, alpha, a, in_a, b, in_b, beta, c, in_c):
    dtype = c.dtype
    for matrix in (a, b, c):
        if matrix.dtype != dtype or matrix.layout != "C" or dtype not in (types.float32, types.float64):
            raise TypingError(f"gemm: expected C-contiguous matrices, all float32 or all float64, got {a}, {b}, {c}")
    external, real = (_sgemm, np.float32) if dtype == types.float32 else (_dgemm, np.float64)

    def call(transa, transb, sizes, alpha, a, in_a, b, in_b, beta, c, in_c):
        m, n, k = sizes
        external(
            _address_of(np.uint8(transa)), _address_of(np.uint8(transb)),
            _address_of(np.int32(m)), _address_of(np.int32(n)), _address_of(np.int32(k)),
            _address_of(real(alpha)), a.ctypes.data + in_a.start * a.itemsize, _address_of(np.int32(in_a.step)),
            b.ctypes.data + in_b.start * b.itemsize, _address_of(np.int32(in_b.step)),
            _address_of(real(beta)), c.ctypes.data + in_c.start * c.itemsize, _address_of(np.int32(in_c.step)),
        )  # fmt: skip

    return call


@kernel()
def gemm_block(transpose_a, transpose_b, sizes, alpha, a, in_a, b, in_b, beta, c, in_c):
    """c = alpha * op(a) @ op(b) + beta * c for the given Rows; op(a) is m x k, op(b) is k x n, c is m x n.

    Shapes are not checked: the caller must pass arrays of matching sizes.
    """
    no, yes = 78, 84  # ord("N"), ord("T")
    m, n, k = sizes
    first, second = (yes if transpose_b else no), (yes if transpose_a else no)
    _blas_gemm(first, second, (n, m, k), alpha, b, in_b, a, in_a, beta, c, in_c)


@kernel(inline="always")
def _even(size, limit):
    """The piece size when `size` is cut into the fewest even pieces of at most `limit`: 144 = 72 + 72, not 128 + 16."""
    return -(-size // -(-size // limit))


@kernel()
def product(transpose_a, sizes, a, in_a, b, in_b, accumulate, c, in_c):
    """c = op(a) @ b or, if `accumulate`, c += op(a) @ b, one block at a time. Rows and sizes are as in `gemm_block`.

    b cannot be transposed here: this is the one case in which OpenBLAS has no fast small product. Transpose b first.
    """
    m, n, k = sizes
    n_bite = _even(n, SIDE)
    m_bite = _even(m, max(SIDE // 2, BITE // (n_bite * min(k, SIDE))))
    k_bite = _even(k, BITE // (m_bite * n_bite))
    for k_from in range(0, k, k_bite):
        k_here = min(k_bite, k - k_from)
        beta = 1.0 if accumulate or k_from else 0.0
        for i in range(0, m, m_bite):
            a_from = in_a.start + (k_from * in_a.step + i if transpose_a else i * in_a.step + k_from)
            for j in range(0, n, n_bite):
                gemm_block(
                    transpose_a, False, (min(m_bite, m - i), min(n_bite, n - j), k_here), 1.0,
                    a, Rows(a_from, in_a.step), b, Rows(in_b.start + k_from * in_b.step + j, in_b.step), beta,
                    c, Rows(in_c.start + i * in_c.step + j, in_c.step),
                )  # fmt: skip


@kernel()
def gemm(transpose_a, transpose_b, alpha, a, b, beta, c):
    """c = alpha * op(a) @ op(b) + beta * c for C-contiguous matrices; see the module's docstring."""
    m, n = c.shape
    k = a.shape[0] if transpose_a else a.shape[1]
    rows, columns = (a.shape[1] if transpose_a else a.shape[0]), (b.shape[0] if transpose_b else b.shape[1])
    if rows != m or columns != n or (b.shape[1] if transpose_b else b.shape[0]) != k:
        raise ValueError("gemm: the shapes of the matrices do not match: was a parameter array replaced by another?")
    gemm_block(
        transpose_a, transpose_b, (m, n, k), alpha, a, Rows(0, max(1, a.shape[1])), b, Rows(0, max(1, b.shape[1])),
        beta, c, Rows(0, max(1, n)),
    )  # fmt: skip
