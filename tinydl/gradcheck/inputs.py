"""The inputs of a check: forward's arguments by name, whether passed by position or by keyword."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .dialects.structures import is_structure, is_whole
from .options import Options, input_point
from .reach import parameters_of, places_of


@dataclass(frozen=True)
class Inputs:
    """forward's arguments by name, the names among them that were given by keyword, and the keywords left over."""

    values: dict[str, Any]
    by_name: tuple[str, ...]
    options: Options


def gathered(
    owner: str, forward: Callable[..., Any] | None, skipped: int, names: Sequence[str], values: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Inputs:  # fmt: skip
    """Collect the inputs: positional ones are named by `names`, then as in forward; forward's keywords are inputs, too.

    skipped: the number of forward's first arguments that are not inputs (a context, the layer itself).
    """
    known = [field.name for field in fields(Options)]
    own = [] if forward is None else places_of(forward)[skipped:]
    accepted = [] if forward is None else list(parameters_of(forward))[skipped:]
    named = {name: value for name, value in keywords.items() if name in accepted and name not in known}
    options = Options.of(owner, {name: value for name, value in keywords.items() if name not in named}, accepted)
    found: dict[str, Any] = {}
    for position, value in enumerate(values):
        own_name = own[position] if position < len(own) else f"x{position}"
        name = names[position] if position < len(names) else own_name
        found[name if name not in found else f"x{position}"] = input_value(owner, name, value, options, position)
    for name in sorted(named, key=accepted.index):
        if name in found:
            raise TypeError(f"{owner}: {name} was given twice, by position and by name")
        found[name] = input_value(owner, name, named[name], options, len(found))
    if not found:
        expected = ", ".join(accepted) or "x"
        raise TypeError(f"{owner}: expected an array or a shape for forward's input ({expected}), got none")
    return Inputs(found, tuple(named), options)


def input_value(owner: str, name: str, value: Any, options: Options, position: int) -> Any:
    """The value of one input: a point for a float array or a shape, a copy of an integer array, else the value itself.

    A tuple, list or dict that holds only arrays and shapes, such as a state (h, c) or one array per step, is converted
    entry by entry. The first input must be an array, a shape or such a container.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "iub":
        return value.copy()
    if position and isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim == 0:
        return value.astype(np.float64)
    if _is_shape(value) or isinstance(value, np.ndarray):
        return input_point(owner, name, value, options, position)
    if isinstance(value, tuple | list | dict) and value:
        parts = value if isinstance(value, dict) else dict(enumerate(value))
        if all(_is_shape(part) or is_structure([part]) or is_whole(part) for part in parts.values()):
            keys = list(parts)
            given = {
                key: input_value(owner, f"{name}[{key!r}]", parts[key], options, 10 * (position + 1) + place)
                for place, key in enumerate(keys)
            }
            return given if isinstance(value, dict) else _like(value, list(given.values()))
        if not position and isinstance(value, list) and np.asarray(value).dtype.kind in "iu":
            return np.array(value)
    return value if position else input_point(owner, name, value, options, position)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(n, int | np.integer) for n in value)


def _like(value: Any, parts: list[Any]) -> Any:
    """A list, a tuple or a named tuple of the parts."""
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
