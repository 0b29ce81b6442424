"""The behavior of a layer at a point in a few passes, for a comparison of two versions of the layer.

This module does not use the oracles of the gradient checker; its slopes are plain differences.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..objective import moved
from ..rules import sliced
from ..runner import Arrays, Runner

RIGHT, WRONG, NO_SLOPE = "right", "wrong", "no slope"


class Case(Protocol):
    """A layer, or a loss presented as a layer, and its input: an array, or a shape for one drawn from N(0, 1)."""

    @property
    def subject(self) -> Any: ...
    @property
    def point(self) -> NDArray[Any] | tuple[int, ...]: ...
    @property
    def training(self) -> bool: ...

    def check(self, **options: Any) -> object:
        """Raise GradientCheckError if the gradient is wrong."""

    def made(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: DTypeLike) -> Any:
        """A fresh copy of the subject, ready for inputs of this shape (without the batch axis) and dtype."""


@dataclass(frozen=True)
class Point:
    """The input of a Trial: a case's subject, an x, a mode and other settings."""

    name: str
    case: Case
    x: NDArray
    dtype: type = np.float64
    training: bool = True
    rounded: bool = False  # the parameters are rounded to integers, to produce zeros and ties
    sliced: bool = False  # x and dy are not contiguous
    attributes: Mapping[str, Any] = field(default_factory=dict)  # set on the layer

    @property
    def where(self) -> str:
        return f"for {self.case.subject!r} at x of shape {self.x.shape}, {self.name}"


def points_of(case: Case, variants: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Point]:
    """Yield the case's own x and harder ones: zeros, ties, one row, large, float32, not contiguous, the other mode.

    variants: named sets of attributes to set on the layer, each for one more point.
    """
    given = case.point
    x = np.random.default_rng(0).standard_normal(given) if isinstance(given, tuple) else given
    first = Point("as it is", case, x, training=case.training)
    yield first
    yield replace(first, name="other x", x=np.flip(x) * 0.9)
    yield replace(first, name="one row", x=x[:1])
    yield replace(first, name="large", x=30 * x)
    yield replace(first, name="rounded", x=np.round(x), rounded=True)
    yield replace(first, name="rounded, one row", x=np.round(x)[:1], rounded=True)
    yield replace(first, name="zeros", x=0 * x, rounded=True)
    yield replace(first, name="ones", x=0 * x + 1, rounded=True)
    yield replace(first, name="not contiguous", sliced=True)
    yield replace(first, name="float32", dtype=np.float32)
    yield replace(first, name="float32, rounded", dtype=np.float32, x=np.round(x), rounded=True)
    if Runner.takes_training(case.subject):
        yield replace(first, name="the other mode", training=not first.training)
    for name, attributes in (variants or {}).items():
        yield replace(first, name=name, attributes=attributes)


@dataclass
class Pass:
    """One forward and one backward."""

    x: NDArray
    training: bool
    fresh: bool = True  # zero_grad is called first
    dy: NDArray = field(default_factory=lambda: np.ones(()))


