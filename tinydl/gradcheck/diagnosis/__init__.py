"""Why a gradient may be wrong: the usual suspects, each tested on all probes of an array together.

A suspect is a function that returns a message if its mistake explains the evidence, else None. The explanation must
fit every probe to five digits, which is hardly a coincidence.
"""

from __future__ import annotations

from collections.abc import Callable

from . import factors, layout, replay, terms, upstream
from .evidence import Evidence, Scene, only_wrong, same

__all__ = ["Evidence", "SUSPECTS", "Scene", "likely_cause"]

# Suspects in the order in which they are tried; the first that fits is reported. Causes proved by an experiment come
# early, then causes that explain the most with the fewest fitted numbers.
SUSPECTS: tuple[Callable[[Evidence], str | None], ...] = (
    factors.all_zero, factors.not_read,
    replay.noise_redrawn, replay.stale_cache,
    terms.penalty_missing, terms.penalty_alone, factors.constant_factor, terms.penalty_scaled,
    layout.axes_exchanged, layout.fortran_order, layout.reversed_axis, layout.shifted,
    upstream.only_some_rows, upstream.dy_ignored, upstream.wrong_axis, upstream.dy_rearranged,
    terms.assigned_for_added, terms.mask_inverted, terms.mask_missing, terms.mask_too_wide, terms.diagonal_only,
    terms.missing_term, factors.missing_factor, factors.too_many_factors, factors.factor_along_an_axis,
    upstream.another_array, terms.missing_road, layout.misplaced, factors.wrong_derivative, replay.rounded_to_float32,
)  # fmt: skip


def likely_cause(evidence: Evidence) -> str | None:
    """The message of the first suspect that explains the probes; None if no suspect does."""
    # Small wrong entries beside large right ones are examined on their own. If even these are right to five digits, no
    # explanation that fits to five digits proves anything, so only rounding to float32 is considered.
    if same(evidence.analytic, evidence.numeric):
        evidence = only_wrong(evidence)
    suspects = (replay.rounded_to_float32,) if same(evidence.analytic, evidence.numeric) else SUSPECTS
    return next(filter(None, (suspect(evidence) for suspect in suspects)), None)
