"""Check a large network as a whole: all arrays move along random directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .complex_step import ComplexStep
from .diagnosis import Scene
from .objective import moved, size_of
from .options import Options
from .probing import Oracle, probe
from .report import KINKS, OK, VACUOUS, WRONG, ZERO, ArrayReport

ALL = "all arrays"
STEPS = (2e-8, 2e-9, 2e-7, 2e-6)  # relative to each array's size; the first usually suffices
UNSURE = 1e-5  # largest relative uncertainty of a slope that is used
MARGIN = 3.0  # kinks on both sides may partly cancel in the second difference


def check_directions(
    oracle: Oracle, scene: Scene, options: Options, rng: np.random.Generator
) -> dict[str, ArrayReport]:
    """Compare d/dt L(all arrays + t v) with sum(gradient * v) for random v, at two forward passes per direction.

    One number tests every entry of every gradient: a wrong entry is missed with probability zero, unless its error is
    small beside the norm of gradient * v, to which rtol is relative. With the outputs f_+ and f_- at a step s ahead
    and behind,

        slope        (f_+ - f_-) / 2s
        uncertainty  3 norm(weights (f_+ - 2 f_0 + f_-)) / 2s     includes kinks crossed, curvature and roundoff

    because a kink of strength k at distance t adds k (s - t) to the second difference and k (s - t) / 2s to the slope.
    The tolerance includes the uncertainty. If the uncertainty is too large, another step is tried, then another
    direction. (The complex step needs one pass, and its step is fixed.) If the sum is wrong, each array is moved alone;
    a wrong array is then probed entry by entry for a diagnosis. Backward has no influence on the directions dropped.
    """
    # The arrays of a layer used in two places have two names each: keep the first.
    names = list({id(array): name for name, array in reversed(scene.objective.arrays.items())}.values())[::-1]
    with np.errstate(all="ignore"):
        row = _check(ALL, names, oracle, scene, options, rng)
        if row.verdict != WRONG:
            return {ALL: row}
        rows = {ALL: row, **{name: _check(name, [name], oracle, scene, options, rng) for name in names}}
        for name in names:
            if rows[name].verdict == WRONG:
                probed = probe(oracle, name, scene, options, rng)
                rows[name] = probed if probed.verdict == WRONG else rows[name]
        return rows


def _check(
    label: str, names: list[str], oracle: Oracle, scene: Scene, options: Options, rng: np.random.Generator
) -> ArrayReport:
    size = sum(scene.gradients[name].size for name in names)
    row = ArrayReport(label, (size,) if len(names) > 1 else scene.gradients[names[0]].shape, oracle.method)
    while row.probes < options.directions and row.dropped < 2 * options.directions:
        arrays = {name: scene.objective.arrays[name] for name in names}
        v = {name: rng.standard_normal(array.shape) * size_of(array) for name, array in arrays.items()}
        products = {name: scene.gradients[name] * v[name] for name in names}
        analytic = float(sum(np.sum(product) for product in products.values()))
        typical = float(np.sqrt(sum(np.sum(product**2) for product in products.values())))
        found = oracle.along(v) if isinstance(oracle, ComplexStep) else _slope(v, scene, options)
        if found is None:
            row.dropped += 1
            continue
        numeric, uncertainty = found
        row.probes += 1
        scale = max(typical, abs(numeric), np.finfo(np.float64).tiny)
        error = abs(analytic - numeric)
        row.max_abs_error = max(row.max_abs_error, error)
        row.max_relative_error = max(row.max_relative_error, error / scale)
        if error > min(options.atol, options.atol * scale) + options.rtol * scale + uncertainty:
            row.verdict = WRONG
            both = f"analytic {analytic:.10g}, numeric {numeric:.10g}"
            row.detail = f"along a random direction through {label}: {both}, relative error {error / scale:.1e}"
        elif abs(numeric) <= uncertainty and typical <= uncertainty and row.verdict == OK:
            row.verdict = ZERO if set(names) <= set(options.zero_ok) else VACUOUS
            row.detail = f"the check of {label} is vacuous: the slope along a random direction is {numeric:.1e}"
    if row.dropped > row.probes:
        row.verdict = KINKS
        row.detail = (
            f"{row.dropped} of {row.dropped + row.probes} random directions through {label} have no usable "
            "derivative (kinks, or the edge of forward's domain): choose another x, or method='complex'"
        )
    return row


def _slope(v: dict[str, NDArray[np.float64]], scene: Scene, options: Options) -> tuple[float, float] | None:
    """(slope, uncertainty) at the first step accurate to rtol, else at the most accurate; None if none is usable."""
    objective, found = scene.objective, []
    least = float(np.finfo(np.float64).eps) * float(np.linalg.norm(objective.weights * scene.base))
    with moved([objective.arrays[name] for name in v], list(v.values())) as move:
        for s in STEPS:
            move(s)
            ahead = objective.evaluate()
            move(-s)
            behind = objective.evaluate()
            numeric = float(np.sum(objective.weights * (ahead - behind))) / (2 * s)
            second = float(np.linalg.norm(objective.weights * (ahead - 2 * scene.base + behind)))
            uncertainty = (MARGIN * second + 2 * least) / (2 * s)
            if np.isfinite(uncertainty) and np.isfinite(numeric):
                found.append((uncertainty, numeric))
                if uncertainty <= options.rtol * abs(numeric):
                    break
    uncertainty, numeric = min(found, default=(np.inf, 0.0))
    return (numeric, uncertainty) if uncertainty <= options.atol + UNSURE * abs(numeric) else None
