"""Mutants of hand-written layers: mistakes planted one at a time, to test whether the gradient check finds them.

    target = Target(Dense, [case, ...])
    for site, mutant in target.mutants():
        verdict = judge(target, site, mutant)

A target is a class with all the code of its package that forward, backward and penalty run: its own and inherited
methods, and the functions that these call. A mutant is this code changed in one place (rewriting.py), by a mistake
typical of hand-written backward passes (operators.py). The verdicts:

    caught      the check failed in one of the target's cases, as it should
    crash       the changed code raised an exception of its own; no gradient check is needed to find the mistake
    value       forward gives other values, and backward is their derivative: the mutant is another function,
                correctly differentiated. No gradient check can detect this; a test of values can
    equivalent  the change has no effect: outputs, penalties, gradients and state are the same at every point tried
    kink        the gradient differs only where the slopes to the left and right differ, and lies between them
    MISSED      the gradient is wrong somewhere, and the check passed every case
"""

from __future__ import annotations

from .judging import CAUGHT, CRASH, EQUIVALENT, KINK, MISSED, VALUE, VERDICTS, Verdict, check_strictly, judge
from .operators import OPERATORS
from .rewriting import Mutant, mutants_of
from .targets import Site, Target, installed
from .trial import Case, Point, Trial

__all__ = [
    "CAUGHT", "CRASH", "Case", "EQUIVALENT", "KINK", "MISSED", "Mutant", "OPERATORS", "Point", "Site", "Target",
    "Trial", "VALUE", "VERDICTS", "Verdict", "check_strictly", "installed", "judge", "mutants_of",
]  # fmt: skip
