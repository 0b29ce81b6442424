"""Checks that BernoulliRBM and DeepBeliefNetwork share. `owner` begins their messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import arguments

MOST_NUMBERS = 2**28  # in an array: 2 GB in float64; the velocities of the weights take as much again
LARGEST_WEIGHT = 1e4  # machines that learn rows in 0 .. 1 well stay below 100; rows far outside need more


def generator(owner: str, random_state: Any) -> np.random.Generator:
    """The generator for a random_state."""
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer) or random_state < 0:
        expected = "random_state must be None, an integer >= 0 or a numpy.random.Generator"
        mend = "write numpy.random.default_rng(seed)"
        raise ValueError(f"{owner}: {expected}, got {arguments.brief(random_state)}: {mend}")
    return np.random.default_rng(random_state)


@contextmanager
def draws_undone_by_errors(rng: np.random.Generator) -> Iterator[None]:
    """Restore the generator's state if training fails or is interrupted; and let the check of the weights, rather than
    NumPy's warnings, tell that they overflow."""
    state = rng.bit_generator.state
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except BaseException:
        rng.bit_generator.state = state
        raise


def plain(owner: str, name: str, values: ArrayLike, fill: str) -> None:
    """Refuse what scikit-learn would turn into numbers: masked arrays, without their masks, and times.

    `fill` is the value that stands for masked entries.
    """
    if isinstance(values, np.ma.MaskedArray):
        mend = f"write {name}.filled({fill})"
        raise ValueError(f"{owner}: {name} must be a plain array, got a masked array, whose mask would be lost: {mend}")
    if np.asarray(values).dtype.kind in "mM":
        mend = f"turn them into numbers, such as ({name} - {name}.min()) / numpy.timedelta64(1, 'D')"
        raise ValueError(f"{owner}: {name} must not hold times: {mend}")


def affordable(owner: str, name: str, value: int, each: int, of: str) -> None:
    """Raise if an array of `value` times `each` numbers would be too large; `of` says what the second number counts."""
    most = MOST_NUMBERS // each
    if value > most:
        raise ValueError(f"{owner}: {name} must be <= {most:,} for {each:,} {of}, got {value:,}")


def bounded(owner: str, mend: str, *weights: NDArray) -> None:
    """Raise if weights are NaN, infinite or too large."""
    largest = float(np.max([np.abs(each).max() for each in weights]))
    if not largest < LARGEST_WEIGHT:  # also if it is NaN
        raise FloatingPointError(f"{owner}: weights must stay below {LARGEST_WEIGHT:g}, got {largest:.3g}: {mend}")
