"""SciPy's BLAS, callable from inside compiled kernels.

`gemm(transpose_a, transpose_b, alpha, a, b, beta, c)` computes, for C-contiguous matrices of one dtype,

    c = alpha * op(a) @ op(b) + beta * c        op(m) = m or m.T

in place, without allocating. `np.dot` inside Numba can neither transpose for free, nor accumulate (beta = 1),
nor write into a given array; BLAS can do all three.

How: SciPy exports its BLAS as C function addresses (scipy.linalg.cython_blas). Registered with LLVM under a name of
our own they can be called from nopython code, and the compiled code can still be cached on disk, because it holds
the name and not the address.

BLAS speaks column-major: it reads a C-contiguous (m, k) matrix as its (k, m) transpose. Hence c = a @ b is asked for as
c.T = b.T @ a.T: the operands swap places, and nothing is copied.
"""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import get_cython_function_address, intrinsic, overload

from .compile import kernel

for _name in ("sgemm", "dgemm"):
    llvm.add_symbol(f"tinydl_{_name}", get_cython_function_address("scipy.linalg.cython_blas", _name))

_POINTERS = (types.intp,) * 13  # transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc: all by address
_sgemm = types.ExternalFunction("tinydl_sgemm", types.void(*_POINTERS))
_dgemm = types.ExternalFunction("tinydl_dgemm", types.void(*_POINTERS))


@intrinsic
def _address_of(typingctx, value):  # type: ignore[no-untyped-def]
    """Address of a copy of a scalar on the stack: Fortran takes every argument by reference."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        slot = cgutils.alloca_once_value(builder, args[0])
        return builder.ptrtoint(slot, ir.IntType(types.intp.bitwidth))

    return types.intp(value), codegen


def _blas_gemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):  # type: ignore[no-untyped-def]
    """One call of sgemm or dgemm, chosen by the dtype of c when the caller is compiled."""


@overload(_blas_gemm, inline="always")
def _blas_gemm_overload(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):  # type: ignore[no-untyped-def]
    for matrix in (a, b, c):
        if matrix.dtype != c.dtype or matrix.layout != "C" or c.dtype not in (types.float32, types.float64):
            raise TypingError(f"gemm takes C-contiguous matrices, all float32 or all float64, got {a}, {b}, {c}")
    external, dtype = (_sgemm, np.float32) if c.dtype == types.float32 else (_dgemm, np.float64)

    def call(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):  # type: ignore[no-untyped-def]
        external(
            _address_of(np.uint8(transa)), _address_of(np.uint8(transb)),
            _address_of(np.int32(m)), _address_of(np.int32(n)), _address_of(np.int32(k)),
            _address_of(dtype(alpha)), a.ctypes.data, _address_of(np.int32(lda)),
            b.ctypes.data, _address_of(np.int32(ldb)),
            _address_of(dtype(beta)), c.ctypes.data, _address_of(np.int32(ldc)),
        )  # fmt: skip

    return call


@kernel()
def gemm(transpose_a, transpose_b, alpha, a, b, beta, c):  # type: ignore[no-untyped-def]
    """c = alpha * op(a) @ op(b) + beta * c for C-contiguous matrices; see the module's docstring."""
    m, n = c.shape
    k = a.shape[0] if transpose_a else a.shape[1]
    rows, columns = (a.shape[1] if transpose_a else a.shape[0]), (b.shape[0] if transpose_b else b.shape[1])
    if rows != m or columns != n or (b.shape[1] if transpose_b else b.shape[0]) != k:
        raise ValueError("the shapes of a matrix product do not fit: was a parameter array replaced by another?")
    no, yes = 78, 84  # "N", "T"
    _blas_gemm(
        yes if transpose_b else no, yes if transpose_a else no,
        n, m, k, alpha, b, max(1, b.shape[1]), a, max(1, a.shape[1]), beta, c, max(1, n),
    )  # fmt: skip
