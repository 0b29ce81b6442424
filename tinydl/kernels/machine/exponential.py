"""Exponentials, sigmoid and tanh in loops that become vector code, as loops that call the C library's functions do not.

All need exponentials. With k = round(a / ln 2) and r = a - k ln 2, so that |r| <= ln 2 / 2,

    e^a = 2^k e^r        e^r - 1 = r + r^2 / 2! + r^3 / 3! + ...

The series ends where its terms no longer count. 2^k is the number whose exponent, a field of its bits, is k. Then

    sigmoid(a) = 1 / (1 + e)  if a >= 0, else e / (1 + e),  with e = e^-|a|, which cannot overflow
    tanh(|a|) = t / (t + 2)  with  t = e^(2 |a|) - 1 = 2^k (e^r - 1) + (2^k - 1), which keeps the digits of a small t

The errors are at most 3 units in the last place. Source: Muller, Elementary Functions (2016), chapters 6.2 and 11.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .codes import RELU, SIGMOID, TANH
from .compile import kernel
from .simd import multiply_add
from .threads import parts_for, share

LN2 = Fraction("0.693147180559945309417232121458176568")


class Format(NamedTuple):
    """A floating-point format: the digits of its fraction, its exponent's bias, and the terms that the series needs."""

    digits: int
    bias: int
    terms: int


FORMATS = {32: Format(23, 127, 7), 64: Format(52, 1023, 13)}  # by their number of bits
# Numbers from which e^-|a| is 0, in float32 and float64, and tanh(a) is 1. For larger ones, the powers of 2 are wrong.
NOTHING, NOTHING_DOUBLE, FLAT = 110.0, 760.0, 20.0
WORK = 20  # cost per entry, in multiply-adds


@intrinsic
def exponential(typingctx, a):
    """For kernels: e^r - 1 and two powers of 2 with the product 2^k, since 2^k itself may be too small for a power's
    exponent. NaN stays NaN."""
    if not isinstance(a, types.Float):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        less_one, k = _reduced(builder, args[0], signature.args[0].bitwidth)
        half = builder.ashr(k, k.type(1))
        parts = less_one, _power(builder, half), _power(builder, builder.sub(k, half))
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(a, 3)(a), codegen


@intrinsic
def growth(typingctx, a):
    """For kernels: e^r - 1 and 2^k, for 0 <= a <= 80. NaN stays NaN."""
    if not isinstance(a, types.Float):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        less_one, k = _reduced(builder, args[0], signature.args[0].bitwidth)
        return context.make_tuple(builder, signature.return_type, (less_one, _power(builder, k)))

    return types.UniTuple(a, 2)(a), codegen


def _reduced(builder: ir.IRBuilder, a: Any, bits: int) -> tuple[Any, Any]:
    """LLVM code for e^r - 1 and the integer k."""
    (digits, _, terms), real, whole = FORMATS[bits], a.type, ir.IntType(bits)
    # This number has no digits left behind the point: adding it rounds a / ln 2 to k, and leaves k in the lowest
    # bits of the sum. (A conversion to an integer would be undefined for NaN.)
    rounder = real(1.5 * 2.0**digits)
    sum_ = multiply_add(builder, a, real(float(1 / LN2)), rounder)
    k = builder.fsub(sum_, rounder)
    # ln 2 in two parts: k times the first is exact
    first = Fraction(math.floor(LN2 * 2 ** (digits // 2)), 2 ** (digits // 2))
    r = multiply_add(builder, k, real(float(-first)), a)
    r = multiply_add(builder, k, real(float(first - LN2)), r)
    series = real(1 / math.factorial(terms))
    for n in range(terms - 1, 1, -1):
        series = multiply_add(builder, series, r, real(1 / math.factorial(n)))
    less_one = multiply_add(builder, series, builder.fmul(r, r), r)
    return less_one, builder.sub(builder.bitcast(sum_, whole), builder.bitcast(rounder, whole))


def _power(builder: ir.IRBuilder, k: Any) -> Any:
    """LLVM code for 2^k, the number whose exponent is k and whose fraction is 0."""
    digits, bias, _ = FORMATS[k.type.width]
    real = ir.FloatType() if k.type.width == 32 else ir.DoubleType()
    return builder.bitcast(builder.shl(builder.add(k, k.type(bias)), k.type(digits)), real)


def finish(y: NDArray, activation: int) -> None:
    """Apply sigmoid or tanh to a contiguous array in place; ignore relu, which products apply themselves."""
    if activation > RELU:
        share(parts_for(y.size, y.size * WORK), y.size, _part, y.reshape(-1), activation)


@kernel()
def _part(part, y, activation):
    smooth(y, part.start, part.stop - part.start, activation)


@kernel(inline="always")
def _least(y):
    """The number below which e^a is 0 in y's dtype."""
    return y.dtype.type(-NOTHING if y.itemsize == 4 else -NOTHING_DOUBLE)


@kernel(inline="always")
def _decay(a, least, one):
    """e^a for a <= 0."""
    less_one, power, rest = exponential(least if a < least else a)
    return (less_one + one) * power * rest


@kernel()
def exponentials(y):
    """Replace the numbers of a flat array, none above 0, by their exponentials."""
    least, one = _least(y), y.dtype.type(1)
    for k in range(np.uintp(y.size)):
        y[k] = _decay(y[k], least, one)


# The options omit tests for division by 0, as no divisor is less than 1, and allow sums of products to be rounded once.
@kernel(error_model="numpy", fastmath={"contract"})
def smooth(y, at, size, activation):
    """Replace `size` numbers of a flat array, from y[at] on, by their sigmoid or tanh; ignore other activations."""
    first, zero, one, two = np.uintp(at), y.dtype.type(0), y.dtype.type(1), y.dtype.type(2)
    if activation == SIGMOID:
        least = _least(y)
        for k in range(np.uintp(size)):
            a = y[first + k]
            e = _decay(-a if a > zero else a, least, one)
            y[first + k] = (e if a < zero else one) / (one + e)
    elif activation == TANH:
        flat = y.dtype.type(FLAT)
        for k in range(np.uintp(size)):
            a = y[first + k]
            above = abs(a)
            above = flat if above > flat else above
            less_one, power = growth(above + above)
            t = power * less_one + (power - one)
            y[first + k] = math.copysign(t / (t + two), a)
