"""Derivatives computed from forward values alone, and tests of whether they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .objective import Objective, Vector, Where, moved, part
from .options import Options

Arrays = Sequence[NDArray[np.float64]]
Evaluate = Callable[[], Vector]
Move = Callable[[float], None]

# Steps tried for one entry, as multiples of `step`: a wide one for accuracy, then narrower ones that may fit
# between two kinks.
STEP_FACTORS = (100.0, 10.0, 1.0, 0.1, 0.01)

# Seven points f(-3s) .. f(3s): their offsets in units of s, and the weights of their differences.
OFFSETS = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
SLOPE = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60.0
FIFTH_DIFFERENCE = np.array([-1.0, 4.0, -5.0, 0.0, 5.0, -4.0, 1.0])
SIXTH_DIFFERENCE = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0])

SURE = 1e-7  # a slope known to this relative precision needs no other step
SMOOTHNESS = 1e-8  # largest 5th or 6th difference of a smooth function, relative to its first difference
SIGMAS = 10.0  # number of standard deviations above which a value is certainly not roundoff
MOST_OUTPUTS = 20_000  # above this number, a slope is stored without the derivatives of single outputs
NOISE_STEP = 1e-8  # relative step so small that a smooth function shows only roundoff


def numerical_gradient(
    f: Callable[[NDArray[np.float64]], Any], x: NDArray[np.float64], dy: ArrayLike | None = None, step: float = 1e-5
) -> NDArray[np.float64]:
    """Gradient of L(x) = sum(dy * f(x)) by central differences over every entry of x.

    dL/dx_i ~ sum(dy * (f(x + h e_i) - f(x - h e_i))) / (2 h),  h = step * max(1, |x_i|)

    The difference is taken element by element before the sum: summing first would lose digits.
    The truncation error is h^2/6 f''' and the roundoff about 1e-16 |f| / h, in total about 1e-10 at the default step.

    x is changed in place while f runs and restored bit for bit, even if f raises.

    Args:
        f: a function of an array of x's shape that returns an array of dy's shape, or one number if dy is None.
        x: the point, a float64 array.
        dy: the upstream gradient; None for a scalar f.
        step: the step h for entries up to 1 in size; proportionally larger for larger entries.

    Raises:
        TypeError: x is not a float64 array.
        ValueError: x is empty, step is not positive, or the shape of f(x) is not that of dy.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        got = f"a {x.dtype} array" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
        expected = "x must be a float64 array (float32 would lose the differences in roundoff)"
        raise TypeError(f"numerical_gradient: {expected}, got {got}: try np.asarray(x, dtype=np.float64)")
    if x.size == 0:
        raise ValueError(f"numerical_gradient: x must not be empty, got shape {x.shape}")
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"numerical_gradient: step must be a positive number, got {step!r}")
    upstream = np.asarray(1.0 if dy is None else dy, dtype=np.float64)

    def value() -> NDArray[np.float64]:
        y = np.array(f(x), dtype=np.float64)  # a copy: f may return a view of x
        if dy is None and y.size == 1:
            return y.reshape(())
        if y.shape != upstream.shape:
            hint = "dy is not given: pass dy" if dy is None else f"dy has shape {upstream.shape}"
            raise ValueError(f"numerical_gradient: f(x) has shape {y.shape}, but {hint}")
        return y

    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        old = x[index]
        h = step * max(1.0, abs(float(old)))
        try:
            x[index] = old + h
            y_plus, x_plus = value(), x[index]
            x[index] = old - h
            y_minus, x_minus = value(), x[index]
        finally:
            x[index] = old
        gradient[index] = np.sum(upstream * (y_plus - y_minus)) / (x_plus - x_minus)
    return gradient


@dataclass(frozen=True)
class Slope:
    """The derivative of the objective in one direction, with a bound on its error."""

    value: float
    without_penalty: float  # the derivative of the objective without penalty()
    uncertainty: float  # bound on the roundoff in value
    terms: float  # the sum of the absolute values of the terms that add up to value
    outputs: Vector | None  # the derivative of each output, the penalty last; not stored if there are very many

    @classmethod
    def of(cls, outputs: Vector, weights: Vector, uncertainty: float) -> Slope:
        """Combine the outputs' derivatives by their weights: dy, and 1 for the penalty."""
        value = float(weights @ outputs)
        terms = float(np.abs(weights) @ np.abs(outputs))
        kept = outputs if outputs.size <= MOST_OUTPUTS else None
        return cls(value, value - float(outputs[-1]), uncertainty, terms, kept)


class CentralDifferences:
    """An oracle for any forward: differences of its values, at a step chosen for each probe."""

    method = "central differences"

    def __init__(self, objective: Objective, options: Options) -> None:
        self.objective = objective
        self.base = objective.evaluate()
        self._step = options.step
        self._rng = options.rng(5)
        self._noise: dict[str, Vector] = {}

    def slope(self, name: str, where: Where, direction: Any = 1.0) -> Slope | None:
        """The slope as entry `where` moves (or, if it is `...`, the array along `direction`); None at a kink."""
        evaluate, values = self.objective.evaluate, self.objective.arrays[name]
        if name not in self._noise:
            steps = [tiny_steps([values], self._rng) for _ in range(4)]
            rounds = [second_differences(evaluate, [values], self.base, d) for d in steps]
            self._noise[name] = roundoff(rounds, self.base)
        size = np.sqrt(np.mean(values**2)) if where is ... else abs(values[where])
        with moved([part(values, where)], [direction]) as move:
            step = self._step * max(1.0, float(size))
            return slope_along(evaluate, move, self.objective.weights, self.base, self._noise[name], step)


def tiny_steps(arrays: Arrays, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Random steps through all arrays, so small that only roundoff and kinks at the point itself show."""
    return [
        NOISE_STEP * np.maximum(1.0, np.abs(a)) * rng.uniform(0.5, 1.0, a.shape) * rng.choice([-1.0, 1.0], a.shape)
        for a in arrays
    ]


def second_differences(evaluate: Evaluate, arrays: Arrays, base: Vector, d: Arrays) -> NDArray[np.float64]:
    """E_k = f(k d) + f(-k d) - 2 f(0) for k = 1, 2, 3, as an array (3, outputs).

    In E_k the slope cancels. Curvature leaves k^2 d^2 f'', and a kink at the point itself leaves a term proportional
    to k d. Roundoff remains, including that of large numbers subtracted inside f.
    """
    differences = np.zeros((3, base.size))
    with moved(arrays, d) as move:
        for k, difference in enumerate(differences, start=1):
            for side in (k, -k):
                move(side)
                difference += evaluate() - base
    return differences


def roundoff(rounds: Arrays, base: Vector) -> Vector:
    """Standard deviation of the roundoff in each output, measured from the second differences of several rounds.

        E_3 - 3 E_2 + 3 E_1  =  O(d^4)  +  roundoff of 2 (1 + 9 + 9) + 4 = 42 variances

    because the terms of a kink (proportional to k) and of curvature (proportional to k^2) cancel. (eps * |f| would
    miss digits lost inside f.)
    """
    left_over = np.array([e3 - 3.0 * e2 + 3.0 * e1 for e1, e2, e3 in rounds])
    left_over[~np.isfinite(left_over)] = 0.0  # a step outside f's domain gives no information on roundoff
    measured = np.sqrt(np.mean(left_over**2, axis=0) / 42.0)
    typical = np.sqrt(np.mean(measured**2))
    return np.maximum(np.maximum(measured, 0.25 * typical), np.finfo(np.float64).eps * np.abs(base))


def kink_at(
    evaluate: Evaluate, arrays: Arrays, base: Vector, noise: Vector, d: Arrays, near: NDArray[np.float64]
) -> bool:
    """Whether there is a kink (or the edge of the domain) at the point itself; near: the second differences for d.

    E_2 - 4 E_1 is O(d^4) for a smooth f, and -2 d for a kink of strength 1; the variance of its roundoff is
    2 + 2 * 16 + 36 = 70 times that of f. A few rounds may underestimate roundoff, so an output that stands out is
    tested again at ten times the step: E_2 - 4 E_1 must be larger, and E_1 : E_2 : E_3 must be 1 : 2 : 3.
    """
    stands_out = ~(np.abs(near[1] - 4.0 * near[0]) <= SIGMAS * np.sqrt(70.0) * noise)  # NaN stands out too
    if not np.any(stands_out):
        return False
    e1, e2, e3 = second_differences(evaluate, arrays, base, [10.0 * v for v in d])
    grown = np.abs(e2 - 4.0 * e1) > 3.0 * np.abs(near[1] - 4.0 * near[0])
    straight = (np.abs(e2 - 2.0 * e1) < 0.1 * np.abs(e2)) & (np.abs(e3 - 3.0 * e1) < 0.1 * np.abs(e3))
    return bool(np.any(stands_out & ((grown & straight) | ~np.isfinite(e3))))


def seven_points(
    evaluate: Evaluate, move: Move, base: Vector, step: float
) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Yield (s, f_k - f_0 at k s for k = -3 .. 3) for decreasing s, skipping steps that leave f's domain."""
    changes = np.zeros((OFFSETS.size, base.size))
    for factor in STEP_FACTORS:
        s = factor * step
        for row, offset in zip(changes, OFFSETS, strict=True):
            if offset != 0.0:
                move(offset * s)
                row[:] = evaluate() - base
        if np.all(np.isfinite(changes)):
            yield s, changes


def slopes_with_bounds(
    evaluate: Evaluate, move: Move, base: Vector, noise: Vector, step: float
) -> tuple[Vector, Vector] | None:
    """The slope of every output separately, and a bound on its error; None if some output is never smooth.

    As in `slope_along`, but independent of the size of other outputs: a kink or curvature can change an output's
    slope by at most (|5th difference| + |6th difference|) / s, and roundoff by at most 10 standard deviations.
    """
    norms = [float(np.linalg.norm(difference)) for difference in (SLOPE, FIFTH_DIFFERENCE, SIXTH_DIFFERENCE)]
    slopes, bounds = np.zeros_like(base), np.full_like(base, np.inf)
    smooth, reached = np.zeros(base.shape, bool), np.zeros(base.shape, bool)
    for s, changes in seven_points(evaluate, move, base, step):
        at_s = SLOPE @ changes / s
        curved = np.abs(FIFTH_DIFFERENCE @ changes) + np.abs(SIXTH_DIFFERENCE @ changes)
        reached |= np.any(changes != 0.0, axis=0)  # by any step so far: a narrow step's change may be lost in rounding
        bounds_at_s = (curved + SIGMAS * norms[0] * noise * reached) / s
        better = bounds_at_s < bounds  # each output at its best step
        slopes, bounds = np.where(better, at_s, slopes), np.where(better, bounds_at_s, bounds)
        smooth |= curved <= np.maximum(1e-3 * s * np.abs(at_s), SIGMAS * (norms[1] + norms[2]) * noise)
        if np.all(smooth & (bounds <= SURE * np.abs(slopes))):
            break
    return (slopes, bounds) if np.all(smooth) else None


def slope_along(
    evaluate: Evaluate, move: Move, weights: Vector, base: Vector, noise: Vector, step: float
) -> Slope | None:
    """d/dt sum(weights * evaluate()) at t = 0, after move(t); None at a kink.

    With f_k = f(k s):

        slope      f'(0) = (45 (f_1 - f_-1) - 9 (f_2 - f_-2) + (f_3 - f_-3)) / (60 s)
        5th diff.  odd   = f_3 - 4 f_2 +  5 f_1          -  5 f_-1 + 4 f_-2 - f_-3  ~  2 s^5 D5 f
        6th diff.  even  = f_3 - 6 f_2 + 15 f_1 - 20 f_0 + 15 f_-1 - 6 f_-2 + f_-3  ~    s^6 D6 f

    (D5 is the 5th derivative; the slope's own error is s^6 D7 f / 140.)

    For a smooth f both differences nearly vanish: at s = 1e-3 they are about 1e-15 and 1e-18. At a kink they are
    large. A change of slope by k at t > 0 adds k max(0, . - t) to f, which gives

                          t = 0     s     2s    3s       (linear in between; mirrored for t < 0)
        even / (k s)          6    -4     1     0        zero at t = 0.6 s and 1.8 s
        odd  / (k s)          0    -2     1     0        zero at t = 0 and 1.67 s
        slope error / k     1/2  -7/60  1/60    0

    At no t within (-3s, 3s) do both vanish, and the error of the slope stays below 0.2 max(|even|, |odd|) / s. So
    if both differences are at most 1e-8 of the first difference, or within roundoff, so is the effect of a kink on
    the slope. Otherwise the next narrower step is tried, which may fit beside the kink; if even the
    narrowest step shows a kink, there is no derivative to compare with. A kink at the point itself (relu at 0) is
    the case t = 0. Jumps and infinities are caught in the same way.

    The differences are taken for each output and only then weighted and summed. Backward has no influence on
    the result. The caller must move the arrays back.
    """
    for s, changes in seven_points(evaluate, move, base, step):
        reached = np.any(changes != 0.0, axis=0)
        spread = float(np.linalg.norm((weights * noise)[reached]))
        first = float(np.linalg.norm(weights * (changes[4] - changes[2]))) / 2.0
        smooth = all(
            float(np.linalg.norm(weights * (difference @ changes)))
            <= max(SIGMAS * float(np.linalg.norm(difference)) * spread, SMOOTHNESS * first)
            for difference in (FIFTH_DIFFERENCE, SIXTH_DIFFERENCE)
        )
        if smooth:
            return Slope.of(SLOPE @ changes / s, weights, SIGMAS * float(np.linalg.norm(SLOPE)) * spread / s)
    return None
