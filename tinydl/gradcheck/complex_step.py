"""The complex-step derivative: exact to the last digits, for a forward that accepts complex numbers."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import numeric
from .numeric import SIGMAS, CentralDifferences, Slope
from .objective import Objective, Vector, Where, moved, part, size_of
from .options import Options

H = 1e-30  # so small that its square vanishes beside 1
SAME_VALUE = 1e-9  # tolerance on forward's real part for complex input, relative to the largest output
ASIDE = 1e-2  # distance moved away from a kink, in units of an array's size
SAME_SLOPE = 1e-7  # relative tolerance, complex step against central differences, output by output


class NotAnalyticError(Exception):
    """Forward has no complex-step derivative; the message gives the reason."""


class ComplexStep:
    """f'(x) = Im f(x + i h) / h.

    For an analytic f, f(x + i h) = f(x) + i h f'(x) - h^2 f''(x) / 2 - ...: nothing is subtracted, so h can be
    1e-30, there is no truncation error, and only the roundoff of f itself remains, near 1e-16. Kinks near
    the point do no harm: nothing moves along the real axis.

    This holds only for analytic code: abs, real, conj or an intermediate float array silently drops or changes the
    imaginary part. A complex copy of the layer is therefore tested first. It must give the same values as the layer
    itself and, along a random direction through each array, the same slopes as central differences, separately for
    every output and for the penalty. Backward has no influence on this test.

    A kink at the point itself (relu at 0) is found from real values (see kink_at). All entries are tested at once, and
    one by one only if a kink is found.

    Reference: Squire & Trapp 1998; Martins, Sturdza & Alonso 2003.

    Raises:
        NotAnalyticError: from the constructor, with the reason.
    """

    method = "complex step"

    def __init__(self, objective: Objective, central: CentralDifferences, options: Options) -> None:
        self.objective, self._base = objective, central.base
        self._complex = _complex_copy(objective, central.base)
        self._rng = rng = options.rng(6)
        arrays = list(objective.arrays.values())
        steps = [numeric.tiny_steps(arrays, rng) for _ in range(2)]
        rounds = [numeric.second_differences(objective.evaluate, arrays, central.base, d) for d in steps]
        self._noise = numeric.roundoff(rounds, central.base)
        self._kinks = numeric.kink_at(objective.evaluate, arrays, central.base, self._noise, steps[0], rounds[0])
        self._variances = (objective.weights * self._noise) ** 2
        self._scales = {name: size_of(array) for name, array in objective.arrays.items()}
        names = list(objective.arrays)
        for line in [names] if options.mode == "directional" else [[name] for name in names]:
            self._confirm(line, options.step, rng)

    def slope(self, name: str, where: Where, direction: Any = 1.0) -> Slope | None:
        """The slope as entry `where` moves (or, if it is `...`, the array along `direction`); None at a kink."""
        if self._kinks:
            evaluate, entry = self.objective.evaluate, [part(self.objective.arrays[name], where)]
            d = numeric.tiny_steps(entry, self._rng)
            near = numeric.second_differences(evaluate, entry, self._base, d)
            if numeric.kink_at(evaluate, entry, self._base, self._noise, d, near):
                return None
        return self._slope({name: (where, direction)}, self._scales[name])

    def along(self, direction: dict[str, Any]) -> tuple[float, float] | None:
        """Return (slope, uncertainty) as several arrays move together; None if the slope is not finite."""
        slope = self._slope({name: (..., v) for name, v in direction.items()}, 1.0)
        return None if slope is None else (slope.value, slope.uncertainty)

    def _slope(self, steps: dict[str, tuple[Where, Any]], scale: float) -> Slope | None:
        """The slope, with roundoff divided by `scale`, the moved array's size: of f / x, not of f."""
        outputs = self._outputs(steps)
        spread = SIGMAS * math.sqrt(float(np.sum(self._variances[outputs != 0.0]))) / scale
        slope = Slope.of(outputs, self.objective.weights, spread)
        return slope if math.isfinite(slope.value) else None

    def _outputs(self, steps: dict[str, tuple[Where, Any]]) -> Vector:
        """The derivative of every output as arrays move along the imaginary axis."""
        arrays = [part(self._complex.arrays[name], where) for name, (where, _) in steps.items()]
        with moved(arrays, [1j * direction for _, direction in steps.values()]) as move:
            move(H)
            return self._complex.evaluate().imag / H

    def _confirm(self, names: list[str], step: float, rng: np.random.Generator) -> None:
        """Compare slopes with central differences, output by output; raise NotAnalyticError if they differ.

        A kink at the point itself leaves no slope to compare; the comparison is then made at a point nearby.
        """
        arrays, twins = ([objective.arrays[name] for name in names] for objective in (self.objective, self._complex))
        direction, aside = (_direction(arrays, rng) for _ in range(2))
        for distance in (0.0, ASIDE):
            with moved(arrays, aside) as shift, moved(twins, aside) as shift_twins:
                shift(distance)
                shift_twins(distance)
                base = self.objective.evaluate() if distance else self._base
                with moved(arrays, direction) as move:
                    expected = numeric.slopes_with_bounds(self.objective.evaluate, move, base, self._noise, step)
                got = self._outputs({name: (..., v) for name, v in zip(names, direction, strict=True)})
            if expected is None:
                continue
            slopes, bounds = expected
            size = np.maximum(np.abs(slopes), np.abs(got))
            # If a slope is truly 0 (as for a bias that batch norm cancels), `got` still contains roundoff.
            own = SIGMAS * self._noise / min(1.0, *(self._scales[name] for name in names))
            if not np.all(np.abs(got - slopes) <= SAME_SLOPE * size + bounds + own):  # NaN fails too
                culprits = "abs, real, var, an array of floats?"
                raise NotAnalyticError(f"forward or penalty drops the imaginary part somewhere ({culprits})")
            return
        raise NotAnalyticError("forward is not smooth along a line through its arrays, so there is no slope to test")


def _direction(arrays: list[NDArray[Any]], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """A random direction of length 1, each entry then multiplied by its array entry's size if that is above 1."""
    v = [rng.standard_normal(array.shape) for array in arrays]
    length = math.sqrt(sum(float(np.sum(part**2)) for part in v)) or 1.0
    return [part / length * np.maximum(1.0, np.abs(array)) for part, array in zip(v, arrays, strict=True)]


def _complex_copy(objective: Objective, base: Vector) -> Objective:
    """Copy the objective for complex numbers; raise unless forward accepts them and gives equal values."""
    method = "forward"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            clone = objective.as_complex()
            real = [name for name, array in clone.arrays.items() if array.dtype.kind != "c"]
            if real:
                raise TypeError(f"{real[0]} belongs to a class or a global and cannot be copied")
            values = clone.runner.forward(clone.x)
            method = "penalty"
            penalty = clone.runner.penalty()
    except Exception as error:  # any error means that a complex copy is impossible
        reason = str(error).strip().splitlines()
        why = f"{type(error).__name__}{f': {reason[0]:.120}' if reason else ''}"
        raise NotAnalyticError(f"{method} does not accept complex numbers ({why})") from error
    if not np.iscomplexobj(values):
        raise NotAnalyticError("forward returns real numbers for complex input")
    flat, largest = np.append(values, penalty), np.max(np.abs(base), initial=1.0)
    if flat.shape != base.shape or not np.all(np.abs(flat.real - base) <= SAME_VALUE * largest):
        raise NotAnalyticError("forward returns different values for complex input than for real input")
    return clone
