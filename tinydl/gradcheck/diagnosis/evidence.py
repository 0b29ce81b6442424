"""The evidence about a wrong gradient, and the test of whether two gradients count as the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..numeric import Slope
from ..objective import Objective, Vector, Where
from .held import kept_arrays

SAME = 1e-5  # two gradients with a smaller difference, relative to the larger gradient, count as the same
FEW_PROBES = 8  # number of entries by which another array's gradient is judged
MOST_ENTRIES = 2048  # size of the largest array of which every entry may be probed for a diagnosis
MOST_SECONDS = 1.0  # longest time that may be spent on probing every entry of an array

# Processor time, so that a busy machine gives the same answer.
SECONDS = 1.2  # longest time that the experiments about one array may take
MOST_SECONDS_OF_ALL = 4.0  # longest time that the experiments about all arrays of a check may take

Item = TypeVar("Item")


@dataclass(frozen=True)
class Scene:
    """The check as a whole: everything that an array's diagnosis may use or run."""

    objective: Objective
    gradients: dict[str, NDArray[Any]]  # backward's results by array name, and "dy"
    make: Callable[[DTypeLike], Any]  # a fresh copy of the layer
    slope: Callable[[str, Where], Slope | None]
    base: Vector  # the outputs at the point, the penalty last

    known: dict[str, bool] = field(default_factory=dict)  # whether an array's gradient is right, if tested
    edits: list[Any] = field(default_factory=list)  # of backward's lines; each made an array's gradient right
    arrays_kept: dict[str, NDArray[Any]] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)  # the processor times at which experiments end

    @property
    def y(self) -> NDArray[np.float64]:
        return self.base[:-1].reshape(self.objective.dy.shape)

    @property
    def sized(self) -> dict[str, NDArray[Any]]:
        """The arrays whose sizes may be a factor."""
        return {self.objective.x_name: self.objective.x, **self.objective.arrays, "y": self.y}

    def kept(self) -> dict[str, NDArray[Any]]:
        """The arrays that the layer keeps from a pass at x, such as masks and normalized inputs."""
        if not self.arrays_kept:
            runner = self.objective.runner
            with suppress(Exception):
                runner.forward(self.objective.x)
                known = [self.objective.x, self.y, *self.objective.arrays.values()]
                for name, array in kept_arrays(runner).items():
                    if not any(array.shape == other.shape and np.array_equal(array, other) for other in known):
                        self.arrays_kept[name] = array.copy()
        return self.arrays_kept

    def is_right(self, name: str) -> bool:
        """Whether the gradient of an array is right, judged by a few entries."""
        if name not in self.known:
            gradient = self.gradients[name]
            chosen = np.random.default_rng(0).choice(gradient.size, min(gradient.size, FEW_PROBES), replace=False)
            indices = [tuple(int(i) for i in np.unravel_index(k, gradient.shape)) for k in chosen]
            slopes = {index: self.slope(name, index) for index in indices}
            pairs = [(gradient[index], slope.value) for index, slope in slopes.items() if slope is not None]
            self.known[name] = bool(pairs) and same(*np.array(pairs).T)
        return self.known[name]