class Trial:
    """The behavior of a layer at a point in five passes.

    The inputs: x; another x; x again, without zero_grad first; half the rows of x; x in the other mode.

    Attributes:
        values: y and the penalty of each pass, and the final state
        gradients: backward's results, pass by pass: "W 0" is dW in pass 0
        rules: whether each rule of the layer contract held
        error: the type of the exception raised, if any
    """

    def __init__(self, point: Point) -> None:
        self.point = point
        self.values: Arrays = {}
        self.gradients: Arrays = {}
        self.rules: dict[str, bool] = {}
        self.error: type[Exception] | None = None
        x: NDArray = np.array(point.x, dtype=point.dtype)
        training = point.training
        self.passes = [
            Pass(x, training), Pass(np.random.default_rng(3).permuted(x, axis=-1), training),
            Pass(x.copy(), training, fresh=False), Pass(x[: -(-len(x) // 2)].copy(), training),
            Pass(x.copy(), not training),
        ]  # fmt: skip
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                self._run()
            except Exception as error:  # a mutant may raise anything
                self.error = type(error)

    def _run(self) -> None:
        layer = self._made()
        self.runners = {mode: Runner(layer, mode, None) for mode in (True, False)}
        self.params = self.runners[True].params
        laid_out = sliced if self.point.sliced else np.asarray
        shapes_fit = []
        kept = [(value, value.copy()) for value in self.params.values()]
        for k, step in enumerate(self.passes):
            runner = self.runners[step.training]
            if step.fresh:
                runner.zero_grad()
            x = laid_out(step.x)
            y = runner.forward(x, as_given=True)
            self.values[f"y {k}"] = y.copy()
            self.values[f"penalty {k}"] = np.array(runner.penalty(), dtype=x.dtype)
            if y.ndim:  # otherwise the layer is an objective, and dy is 1
                step.dy = np.random.default_rng(4 if k in (0, 2) else 5).standard_normal(y.shape).astype(y.dtype)
            dy = laid_out(step.dy)
            kept += [(array, array.copy()) for array in (x, y, dy)]
            dx = runner.backward(dy)
            shapes_fit.append(dx is not None and dx.shape == x.shape)
            if shapes_fit[-1]:  # otherwise dx is ignored; the rules below record it
                self.gradients[f"x {k}"] = dx.copy()
                kept.append((dx, self.gradients[f"x {k}"]))
            for name, gradient in runner.grads.items():
                self.gradients[f"{name} {k}"] = gradient.copy()
        self.values.update({f"state {k}": value.copy() for k, (_, value) in enumerate(self.runners[True].state)})
        for name in self.params:
            first, second, both = (self.gradients[f"{name} {k}"] for k in range(3))
            self.rules[f"d{name} accumulates"] = equal(both, first + second, np.maximum(abs(first), abs(second)))
        self.rules["dx is returned, in x's shape"] = all(shapes_fit)
        untouched = all(np.array_equal(array, before, equal_nan=True) for array, before in kept)
        self.rules["arrays passed in or out are not modified"] = untouched

    def _made(self) -> Any:
        """A layer for the point, with parameters and state moved off their initial values."""
        point, rng = self.point, np.random.default_rng(1)
        layer = point.case.made(point.x.shape[1:], rng, point.dtype)
        runner = Runner(layer, point.training, None)
        for value in runner.params.values():
            value += rng.standard_normal(value.shape) * (1 if point.rounded else 0.1)
            if point.rounded:
                value[...] = np.round(value)
        for _, value in runner.state:
            value += 0.1 * np.abs(rng.standard_normal(value.shape))
        for name, setting in point.attributes.items():
            setattr(layer, name, setting)
        return layer

    def slopes(self, step: Pass, name: str, direction: NDArray) -> tuple[float, float]:
        """Bounds on d/dt (sum(dy * y) + penalty) at t = 0, as an array is moved by t along a direction.

        Each output's slope lies between its left and its right slope, which differ only at a kink.
        """
        x, h, runner = step.x.copy(), 1e-5, self.runners[step.training]
        array = x if name == "x" else self.params[name]

        def terms(t: float) -> NDArray:
            move(t)
            try:
                return np.append(step.dy * runner.forward(x), runner.penalty())
            except ValueError:  # outside the domain
                return np.full(step.dy.size + 1, np.nan)

        with warnings.catch_warnings(), np.errstate(all="ignore"), moved([array], [direction]) as move:
            warnings.simplefilter("ignore")
            f = {j: terms(j * h) for j in range(-3, 4)}
        left, right = (
            (18 * (f[s] - f[0]) - 9 * (f[2 * s] - f[0]) + 2 * (f[3 * s] - f[0])) / (6 * s * h) for s in (-1, 1)
        )
        return float(np.minimum(left, right).sum()), float(np.maximum(left, right).sum())

    def compare_with_slopes(self) -> tuple[str, str]:
        """Judge the gradients of each pass along a random direction through each array: RIGHT, WRONG or NO_SLOPE."""
        if self.error or self.point.dtype is not np.float64:
            return NO_SLOPE, ""
        rng = np.random.default_rng(2)
        found = RIGHT
        for k, step in enumerate(self.passes):
            for name in ("x", *self.params):
                gradient = self.gradients.get(f"{name} {k}")
                if gradient is None or not step.fresh:
                    continue
                v = rng.standard_normal(gradient.shape)
                low, high = self.slopes(step, name, v)
                analytic = float(np.sum(gradient * v))
                size = 1e-6 * (1 + float(np.linalg.norm(gradient * v)))
                if not high - low <= size:
                    found = NO_SLOPE
                elif not low - size <= analytic <= high + size:
                    return WRONG, f"d{name} {analytic:.6g} along a random direction, slope {low:.6g}"
        return found, ""


def equal(a: NDArray, b: NDArray, terms: NDArray | float = 1.0) -> bool:
    """Whether a and b are equal up to the roundoff of numbers as large as b and its terms."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if np.array_equal(a, b):
        return True
    size = max(np.max(np.abs(c), initial=1.0, where=np.isfinite(c)) for c in (b, np.asarray(terms)))
    return bool(np.allclose(a, b, rtol=0, atol=64 * np.finfo(a.dtype).eps * size, equal_nan=True))
