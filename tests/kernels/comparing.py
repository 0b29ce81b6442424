"""Helpers for the kernel tests: call a definition and its compiled twin alike, and compare the results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinydl.layers
import tinydl.losses
import tinydl.optimizers
import tinydl.recommenders
import tinydl.unsupervised  # noqa: F401  (importing these modules binds the definitions to their twins)
from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH

DTYPES: list[Any] = [np.float32, np.float64]
ACTIVATIONS = {"linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}
NO_PADDING = ((0, 0), (0, 0))
either = pytest.mark.parametrize("mode", ["compiled", "reference"])

Results = list[Any]


def normal(dtype: Any, *shapes: Any, seed: int = 0) -> list[np.ndarray]:
    """Standard normal numbers, the same in every run."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


class Compared:
    """A pair from kernels.PAIRS; calling it runs the definition and the twin, each on copies of the same arguments.

    The call raises unless the twin's results equal the definition's: type, shape, dtype and values, within
    `rounding[dtype]` times the largest entry (or times `floor`, if larger); a rounding of 0 means the same bits. Only
    the arguments named in `changes` may be written to, and they are compared in the same way. The twin must return new
    memory, but may also return an argument named in `returns`.

    Returns the twin's results and changed arguments, in a list.
    """

    def __init__(
        self, name: str, changes: Sequence[str] = (), rounding: dict[Any, float] | None = None, floor: float = 0.0,
        returns: Sequence[str] = (),
    ) -> None:  # fmt: skip
        (self.pair,) = (pair for pair in kernels.PAIRS if pair.name == name)
        self.changes, self.returns = changes, returns
        self.rounding, self.floor = rounding or {}, floor
        self.parameters = list(inspect.signature(self.pair.definition).parameters)

    def __call__(self, *arguments: Any, **only_of_the_twin: Any) -> Results:
        actual = self.twin(*arguments, **only_of_the_twin)
        for one, expected in zip(actual, self.definition(*arguments), strict=True):
            self.equal(one, expected)
        return actual

    def twin(self, *arguments: Any, **more: Any) -> Results:
        """Run the twin alone."""
        return self._run(self.pair.twin, arguments, more, self.returns)

    def definition(self, *arguments: Any) -> Results:
        """Run the definition alone; the functions that it calls are definitions too."""
        with kernels.using("reference"):
            return self._run(self.pair.definition, arguments, {}, self.parameters)

    def in_any_layout(self, *arguments: Any, of: Sequence[str] = ("x",), **more: Any) -> None:
        """Assert that the twin gives the same bits for every memory layout of the arguments named in `of`."""
        expected = self.twin(*arguments, **more)
        for change in (np.asfortranarray, spread, lambda array: array[::-1].copy()[::-1]):
            moved = [
                change(argument) if name in of else argument
                for name, argument in zip(self.parameters, arguments, strict=False)
            ]
            for actual, wanted in zip(self.twin(*moved, **more), expected, strict=True):
                np.testing.assert_array_equal(actual, wanted, strict=True)

    def equal(self, actual: Any, expected: Any) -> None:
        """Raise unless two results are equal, to the precision that the class describes."""
        if not isinstance(expected, np.ndarray):
            assert type(actual) is type(expected)
            if expected is None:
                return
            rounding = max(self.rounding.values())
            assert actual == pytest.approx(expected, rel=rounding, abs=rounding * self.floor)
            return
        assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
        rounding = self.rounding.get(expected.dtype.type, 0)
        if rounding == 0:
            np.testing.assert_array_equal(actual, expected)
        elif expected.size:
            error = np.abs(actual - expected).max()
            assert error <= rounding * max(self.floor, np.abs(expected).max()), f"{self.pair.name}: off by {error}"

    def _run(
        self, function: Callable[..., Any], arguments: Sequence[Any], more: dict[str, Any], returns: Sequence[str]
    ) -> Results:
        named = dict(zip(self.parameters, arguments, strict=False))
        before = {name: [array.copy() for array in _arrays(argument)] for name, argument in named.items()}
        for name in self.changes:
            if named[name] is not None:
                named[name] = named[name].copy()
        result = function(*named.values(), **more)
        results = list(result) if isinstance(result, tuple) else [] if result is None else [result]
        for name in named.keys() - set(self.changes):
            for array, old in zip(_arrays(named[name]), before[name], strict=True):
                np.testing.assert_array_equal(array, old, err_msg=f"{self.pair.name} has written to {name}")
                for one in _arrays(results):
                    assert name in returns or not np.shares_memory(one, array), f"{self.pair.name} returns its {name}"
        return results + [named[name] for name in self.changes if named[name] is not None]


def spread(array: np.ndarray) -> np.ndarray:
    """The same numbers, stored in every other place in memory."""
    return np.repeat(array, 2, axis=-1)[..., ::2]


def _arrays(value: Any) -> list[np.ndarray]:
    """The array itself, or all arrays in a list or tuple, as a flat list."""
    if isinstance(value, np.ndarray):
        return [value]
    return [array for each in value for array in _arrays(each)] if type(value) in (list, tuple) else []
