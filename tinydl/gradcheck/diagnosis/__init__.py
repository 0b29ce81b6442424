"""Why a gradient may be wrong: the usual suspects, each tried on all probes of an array together.

A suspect is a function of the evidence that returns what it would say, or None. One that explains every probe to
five digits is hardly there by chance; none is a guess.
"""

from __future__ import annotations

from collections.abc import Callable

from .evidence import Evidence, Scene, only_wrong, same
from .factors import (
    all_zero,
    constant_factor,
    factor_along_an_axis,
    missing_factor,
    not_read,
    too_many_factors,
    wrong_derivative,
)
from .layout import axes_exchanged, fortran_order, misplaced, reversed_axis, shifted
from .replay import noise_redrawn, rounded_to_float32, stale_cache
from .terms import (
    assigned_for_added,
    diagonal_only,
    mask_inverted,
    mask_missing,
    mask_too_wide,
    missing_road,
    missing_term,
    penalty_alone,
    penalty_missing,
    penalty_scaled,
)
from .upstream import another_array, dy_ignored, dy_rearranged, only_some_rows, wrong_axis

__all__ = ["Evidence", "SUSPECTS", "Scene", "likely_cause"]

# In the order in which they are asked; the first that fits speaks. What an experiment proves comes first, then what
# says most with the fewest numbers fitted.
SUSPECTS: tuple[Callable[[Evidence], str | None], ...] = (
    all_zero,
    not_read,
    noise_redrawn,
    stale_cache,
    penalty_missing,
    penalty_alone,
    constant_factor,
    penalty_scaled,
    axes_exchanged,
    fortran_order,
    reversed_axis,
    shifted,
    only_some_rows,
    dy_ignored,
    wrong_axis,
    dy_rearranged,
    assigned_for_added,
    mask_inverted,
    mask_missing,
    mask_too_wide,
    diagonal_only,
    missing_term,
    missing_factor,
    too_many_factors,
    factor_along_an_axis,
    another_array,
    missing_road,
    misplaced,
    wrong_derivative,
    rounded_to_float32,
)


def likely_cause(evidence: Evidence) -> str | None:
    """The first suspect that explains the probes, in words; None when none does."""
    # Where it is right to five digits, five digits convict nobody: only who is known by the small error may speak.
    # Small entries that are wrong beside large ones that are right are looked at by themselves.
    if same(evidence.analytic, evidence.numeric):
        evidence = only_wrong(evidence)
    for suspect in (rounded_to_float32,) if same(evidence.analytic, evidence.numeric) else SUSPECTS:
        cause = suspect(evidence)
        if cause is not None:
            return cause
    return None
