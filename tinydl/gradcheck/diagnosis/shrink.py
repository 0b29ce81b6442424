"""The shrink stage: find a simpler point at which the gradient is right; the simplification is the hint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runner import Runner
from .evidence import Evidence, Scene
from .experiment import Trial, crop

Array = NDArray[Any]
PROBES = 8  # the cost of one trial, in probes
Point = tuple[str, str, Callable[[], Trial]]  # the simplification, its meaning, and the trial


def right_when_simpler(e: Evidence) -> str | None:
    """The gradient is right at a simpler point: a batch of one, one step, a square image, equal or zero weights.

    The first wrong gradient inside backward, if known, precedes the hint (see `inside.first_wrong`).
    """
    known = [e.found.get("first"), _hint(e)]
    return "; ".join(filter(None, known)) or None


def _hint(e: Evidence) -> str | None:
    if PROBES * e.seconds > 1.0:
        return None
    with suppress(Exception), np.errstate(all="ignore"):
        if Trial(e.scene).is_right(e.name) is not False:
            return None
        found: list[tuple[str, str]] = []
        for where, meaning, make in e.in_time(_points(e), 0.6):
            with suppress(Exception):
                if make().is_right(e.name):
                    found.append((where, meaning))
            if len(found) == 2:
                break
        if found:
            (where, meaning), *more = found
            also = "".join(f" (also right {other})" for other, _ in more)
            return f"the gradient is right {where}, and wrong otherwise: {meaning}{also}"
    return None


def _points(e: Evidence) -> Iterator[Point]:
    yield from _shorter(e.scene)
    yield from _square(e.scene)
    yield from _one_output(e.scene)
    yield from _plain_arrays(e)


def _shorter(scene: Scene) -> Iterator[Point]:
    x = scene.objective.x
    for axis, size in enumerate(x.shape):
        if size < 2:
            continue
        if axis == 0:
            where = "for a batch (or a sequence) of one"
            meaning = "the code that mixes or sums samples, or leads from step to step, along axis 0 is wrong"
        elif axis == 1 and x.ndim == 3:
            where, meaning = "for a sequence of one step", "the path from step to step (axis 1) is wrong"
        else:
            where, meaning = (
                f"where axis {axis} of x has length 1",
                f"the code that mixes or sums the entries along axis {axis} is wrong",
            )
        yield where, meaning, partial(_cropped, scene, {axis: 1})


def _square(scene: Scene) -> Iterator[Point]:
    shape = scene.objective.x.shape
    if len(shape) == 4:
        for a, b in ((1, 2), (2, 3)):
            size = min(shape[a], shape[b])
            if shape[a] != shape[b] and size > 1:
                meaning = "height and width are confused in a shape, a reshape or a loop"
                yield "for a square image", meaning, partial(_cropped, scene, {a: size, b: size})


def _cropped(scene: Scene, sizes: dict[int, int]) -> Trial:
    """A trial at the first entries of x along some axes, and of all other inputs that have the same axis."""
    x = scene.objective.x
    cut = tuple(slice(sizes.get(axis)) for axis in range(x.ndim))
    return Trial(scene, x[cut], prepare=lambda runner: crop(runner, x.shape, sizes))


def _one_output(scene: Scene) -> Iterator[Point]:
    """An upstream gradient that is 0 except at one step."""
    dy = scene.objective.dy
    if dy.ndim == 3 and dy.shape[1] > 1:
        for which, step in (("last", -1), ("first", 0)):
            alone = np.zeros_like(dy)
            alone[:, step] = dy[:, step]
            meaning = "the gradient from the outputs of the other steps is lost, or added wrongly"
            yield f"when dy is 0 except at the {which} step", meaning, partial(Trial, scene, dy=alone)


def _plain_arrays(e: Evidence) -> Iterator[Point]:
    for name, array in e.scene.objective.arrays.items():
        if array.size < 2 or name == e.scene.objective.x_name:
            continue
        for value in (0.0, 0.7):
            if value:
                where = f"when all entries of {name} are equal"
                meaning = f"backward uses {name} in the wrong order, or transposed"
                if array.ndim == 1:
                    meaning = f"backward multiplies by {name} in the wrong place, such as outside a sum or a mean"
            else:
                where, meaning = f"when {name} is all 0", f"the path through {name} is wrong or missing"

            def prepare(runner: Runner, name: str = name, value: float = value) -> None:
                runner.params[name][...] = value

            yield where, meaning, partial(Trial, e.scene, prepare=prepare)
