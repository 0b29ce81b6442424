"""Runner: a layer whose passes can be repeated exactly."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adapted import Adapted
from .copying import Snapshot, copy_as
from .reach import attribute, caches_of, parameters_of, reach

Arrays = dict[str, NDArray[Any]]


class Runner:
    """A layer whose forward pass can be repeated exactly.

    Each forward starts from the same random state (every Generator and RandomState reachable from the layer, and
    NumPy's and Python's global ones for layers that draw from them) and from the same `state` arrays, so that two
    passes differ only by the changes made between them: the same dropout mask, the same running mean. After
    `keep_state`, everything that the layer holds is restored before each forward.
    """

    def __init__(self, layer: Any, training: bool, first_x: NDArray[Any] | None, draws: bool = True) -> None:
        """first_x: an input for one forward before anything is checked; None if forward has already run.

        Some layers create parameters and generators on first use. A first input that differs from x also exposes
        layers that keep using values from their first input. draws: False if forward is known not to draw from the
        global generators. (If it then does, its outputs cannot be repeated, and the check says so.)
        """
        self.layer, self.training = layer, training
        self.notes: list[str] = []
        self._keywords = self.mode(layer, training)
        self._global: Any = None  # NumPy's global state, only for a layer that draws from it: setting takes 50 us
        self._pythons: Any = None  # Python's, likewise
        self._kept: Snapshot | None = None
        self.moving: list[NDArray[Any]] = []  # further arrays that restoring the kept state does not change
        self._given: NDArray[Any] | None = None
        self.bound = float("inf")  # seconds of CPU time for a run that the user did not ask for
        if first_x is not None and not draws:
            layer.forward(first_x.copy(), **self._keywords)
        elif first_x is not None:
            before: Any = np.random.get_state()  # noqa: NPY002
            pythons = random.getstate()
            layer.forward(first_x.copy(), **self._keywords)
            after: Any = np.random.get_state()  # noqa: NPY002
            if before[2:] != after[2:] or not np.array_equal(before[1], after[1]):
                self._global = after
            if random.getstate() != pythons:
                self._pythons = random.getstate()
        self.draws = self._global is not None or self._pythons is not None
        self._turn_back: list[Callable[[], None]] = []  # one function for each random generator
        self._states: list[tuple[Arrays, Arrays]] = []
        for _, thing in reach(layer):
            if isinstance(thing, np.random.Generator):
                bits = thing.bit_generator
                self._turn_back.append(partial(setattr, bits, "state", bits.state))
            elif isinstance(thing, np.random.RandomState):
                self._turn_back.append(partial(thing.set_state, thing.get_state()))
            elif isinstance(thing, random.Random):
                self._turn_back.append(partial(thing.setstate, thing.getstate()))
            for cache in caches_of(thing):  # else forward would not see that an array has moved
                if cache.cache_clear not in self._turn_back:
                    self._turn_back.append(cache.cache_clear)
            state = None if isinstance(layer, Adapted) else attribute(thing, "__dict__", {}).get("state")
            if isinstance(state, dict):
                saved = {key: value.copy() for key, value in state.items() if isinstance(value, np.ndarray)}
                self._states.append((state, saved))

    @classmethod
    def mode(cls, layer: Any, training: bool) -> dict[str, bool]:
        """The keywords that switch forward to training or to inference."""
        return {"training": training} if isinstance(layer, Adapted) or cls.takes_training(layer) else {}

    @staticmethod
    def takes_training(layer: Any) -> bool:
        parameters = parameters_of(layer.forward)
        return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def note(self, text: str) -> None:
        """Add a remark to the report."""
        self.notes.append(text)

    def keep_state(self) -> None:
        """Start every later forward from the layer's present state, except for the arrays being moved."""
        self._kept = Snapshot(self.layer, but=self.params.values())

    def rewind(self) -> None:
        """Restore the random generators and the state from which each forward starts."""
        if self._kept is not None:
            self._kept.restore(self.moving)
        for turn_back in self._turn_back:
            turn_back()
        if self._global is not None:
            np.random.set_state(self._global)  # noqa: NPY002
        if self._pythons is not None:
            random.setstate(self._pythons)
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
        twin._global, twin._pythons = self._global, self._pythons
        if self._kept is not None:
            twin.keep_state()
        return twin

    def forward(self, x: NDArray[Any], as_given: bool = False) -> Any:
        """Run forward on a copy of x, or on x itself if as_given, because its memory layout then matters."""
        self.rewind()
        self._given = x if as_given else x.copy()
        return self.layer.forward(self._given, **self._keywords)

    def inputs_modified(self, x: NDArray[Any], x_name: str) -> list[str]:
        """The names of the inputs that the last pass has modified."""
        pairs = {x_name: (self._given, x)}
        if isinstance(self.layer, Adapted):
            call = self.layer.call
            pairs = {name: (given, call.inputs[name]) for name, given in zip(call.inputs, call.passed, strict=True)}
        return [
            name
            for name, (given, value) in pairs.items()
            if isinstance(given, np.ndarray) and given.tobytes() != value.tobytes()
        ]

    def values(self, x: NDArray[Any]) -> NDArray[Any]:
        """All outputs of a forward pass, then the penalty; copied, because y may be a view of x or a buffer."""
        return np.append(self.forward(x), self.penalty())

    def backward(self, dy: NDArray[Any]) -> Any:
        return self.layer.backward(dy)

    def penalty(self) -> Any:
        """The penalty as a number, complex if the layer is complex."""
        return np.asarray(self.layer.penalty()).item() if hasattr(self.layer, "penalty") else 0.0

    @property
    def accumulates(self) -> bool:
        """Whether the layer claims to add to its gradients, with dicts `params` and `grads`."""
        return bool(self.grads) and (not isinstance(self.layer, Adapted) or self.layer.claims_to_add)

    def add_up(self, wanted: bool) -> None:
        """Choose whether an adapted backward starts from the previous pass's gradients or from zeros."""
        if isinstance(self.layer, Adapted):
            self.layer.adding = wanted

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


def reset_gradients(layer: Any) -> None:
    """Call the layer's zero_grad; if it has none, set every array in its grads to zero."""
    if hasattr(layer, "zero_grad"):
        layer.zero_grad()
    else:
        for gradient in _arrays(layer, "grads").values():
            gradient[...] = 0


def _arrays(layer: Any, attribute: str) -> Arrays:
    arrays = getattr(layer, attribute, None)
    if arrays is None:
        return {}
    if not isinstance(arrays, dict) or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise TypeError(f"{type(layer).__name__}.{attribute} must be a dict of arrays, such as {{'W': ..., 'b': ...}}")
    return dict(arrays)
