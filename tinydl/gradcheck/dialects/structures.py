"""Structures: arrays inside tuples, lists and dicts, as inputs, outputs and gradients.

A recurrent net may take and return its state as one tuple (h, c), or a sequence as a list with one array per step.
The checker works on plain arrays, so each structure is split into a template and arrays, and the template is filled
again for each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

example = """
class Cell:
    def __init__(self):
        self.W = np.array([[0.5, -0.3], [0.2, 0.8]])

    def forward(self, x, state):
        self.h, self.c = state
        self.t = np.tanh(x + self.h @ self.W)
        return self.t, (self.t, self.c * self.t)

    def backward(self, dy, dstate):
        dh, dc = dstate
        dz = (dy + dh + dc * self.c) * (1 - self.t**2)
        self.dW = self.h.T @ dz
        return dz, (dz @ self.W.T, dc * self.t)
"""


ROWS = (tuple, list)


@dataclass(frozen=True)
class Leaf:
    """The place of an array in a template, with the array's name."""

    name: str


def is_floating(value: Any) -> bool:
    """Whether a value is an array of floats or complex numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


def is_number(value: Any) -> bool:
    """Whether a value is a single number, possibly in an array."""
    numeric = isinstance(value, int | float | complex | np.number | np.ndarray) and not isinstance(value, bool)
    return numeric and np.size(value) == 1


def is_whole(value: Any) -> bool:
    """Whether a value is an array of integers or booleans, such as indices or a mask."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "iub"


def is_structure(value: Any) -> bool:
    """Whether a value is a tuple, list or dict that holds arrays of floats, and otherwise only arrays and None."""
    if not isinstance(value, tuple | list | dict) or not value:
        return False
    leaves = list(leaves_of(value))
    return any(map(is_floating, leaves)) and all(isinstance(leaf, np.ndarray | np.floating | None) for leaf in leaves)


def leaves_of(value: Any) -> Iterator[Any]:
    """The values inside nested tuples, lists and dicts, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        for each in value:
            yield from leaves_of(each)
    else:
        yield value


def mapped(value: Any, change: Callable[[Any, str], Any], name: str = "") -> Any:
    """The same structure with `change(leaf, name)` for each leaf, with names such as state[0] or params['W']."""
    if isinstance(value, dict):
        return {key: mapped(each, change, f"{name}[{key!r}]") for key, each in value.items()}
    if isinstance(value, ROWS):
        parts = [mapped(each, change, f"{name}[{place}]") for place, each in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return change(value, name)


def split(name: str, value: Any, into: dict[str, Any]) -> Any:
    """A template of the value; its leaves are added to `into` by name.

    Of a forward's first input, a container of indices alone is split as well.
    """

    def keep(leaf: Any, leaf_name: str) -> Leaf:
        into[leaf_name] = leaf
        return Leaf(leaf_name)

    indices = isinstance(value, tuple | list | dict) and bool(value) and all(map(is_whole, leaves_of(value)))
    return mapped(value, keep, name) if is_structure(value) or (indices and not into) else keep(value, name)


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A structure made from its template, with None for leaves that `values` lacks."""
    if isinstance(template, Leaf):
        return values.get(template.name)
    return mapped(template, lambda leaf, _: values.get(leaf.name) if isinstance(leaf, Leaf) else leaf)


def in_order(template: Any, result: Any) -> list[Any]:
    """The parts of a result that belong to the leaves of a template, in the template's order."""
    if isinstance(template, Leaf):
        return [result]
    if isinstance(template, dict) and isinstance(result, dict):
        return [part for key, each in template.items() for part in in_order(each, result.get(key))]
    parts = list(template.values()) if isinstance(template, dict) else list(template)
    given = list(result.values()) if isinstance(result, dict) else list(result or [])
    given += [None] * (len(parts) - len(given))
    return [part for each, one in zip(parts, given, strict=False) for part in in_order(each, one)]
