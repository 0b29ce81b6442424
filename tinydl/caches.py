"""Copies and pickles without the arrays that forward keeps for backward.

Such a cache is as large as its batch and contains the user's rows, so it must not leave the process in a pickle. A copy
of a layer or loss holds parameters, state and settings, and behaves as if forward had not run. The caches are

- attributes that begin with "_" and have a default in the class (`_x: Any = None`), if they hold arrays: these fall
  back to the default;
- in a Model, all attributes, whatever their names, that did not hold arrays after `build` and hold some now: these
  fall back to their values after `build`.
"""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import numpy as np


def remember(thing: Any) -> None:
    """Record, after `build`, which attributes of a layer or loss hold arrays, and the values of the others."""
    values = {name: value for name, value in vars(thing).items() if name != "_at_first"}
    thing._at_first = {name: _own_copy(value) for name, value in values.items() if not holds_arrays(value)}
    thing._constants = [name for name, value in values.items() if holds_arrays(value)]


def without_caches(thing: Any) -> dict[str, Any]:
    """The attributes of a layer or loss as they go into a copy or pickle."""
    at_first, constants = getattr(thing, "_at_first", None), getattr(thing, "_constants", ())
    kept = {}
    for name, value in vars(thing).items():
        with_default = name.startswith("_") and hasattr(type(thing), name)
        may_be_cache = with_default or (at_first is not None and name not in constants)
        if not may_be_cache or name == "_at_first" or not holds_arrays(value):
            kept[name] = value
        elif at_first is not None and name in at_first:
            kept[name] = _own_copy(at_first[name])
    return kept


def holds_arrays(value: Any, seen: set[int] | None = None) -> bool:
    """Whether `value` is an array, or a collection or plain object that holds one; layers and losses are left out."""
    seen = set() if seen is None else seen
    if isinstance(value, np.ndarray):
        return True
    if id(value) in seen or callable(getattr(value, "forward", None)):  # a layer or loss drops its own caches
        return False
    seen.add(id(value))
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        inside = list(value)
    else:
        inside = [] if isinstance(value, type | ModuleType) else list(getattr(value, "__dict__", {}).values())
    return any(holds_arrays(each, seen) for each in inside)


def _own_copy(value: Any) -> Any:
    """A copy of a collection or plain object, which forward may fill; anything else as it is."""
    plain = (
        hasattr(value, "__dict__")
        and not isinstance(value, ModuleType)
        and not callable(getattr(value, "forward", None))
        and not callable(value)
    )
    return copy.copy(value) if plain or isinstance(value, dict | list | set) else value
