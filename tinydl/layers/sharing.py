"""One layer object in several places of a network: shared weights.

The places share their arrays: parameters, gradients (which thus hold the sum, as the chain rule requires) and state.
Each place has its own cache of the forward pass, its own input shape, and its own attributes derived from this shape.
`build` therefore puts a copy of the layer into every place but the first. A copy uses the `params`, `grads` and `state`
of its `original`, the layer object that occupies the first place.

Why copies, rather than one object whose caches are pushed in forward and popped in backward? A stack would take less
code in this file but more everywhere else: `penalty` needs the caches of all places between the two passes; a forward
pass without a backward pass (predict) would leave its caches behind; a layer without parameters may get inputs of
several shapes, so `input_shape` and everything that `build` derives from it would also have to be pushed; and every
container, even a user's, would have to pop in exactly the reverse order. With copies, no layer needs extra code.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

from ..layer import Layer

SHARED = ("params", "grads", "state")
MOST_PLACES = 10_000
DEEPEST = 64


def place_again(layer: Layer) -> Layer:
    """Copy a layer for a second place in a network; the copy shares the arrays but has its own cache."""
    layers = {id(one): one for one in layer.walk()}  # deepcopy must not copy these layers
    again = copy.copy(layer)
    for name, value in vars(layer).items():
        if name not in (*SHARED, "original"):  # deep, as a cache may be a dict or a list
            setattr(again, name, copy.deepcopy(value, dict(layers)))
    again.original, again.name = layer.original or layer, None
    _install(again, [place_again(below) for below in layer.sublayers()])
    return again


def check_size(root: Layer) -> None:
    """Raise ValueError for more than MOST_PLACES layers, or layers nested more than DEEPEST deep.

    A layer counts once for each of its places. There may be too many of them to visit: a composite that holds another
    one four times, and so on for 30 levels, has 4^30.
    """
    sizes: dict[int, tuple[Layer, int, int]] = {}  # by id: the layer (which keeps its id), its places, its depth

    def size(layer: Layer, above: int) -> tuple[Layer, int, int]:
        found = sizes.get(id(layer))
        if found is None and above < DEEPEST:
            below = [size(each, above + 1) for each in layer.sublayers()]
            found = layer, 1 + sum(each[1] for each in below), 1 + max((each[2] for each in below), default=0)
            sizes[id(layer)] = found
        if found is None or above + found[2] > DEEPEST:
            raise ValueError(f"Model: layers must be nested at most {DEEPEST} deep, got {layer.label} below that")
        return found

    if (places := size(root, 0)[1] - 1) > MOST_PLACES:
        mend = "a layer in several places counts once for each of them"
        raise ValueError(f"Model: a model must have at most {MOST_PLACES:,} layers, got {places:.10g}: {mend}")


def share(container: Layer, seen: set[int] | None = None) -> None:
    """Replace every layer that has appeared before, in this container or in one below, with a copy."""
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
    """Replace the present sublayers with `wanted`, in the attributes and the lists that hold them."""
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
        trouble = "one of its layers also appears in another place, so a copy must replace it here"
        mend = "keep the layers that sublayers() returns as attributes, or in lists"
        raise TypeError(f"{container.label}: {trouble}: {mend}")


def _next(places: dict[int, list[Layer]], value: Any) -> Any:
    """The layer to install at the next occurrence of `value`. A layer that sublayers() returns once has one place,
    even if several attributes hold it."""
    news = places.get(id(value))
    if not news:
        return value
    return news[0] if len(news) == 1 else news.pop(0)


def check_places(root: Layer) -> None:
    """Check, after `build`, that a layer in a second place shares the arrays of its original; raise if it does not."""
    layers = list(root.walk())
    places = Counter(map(id, layers))
    for layer in layers:
        if places[id(layer)] > 1:
            raise TypeError(
                f"Model: {layer.label} appears in two places, one of which did not get a copy: the containers that "
                "hold it must call super().build() first, and keep their layers as attributes or in lists"
            )
        first = layer.original
        if first is None or layer.sublayers():
            continue
        if id(first) not in places:
            trouble = "is a copy of a layer that is not in this model"
            raise ValueError(f"Model: {layer.label} {trouble}: pass the original layer")
        if any(array is not first.params.get(key) for key, array in layer.params.items()):
            trouble = "appears in two places, but its build replaces the arrays that these share"
            mend = "use self.add_parameter(name, array) instead of self.params = {...}"
            raise TypeError(f"Model: {layer.label} {trouble}: {mend}")
