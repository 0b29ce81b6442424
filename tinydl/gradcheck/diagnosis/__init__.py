"""Why a gradient may be wrong: the usual suspects, each tested on all probes of an array together.

A suspect is a function that returns a message if its mistake explains the evidence, else None. The explanation must
fit every probe to five digits, which is hardly a coincidence.
"""

from __future__ import annotations

from collections.abc import Callable

from . import constants, factors, inside, known, layout, replay, rerun, shrink, terms, upstream
from .evidence import Evidence, Scene, only_wrong, same

__all__ = ["SUSPECTS", "SUSPECTS_OF_SMALL_ERRORS", "Evidence", "Scene", "likely_cause"]

# Suspects in the order in which they are tried; the first that fits is reported. Causes proved by an experiment come
# early, then causes that explain the most with the fewest fitted numbers.
SUSPECTS: tuple[Callable[[Evidence], str | None], ...] = (
    factors.all_zero, factors.not_read,
    replay.noise_redrawn, replay.stale_cache,
    terms.penalty_missing, terms.penalty_alone, factors.constant_factor, terms.penalty_scaled,
    layout.axes_exchanged, layout.fortran_order, layout.reversed_axis, layout.blocks_exchanged, layout.shifted,
    upstream.outputs_exchanged, upstream.output_left_out,
    upstream.only_some_rows, upstream.dy_ignored, upstream.wrong_axis, upstream.dy_rearranged,
    terms.assigned_for_added, terms.diagonal_only, known.derivative_for_backward, known.of_another_function,
    terms.mask_inverted, terms.mask_missing, terms.mask_too_wide,
    terms.missing_term, terms.constant_added, factors.missing_factor, factors.too_many_factors,
    factors.another_factor, factors.factor_along_an_axis, upstream.another_array,
    rerun.used_twice, rerun.updated_first, rerun.derivative_forgotten,
    inside.wrong_line, inside.first_wrong, inside.wrong_local, inside.missing_product,
    terms.missing_road, layout.misplaced, constants.small_constant, factors.wrong_derivative,
    shrink.right_when_simpler, replay.rounded_to_float32,
)  # fmt: skip


# The suspects for a gradient that is right to five digits.
SUSPECTS_OF_SMALL_ERRORS: tuple[Callable[[Evidence], str | None], ...] = (
    constants.small_constant, replay.rounded_to_float32,
)  # fmt: skip


def likely_cause(evidence: Evidence) -> str | None:
    """The message of the first suspect that explains the probes; None if no suspect does."""
    # Small wrong entries beside large right ones are examined on their own. If even these are right to five digits, no
    # explanation that fits to five digits proves anything, so only these two are considered.
    if same(evidence.analytic, evidence.numeric):
        evidence = only_wrong(evidence)
    suspects = SUSPECTS_OF_SMALL_ERRORS if same(evidence.analytic, evidence.numeric) else SUSPECTS
    return next(filter(None, (suspect(evidence) for suspect in suspects)), None)
