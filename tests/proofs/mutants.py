"""Mutation targets, built from the specs of all layers and losses; they run the plain NumPy definitions."""

from __future__ import annotations

from functools import partial

from tinydl import kernels
from tinydl.gradcheck.mutation import Target
from tinydl.layer import Layer

from .cases import Case
from .specs import DIFFERENTIATED, cases_of


def targets() -> dict[str, Target]:
    """A target for each class, keyed by its name; cases that are not telling serve for comparison."""
    every: list[Case] = list(cases_of(DIFFERENTIATED).values())
    found: dict[str, Target] = {}
    for name, spec in DIFFERENTIATED.items():
        telling = spec.telling_cases
        found[name] = Target(
            spec.subject,
            telling,
            [case for case in every if type(case.subject) is spec.subject and not any(case is one for one in telling)],
            getattr(spec, "variants", {}),
            Layer,
            partial(kernels.using, "reference"),
        )
    return found
