"""The refusal of code that fits no dialect, with an adapter to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ..reach import places_of
from .call import listed
from .names import (
    BACKWARD,
    CACHE,
    FORWARD,
    LOSS,
    LOSS_BACKWARD,
    TRUE,
    Functions,
    is_upstream,
    method_of,
    methods_of,
    plain,
)
from .structures import is_floating, is_structure, mapped

# Parts of likely method names, the likeliest first.
FORWARD_WORDS = (
    "forward", "fwd", "activ", "comput", "predict", "output", "eval", "apply", "loss", "cost", "ahead", "up",
)  # fmt: skip
BACKWARD_WORDS = ("back", "bwd", "grad", "deriv", "delta", "diff", "prop", "rev", "adjoint", "jac", "down")


def no_dialect(owner: str, subject: Any, inputs: Mapping[str, Any]) -> str:
    """The whole message, with the adapter."""
    if isinstance(subject, Functions):
        return f"these functions fit no known form. Say how to call them:\n{adapter(owner, subject, inputs)}"
    kind = subject.__name__ if isinstance(subject, type) else type(subject).__name__
    public = methods_of(subject)
    has = f"its methods are {listed(public)}" if public else "it has no methods"
    return f"no forward and backward found in {kind}: {has}. Say how to call it:\n{adapter(owner, subject, inputs)}"


def adapter(owner: str, subject: Any, inputs: Mapping[str, Any]) -> str:
    """The call to paste, with the given shapes and the likeliest methods."""
    targets = list(inputs)[1:2] if owner == "check_loss" else []
    arguments = ", ".join(name if name in targets else _written(value, name) for name, value in inputs.items())
    names = ", ".join(inputs)
    if isinstance(subject, Functions):
        return f"    {owner}(lambda {names}: f({names}), lambda dy, {names}: backward(dy, {names}), {arguments})"
    if isinstance(subject, FunctionType):
        f = subject.__name__ if subject.__name__.isidentifier() else "f"
        return f"    {owner}(({f}, lambda {names}: ...), {arguments})"
    layer = type(subject).__name__.lower()
    forward, backward = meant(subject, owner, len(inputs))
    dy = "" if owner == "check_loss" else ", dy"
    return (
        f"    {owner}({layer}, {arguments},\n"
        f"        forward=lambda {layer}, {names}: {_called(layer, forward)}({names}),\n"
        f"        backward=lambda {layer}{dy}: {_called(layer, backward)}({_back(subject, backward, inputs, owner)}))"
    )


def meant(subject: Any, owner: str, count: int) -> tuple[str, str]:
    """The names of the methods that are most likely forward and backward."""
    tables = (LOSS, LOSS_BACKWARD) if owner == "check_loss" else (FORWARD, BACKWARD)
    backward = _likeliest(subject, tables[1], BACKWARD_WORDS, [])
    others = [name for name in methods_of(subject) if len(places_of(getattr(subject, name))) < count]
    forward = _likeliest(subject, tables[0], FORWARD_WORDS, [backward, *others])
    if forward == backward == "METHOD" or backward != "METHOD":
        return forward, backward
    return forward, _likeliest(subject, (), (), [forward])


def _likeliest(subject: Any, table: Sequence[str], words: Sequence[str], taken: Sequence[str]) -> str:
    """The first method in the table, else one whose name contains a word, else METHOD.

    Without words, the first method that is not taken.
    """
    names = [name for name in methods_of(subject) if name not in taken]
    found = method_of(subject, table)
    if found in names:
        return str(found)
    for word in words:
        for name in names:
            if word in plain(name):
                return name
    return names[0] if names and (not words or taken) else "METHOD"


def _called(layer: str, method: str) -> str:
    return layer if method == "__call__" else f"{layer}.{method}"


def _back(subject: Any, name: str, inputs: Mapping[str, Any], owner: str) -> str:
    """backward's arguments: dy for an upstream gradient, the inputs by name, and `...` for unknown values."""
    method = getattr(subject, name, None)
    places = places_of(method) if callable(method) else ["dy"]
    if owner == "check_loss":
        return ", ".join("y_true" if TRUE.fullmatch(place) else "y_pred" for place in places)
    written = []
    for place in places:
        if "dy" not in written and (is_upstream(place) or len(places) == 1):
            written.append("dy")
        elif place in inputs:
            written.append(place)
        else:
            written.append(f"{place}=..." if not CACHE.fullmatch(place) else f"{_variable(subject)}.{place}")
    return ", ".join(written)


def _variable(subject: Any) -> str:
    return type(subject).__name__.lower()


def _written(value: Any, name: str) -> str:
    """An input as code: an array of floats as its shape, a plain value as it is, and anything else as its name."""
    if is_structure(value):
        return str(mapped(value, lambda leaf, _: np.shape(leaf)))
    if is_floating(value):
        return str(value.shape) if value.ndim else repr(float(value))
    return repr(value) if isinstance(value, bool | int | float | str) else name
