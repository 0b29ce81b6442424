"""Suspects from a small library of well-known functions: forward is one of them, and backward uses another one's.

Forward is recognized by its values alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, permutations

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence, same
from .experiment import Trial
from .held import held_arrays

Array = NDArray[np.float64]
Formula = tuple[Array, str]  # a wrong gradient, and its message


def of_another_function(e: Evidence) -> str | None:
    """Forward is a well-known function, such as softmax or a cross-entropy, and dx is the formula of another one."""
    if e.name != e.scene.objective.x_name or e.x.ndim == 0:
        return None
    with np.errstate(all="ignore"):
        for formula, words in _formulas(e):
            if formula.shape == e.gradient.shape and _multiple(e.analytic, e.at_probes(formula)):
                return words
    return None


def _multiple(given: Array, formula: Array) -> bool:
    """Whether given = c formula for a constant c > 0 (a mean over the batch is a separate question)."""
    if np.count_nonzero(formula) < 3 or not np.all(np.isfinite(formula)):
        return False
    largest = int(np.argmax(np.abs(formula)))
    c = given[largest] / formula[largest]
    return bool(c > 0) and same(given, c * formula)


def relation(given: Array, arrays: list[Array]) -> str | None:
    """The same for a local gradient: all choices of x, y and dy among the arrays are tried."""
    for x, y in permutations(arrays, 2):
        if next(chain(_of_softmax(x, y, x), _of_curves(x, y, x)), None) is None:
            continue  # y is no known function of x
        for dy in arrays:
            for formula, words in (*_of_softmax(x, y, dy), *_of_curves(x, y, dy)):
                if _multiple(given.ravel(), formula.ravel()):
                    return words
    return None


def _formulas(e: Evidence) -> Iterator[Formula]:
    x, y, dy = e.x, e.scene.y, e.dy
    if y.shape == x.shape:
        yield from _of_softmax(x, y, dy)
        yield from _of_curves(x, y, dy)
    elif y.size == 1:
        for target in _targets(e):
            yield from _of_cross_entropy(x, float(y.ravel()[0]), target)


def _softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _of_softmax(x: Array, y: Array, dy: Array) -> Iterator[Formula]:
    def total(a: Array, axis: int) -> Array:
        return a.sum(axis=axis, keepdims=True)

    for axis in range(x.ndim):
        p = _softmax(x, axis)
        if x.shape[axis] < 2:
            continue
        if same(y, p):
            right = f"p (dy - sum(dy p)) with the sum along axis {axis}"
            yield (
                dy - p * total(dy, axis),
                f"this is log-softmax's gradient, but forward gives softmax, p: the right one is {right}",
            )
            for other in range(x.ndim):
                if other != axis:
                    yield (
                        p * (dy - total(dy * p, other)),
                        f"softmax's sum runs along axis {other}: forward's softmax runs along axis {axis}",
                    )
            whole = p * (dy - np.sum(dy * p))
            yield whole, f"softmax's sum runs over all entries: forward's softmax runs along axis {axis} alone"
            yield dy * p * (1 - p), f"this is only the diagonal of softmax's Jacobian: the right one is {right}"
            yield (
                p * (dy - total(dy, axis)),
                f"the sum in softmax's gradient is over dy p, not over dy: the right one is {right}",
            )
            yield (
                p * (dy - p * total(dy, axis)),
                f"the sum in softmax's gradient is over dy p, not p times the sum of dy: the right one is {right}",
            )
        elif same(y, np.log(p)):
            right = f"dy - p sum(dy) with p = exp(y), the sum along axis {axis}"
            yield (
                p * (dy - total(dy * p, axis)),
                f"this is softmax's gradient, but forward gives log-softmax: the right one is {right}",
            )
            wrong = f"this is softmax's formula with log-softmax's y in it: the right one is {right}"
            yield y * (dy - total(dy * y, axis)), wrong
            yield (
                dy - y * total(dy, axis),
                f"y is log-softmax, and softmax, exp(y), belongs in its place: the right one is {right}",
            )
            yield dy - p, f"the sum of dy is missing as a factor of p: log-softmax's gradient is {right}"
            yield dy - total(dy, axis), f"p is missing as a factor of the sum: log-softmax's gradient is {right}"
            for other in range(x.ndim):
                if other != axis:
                    yield (
                        dy - p * total(dy, other),
                        f"log-softmax's sum runs along axis {other}: forward's runs along axis {axis}",
                    )


def _of_curves(x: Array, y: Array, dy: Array) -> Iterator[Formula]:
    def sigmoid(v: Array) -> Array:
        return 1 / (1 + np.exp(-v))

    twice = "y is {0}(x) already, but backward takes {0}' at y: {0} is applied twice; {0}' is {1}"
    by_x = "this is {0}' = {1} with x in place of y"
    if same(y, np.tanh(x)):
        yield dy * (1 - np.tanh(y) ** 2), twice.format("tanh", "1 - y^2")
        yield dy * (1 - x**2), by_x.format("tanh", "1 - y^2")
        yield (
            dy * y * (1 - y),
            "this is sigmoid's derivative, y (1 - y), but forward is tanh: its derivative is 1 - y^2",
        )
        yield dy * (1 - y), "the square is missing: tanh' is 1 - y^2, not 1 - y"
    elif same(y, sigmoid(x)):
        yield dy * sigmoid(y) * (1 - sigmoid(y)), twice.format("sigmoid", "y (1 - y)")
        yield dy * x * (1 - x), by_x.format("sigmoid", "y (1 - y)")
        yield dy * (1 - y**2), "this is tanh's derivative, 1 - y^2, but forward is sigmoid: its derivative is y (1 - y)"


def _of_cross_entropy(x: Array, value: float, t: Array) -> Iterator[Formula]:
    def is_loss(terms: Array) -> bool:
        total = float(np.sum(terms))
        return any(np.isclose(value * k, total, rtol=1e-4) for k in (1, x.shape[0], x.size, x[..., 0].size))

    if x.ndim > 1 and x.shape[-1] > 1 and np.allclose(t.sum(axis=-1), 1.0):
        p = _softmax(x, -1)
        if is_loss(-t * np.log(p)):
            right = "for logits and softmax inside the loss, the gradient is p - t"
            inner = (p - t) * p
            yield p * ((p - t) - np.sum(inner, axis=-1, keepdims=True)), f"softmax' is applied once too often: {right}"
            yield inner * (1 - p), f"a factor p (1 - p), softmax', is superfluous: {right}"
            yield (
                -t / p,
                f"softmax' is left out: -t / p is the gradient of the probabilities, and x holds logits: {right}",
            )
            yield p, f"the target is not subtracted: {right}"
            yield p + t, f"the target is added, and it must be subtracted: {right}"
            yield x - t, f"x holds logits, and softmax(x) belongs in its place: {right}"
            yield -t, f"the probabilities p are missing: {right}"
        if np.all(x > 0) and is_loss(-t * np.log(x)):
            right = "for probabilities, with softmax outside the loss, the gradient is -t / p"
            yield (
                x - t,
                f"p - t is the gradient of the logits, with softmax' in it, but forward takes probabilities: {right}",
            )
            yield p - t, f"softmax is applied once more: {right}"
            yield -1 / x, f"the target t is missing as a factor: {right}"
            yield -t, f"1 / p is missing as a factor: {right}"
    s = 1 / (1 + np.exp(-x))
    if is_loss(-t * np.log(s) - (1 - t) * np.log(1 - s)):
        right = "for logits and a sigmoid inside the loss, the gradient is p - t"
        yield (s - t) * s * (1 - s), f"sigmoid' is applied once too often: {right}"
        yield (
            (s - t) / (s * (1 - s)),
            f"sigmoid' is left out: this is the gradient of the probabilities, and x holds logits: {right}",
        )
        yield x - t, f"x holds logits, and sigmoid(x) belongs in its place: {right}"
    if np.all((x > 0) & (x < 1)) and is_loss(-t * np.log(x) - (1 - t) * np.log(1 - x)):
        right = "for probabilities, the gradient is (p - t) / (p (1 - p))"
        yield (
            x - t,
            f"p - t is the gradient of the logits, with sigmoid' in it, but forward takes probabilities: {right}",
        )
        yield -t / x, f"the term of the zeros, (1 - t) / (1 - p), is missing: {right}"
        yield -t / x - (1 - t) / (1 - x), f"the sign of the term (1 - t) / (1 - p) is wrong: {right}"


def _targets(e: Evidence) -> Iterator[Array]:
    """Arrays that may be the targets of a loss, class numbers as one-hot rows."""
    for array in held_arrays(e.scene.objective.runner):
        if array is e.x or array.ndim == 0:
            continue
        if array.shape == e.x.shape:
            yield array.astype(np.float64)
        if array.dtype.kind in "iu" and array.shape in (e.x.shape[:-1], (*e.x.shape[:-1], 1)):
            with suppress(IndexError):
                yield np.eye(e.x.shape[-1])[array.reshape(e.x.shape[:-1])]


def derivative_for_backward(e: Evidence) -> str | None:
    """backward(v) gives f'(v) for any v: it is a derivative, in terms of x or of y, not a backward."""
    if e.name != e.scene.objective.x_name or e.dy.shape != e.x.shape or e.dy.size < 2:
        return None
    with suppress(Exception), np.errstate(all="ignore"):
        trial = Trial(e.scene)
        step = 1e-5 * np.maximum(1.0, np.abs(trial.x))
        above, below = (trial.runner.forward(trial.x + sign * step).copy() for sign in (1, -1))
        slope = (above - below) / (2 * step)
        if same(slope, np.full_like(slope, slope.flat[0])):
            return None
        for value, name in ((trial.x, "x"), (trial.y, "y")):
            if np.array_equal(value, trial.dy) or not same(trial.gradient(e.name, dy=value), slope):
                continue
            if not same(trial.gradient(e.name, dy=2 * trial.dy), 2 * e.gradient):
                mend = "use check_derivative(f, df, x), or return dy * df(x)" if name == "x" else "return dy * df(y)"
                return f"this is the derivative f'({name}), not a backward: {mend}"
    return None