@dataclass(frozen=True)
class Evidence:
    """An array whose gradient is wrong; entry k of `analytic` corresponds to entry k of `numeric` and of `indices`."""

    name: str
    indices: list[tuple[int, ...]]
    analytic: Vector
    numeric: Vector
    slopes: list[Slope]
    wrong: NDArray[np.bool_]
    scene: Scene
    seconds: float  # time per probe
    found: dict[str, Any] = field(default_factory=dict)  # results that the experiments share

    def in_time(self, items: Iterable[Item], seconds: float) -> Iterator[Item]:
        """Yield items until `seconds` have passed or the time for all experiments is over."""
        now = time.thread_time()
        self.scene.ends.setdefault("all", now + MOST_SECONDS_OF_ALL)
        end = min(now + seconds, self.found.setdefault("end", now + SECONDS), self.scene.ends["all"])
        for item in items:
            if time.thread_time() > end:
                return
            yield item

    @property
    def gradient(self) -> NDArray[Any]:
        """The whole gradient from backward."""
        return self.scene.gradients[self.name]

    @property
    def values(self) -> NDArray[np.float64]:
        return self.scene.objective.arrays[self.name]

    @property
    def x(self) -> NDArray[np.float64]:
        return self.scene.objective.x

    @property
    def dy(self) -> NDArray[np.float64]:
        return self.scene.objective.dy

    @property
    def without_penalty(self) -> Vector:
        """The numeric gradient of the objective without penalty()."""
        return np.array([slope.without_penalty for slope in self.slopes])

    @cached_property
    def sensitivities(self) -> NDArray[np.float64] | None:
        """(probes, outputs): the derivative of each output by each probed entry; None if there are too many outputs."""
        rows = [slope.outputs[:-1] for slope in self.slopes if slope.outputs is not None]
        return np.array(rows) if len(rows) == len(self.slopes) else None

    @cached_property
    def terms(self) -> NDArray[np.float64] | None:
        """(probes, outputs): the contribution of each output of y to each numeric value."""
        return None if self.sensitivities is None else self.sensitivities * self.dy.ravel()

    def at_probes(self, array: NDArray[Any]) -> Vector:
        """The probed entries of an array that has this gradient's shape or broadcasts to it."""
        whole = np.broadcast_to(array, self.gradient.shape)
        return np.array([whole[index] for index in self.indices])

    @cached_property
    def whole_numeric(self) -> NDArray[np.float64] | None:
        """The numeric gradient of every entry, NaN at kinks; None for arrays that would take too long."""
        if self.gradient.size > MOST_ENTRIES or self.gradient.size * self.seconds > MOST_SECONDS:
            return None
        whole = np.full(self.gradient.shape, np.nan)
        for index, value in zip(self.indices, self.numeric, strict=True):
            whole[index] = value
        for place in np.argwhere(np.isnan(whole)):
            entry = tuple(int(i) for i in place)
            slope = self.scene.slope(self.name, entry)
            if slope is not None:
                whole[entry] = slope.value
        return whole

    def others(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Arrays that may be a missing term or factor of this gradient, with their names in messages."""
        objective = self.scene.objective
        x_name = objective.x_name
        yield "dy", self.dy
        yield x_name, self.x
        yield "y", self.scene.y
        yield from ((name, value) for name, value in objective.arrays.items() if name != x_name)
        call = getattr(objective.runner.layer, "call", None)
        if call is not None and call.differentiates_inputs:
            targets = ((name, call.inputs.get(name)) for name in call.settings.fixed)  # those of a loss
            yield from ((name, t) for name, t in targets if isinstance(t, np.ndarray) and t.dtype.kind == "f")
        for name, gradient in self.scene.gradients.items():
            if name in ("dy", self.name) or objective.arrays[name] is self.values:  # skip a shared array
                continue
            if self.scene.is_right(name):  # a wrong gradient explains nothing
                yield f"d{name}", gradient
        yield from self.scene.kept().items()

    def matching(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """The arrays of `others` that have this array's shape, or that broadcast to it along the last axes."""
        for name, array in self.others():
            if array.size > 1 and array.shape == self.gradient.shape[self.gradient.ndim - array.ndim :]:
                yield name, array


def only_wrong(e: Evidence) -> Evidence:
    """The evidence restricted to the wrong probes."""
    kept = np.flatnonzero(e.wrong)
    return replace(
        e, indices=[e.indices[k] for k in kept], analytic=e.analytic[kept], numeric=e.numeric[kept],
        slopes=[e.slopes[k] for k in kept], wrong=e.wrong[kept],
    )  # fmt: skip


def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether a and b agree to SAME, entry by entry; entries that are almost zero are measured against the largest."""
    size = max(np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0))
    return bool(
        np.isfinite(size) and np.all(np.abs(a - b) <= SAME * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-3 * size))
    )


def flips(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every choice of axes along which an array may be flipped: one or more of its axes longer than 1."""
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    return chain.from_iterable(combinations(axes, count) for count in range(1, len(axes) + 1))


def listed(axes: Iterable[int]) -> str:
    """Join axes for a message: "0 and 2"."""
    return " and ".join(map(str, axes))
