"""A second, cheap run at values where formulas break: exact zeros, equal entries, large numbers.

The gradient y / x of a product is NaN at a zero, that of a norm at a row of zeros, and that of a softmax without the
shift at 1000. Random numbers never show these faults. Each point costs one pass, and four forward values along a line.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .limits import EndlessError, at_most
from .rules import Rules
from .runner import Runner

STEPS = (1e-5, 1e-6)  # relative to the size of x
AGREE = 1e-3  # relative: slopes at two steps that agree to this rule out a kink; a gradient off by more is wrong
LARGE = 1e3


def special_points(x: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield each point with its name: x with a first row that is all 0 or all equal, then a much larger x."""
    zeros, equal = x.copy(), x.copy()
    first = (0,) if x.ndim > 1 and len(x) > 1 else ()
    zeros[first] = 0.0
    equal[first] = 0.7
    yield "zeros", zeros
    yield "equal entries", equal
    yield f"entries near {LARGE:g}", LARGE * x


def check_special_values(
    runner: Runner, x: NDArray[np.float64], dy: NDArray[np.float64], x_name: str, rules: Rules
) -> None:
    """Report a dx that is not finite although the slope is, or that is not the slope, at special values of x."""
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for name, point in special_points(x):
            try:
                with at_most(runner.bound):
                    found = _fault_at(name, runner, point, dy, x_name, rng)
            except EndlessError as error:
                runner.note(f"at {name} of {x_name} nothing was checked: {error}")
                continue
            except Exception:  # outside the domain of the user's code: nothing to report
                continue
            if found:
                rules.broke("special values", f"at {name} of {x_name}, {found}")


def _fault_at(
    name: str, runner: Runner, point: NDArray[np.float64], dy: NDArray[np.float64], x_name: str,
    rng: np.random.Generator,
) -> str:  # fmt: skip
    """The fault of dx at a point; "" if there is none, or if forward or backward gives nothing to compare."""
    y = np.array(runner.forward(point))
    base = np.append(y, runner.penalty())
    if np.any(np.isnan(y)):
        runner.note(f"at {name} of {x_name} forward returns NaN")
    if y.shape != dy.shape or not np.all(np.isfinite(y)):
        return ""
    dx = runner.backward(dy.copy())
    if not isinstance(dx, np.ndarray) or dx.shape != point.shape:
        return ""
    return _fault(runner, point, base, dy, np.array(dx), rng)


def _fault(
    runner: Runner, x: NDArray[np.float64], base: NDArray[np.float64], dy: NDArray[np.float64],
    dx: NDArray[np.float64], rng: np.random.Generator,
) -> str:  # fmt: skip
    """The fault of dx at x; "" if there is no fault, or if forward has a kink along the line that is tried.

    base: the outputs and the penalty at x.
    """
    bad = np.argwhere(~np.isfinite(dx))
    if len(bad):
        v = np.zeros(x.shape)
        v[tuple(bad[0])] = 1.0
        slope = _slope(runner, x, base, dy, v)
        right = "forward is finite (with a kink)" if slope is None else f"the slope of forward is {slope:.6g}"
        return f"the gradient at {bad[0].tolist()} is {dx[tuple(bad[0])]}, where {right}"
    v = rng.standard_normal(x.shape)
    slope = _slope(runner, x, base, dy, v)
    if slope is None:
        return ""
    given, size = float(np.sum(dx * v)), float(np.linalg.norm(dx * v))
    if abs(given - slope) > AGREE * max(size, abs(slope), 1e-6):
        return f"the slope along a random line is {slope:.6g}, but backward's gradient gives {given:.6g}"
    return ""


def _slope(
    runner: Runner, x: NDArray[np.float64], base: NDArray[np.float64], dy: NDArray[np.float64], v: NDArray[np.float64]
) -> float | None:
    """The slope of sum(dy * forward(x)) + penalty() along v; None unless forward and backward steps agree."""
    weights = np.append(dy, 1.0)
    size = max(1.0, float(np.sqrt(np.mean(x**2))))
    sides = []
    for step in (STEPS[0] * size, -STEPS[0] * size, STEPS[1] * size, -STEPS[1] * size):
        sides.append(float(weights @ (runner.values(x + step * v) - base)) / step)
    slope = float(np.mean(sides))
    close = all(abs(side - slope) <= AGREE * max(abs(slope), 1e-6) for side in sides)
    return slope if close and np.isfinite(slope) else None
