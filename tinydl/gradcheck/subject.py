"""Subject: what a check runs on, however the user's code is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import DTypeLike

from .report import ArrayReport, Rule


@dataclass(frozen=True)
class Subject:
    """The subject of a check: a source of fresh copies in any dtype, and its description for messages.

    Attributes:
        make: returns a fresh copy in a dtype.
        name: its name in messages.
        x_name: the name of its input.
        alone: whether it is a single layer, whose x is arbitrary.
        rows: arrays that are constant or cannot be checked, with the reason.
        notes: remarks made so far.
        keeps_state: whether each pass must start from the same state.
        draws: whether forward may draw from NumPy's or Python's global generator.
        broken: the rules found broken so far, by their codes.
    """

    make: Callable[[DTypeLike], Any]
    name: str
    x_name: str = "x"
    alone: bool = False
    rows: dict[str, ArrayReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    keeps_state: bool = False
    draws: bool = True
    broken: dict[str, Rule] = field(default_factory=dict)
