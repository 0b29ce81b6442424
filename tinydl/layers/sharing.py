"""One layer object in several places of a network: weights that are shared.

What the places share are the arrays: parameters, gradients (so these hold the sum, as the chain rule wants) and state.
What each place has of its own is the memory of its forward pass, and what follows from the shape of its input. So
`build` puts a copy of the layer into every place but the first, whose `params`, `grads` and `state` are those of the
first, its `original`.

Why copies, and not one object whose caches are pushed in forward and popped in backward? It would take less code here,
but more everywhere else: `penalty` needs the caches of all places between the two passes; a forward pass without a
backward pass (predict) would leave its caches behind; a layer without parameters may stand before inputs of several
shapes, so `input_shape` and all that `build` derives from it would have to be pushed too; and every container, also
those of users, would have to push and pop in exactly reversed order. With copies no layer and no container knows.
"""

from __future__ import annotations

import copy
from typing import Any

from ..layer import Layer

SHARED = ("params", "grads", "state")


def place_again(layer: Layer) -> Layer:
    """A layer for a second place in a network: the same arrays, but a memory of its own forward pass."""
    layers = {id(one): one for one in layer.walk()}  # these are not copied here
    again = copy.copy(layer)
    for name, value in vars(layer).items():
        if name not in (*SHARED, "original"):  # a cache may be a dict, or a list
            setattr(again, name, copy.deepcopy(value, dict(layers)))
    again.original, again.name = layer.original or layer, None
    _install(again, [place_again(below) for below in layer.sublayers()])
    return again


def share(container: Layer, seen: set[int] | None = None) -> None:
    """Place a layer again wherever it stands in this container, or further down, after its first place."""
    seen = set() if seen is None else seen
    wanted = []
    for layer in container.sublayers():
        if id(layer) in seen:
            layer = place_again(layer)
        seen.add(id(layer))
        share(layer, seen)
        wanted.append(layer)
    _install(container, wanted)


def _install(container: Layer, wanted: list[Layer]) -> None:
    """Replace the present sublayers by these, wherever an attribute or a list holds one."""
    present = container.sublayers()
    if all(old is new for old, new in zip(present, wanted, strict=True)):
        return
    places: dict[int, list[Layer]] = {}
    for old, new in zip(present, wanted, strict=True):
        places.setdefault(id(old), []).append(new)
    attributes = vars(container)
    for name, value in attributes.items():
        if isinstance(value, list):
            rest = {key: list(news) for key, news in places.items()}
            attributes[name] = [_next(rest, entry) for entry in value]
    rest = {key: list(news) for key, news in places.items()}
    for name, value in attributes.items():
        if isinstance(value, Layer) and name != "original":
            attributes[name] = _next(rest, value)
    if set(map(id, container.sublayers())) != set(map(id, wanted)):
        raise TypeError(
            f"{container.label}: one of its layers stands in another place, too; so that it can be placed again here, "
            "keep the layers that sublayers() lists as attributes, or in lists"
        )


def _next(places: dict[int, list[Layer]], value: Any) -> Any:
    """The layer to install at the next occurrence of `value`: one that is listed once has one place, however many
    names it has."""
    news = places.get(id(value))
    if not news:
        return value
    return news[0] if len(news) == 1 else news.pop(0)


def check_places(root: Layer) -> None:
    """Reject, after `build`, a layer whose second place does not share the arrays of its first."""
    layers = list(root.walk())
    for layer in layers:
        if sum(other is layer for other in layers) > 1:
            raise TypeError(
                f"Model: {layer.label} stands in two places, of which one was not given a copy: the containers that "
                "hold it must call super().build() first, and keep their layers as attributes or in lists"
            )
        first = layer.original
        if first is None or layer.sublayers():
            continue
        if not any(other is first for other in layers):
            raise ValueError(
                f"Model: {layer.label} is the second place of a layer whose first is not in this model: give it "
                "the layer itself"
            )
        if any(array is not first.params.get(key) for key, array in layer.params.items()):
            raise TypeError(
                f"Model: {layer.label} stands in two places, but its build replaces what they share: use "
                "self.add_parameter(name, array) in the place of self.params = {...}"
            )
