"""Factors compared with the layer's own numbers: its attributes, and the sizes of its arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..adapted import Adapted
from ..reach import reach
from .evidence import SAME

# Forms in which a number v may appear as a factor, in the order in which they are tried, the simplest first.
FORMS = (
    ("{}", lambda v: v), ("1/{}", lambda v: 1 / v), ("1 - {}", lambda v: 1 - v), ("1/(1 - {})", lambda v: 1 / (1 - v)),
    ("1 + {}", lambda v: 1 + v), ("{}^2", lambda v: v * v), ("1/{}^2", lambda v: 1 / (v * v)),
    ("sqrt({})", lambda v: v**0.5), ("1/sqrt({})", lambda v: v**-0.5), ("{}/2", lambda v: v / 2),
    ("2/{}", lambda v: 2 / v), ("2 {}", lambda v: 2 * v),
)  # fmt: skip
OF_SIZES = ("{}", "1/{}", "sqrt({})", "1/sqrt({})", "{}/2", "2/{}")  # the forms that make sense for a size


def attribute(layer: Any, factor: float) -> str | None:
    """ "0.7 = 1 - rate, with rate = 0.3"; None if no attribute of the layer fits."""
    for name, value in attributes(layer):
        for form, function in FORMS:
            if value not in (0.0, 1.0) and _is(function, value, factor):
                return f"{factor:.6g} = {form.format(name)}, with {name} = {value:.6g}"
    return None


def size(arrays: dict[str, NDArray[Any]], factor: float) -> str | None:
    """ "2.82843 = sqrt(8), with 8 the length of Wk's axis 1"; None if no size of these arrays fits."""
    for what, length in sizes(arrays):
        for form, function in FORMS:
            if form in OF_SIZES and length > 2 and _is(function, length, factor):
                return f"{factor:.6g} = {form.format(length)}, with {length} {what}"
    return None


def _is(function: Any, value: float, factor: float) -> bool:
    try:
        result = function(float(value))
    except (ValueError, ZeroDivisionError, OverflowError):
        return False
    return not isinstance(result, complex) and bool(np.isclose(result, factor, rtol=SAME, atol=0.0))


def attributes(layer: Any) -> Iterator[tuple[str, float]]:
    """The numbers that the layer holds, by their names."""
    seen = set()
    call = layer.call if isinstance(layer, Adapted) else None
    for _, thing in reach(layer if call is None else (call.subject, call.inputs)):
        held = thing if isinstance(thing, dict) else getattr(thing, "__dict__", {})
        for key, value in held.items():
            name = str(key).lstrip("_")
            if isinstance(value, float | int | np.number) and not isinstance(value, bool) and name not in seen:
                seen.add(name)
                yield name, float(value)


def sizes(arrays: dict[str, NDArray[Any]]) -> Iterator[tuple[str, int]]:
    """The lengths of the arrays' axes, their products, and their numbers of entries."""
    for name, array in arrays.items():
        yield from ((f"the length of {name}'s axis {axis}", size) for axis, size in enumerate(array.shape))
    for name, array in arrays.items():
        yield f"the number of {name}'s entries", array.size
        if array.ndim > 2:
            yield f"the number of positions in a sample of {name}", math.prod(array.shape[1:-1])
            for a in range(array.ndim):
                for b in range(a + 1, array.ndim):
                    yield f"the product of the lengths of {name}'s axes {a} and {b}", array.shape[a] * array.shape[b]
