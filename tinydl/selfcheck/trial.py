"""What a layer does at a point, in a few passes: for comparing two versions of it.

Nothing here knows the gradient checker; slopes are plain differences.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layer import Layer
from ..layers import Conv2D, Dense
from ..losses import Loss
from .cases import LayerCase, LossCase
from .telling import Checked, subject_of

Arrays = dict[str, NDArray[Any]]
RIGHT, WRONG, NO_SLOPE = "right", "wrong", "no slope"


@dataclass(frozen=True)
class Point:
    """A case's subject at an x, in a mode: what a Trial is made of."""

    name: str
    case: Checked
    x: NDArray
    dtype: type = np.float64
    training: bool = True
    rounded: bool = False  # the parameters are whole numbers: zeros and ties
    sliced: bool = False  # x and dy are not contiguous
    attributes: dict[str, Any] = field(default_factory=dict)  # of the layer

    @property
    def where(self) -> str:
        return f"at {subject_of(self.case)!r} of {self.x.shape}, {self.name}"


def points_of(case: Checked) -> Iterator[Point]:
    """The case's own x and nastier ones: zeros, ties, one row, large, float32, not contiguous, other modes."""
    given = case.x if isinstance(case, LayerCase) else case.y_pred
    x = np.random.default_rng(0).standard_normal(given) if isinstance(given, tuple) else given
    subject = subject_of(case)
    first = Point("as it is", case, x, training=case.options.get("training", True))
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
    if isinstance(subject, Layer):
        yield replace(first, name="training the other way round", training=not first.training)
        if isinstance(subject, Dense | Conv2D):  # those that look at it
            yield replace(first, name="no dx", attributes={"input_gradient": False})
        if hasattr(subject, "accumulate"):
            yield replace(first, name="grads overwritten", attributes={"accumulate": False})


class LossAsLayer(Layer):
    """A loss seen as a layer whose one output is its value."""

    def __init__(self, loss: Loss, y_true: NDArray) -> None:
        super().__init__()
        self.loss, self.y_true = loss, y_true

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return np.array(self.loss.forward(x, self.y_true[: len(x)]), dtype=x.dtype)

    def backward(self, dy: NDArray) -> NDArray:
        return self.loss.backward()


@dataclass
class Pass:
    """One forward and one backward."""

    x: NDArray
    training: bool
    fresh: bool = True  # zero_grad comes first
    dy: NDArray = field(default_factory=lambda: np.ones(()))


