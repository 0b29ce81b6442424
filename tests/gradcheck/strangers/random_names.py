"""Layers whose parameters and gradients have random names in random places: attributes, dicts, lists, sub-objects."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator

PREFIXES = ("", "", "d", "grad_", "nabla_", "g_", "dLd", "delta_", "d_", "my_", "the_")
SUFFIXES = ("", "", "_grad", "_g", "2", "_", "Gradient", "_new", "_acc")
KNOWN = ("W", "b", "w", "weights", "bias", "gamma", "beta", "kernel", "theta", "U", "V", "A", "alpha", "scale")


def word(rng: Rng) -> str:
    """Some letters."""
    return "".join(rng.choice(list(string.ascii_letters), int(rng.integers(1, 6))))


@dataclass(frozen=True)
class Place:
    """The place of an array: an attribute, an item of a dict or a list, or an attribute of a sub-object."""

    kind: str
    holder: str
    key: Any

    def put(self, layer: Any, array: Array) -> None:
        if self.kind == "attribute":
            setattr(layer, self.key, array)
        elif self.kind == "dict":
            vars(layer).setdefault(self.holder, {})[self.key] = array
        elif self.kind == "list":
            held = vars(layer).setdefault(self.holder, [])
            held.extend([None] * (self.key + 1 - len(held)))
            held[self.key] = array
        else:
            setattr(vars(layer).setdefault(self.holder, SimpleNamespace()), self.key, array)

    def get(self, layer: Any) -> Array:
        if self.kind == "attribute":
            return getattr(layer, self.key)
        held = getattr(layer, self.holder)
        return held[self.key] if self.kind in ("dict", "list") else getattr(held, self.key)


def places(rng: Rng, count: int, taken: set[str], like: list[Place] | None = None) -> list[Place]:
    """Places for some arrays, in one style; for gradients, `like` holds the places of their parameters."""
    kind = str(rng.choice(["attribute", "dict", "list", "object"]))
    holder = new_name(rng, taken)
    found = []
    for k in range(count):
        if like is not None and rng.random() < 0.5 and isinstance(like[k].key, str):
            name = str(rng.choice(PREFIXES)) + like[k].key + str(rng.choice(SUFFIXES))
            name = name if name not in taken and name.isidentifier() else new_name(rng, taken)
        else:
            name = new_name(rng, taken)
        taken.add(name)
        found.append(Place(kind, holder, k if kind == "list" else name))
    return found


def new_name(rng: Rng, taken: set[str]) -> str:
    """A usual parameter name or random letters, not in `taken`."""
    while True:
        name = str(rng.choice(KNOWN)) if rng.random() < 0.3 else word(rng)
        if name not in taken and name.isidentifier():
            taken.add(name)
            return name


class RandomlyNamed:
    """y = tanh(x W1 + b) W2 s, with its arrays in random places; `spoil` may change the gradients before they are stored."""

    def __init__(self, rng: Rng, spoil: Callable[[list[Array]], list[Array | None]] | None = None) -> None:
        taken = set(dir(self)) | {"_places", "_spoil", "_kept", "class", "_returns"}
        shapes = [(3, 3), (3,), (3, 3), (3,)]
        self._places = places(rng, 4, taken)
        gradients = places(rng, 4, taken, self._places)
        self._returns = rng.random() < 0.2
        self._spoil = spoil
        for place, shape in zip(self._places, shapes, strict=True):
            place.put(self, rng.normal(size=shape))
        self._gradients = gradients

    def forward(self, x: Array) -> Array:
        W1, b, W2, s = (place.get(self) for place in self._places)
        h = np.tanh(x @ W1 + b)
        self._kept = (x, h)
        return h @ W2 * s

    def backward(self, dy: Array) -> Any:
        W1, _, W2, s = (place.get(self) for place in self._places)
        x, h = self._kept
        da = (dy * s) @ W2.T * (1 - h**2)
        found: list[Array | None] = [x.T @ da, da.sum(axis=0), h.T @ (dy * s), (dy * (h @ W2)).sum(axis=0)]
        if self._spoil is not None:
            found = self._spoil(found)  # type: ignore[arg-type]
        if self._returns:
            return (da @ W1.T, *(gradient for gradient in found if gradient is not None))
        for place, gradient in zip(self._gradients, found, strict=True):
            if gradient is not None:
                place.put(self, gradient)
        return da @ W1.T


def spoiled(rng: Rng) -> Callable[[list[Array]], list[Array | None]]:
    """A mistake in one of the gradients, chosen at random."""
    which = int(rng.integers(4))
    noise = rng.normal(size=(3, 3))
    mistakes: list[Callable[[Array], Array | None]] = [
        lambda g: 2 * g, lambda g: -g, lambda g: g / 5, lambda g: g + 0.01, lambda g: np.zeros_like(g),
        lambda g: None, lambda g: g * np.arange(1, 4), lambda g: noise[: len(g)].reshape(-1)[: g.size].reshape(g.shape),
        lambda g: g[::-1], lambda g: g.T + 0.1,
    ]  # fmt: skip
    mistake = mistakes[int(rng.integers(len(mistakes)))]

    def spoil(gradients: list[Array]) -> list[Array | None]:
        return [mistake(g) if k == which else g for k, g in enumerate(gradients)]

    return spoil
