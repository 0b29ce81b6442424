"""Run the user's code again, on a fresh copy with one change, and test whether its gradient is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..adapted import Adapted
from ..runner import Runner
from .evidence import Evidence, Scene, same

Index = tuple[int, ...]
Between = Callable[[Runner], None]

STEP = 1e-5  # step of the central differences, for an entry of size up to 1
MOST_PROBES = 24  # entries compared at another point


class Trial:
    """A fresh copy of the layer at a point: its gradients from backward, and those from its forward values."""

    def __init__(
        self, scene: Scene, x: NDArray[Any] | None = None, dy: NDArray[Any] | None = None,
        prepare: Callable[[Runner], None] | None = None,
    ) -> None:  # fmt: skip
        """x, dy: another point, another upstream gradient. prepare: changes the copy before its first pass."""
        objective = scene.objective
        self.x_name = objective.x_name
        self.x = (objective.x if x is None else x).copy()
        layer = scene.make(np.float64)
        if prepare is not None:
            prepare(Runner(layer, objective.runner.training, None))
        self.runner = Runner(layer, objective.runner.training, self.x)
        y = np.array(self.runner.forward(self.x))
        if dy is None:
            dy = objective.dy if objective.dy.shape == y.shape else np.random.default_rng(0).standard_normal(y.shape)
        if dy.shape != y.shape:
            raise ValueError(f"dy has shape {dy.shape}, but y has {y.shape}")
        self.y, self.dy = y, dy
        self.indices: list[Index] = []  # the probes of the diagnosis, and their right values
        self.expected = np.empty(0)
        self.weights = np.append(dy, 1.0)

    def array(self, name: str) -> NDArray[Any]:
        return self.x if name == self.x_name else self.runner.params[name]

    def gradient(self, name: str, between: Between | None = None, dy: NDArray[Any] | None = None) -> NDArray[Any]:
        """An array's gradient after one pass; `between` runs after forward, before backward."""
        if self.runner.grads:
            self.runner.zero_grad()
        self.runner.forward(self.x)
        if between is not None:
            between(self.runner)
        dx = self.runner.backward((self.dy if dy is None else dy).copy())
        return np.array(dx if name == self.x_name else self.runner.grads[name], dtype=np.float64)

    def fits(self, gradient: NDArray[Any]) -> bool:
        """Whether a gradient is right at all probes of the diagnosis."""
        given = self.at_probes(gradient)
        return bool(np.all(np.isfinite(given))) and same(given, self.expected)

    def at_probes(self, gradient: NDArray[Any]) -> NDArray[np.float64]:
        return np.array([gradient[index] for index in self.indices])

    def numeric(self, name: str, indices: Sequence[Index]) -> NDArray[np.float64]:
        """The derivative of the objective with respect to each of these entries, by central differences."""
        array = self.array(name)
        slopes = []
        for index in indices:
            old = array[index]
            h = STEP * max(1.0, abs(float(old)))
            try:
                array[index] = old + h
                above = self.runner.values(self.x)
                array[index] = old - h
                below = self.runner.values(self.x)
            finally:
                array[index] = old
            slopes.append(float(self.weights @ (above - below)) / (2 * h))
        return np.array(slopes)

    def is_right(self, name: str) -> bool | None:
        """Whether backward's gradient of an array is right at this point; None if nearly all slopes are 0."""
        shape = self.array(name).shape
        count = int(np.prod(shape))
        chosen = np.random.default_rng(0).choice(count, min(count, MOST_PROBES), replace=False)
        indices = [tuple(int(i) for i in np.unravel_index(k, shape)) for k in chosen]
        given = self.gradient(name)
        if given.shape != shape or not np.all(np.isfinite(given)):
            return False
        analytic = np.array([given[index] for index in indices])
        numeric = self.numeric(name, indices)
        if np.count_nonzero(np.abs(numeric) > 1e-7 * np.max(np.abs(self.dy), initial=0.0)) < min(3, count):
            return None
        return same(analytic, numeric)


def replayed(e: Evidence) -> Trial | None:
    """A trial at the same point with the same wrong gradient; None if the gradient of a fresh copy is right.

    A random layer draws other numbers on a fresh copy; its gradient must then be wrong for these.
    """
    with suppress(Exception), np.errstate(all="ignore"):
        trial = Trial(e.scene)
        given = e.at_probes(trial.gradient(e.name))
        trial.indices, trial.expected = e.indices, e.numeric
        if not same(given, e.analytic):
            trial.expected = trial.numeric(e.name, e.indices)
        if not same(given, trial.expected):
            return trial
    return None


def raw_backward(runner: Runner, dy: NDArray[Any]) -> None:
    """Run the user's backward without restoring the arrays that it changes."""
    layer = runner.layer
    if isinstance(layer, Adapted):
        layer.call.backward(*layer.parts(dy))
    else:
        runner.backward(dy.copy())


class Uses:
    """Give every use of an object in a pass its own values: those kept in forward are restored in backward.

    Backward goes through the uses in reverse order, as in every backward pass. To watch the calls of the object's
    methods, its class is replaced by a subclass.
    """

    def __init__(self, thing: Any) -> None:
        self._thing, self._kind = thing, type(thing)
        self._kept: list[dict[str, Any]] = []  # the attributes after each use
        self._inside = self._backward = False

    def __enter__(self) -> Uses:
        methods = {
            name: self._watched(value)
            for base in reversed(self._kind.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, FunctionType) and (not name.startswith("__") or name == "__call__")
        }
        self._thing.__class__ = type(self._kind.__name__, (self._kind,), methods)
        return self

    def __exit__(self, *_: object) -> None:
        self._thing.__class__ = self._kind

    def turn(self, runner: Runner) -> None:
        """Begin backward: from now on, each call is a use in backward."""
        self._backward, self.count = True, len(self._kept)
        last = self._kept[-1] if self._kept else {}
        changing = {name for name in last if any(not _equal(kept.get(name), last[name]) for kept in self._kept)}
        self._kept = [{name: kept[name] for name in changing if name in kept} for kept in self._kept]

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(this: Any, *args: Any, **keywords: Any) -> Any:
            if this is not self._thing or self._inside:
                return method(this, *args, **keywords)
            self._inside = True
            try:
                if self._backward and self._kept:
                    this.__dict__.update(self._kept.pop())
                result = method(this, *args, **keywords)
                if not self._backward:
                    attributes = this.__dict__.items()
                    self._kept.append({k: v.copy() if isinstance(v, np.ndarray) else v for k, v in attributes})
                return result
            finally:
                self._inside = False

        return run


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else a is b


def crop(runner: Runner, shape: tuple[int, ...], sizes: dict[int, int]) -> None:
    """Shorten the other inputs, such as a loss's targets, in the same way as x."""
    if isinstance(runner.layer, Adapted):
        inputs = runner.layer.call.inputs
        for name, value in inputs.items():
            if isinstance(value, np.ndarray) and name != runner.layer.x_name:
                alike = [size == wanted for size, wanted in zip(value.shape, shape, strict=False)]
                cut = tuple(slice(sizes.get(axis) if same_size else None) for axis, same_size in enumerate(alike))
                inputs[name] = value[cut].copy()
