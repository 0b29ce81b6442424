"""Walk foreign objects, copy them in another dtype, and replay their forward pass exactly."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Arrays = dict[str, NDArray[Any]]


def walk(root: Any) -> Iterator[Any]:
    """Yield every object reachable from root through attributes, lists, tuples, sets and dicts, each once.

    Classes, functions and modules (everything with a __name__) are shared between objects, so they are not entered.
    """
    return (thing for *_, thing in walk_with_paths(root))


def walk_with_paths(root: Any) -> Iterator[tuple[str, Any, str, Any]]:
    """Yield each object of `walk` as (path, holder, attribute, object): `holder.attribute` contains the object."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, str, Any]] = [("", None, "", root)]
    while waiting:
        path, holder, key, thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, str | bytes | int | float | complex) or hasattr(thing, "__name__"):
            continue
        seen.add(id(thing))
        yield path, holder, key, thing
        items: Iterable[tuple[Any, Any]] = thing.items() if isinstance(thing, dict) else ()
        if isinstance(thing, list | tuple | set | frozenset):
            items = enumerate(thing)
        inner = [(f"{path}[{place!r}]", holder, key, value) for place, value in items]
        attributes = getattr(thing, "__dict__", {}).items()
        inner += [(f"{path}.{name}".lstrip("."), thing, name, value) for name, value in attributes]
        waiting += reversed(inner)


def copy_as(root: Any, dtype: DTypeLike) -> Any:
    """A deep copy of root in which every floating-point array and every `dtype` attribute has the given dtype.

    An array shared within root stays shared, and views of a common vector stay views of one vector (copy.deepcopy
    alone would separate them), so a parameter changed in place changes everywhere.

    Raises:
        TypeError: root cannot be copied.
    """
    target = np.dtype(dtype)
    memo: dict[int, Any] = {}  # {id of an object: its replacement, for deepcopy}
    bases: dict[int, NDArray[Any]] = {}
    for thing in walk(root):
        if isinstance(thing, np.ndarray) and thing.dtype.kind == "f":
            memo[id(thing)] = _array_as(thing, target, bases)
    try:
        clone = copy.deepcopy(root, memo)
    except Exception as error:
        trouble = f"a {type(root).__name__} is checked on a copy, but it cannot be deep-copied ({error})"
        mend = "give it a __deepcopy__, or keep open files, locks and the like out of its attributes"
        raise TypeError(f"{trouble}; {mend}") from error
    for thing in walk(clone):
        attributes = getattr(thing, "__dict__", {})
        with suppress(TypeError):  # an attribute named dtype may have another meaning
            if attributes.get("dtype") is not None and np.dtype(attributes["dtype"]).kind == "f":
                attributes["dtype"] = target
    return clone