class Trial:
    """What a layer does at a point in five passes.

    The passes: x; another x; the first x, its gradients added on top; half the rows; the first x in the other mode.

    Attributes:
        values: what forward gives, pass by pass: y, penalty and, at the end, state
        gradients: what backward gives, pass by pass: "W 0" is dW in pass 0
        rules: whether the rules of a layer were kept
        error: what was raised instead
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
            Pass(x, training),
            Pass(np.random.default_rng(3).permuted(x, axis=-1), training),
            Pass(x.copy(), training, fresh=False),
            Pass(x[: -(-len(x) // 2)].copy(), training),
            Pass(x.copy(), not training),
        ]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                self._run()
            except Exception as error:  # a mutant may raise anything
                self.error = type(error)

    def _run(self) -> None:
        self.layer = layer = self._made()
        self.start = [(part.rng, part.rng.bit_generator.state) for part in layer.walk() if part.rng is not None]
        self.state = {name: value.copy() for name, value in layer.state.items()}
        wants_dx = self.point.attributes.get("input_gradient", True)
        found_dx = []
        kept = [(value, value.copy()) for value in layer.params.values()]
        for k, step in enumerate(self.passes):
            if step.fresh:
                layer.zero_grad()
            x = self._laid_out(step.x)
            y = self.forward(x, step.training)
            self.values[f"y {k}"] = y.copy()
            self.values[f"penalty {k}"] = np.array(layer.penalty(), dtype=x.dtype)
            if y.ndim:  # else an objective: 1
                step.dy = np.random.default_rng(4 if k in (0, 2) else 5).standard_normal(y.shape).astype(y.dtype)
            dy = self._laid_out(step.dy)
            kept += [(array, array.copy()) for array in (x, y, dy)]
            dx = layer.backward(dy)
            if wants_dx:  # else it may be any array
                found_dx.append(dx is not None)
            if wants_dx and dx is not None:
                self.gradients[f"x {k}"] = dx.copy()
                kept.append((dx, self.gradients[f"x {k}"]))
            for name, gradient in layer.grads.items():
                self.gradients[f"{name} {k}"] = gradient.copy()
        self.values.update({f"state {name}": value.copy() for name, value in layer.state.items()})
        for name in layer.params:
            first, second, both = (self.gradients[f"{name} {k}"] for k in range(3))
            self.rules[f"d{name} accumulates"] = equal(both, first + second, np.maximum(abs(first), abs(second)))
        self.rules["dx is returned"] = all(found_dx)
        self.rules["arrays handed in or out are left alone"] = all(
            np.array_equal(array, before, equal_nan=True) for array, before in kept
        )

    def _laid_out(self, array: NDArray) -> NDArray:
        if not self.point.sliced or not array.ndim:
            return array
        wider = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
        wider[..., ::2] = array
        return wider[..., ::2]

    def _made(self) -> Layer:
        point, case = self.point, self.point.case
        rng = np.random.default_rng(1)
        if isinstance(case, LossCase):
            y_true = case.y_true.astype(point.dtype) if case.y_true.dtype.kind == "f" else case.y_true
            return LossAsLayer(copy.deepcopy(case.loss), y_true)
        layer = copy.deepcopy(case.layer)
        layer.build(point.x.shape[1:], rng, point.dtype)
        for value in layer.params.values():
            value += rng.standard_normal(value.shape) * (1 if point.rounded else 0.1)
            if point.rounded:
                value[...] = np.round(value)
        for value in layer.state.values():
            value += 0.1 * np.abs(rng.standard_normal(value.shape))
        for name, setting in point.attributes.items():
            setattr(layer, name, setting)
        return layer

    def forward(self, x: NDArray, training: bool) -> NDArray:
        """A pass from the state and the random state in which the layer was built."""
        for rng, state in self.start:
            rng.bit_generator.state = state
        for name, value in self.state.items():
            self.layer.state[name][...] = value
        return self.layer.forward(x, training)

    def slopes(self, step: Pass, name: str, direction: NDArray) -> tuple[float, float]:
        """The bounds of d/dt (sum(dy * y) + penalty) at t = 0, as an array is moved by t.

        Each output's slope lies between those on its left and on its right, which differ only at a kink.
        """
        x, h = step.x.copy(), 1e-5
        array = x if name == "x" else self.layer.params[name]
        old = array.copy()

        def terms(t: float) -> NDArray:
            array[...] = old + t * direction
            try:
                return np.append(step.dy * self.forward(x, step.training), self.layer.penalty())
            except ValueError:  # outside the domain
                return np.full(step.dy.size + 1, np.nan)

        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                f = {j: terms(j * h) for j in range(-3, 4)}
            finally:
                array[...] = old
        left, right = (
            (18 * (f[s] - f[0]) - 9 * (f[2 * s] - f[0]) + 2 * (f[3 * s] - f[0])) / (6 * s * h) for s in (-1, 1)
        )
        return float(np.minimum(left, right).sum()), float(np.maximum(left, right).sum())

    def compare_with_slopes(self) -> tuple[str, str]:
        """RIGHT, WRONG or NO_SLOPE: the gradients along a random direction through each array, in each pass."""
        if self.error or self.point.dtype is not np.float64:
            return NO_SLOPE, ""
        rng = np.random.default_rng(2)
        found = RIGHT
        for k, step in enumerate(self.passes):
            for name in ("x", *self.layer.params):
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
    """Equal but for the roundoff of numbers as large as b and the terms that it is made of."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if np.array_equal(a, b):
        return True
    size = max(np.max(np.abs(c), initial=1.0, where=np.isfinite(c)) for c in (b, np.asarray(terms)))
    return bool(np.allclose(a, b, rtol=0, atol=64 * np.finfo(a.dtype).eps * size, equal_nan=True))
