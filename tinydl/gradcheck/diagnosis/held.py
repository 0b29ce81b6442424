"""The contents of the user's code: arrays that it keeps from a pass, objects and functions."""

from __future__ import annotations

import re
from contextlib import suppress
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..adapted import Adapted, find
from ..reach import attribute, is_users, reach, text
from ..runner import Runner


def kept_arrays(runner: Runner) -> dict[str, NDArray[Any]]:
    """The floating-point arrays, except gradients, that a layer holds after a forward, by their names in messages."""
    names = {id(array): name for name, array in runner.params.items()}
    skipped = {id(array) for array in runner.grads.values()}
    layer, root = runner.layer, runner.layer
    found: dict[str, NDArray[Any]] = {}
    if isinstance(layer, Adapted):
        skipped |= {id(find(layer.call, path)) for path in layer.gradients.values()}
        skipped |= {id(value) for value in layer.call.inputs.values()}
        root = (layer.call.subject, getattr(layer.call, "cache", None))
        given = zip(layer.call.inputs, layer.call.passed, strict=True)
        found = {name: value for name, value in given if _is_kept(value)}
        skipped |= {id(value) for value in found.values()}
    for path, thing in reach(root):
        if _is_kept(thing) and id(thing) not in skipped:
            place = path if root is layer else path[1:]
            cached = root is not layer and path[0] == ("item", 1)
            name = "cache" + text(place) if cached and place else text(place).removeprefix("_")
            found[names.get(id(thing)) or name] = thing
    return found


def _is_kept(thing: Any) -> bool:
    return isinstance(thing, np.ndarray) and thing.dtype.kind == "f" and thing.size > 1


def series_of(held: dict[str, NDArray[Any]]) -> dict[str, list[str]]:
    """Lists of arrays of one shape: {path of the list: paths of its entries}."""
    found: dict[str, list[tuple[int, str]]] = {}
    for path in held:
        match = re.fullmatch(r"(.*)\[(-?\d+)\]", path)
        if match:
            found.setdefault(match[1], []).append((int(match[2]), path))
    lists = {stem: [path for _, path in sorted(entries)] for stem, entries in found.items()}
    return {stem: paths for stem, paths in lists.items() if len(paths) > 1 and len({held[p].shape for p in paths}) == 1}


def held_arrays(runner: Runner) -> list[NDArray[Any]]:
    """Every array that the layer reaches, of any dtype."""
    return [thing for _, thing in reach(runner.layer) if isinstance(thing, np.ndarray)]


def objects_inside(runner: Runner) -> list[tuple[str, Any]]:
    """The user's own objects that the layer holds, with their names in messages."""
    root = runner.layer.call.subject if isinstance(runner.layer, Adapted) else runner.layer
    return [
        (text(path).removeprefix("_"), thing)
        for path, thing in reach(root)
        if isinstance(attribute(thing, "__dict__"), dict) and any(map(is_users, _methods(type(thing))))
    ]


def _methods(kind: type) -> list[Any]:
    return [getattr(value, "__func__", value) for base in kind.__mro__ for value in vars(base).values()]


def functions_inside(runner: Runner) -> list[FunctionType]:
    """The user's own functions: methods of objects, functions held by the layer, and all functions that these use."""
    waiting = [thing for _, thing in reach(runner.layer)]
    waiting += [method for _, thing in objects_inside(runner) for method in _methods(type(thing))]
    found: dict[int, FunctionType] = {}
    while waiting:
        function = waiting.pop()
        if is_users(function) and id(function) not in found:
            found[id(function)] = function
            waiting += [function.__globals__.get(name) for name in function.__code__.co_names]
            with suppress(ValueError):  # the cell is not set yet
                waiting += [cell.cell_contents for cell in function.__closure__ or ()]
    return list(found.values())