def _array_as(array: NDArray[Any], target: np.dtype[Any], bases: dict[int, NDArray[Any]]) -> NDArray[Any]:
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base is array or base.dtype != array.dtype or not base.flags.c_contiguous:
        return bases.setdefault(id(array), array.astype(target))
    new_base = bases.setdefault(id(base), base.astype(target))
    start = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // base.itemsize
    strides = tuple(stride // base.itemsize * target.itemsize for stride in array.strides)
    return np.ndarray(array.shape, target, buffer=new_base, offset=start * target.itemsize, strides=strides)


@contextmanager
def global_random_state_kept() -> Iterator[None]:
    """Restore NumPy's global generator afterwards, in case a layer draws from it."""
    before = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """A function's arguments by name; empty for built-in functions without a signature."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def places_of(function: Callable[..., Any]) -> list[str]:
    """The names of a function's arguments that can be passed by position."""
    parameters = parameters_of(function).values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def reset_gradients(layer: Any) -> None:
    """Call the layer's zero_grad; if it has none, set every array in its grads to zero."""
    if hasattr(layer, "zero_grad"):
        layer.zero_grad()
    else:
        for gradient in _arrays(layer, "grads").values():
            gradient[...] = 0


class Runner:
    """A layer whose forward pass can be repeated exactly.

    Each forward starts from the same random state (every Generator and RandomState reachable from the layer,
    and NumPy's global one for layers that draw from it) and from the same `state` arrays. Two passes therefore have
    the same dropout mask and running mean, and differ only by changes made between them.
    """

    def __init__(self, layer: Any, training: bool, first_x: NDArray[Any] | None) -> None:
        """first_x: an input for one forward before anything is checked; None if forward has already run.

        Some layers create parameters and generators on first use. A first input that differs from x also exposes
        layers that keep using values from their first input.
        """
        self.layer, self.training = layer, training
        self._keywords = {"training": training} if self.takes_training(layer) else {}
        self._global: Any = None  # NumPy's global state, only for a layer that draws from it: setting takes 50 us
        if first_x is not None:
            before: Any = np.random.get_state()  # noqa: NPY002
            layer.forward(first_x.copy(), **self._keywords)
            after: Any = np.random.get_state()  # noqa: NPY002
            if before[2:] != after[2:] or not np.array_equal(before[1], after[1]):
                self._global = after
        self._turn_back: list[Callable[[], None]] = []  # one function for each random generator
        self._states: list[tuple[Arrays, Arrays]] = []
        for thing in walk(layer):
            if isinstance(thing, np.random.Generator):
                bits = thing.bit_generator
                self._turn_back.append(partial(setattr, bits, "state", bits.state))
            elif isinstance(thing, np.random.RandomState):
                self._turn_back.append(partial(thing.set_state, thing.get_state()))
            state = getattr(thing, "__dict__", {}).get("state")
            if isinstance(state, dict):
                saved = {key: value.copy() for key, value in state.items() if isinstance(value, np.ndarray)}
                self._states.append((state, saved))

    @staticmethod
    def takes_training(layer: Any) -> bool:
        parameters = parameters_of(layer.forward)
        return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def rewind(self) -> None:
        for turn_back in self._turn_back:
            turn_back()
        if self._global is not None:
            np.random.set_state(self._global)  # noqa: NPY002
        for live, saved in self._states:
            for key, value in saved.items():
                if isinstance(live.get(key), np.ndarray) and live[key].shape == value.shape:
                    live[key][...] = value
                else:
                    live[key] = value.copy()

    def as_complex(self) -> Runner:
        """A Runner of a complex copy of the layer that starts from the same random numbers."""
        self.rewind()
        twin = Runner(copy_as(self.layer, np.complex128), self.training, None)
        twin._global = self._global
        return twin

    def forward(self, x: NDArray[Any]) -> Any:
        self.rewind()
        return self.layer.forward(x, **self._keywords)

    def values(self, x: NDArray[Any]) -> NDArray[Any]:
        """All outputs of a forward pass, then the penalty; copied, because y may be a view of x or a buffer."""
        return np.append(self.forward(x), self.penalty())

    def backward(self, dy: NDArray[Any]) -> Any:
        return self.layer.backward(dy)

    def penalty(self) -> Any:
        """The penalty as a number, complex if the layer is complex."""
        return np.asarray(self.layer.penalty()).item() if hasattr(self.layer, "penalty") else 0.0

    def zero_grad(self) -> None:
        reset_gradients(self.layer)

    @property
    def params(self) -> Arrays:
        return _arrays(self.layer, "params")

    @property
    def grads(self) -> Arrays:
        return _arrays(self.layer, "grads")

    @property
    def state(self) -> list[tuple[str, NDArray[Any]]]:
        return [(key, live[key]) for live, saved in self._states for key in saved]


def _arrays(layer: Any, attribute: str) -> Arrays:
    arrays = getattr(layer, attribute, None)
    if arrays is None:
        return {}
    if not isinstance(arrays, dict) or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise TypeError(f"{type(layer).__name__}.{attribute} must be a dict of arrays, such as {{'W': ..., 'b': ...}}")
    return dict(arrays)
