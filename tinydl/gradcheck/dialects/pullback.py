"""One function that returns its value together with its backward, or with its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..report import UnclearError
from .call import Settings
from .plain import Functions, Plain
from .structures import is_floating, is_number
from .trial import copied, quietly

WANTED = "without a backward, forward must return (y, pullback) or (value, gradients)"


class Pullback(Plain):
    """f(a, b) -> (y, pullback) with pullback(dy) -> gradients; or f(a, b) -> (number, gradients), in either order."""

    example = """
def scale(x, w):
    def pullback(dy):
        return dy * w, (dy * x).sum(axis=0)

    return x * w, pullback
"""

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.second: Any = None  # the pullback or the gradients in the last result

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        return isinstance(subject, Functions) and subject.backward is None

    def settle(self) -> None:
        """Ask for a backward if the function returns nothing but its value."""
        copy = copied(self)
        with quietly():
            try:
                copy.forward()
            except UnclearError:
                raise
            except Exception:
                return  # the check itself will raise the error
        if copy.second is None:
            raise UnclearError("backward", f"{WANTED}, got one result: pass backward as well")

    def _without_cache(self, result: tuple[Any, ...]) -> tuple[Any, ...]:
        numbers = [place for place, each in enumerate(result) if is_number(each)]
        if len(result) < 2 or not (callable(result[-1]) or numbers):
            raise UnclearError(
                "backward", f"{WANTED}, got {len(result)} results, the last a {type(result[-1]).__name__}: "
                "pass backward as well",
            )  # fmt: skip
        self.is_objective = not callable(result[-1])
        if not self.is_objective:
            self.second = result[-1]
            return result[:-1]
        others = [each for place, each in enumerate(result) if place != numbers[0]]
        self.second = others[0] if len(others) == 1 else others
        floats = [name for name, value in self.inputs.items() if is_floating(value)]
        if isinstance(self.second, tuple | list) and len(self.second) != len(floats):
            # Not one gradient per input: names or values decide which gradient belongs to which input.
            self.second = {f"result {place}": each for place, each in enumerate(self.second)}
            self.must_fit = True
        # If an objective has fewer gradients than arrays, the other arrays are data, as in cost(theta, X, y).
        self.has_data = isinstance(self.second, np.ndarray | dict)
        return (result[numbers[0]],)

    def run_back(self, *dys: NDArray[Any]) -> Any:
        return self.second if self.is_objective else self.second(*dys)
