"""Slopes of a forward in float32, with error bounds measured from its values, and the verdict on its gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnosis import Scene
from .numeric import Slope, second_differences
from .objective import Objective, Vector, Where, moved, part, size_of
from .options import Options
from .report import KINKS, OK, VACUOUS, WRONG, ZERO, ArrayReport, grad_name

# Steps, relative to the size of the moved array: the widest, and then half of it, a quarter ...
WIDEST = 1.0
MOST_HALVINGS = 16  # all of these steps are multiples of the spacing of float32 numbers
SURE = 1e-4  # a slope known to this precision needs no narrower step
SIGMAS = 3.0  # standard deviations of roundoff allowed for in each of three differences
FIXED = 2e-6  # share by which rounding the numbers that do not move may change each term
MARGIN = 2.0  # several kinks within one step may partly cancel in the bends
ROUGH = 0.01  # a slope that kinks make uncertain by more than this share of its terms is at a kink

NOISE_STEPS = (1e-5, 1e-4)  # relative steps at which a smooth forward shows roundoff only
NOISE_ROUNDS = 6
OF_MEDIAN = 1.4826  # the standard deviation of normal numbers, from the median of their absolute values

RTOL = 1e-3  # relative: float32's roundoff in backward, and its remainder in a slope
CERTAIN = 0.01  # a slope uncertain by more than this share of the typical one is not judged
SMALL = 0.1  # errors of entries below this share of the typical slope are relative to this share
LINES = 6  # directions through the whole array
NEARBY = 1e-6  # relative distance at which only backward's roundoff changes a gradient

NOTE = (
    "forward computes in float32, so each gradient is compared with differences of float32 values at wide steps: "
    "an error of 1 % of an array's typical entry is found, one below 0.1 % is not; run the code in float64 to "
    "check it to 1e-6"
)


def rounds_to_float32(objective: Objective) -> bool:
    """Whether forward rounds to float32 somewhere on its way from a float64 array to its outputs.

    In this case, a move of 1e-11 is lost in most outputs that a move of 1e-5 changes (a forward that rounds to whole
    numbers loses most moves of 1e-5, too), and either all outputs are float32 numbers, or rounding the array itself
    changes nothing. (Float64 code that subtracts large numbers loses small moves, but satisfies neither condition.)
    """
    base, rng = objective.evaluate(), np.random.default_rng(0)

    def changed(move: Callable[[float], None], distance: float) -> int:
        """The number of outputs that a move changes."""
        move(distance)
        return int(np.count_nonzero(objective.evaluate() != base))

    outputs_are = bool(np.all(base.astype(np.float32) == base))
    for array in objective.arrays.values():
        aside = array + 1e-5 * size_of(array) * rng.uniform(0.5, 1.0, array.shape)
        with moved([array], [aside - array]) as move:
            least = changed(move, 1e-6)
            if 2 * least >= base.size:  # no wider move can change twice as many: saves two passes for float64 code
                continue
            usual = changed(move, 1.0)
            if 2 * least < usual and 2 * usual > changed(move, 1e3):
                array[...] = aside
                before = objective.evaluate()
                array[...] = aside.astype(np.float32)
                if outputs_are or np.array_equal(before, objective.evaluate()):
                    return True
    return False


class SinglePrecision:
    """The oracle for a forward that rounds to float32 whatever the dtype of its input.

    Along one direction let g(t) = sum(weights * f(t)), f the outputs. From values at -h, 0 and h:

        odd(h)  = (g(h) - g(-h)) / 2h           = g' + g''' h^2 / 6 + ...
        even(h) = (g(h) - 2 g(0) + g(-h)) / 2h  = g'' h / 2 + g'''' h^3 / 24 + ...

    Richardson's extrapolation from the steps H and h = H / 2 removes the first error of odd, and leaves O(H^4):

        slope    = (4 odd(h) - odd(H)) / 3
        bend_odd = odd(H) - odd(h)              = g''' H^2 / 8 + ...
        bend_even = even(H) - 2 even(h)         = g'''' H^3 / 32 + ...

    **Kinks.** A change of slope by 2k at distance t adds k (|s - t| + s - t) to g(s), and with u = |t| / H this
    adds, in units of k,

                    u < 1/2         1/2 < u < 1
        slope       1 - 7u/3        -(1 - u)/3
        bend_odd    u               1 - u            (and its negative for t < 0, as the slope's error less 2k)
        bend_even   -1 + 3u         1 - u

    so that error <= |bend_even| + 2/3 |bend_odd| for every u: no kink moves the slope unseen. Curvature is bounded
    by the same expression, with room to spare: bend_odd is its H^2 term, which the extrapolation removes. Several
    kinks may partly cancel in the bends. Each bend is therefore the larger of |sum| and the norm over the outputs, and
    both bends count twice. A wide step contains every kink of a narrower one, so its bends are taken to be at least
    those that the narrower step has for certain.

    **Roundoff.** With sigma the standard deviation of the roundoff in g, that in slope, bend_odd and bend_even is
    1.9, 1.6 and 4.2 sigma / H. Three sigmas in each:

        uncertainty = 2 (|bend_even| + 2/3 |bend_odd|) + 3 (1.9 + 2/3 1.6 + 4.2) sigma / H

    sigma is measured: the values of f at random points 1e-5 and 1e-4 away scatter about a smooth curve (see
    `numeric.roundoff`), and the median of several rounds ignores the few that cross a kink. Outputs that a step does
    not reach have no roundoff. A change below half a unit in the last place also seems to reach nothing, so the
    rounding error of these outputs, over a step of the array's whole size, is added. The numbers that do not move are
    rounded as well, always alike, which changes the slope itself; 16 roundings of 6e-8 of its terms are allowed for.

    **Steps.** H is the array's size (or the entry's, if that is larger), then half of it, and so on, until roundoff
    alone exceeds the smallest uncertainty so far, or this uncertainty is 1e-4 of the slope. The step with the smallest
    uncertainty wins. Every step gives an interval that should contain the true slope. If another step's interval does
    not overlap the winner's, a bend was small by chance, and the winner's uncertainty grows until they overlap.

    **Moves.** Forward rounds its inputs. The position is rounded to the float32 grid of the widest step, on
    which the position plus and minus h, a power of 2, are exact float32 numbers, so the distance is exact.
    (Along a direction through a whole array the entries are rounded, and that is part of the roundoff measured.)
    """

    method = "float32 differences"

    def __init__(self, objective: Objective, options: Options) -> None:
        self.objective = objective
        self.base = objective.evaluate()
        self._rng = options.rng(8)
        self._noise: dict[str, _Roundoff] = {}

    def slope(self, name: str, where: Where, direction: Any = 1.0) -> Slope | None:
        """The slope as entry `where` moves (or, if it is `...`, the array along `direction`); None at a kink."""
        weights, noise = self.objective.weights, self._roundoff(name)
        values = part(self.objective.arrays[name], where)
        v = np.broadcast_to(np.asarray(direction, np.float64), values.shape)
        size = max(size_of(self.objective.arrays[name]), 0.0 if where is ... else float(np.max(np.abs(values))))
        unit = 2.0 ** np.floor(np.log2(WIDEST * size / np.sqrt(np.mean(v**2))))
        with on_the_grid(values, v, unit) as move:

            def at(t: float) -> Vector:
                move(t)
                return self.objective.evaluate()

            base = at(0.0)
            reached = np.zeros(base.shape, np.bool_)
            levels: list[_Level] = []
            h, wide = unit, None
            for _ in range(MOST_HALVINGS):
                ahead, behind = at(h) - base, at(-h) - base
                reached |= (ahead != 0.0) | (behind != 0.0)
                narrow = ((ahead - behind) / (2.0 * h), (ahead + behind) / (2.0 * h))
                if wide is not None:
                    lost = 7.2 * noise.of(weights, reached) / (2.0 * h) + noise.unseen(weights, reached) / unit
                    level = _Level.of(wide, narrow, weights, SIGMAS * lost)
                    if np.isfinite(level.bends):  # otherwise the wide step left the domain of f
                        levels.append(level)
                        surest, bound = _surest(levels)
                        if len(levels) > 1 and (bound <= SURE * abs(surest.value) or level.lost >= bound):
                            break
                wide, h = narrow, h / 2.0
        if not levels:
            return None
        surest, bound = _surest(levels)
        terms = float(np.abs(weights) @ np.abs(surest.outputs))
        if bound > max(5.0 * surest.lost, ROUGH * terms):
            return None
        return Slope.of(surest.outputs, weights, bound + FIXED * terms)

    def _roundoff(self, name: str) -> _Roundoff:
        if name not in self._noise:
            self._noise[name] = _Roundoff.measured(self.objective, name, self.base, self._rng)
        return self._noise[name]


@dataclass(frozen=True)
class _Level:
    """The slope at one pair of steps."""

    value: float
    outputs: Vector  # the slope of each output
    bends: float  # the error that kinks and curvature may cause
    lost: float  # the error that roundoff may cause

    @classmethod
    def of(cls, wide: tuple[Vector, Vector], narrow: tuple[Vector, Vector], weights: Vector, lost: float) -> _Level:
        """From odd and even at the wide step and at the narrow one."""
        (odd_wide, even_wide), (odd, even) = wide, narrow
        outputs = (4.0 * odd - odd_wide) / 3.0
        bends = _size(weights * (even_wide - 2.0 * even)) + 2.0 / 3.0 * _size(weights * (odd_wide - odd))
        return cls(float(weights @ outputs), outputs, MARGIN * bends, lost)


def _surest(levels: list[_Level]) -> tuple[_Level, float]:
    """The level with the smallest bound, and this bound; `levels` go from wide steps to narrow ones.

    Bends that a narrow step shows for certain exist at a wide step as well, even if they cancel by chance. The
    narrowest level therefore only tests the others, unless it is the only one.
    """
    bounds: list[float] = []
    certain = 0.0
    for level in reversed(levels):
        bounds.insert(0, max(level.bends, certain) + level.lost)
        certain = max(certain, level.bends - level.lost)
    best = int(np.argmin(bounds[: max(1, len(levels) - 1)]))
    apart = max(abs(levels[best].value - each.value) - bound for each, bound in zip(levels, bounds, strict=True))
    return levels[best], max(bounds[best], apart)


@dataclass(frozen=True)
class _Roundoff:
    """The roundoff of a forward while one array moves."""

    outputs: Vector  # the standard deviation in each output
    units: Vector  # half a unit in each output's last place
    together: float  # that of the weighted sum, as a multiple >= 1 of the value for independent roundoff

    @classmethod
    def measured(cls, objective: Objective, name: str, base: Vector, rng: np.random.Generator) -> _Roundoff:
        """From the scatter of forward values at random points nearby."""
        array, weights = objective.arrays[name], objective.weights
        units = 0.5 * float(np.finfo(np.float32).eps) * np.abs(base)
        outputs, together = 0.6 * units, 1.0  # rounding the output itself gives up to 0.58
        sizes = np.where(array == 0.0, size_of(array), np.abs(array))
        for relative in NOISE_STEPS:
            scatter = []
            for _ in range(NOISE_ROUNDS):
                step = sizes * rng.uniform(0.5, 1.0, array.shape) * rng.choice([-1.0, 1.0], array.shape)
                e1, e2, e3 = second_differences(objective.evaluate, [array], base, [relative * step])
                scatter.append(np.nan_to_num(e3 - 3.0 * e2 + 3.0 * e1, posinf=0.0, neginf=0.0))  # off f's domain: 0
            outputs = np.maximum(outputs, _deviation(np.array(scatter)))
            if relative == NOISE_STEPS[0]:  # at a wider step, some output crosses a kink in most rounds
                independent = float(np.linalg.norm(weights * outputs))
                together = max(1.0, float(_deviation(np.array(scatter) @ weights)) / (independent or 1.0))
        outputs = np.maximum(outputs, 0.25 * np.sqrt(np.mean(outputs**2)))  # a few rounds may miss some roundoff
        return cls(outputs, units, together)

    def of(self, weights: Vector, reached: NDArray[np.bool_]) -> float:
        """The standard deviation of the roundoff in the sum over these outputs."""
        return self.together * float(np.linalg.norm((weights * self.outputs)[reached]))

    def unseen(self, weights: Vector, reached: NDArray[np.bool_]) -> float:
        """The size of the change that rounding may hide in the sum over all other outputs."""
        return float(np.linalg.norm((weights * self.units)[~reached]))


def _deviation(scatter: NDArray[np.float64]) -> Any:
    """The standard deviation of one value, from several combinations of values with 42 variances each."""
    return OF_MEDIAN * np.median(np.abs(scatter), axis=0) / np.sqrt(42.0)


def _size(terms: Vector) -> float:
    return max(abs(float(np.sum(terms))), float(np.linalg.norm(terms)))


@contextmanager
def on_the_grid(values: NDArray[Any], v: NDArray[np.float64], unit: float) -> Iterator[Callable[[float], None]]:
    """Yield a function that moves values, in place, to float32 numbers; restore them at the end.

    A position of up to 2^24 grid spacings is an exact float32 number, and so is every grid point on the way.
    """
    saved = values.copy()
    furthest = (np.abs(saved) + np.abs(v) * unit).astype(np.float32)
    grid = np.spacing(furthest).astype(np.float64)
    start = np.rint(saved / grid) * grid

    def move(t: float) -> None:
        values[...] = start + t * v

    try:
        yield move
    finally:
        values[...] = saved


@dataclass(frozen=True)
class _Pair:
    """Backward's value and the oracle's, for one entry of an array or for a direction through the whole array."""

    index: tuple[int, ...] | None  # of the entry; None for a direction
    v: Any  # the direction; None for an entry
    slope: Slope
    analytic: float
    typical: float = 0.0  # the usual size of the value for a direction

    def of(self, gradient: Vector) -> float:
        """A gradient's value for this entry or direction."""
        return float(np.sum(gradient * self.v) if self.index is None else gradient[self.index])


def probe_single(
    oracle: SinglePrecision, name: str, scene: Scene, options: Options, rng: np.random.Generator
) -> ArrayReport:
    """Compare up to `probes` entries, and the whole array along a few lines, with slopes of a float32 forward.

    With T the typical size of the slopes (their root mean square), an entry is wrong if

        |analytic - numeric| > uncertainty + rtol max(|analytic|, |numeric|, T / 10),   rtol = 1e-3

    Entries uncertain by more than 1 % of max(|analytic|, |numeric|, T) are not judged. An error of 1 % in an entry of
    typical size is therefore found if the slope is known to 0.9 % or better, and an error below 0.1 % is never found.
    Between these limits the slope decides: most are known to 1e-4 or 1e-3, those of deep networks with kinks to 1e-2.
    The 1e-3 itself allows for backward: one float32 rounding is 6e-8, and sums of thousands of terms through five
    layers lose 1e-5. T / 10 allows for entries near zero, in which larger terms cancel.

    Lines through the whole array test all entries together and average the roundoff. Some have random directions;
    others follow the gradient itself, with or without random signs, because the slope is largest there. A gradient
    passes if no value is wrong and if half of the lines could be judged, or half of the entries tried, with at least
    half of the sum of all squares.

    Before a gradient is called wrong, backward runs at points 1e-6 away. The change of its result is its own roundoff
    (behind a saturated sigmoid, for example), and three times this change is added to the uncertainty. This does not
    let a backward pass that returns noise: such a gradient is not judged, and therefore does not pass.
    """
    gradient = np.asarray(scene.gradients[name], np.float64)
    row = ArrayReport(name, gradient.shape, oracle.method)
    pairs, kinks = _pairs(oracle, name, gradient, options, rng)
    _judge(row, pairs, kinks, np.zeros(len(pairs)), options)
    if row.verdict == WRONG:
        nearby = [other - gradient for other in _gradients_nearby(name, scene, rng)]
        own = np.array([max(abs(pair.of(change)) for change in nearby) for pair in pairs])
        _judge(row, pairs, kinks, 3.0 * own, options)
    return row


def _pairs(
    oracle: SinglePrecision, name: str, gradient: Vector, options: Options, rng: np.random.Generator
) -> tuple[list[_Pair], list[tuple[int, ...]]]:
    """The pairs for entries, then those for lines; and the indices of entries at a kink."""
    pairs: list[_Pair] = []
    kinks: list[tuple[int, ...]] = []
    for entry in rng.choice(gradient.size, size=min(gradient.size, options.probes), replace=False):
        index = tuple(int(i) for i in np.unravel_index(entry, gradient.shape))
        slope = oracle.slope(name, index)
        if slope is None:
            kinks.append(index)
        else:
            pairs.append(_Pair(index, None, slope, float(gradient[index])))
    for number in range(LINES if gradient.size > 1 else 0):
        signs = rng.choice([-1.0, 1.0], gradient.shape)
        line = (rng.standard_normal(gradient.shape), gradient * signs, gradient)[number % 3]
        if np.any(line):
            v = line / np.linalg.norm(line)
            slope = oracle.slope(name, ..., v)
            if slope is not None:
                pairs.append(_Pair(None, v, slope, float(np.sum(gradient * v)), float(np.linalg.norm(gradient * v))))
    return pairs, kinks


def _gradients_nearby(name: str, scene: Scene, rng: np.random.Generator) -> Iterator[Vector]:
    """Backward's gradient at a few points so near that only its roundoff differs."""
    objective = scene.objective
    runner, arrays = objective.runner, list(objective.arrays.values())
    for _ in range(NOISE_ROUNDS):
        with moved(arrays, [size_of(array) * rng.uniform(-1.0, 1.0, array.shape) for array in arrays]) as move:
            move(NEARBY)
            runner.zero_grad()
            runner.forward(objective.x)
            dx = runner.backward(objective.dy)
            yield np.array(dx if name == objective.x_name else runner.grads[name], np.float64)


def _judge(row: ArrayReport, pairs: list[_Pair], kinks: list[tuple[int, ...]], own: Vector, options: Options) -> None:
    """Fill in the row's counts, errors and verdict; own: backward's own roundoff, added to each uncertainty."""
    analytic = np.array([pair.analytic for pair in pairs])
    numeric = np.array([pair.slope.value for pair in pairs])
    uncertainty = np.array([pair.slope.uncertainty for pair in pairs]) + own
    is_entry = np.array([pair.v is None for pair in pairs], np.bool_)
    typical = np.array([pair.typical for pair in pairs])
    if np.any(is_entry):
        typical[is_entry] = np.sqrt(np.mean(numeric[is_entry] ** 2))
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), np.where(is_entry, SMALL, 1.0) * typical)
    judged = uncertainty <= CERTAIN * np.maximum(size, typical)
    error = np.abs(analytic - numeric)
    wrong = judged & (error > uncertainty + max(options.rtol, RTOL) * size)
    relative = np.where(judged, error / np.maximum(size, np.finfo(np.float64).tiny), 0.0)

    drowned = [pair.index for pair, sure in zip(pairs, judged, strict=True) if pair.index is not None and not sure]
    row.probes = int(np.count_nonzero(judged & is_entry))
    row.dropped_indices = kinks + drowned
    row.dropped = len(row.dropped_indices)
    row.max_abs_error = float(np.max(error[judged], initial=0.0))
    row.max_relative_error = float(np.max(relative, initial=0.0))
    row.verdict, row.detail, row.cause = OK, "", None
    held = float(np.sum(numeric[judged & is_entry] ** 2))
    enough = row.probes >= row.dropped and bool(2.0 * held >= np.sum(numeric[is_entry] ** 2))
    enough = enough or 2 * int(np.count_nonzero(judged & ~is_entry)) >= LINES
    if np.any(wrong):
        row.verdict = WRONG
        row.cause = _factor(analytic[judged], numeric[judged], uncertainty[judged])
        worst = int(np.argmax(np.where(wrong, relative, 0.0)))
        index = pairs[worst].index
        row.detail = (
            f"{grad_name(row.name)} is wrong "
            + (
                "along a direction through all its entries"
                if index is None
                else f"in {np.count_nonzero(wrong & is_entry)} of {row.probes} probes; worst at {row.name}{list(index)}"
            )
            + f": analytic {analytic[worst]:.5g}, numeric {numeric[worst]:.5g} give or take {uncertainty[worst]:.1g}, "
            f"relative error {relative[worst]:.1e}" + (f"\n    likely cause: {row.cause}" if row.cause else "")
        )
    elif pairs and np.all(np.abs(numeric) <= uncertainty):
        row.verdict = ZERO if row.name in options.zero_ok else VACUOUS
        row.detail = (
            f"the check of {row.name} is vacuous: all numeric gradients are zero to within float32's roundoff (up to "
            f"{np.max(uncertainty):.1e}), so a backward of zeros would pass: choose an input at which {row.name} "
            f"matters, or pass zero_ok=({row.name!r},) if it never does"
        )
    elif not enough:
        row.verdict = KINKS
        large = ", including the large ones," if row.probes >= row.dropped else ""
        row.detail = (
            f"{row.dropped} of {row.dropped + row.probes} tried entries of {row.name}{large} have no usable "
            f"derivative here ({len(kinks)} at a kink, a jump or the edge of forward's domain, {len(drowned)} not "
            f"known to 1 % because of float32's roundoff), the first at {row.name}{list(row.dropped_indices[0])}: "
            "choose another x, choose fewer rows, or let the code compute in float64"
        )


def _factor(analytic: Vector, numeric: Vector, uncertainty: Vector) -> str | None:
    """Name one factor that explains all values to within their uncertainty; None if there is no such factor."""
    factor = float(analytic @ numeric) / (float(numeric @ numeric) or 1.0)
    fits = np.abs(analytic - factor * numeric) <= abs(factor) * uncertainty + RTOL * np.abs(analytic)
    if len(numeric) < 3 or factor == 0.0 or not np.all(fits):
        return None
    return f"a factor: backward gives {factor:.3g} times the gradient, as far as float32 can tell"
