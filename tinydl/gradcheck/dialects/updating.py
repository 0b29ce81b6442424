"""Updating layers: backward(dy, lr) also updates the weights, so that dW = (W before - W after) / lr.

The weights are restored afterwards. Two rates are tried on copies: an array that ends up different is a weight. With
momentum, weight decay and the like the formula does not hold, so such updates are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reach import Path, at, attribute, put, reach, text
from ..report import UnclearError
from .call import Call
from .structures import is_floating
from .trial import copied, quietly

example = """
class Dense:
    def __init__(self):
        self.weights = np.array([[0.5, -0.3], [0.2, 0.8]])

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, grad, learning_rate):
        dx = grad @ self.weights.T
        self.weights -= learning_rate * self.x.T @ grad
        return dx
"""

OWN_RATES = re.compile(r"_?(lr|l_?rate|learn(ing)?_?rate|eta|step_?size)", re.IGNORECASE)
AGREE = 1e-6  # relative tolerance between two measurements of one gradient

Back = Callable[[Any, float, list[Any]], Any]  # runs a call's backward at a learning rate, with the upstream gradients


def own_rates(subject: Any) -> list[tuple[Any, str]]:
    """The objects with a learning rate (the layer or its optimizer), each with the name of the attribute."""
    return [
        (thing, name)
        for _, thing in reach(subject)
        for name, value in attribute(thing, "__dict__", {}).items()
        if isinstance(name, str) and OWN_RATES.fullmatch(name) and isinstance(value, float | np.floating)
    ]


@contextmanager
def at_rate(rates: list[tuple[Any, str]], rate: float) -> Iterator[None]:
    """Set all learning rates to one value, and restore them afterwards."""
    before = [getattr(thing, name) for thing, name in rates]
    for thing, name in rates:
        setattr(thing, name, rate)
    try:
        yield
    finally:
        for (thing, name), value in zip(rates, before, strict=True):
            setattr(thing, name, value)


def held(call: Call) -> dict[Path, NDArray[Any]]:
    """The arrays that the subject holds, by their paths from the call."""
    return {path: thing for path, thing in reach(call) if is_floating(thing) and path[0] == ("attribute", "subject")}


def updated(call: Call, back: Back) -> list[Path]:
    """The paths of the arrays that backward changes by an amount that depends on the learning rate.

    Raises:
        UnclearError: backward also changes them at rate 0, or a second pass changes them by a different amount.
    """
    with quietly():
        try:
            still, one = (_moves(call, back, rate)[0] for rate in (0.0, 1.0))
            paths = [path for path, move in one.items() if not np.array_equal(move, still.get(path, 0.0))]
            again = _moves(call, back, 1.0, paths)[1] if paths else {}
        except UnclearError:
            raise
        except Exception:
            return []  # the check itself will raise the error
    for path in paths:
        if np.any(still[path]) or not _agree(one[path], again[path]):
            raise UnclearError(
                "rate", f"backward updates {text(path[1:])}, but not by learning rate times gradient: two calls with "
                f"the same dy change it by different amounts. Switch off momentum, decay and the like for the check",
            )  # fmt: skip
    return paths


def _moves(call: Call, back: Back, rate: float, paths: list[Path] | None = None) -> list[dict[Path, NDArray[Any]]]:
    """The change of each array in one backward; with `paths`, in two, the arrays at `paths` restored between them."""
    rng = np.random.default_rng(1)
    copy = copied(call)
    dys: list[Any] = []
    result = []
    for _ in range(1 if paths is None else 2):
        outputs = copy.forward()
        dys = dys or [np.ones(()) if call.is_objective else rng.standard_normal(y.shape) for y in outputs]
        before = {path: (array, array.copy()) for path, array in held(copy).items()}
        back(copy, rate, dys)
        result.append({path: saved - _now(copy, path, saved) for path, (_, saved) in before.items()})
        for path in paths or ():
            put_back(copy, path, *before[path])
    return result


def _now(call: Call, path: Path, saved: NDArray[Any]) -> NDArray[Any]:
    try:
        now = at(call, path)
    except (KeyError, IndexError, AttributeError, TypeError):
        return saved
    return now if isinstance(now, np.ndarray) and now.shape == saved.shape else saved


def put_back(call: Call, path: Path, array: NDArray[Any], saved: NDArray[Any]) -> None:
    """Restore the array at a path, and its values."""
    if _now(call, path, saved) is not array:
        put(call, path, array)
    array[...] = saved


def _agree(a: NDArray[Any], b: NDArray[Any]) -> bool:
    size = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    return bool(np.max(np.abs(a - b), initial=0.0) <= AGREE * size)
